//! One owner, who has the only account: signing in by a code alone or by a passkey, and what everybody else makes of a door
//! without names.

use doorward::admin::terms::TermsWish;
use doorward::admin::wish::{Answer as Told, Credentials, Details, Wish};
use doorward::auth::password;
use doorward::auth::totp;
use doorward::base::entropy::Entropy;
use doorward::base::secret::Secret;
use doorward::model::credential::TotpRecipe;
use http::StatusCode;

use crate::kit::app::App;
use crate::kit::form::Form;
use crate::kit::gateway::{Gateway, HOST, Person, one_app};
use crate::kit::key::Key;
use crate::kit::line::BOTH;
use crate::kit::visitor::{Answer, Visitor, minutes};
use crate::proofs::browse;

const LOGIN: &str = "/.doorward/login";
const RECOVERY: &str = "/.doorward/login/recovery";
const ADD: &str = "/.doorward/security/passkeys/add";
const OWNED: &str = "[auth]\nmode = \"single_owner\"\n";

fn owned(app: &App, more: &str) -> String {
    format!("{OWNED}{}", one_app(&app.url(), more))
}

/// The only account, with the authenticator that the owner has had all along, and no password.
async fn owner(gateway: &Gateway) -> Person {
    let seed = totp::draw_seed(TotpRecipe::default().algorithm, Entropy);
    let key = totp::key_in_groups(&seed).expose().clone();
    let credentials = Some(Credentials { password_hash: None, totp_seed: Some(key) });
    let answer = gateway.perform(Wish::UserAdd { name: "owner".to_owned(), credentials, details: Details::default() }).await;
    assert!(matches!(answer, Told::User(_)), "{answer:?}");
    Person::new("owner", "", seed.expose().clone(), gateway.clock.now())
}

async fn typed(visitor: &mut Visitor, code: &str) -> Answer {
    let form = Form::of(&visitor.get(LOGIN).await.text());
    visitor.submit(LOGIN, &form.with("code", code)).await
}

async fn sign_in(gateway: &Gateway, visitor: &mut Visitor, owner: &Person) {
    gateway.next_code();
    let answer = typed(visitor, &owner.code(gateway.clock.now())).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
}

/// A wish that is refused; why.
async fn refused(gateway: &Gateway, wish: Wish) -> String {
    match gateway.perform(wish).await {
        Told::Refused { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

fn add(name: &str) -> Wish {
    Wish::UserAdd { name: name.to_owned(), credentials: None, details: Details::default() }
}

#[tokio::test]
async fn a_code_opens_the_app_and_leads_to_the_page_that_was_wanted() {
    let app = App::start().await;
    let gateway = Gateway::start(&owned(&app, ""));
    let owner = owner(&gateway).await;
    for protocol in BOTH {
        gateway.next_code();
        let mut visitor = gateway.stranger().over(protocol);
        let challenge = visitor.get("/documents?page=2").await;
        assert!(challenge.location().starts_with(LOGIN), "{}", challenge.location());
        let page = visitor.get(challenge.location()).await;
        assert!(page.text().contains("one-time-code webauthn") && !page.text().contains("type=\"password\""), "{}", page.text());
        assert!(page.body.len() < 14 << 10);
        let answer = visitor.submit(LOGIN, &Form::of(&page.text()).with("code", &owner.code(gateway.clock.now()))).await;
        let on = visitor.get(answer.location()).await;
        assert!(on.text().contains("/documents?page=2"), "{}", on.text());
        assert_eq!(visitor.get("/documents?page=2").await.text(), "hello from the app\n");
        let mut thief = gateway.stranger().over(protocol);
        let again = typed(&mut thief, &owner.code(gateway.clock.now())).await;
        assert!(again.status == StatusCode::UNPROCESSABLE_ENTITY && again.text().contains("used"), "{}", again.text());
    }
    let log = gateway.ended().await;
    assert!(!log.contains("code="), "{log}");
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_and_burns_the_code() {
    let app = App::start().await;
    let gateway = Gateway::start(&owned(&app, ""));
    let owner = owner(&gateway).await;
    let mut visitor = gateway.stranger();
    let early = owner.code(gateway.clock.now().plus(minutes(3)));
    let answer = typed(&mut visitor, &early).await;
    assert!(answer.text().contains("clock"), "{}", answer.text());
    gateway.clock.advance(minutes(3));
    assert_eq!(typed(&mut visitor, &early).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    sign_in(&gateway, &mut visitor, &owner).await;
}

/// A passkey that verifies its user is two factors in one; one that does not is one, like a code.
#[tokio::test]
async fn a_passkey_opens_what_a_code_does_not() {
    let app = App::start().await;
    let gateway = Gateway::start(&owned(&app, "[[app.rule]]\npath = \"/vault/\"\nrequire = \"2fa\""));
    let owner = owner(&gateway).await;
    for (verifies, status) in [(true, StatusCode::OK), (false, StatusCode::FOUND)] {
        let key = Key::new(verifies);
        let mut visitor = gateway.stranger();
        sign_in(&gateway, &mut visitor, &owner).await;
        assert_eq!(visitor.get("/").await.status, StatusCode::OK);
        let vault = visitor.get("/vault/").await;
        let confirm = visitor.get(vault.location()).await;
        assert!(confirm.location().starts_with("/.doorward/confirm"), "{}", confirm.location());
        let (form, options) = Form::asking(&visitor.get(ADD).await.text());
        let origin = format!("https://{}", visitor.authority());
        let made = key.register(&origin, &options).await;
        let added = visitor.submit(ADD, &form.with("answer", &made.to_string())).await;
        assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.text());

        let mut fresh = gateway.stranger();
        let (form, options) = Form::asking(&fresh.get(LOGIN).await.text());
        let proof = key.prove(&origin, &options).await;
        let answer = fresh.submit(LOGIN, &form.clone().with("answer", &proof.to_string())).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        assert_eq!((fresh.get("/").await.status, fresh.get("/vault/").await.status), (StatusCode::OK, status));

        // The attack: the same answer once more, in another browser.
        let mut thief = gateway.stranger();
        let (own, _) = Form::asking(&thief.get(LOGIN).await.text());
        let mixed = own.with("k", form.value("k")).with("answer", &proof.to_string());
        assert_eq!(thief.submit(LOGIN, &mixed).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(thief.session_cookie().is_none());
    }
}

/// The attack: the way of an installation with names, in all its parts.
#[tokio::test]
async fn forms_of_the_other_mode_open_nothing() {
    let app = App::start().await;
    let people = one_app(&app.url(), "");
    let gateway = Gateway::start(&people);
    let alice = gateway.provision("alice").await;
    let mut visitor = gateway.stranger();
    let step = visitor.pass_password(&alice, LOGIN).await;
    let ceremony = Form::of(&visitor.get(&step).await.text());
    let gateway = gateway.restarted(&owned(&app, "")).await;
    visitor.reach = gateway.reach();
    let code = alice.code(gateway.clock.now());
    let forged = visitor.submit("/.doorward/login/code", &ceremony.clone().with("code", &code)).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{}", forged.text());
    let recovery = Form { action: Some(RECOVERY.to_owned()), ..ceremony };
    let forged = visitor.submit(RECOVERY, &recovery.with("code", "01-0000-0000-0000-0000")).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN, "{}", forged.text());
    let form = Form::of(&visitor.get(LOGIN).await.text());
    let named = form.clone().with("name", &alice.name).with("password", &alice.password);
    assert_eq!(visitor.submit(LOGIN, &named).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(visitor.session_cookie().is_none() && app.count() == 0);
    // Whoever had an account before is the owner now, and the authenticator is the same.
    assert_eq!(visitor.submit(LOGIN, &form.with("code", &code)).await.status, StatusCode::SEE_OTHER);
    assert_eq!(visitor.get("/").await.status, StatusCode::OK);
}

/// The attack: an account of one's own, where nobody is asked for a name.
#[tokio::test]
async fn nobody_else_gets_an_account() {
    let app = App::start().await;
    let gateway = Gateway::start(&owned(&app, ""));
    owner(&gateway).await;
    assert!(refused(&gateway, add("mallory")).await.contains("owner's alone"));
    let disable = |name: &str, disabled| Wish::UserDisable { name: name.to_owned(), disabled };
    gateway.perform(disable("owner", true)).await;
    assert!(matches!(gateway.perform(add("heir")).await, Told::User(_)), "the place is free");
    assert!(refused(&gateway, disable("owner", false)).await.contains("heir's alone"));
    let seed = Some(Credentials { password_hash: None, totp_seed: Some("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned()) });
    let people = Gateway::start(&one_app(&app.url(), ""));
    let wish = Wish::UserAdd { name: "bob".to_owned(), credentials: seed, details: Details::default() };
    assert!(refused(&people, wish).await.contains("--password-file"), "an authenticator alone signs nobody in there");
}

#[tokio::test]
async fn the_mode_changes_only_where_everybody_can_still_sign_in() {
    let app = App::start().await;
    let text = |mode: &str| {
        let listen = "[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\n[log]\naccess = \"off\"\n";
        format!("{listen}[auth]\nmode = \"{mode}\"\n{}", one_app(&app.url(), ""))
    };
    let gateway = Gateway::from_file(&text("people"));
    let reload = async |mode: &str| {
        std::fs::write(gateway.home().join("gateway.toml"), text(mode)).expect("written");
        gateway.ask(&Wish::Reload { file: None, confirm_secs: None, colour: false }).await
    };
    let (alice, _) = (gateway.provision("alice").await, gateway.provision("bob").await);
    let mut signed_in = gateway.stranger();
    signed_in.sign_in(&alice).await;
    let Told::Complaints(told) = reload("single_owner").await else { panic!("applied") };
    assert!(
        told.text.contains("E0513") && told.text.contains("alice, bob") && told.text.contains("user disable"),
        "{}",
        told.text
    );
    gateway.perform(Wish::UserDisable { name: "bob".to_owned(), disabled: true }).await;
    assert!(matches!(reload("single_owner").await, Told::Reloaded(_)));
    assert_eq!(signed_in.get("/").await.status, StatusCode::OK, "who is signed in stays so");
    let mut visitor = gateway.stranger();
    sign_in(&gateway, &mut visitor, &alice).await;
    assert_eq!(visitor.get("/").await.status, StatusCode::OK);

    // Back again, after the owner was set up anew without a password.
    let Told::User(link) = gateway.perform(Wish::UserLink { name: "alice".to_owned() }).await else { panic!("no link") };
    let link = link.setup_link.expect("a link");
    let path = link[link.find("/.doorward").expect("a path")..].to_owned();
    let page = visitor.get(&path).await.text();
    let key = page.split("<p class=\"key\"><code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a key");
    let alice = Person::new("alice", "", totp::parse_seed(key).expect("a key").expose().clone(), gateway.clock.now());
    let sheet = visitor.submit(&path, &Form::of(&page).with("code", &alice.code(gateway.clock.now()))).await;
    let done = visitor.submit(&path, &Form::of(&sheet.text()).with("act", "done").with("saved", "1")).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    let Told::Reloaded(told) = reload("people").await else { panic!("refused") };
    let told = format!("{told:?}");
    assert!(told.contains("alice has no password") && told.contains("doorward user link alice"), "{told}");
    assert_eq!(gateway.end_sessions_of("alice").await, 0, "a code alone has begun a session, and there it begins none");
    let Told::Site(site) = gateway.ask(&Wish::Site).await else { panic!("asked") };
    assert_eq!(
        site.accounts.iter().map(|account| (account.name.as_str(), account.password)).collect::<Vec<_>>(),
        [("alice", false)]
    );
}

/// The attack: a session that a password alone began, or somebody else's, is kept until one factor is all that is asked for.
#[tokio::test]
async fn sessions_that_could_not_have_begun_end_with_the_change() {
    let app = App::start().await;
    let people = format!("[auth]\nrequire = \"password\"\n{}", one_app(&app.url(), ""));
    let gateway = Gateway::start(&people);
    let hash = password::hash(&Secret::new("correct horse battery".to_owned()), Entropy.bytes()).0.expose().clone();
    let credentials = Some(Credentials { password_hash: Some(hash), totp_seed: None });
    gateway.perform(Wish::UserAdd { name: "alice".to_owned(), credentials, details: Details::default() }).await;
    let mut alice = gateway.stranger();
    let form = Form::of(&alice.get(LOGIN).await.text());
    let answer = alice.submit(LOGIN, &form.with("name", "alice").with("password", "correct horse battery")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let gateway = gateway.restarted(&people).await;
    let Told::Sessions { sessions } = gateway.perform(Wish::SessionList).await else { panic!("a list") };
    assert_eq!(sessions.len(), 1, "a restart ends nothing");
    let gateway = gateway.restarted(&owned(&app, "")).await;
    let Told::Sessions { sessions } = gateway.perform(Wish::SessionList).await else { panic!("a list") };
    assert_eq!(sessions.len(), 0, "nobody signs in by a password any more");
}

/// The attack: strangers from many networks guess until codes are closed to new devices. The owner's own are not touched.
#[tokio::test]
async fn strangers_cannot_keep_the_owner_out() {
    let app = App::start().await;
    let proxied = format!("[listen]\ntrusted_proxies = [\"127.0.0.0/8\"]\n{}", owned(&app, ""));
    let gateway = Gateway::start(&proxied);
    let owner = owner(&gateway).await;
    let mut known = gateway.stranger().at("203.0.113.7");
    sign_in(&gateway, &mut known, &owner).await;
    let mut looked_at = 0;
    for number in 0..60_u32 {
        let mut stranger = gateway.stranger().at(&format!("10.0.0.{number}"));
        looked_at += u32::from(typed(&mut stranger, "000000").await.status == StatusCode::UNPROCESSABLE_ENTITY);
        gateway.clock.advance(minutes(if number % 5 == 4 { 15 } else { 0 }));
    }
    assert_eq!(looked_at, 10, "on one day");
    known.forget("__Host-doorward");
    sign_in(&gateway, &mut known, &owner).await;
    let mut new = gateway.stranger().at("203.0.113.8");
    let told = typed(&mut new, &owner.code(gateway.clock.now().plus(minutes(1)))).await;
    assert_eq!(told.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(told.text().contains("recovery code") && told.header("retry-after").parse::<u32>().is_ok(), "{}", told.text());
    assert!(new.get(RECOVERY).await.status == StatusCode::OK && new.authority().starts_with(HOST));
}

fn set(name: &str, terms: TermsWish) -> Wish {
    Wish::UserSet { name: name.to_owned(), details: Details::default(), terms }
}

fn ways(list: &str) -> TermsWish {
    TermsWish { methods: Some(list.to_owned()), ..TermsWish::default() }
}

/// The attack (on ourselves): ways with passwords are set down for somebody who is asked for none; now, or before the mode was changed.
#[tokio::test]
async fn ways_set_down_for_the_owner_shut_nobody_out() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "require = \"password\""));
    let alice = gateway.provision("alice").await;
    assert!(matches!(gateway.perform(set("alice", ways("password"))).await, Told::Person(_)));
    let gateway = gateway.restarted(&owned(&app, "")).await;
    let mut visitor = gateway.stranger();
    sign_in(&gateway, &mut visitor, &alice).await;
    assert_eq!(visitor.get("/").await.status, StatusCode::OK);
    assert_eq!(visitor.get("/.doorward/security").await.status, StatusCode::OK);
    for list in ["password", "password+totp", "passkey"] {
        assert!(refused(&gateway, set("alice", ways(list))).await.contains("single_owner"), "{list}");
    }
    for terms in [TermsWish { require: Some("2fa".to_owned()), ..TermsWish::default() }, ways("inherit")] {
        let told = gateway.perform(set("alice", terms)).await;
        assert!(matches!(told, Told::Person(_)), "{told:?}");
    }
}

/// The attack (on ourselves): more is demanded of an owner whose old password was kept, and the page that adds it leads to itself.
#[tokio::test]
async fn what_is_demanded_of_the_owner_can_be_added() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), ""));
    let alice = gateway.provision("alice").await;
    let gateway = gateway.restarted(&owned(&app, "")).await;
    let demanded = TermsWish { require: Some("2fa".to_owned()), self_service: Some("off".to_owned()), ..TermsWish::default() };
    assert!(matches!(gateway.perform(set("alice", demanded)).await, Told::Person(_)));
    let mut visitor = gateway.stranger();
    sign_in(&gateway, &mut visitor, &alice).await;
    let (_, at, missing) = browse(&mut [&mut visitor], 0, "/").await;
    assert!(missing.status == StatusCode::FORBIDDEN && missing.text().contains(ADD), "{at}: {}", missing.text());
    // What would not do is not added where nothing may be changed.
    let codes = visitor.get("/.doorward/security/authenticators/add").await;
    assert_eq!(codes.status, StatusCode::FORBIDDEN, "{}", codes.location());
    let key = Key::new(true);
    let origin = format!("https://{}", visitor.authority());
    let page = visitor.get(ADD).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.location());
    let (form, options) = Form::asking(&page.text());
    let made = key.register(&origin, &options).await;
    assert_eq!(visitor.submit(ADD, &form.with("answer", &made.to_string())).await.status, StatusCode::SEE_OTHER);
    let (_, at, page) = browse(&mut [&mut visitor], 0, LOGIN).await;
    assert!(at.starts_with("/.doorward/confirm"), "{at}");
    let (form, options) = Form::asking(&page.text());
    let proof = key.prove(&origin, &options).await;
    let answer = visitor.submit("/.doorward/confirm", &form.with("answer", &proof.to_string())).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(visitor.get("/").await.status, StatusCode::OK);
    // And it stays: without it a code would be what opens the account.
    let list = "/.doorward/security/passkeys";
    gateway.perform(set("alice", TermsWish { self_service: Some("on".to_owned()), ..TermsWish::default() })).await;
    let page = visitor.get(list).await.text();
    let remove = Form { action: Some(format!("{list}/remove")), ..Form::of(&page) };
    assert_eq!(visitor.submit(list, &remove).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

/// The attack: where nothing may be changed, a code adds a factor to what it opens already.
#[tokio::test]
async fn without_self_service_the_owners_factors_stay() {
    let app = App::start().await;
    let gateway = Gateway::start(&format!("{OWNED}self_service = false\n{}", one_app(&app.url(), "")));
    let owner = owner(&gateway).await;
    let mut visitor = gateway.stranger();
    sign_in(&gateway, &mut visitor, &owner).await;
    for page in ["passkeys/add", "authenticators/add"] {
        assert_eq!(visitor.get(&format!("/.doorward/security/{page}")).await.status, StatusCode::FORBIDDEN, "{page}");
    }
}
