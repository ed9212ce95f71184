//! Passkeys and security keys: signing in with one, as second step, proven once more, looked after; and answers that prove
//! nothing, each refused for its own reason. The key is software of another house than the gateway's.

use doorward::admin::trail::{TrailAnswer, TrailWish};
use doorward::admin::wish::{Answer as Told, Resettable, Wish};
use http::StatusCode;
use serde_json::{Value, json};

use crate::kit::app::App;
use crate::kit::form::Form;
use crate::kit::gateway::{Gateway, HOST, Person, one_app};
use crate::kit::key::{Key, alter, said};
use crate::kit::visitor::{Answer, Visitor, minutes};

const LIST: &str = "/.doorward/security/passkeys";
const ADD: &str = "/.doorward/security/passkeys/add";
const LOGIN: &str = "/.doorward/login";

fn origin(visitor: &Visitor) -> String {
    format!("https://{}", visitor.authority())
}

/// Adds a key to the account of somebody who is signed in; the answer to the form.
async fn add(visitor: &mut Visitor, key: &Key) -> Answer {
    let page = visitor.get(ADD).await;
    assert_eq!(page.status, StatusCode::OK, "{} {}", page.location(), page.text());
    let (form, options) = Form::asking(&page.text());
    let made = key.register(&origin(visitor), &options).await;
    visitor.submit(ADD, &form.with("answer", &made.to_string())).await
}

async fn with_key(gateway: &Gateway, name: &str, key: &Key) -> Visitor {
    let mut visitor = gateway.guest(name).await;
    let answer = add(&mut visitor, key).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, LIST), "{}", answer.text());
    visitor
}

/// The form of the sign-in page with the answer of a key.
async fn answered(visitor: &mut Visitor, key: &Key) -> Form {
    let (form, options) = Form::asking(&visitor.get(LOGIN).await.text());
    let proof = key.prove(&origin(visitor), &options).await;
    form.with("answer", &proof.to_string())
}

/// Why the last sign-in failed, as the trail says.
async fn reason(gateway: &Gateway) -> String {
    let wish = TrailWish::List { user: None, since: None, event: Some("sign_in.failed".to_owned()), most: 1 };
    match gateway.perform(Wish::Trail { ask: wish }).await {
        Told::Trail { said: TrailAnswer::Records(records) } => {
            records.last().and_then(|record| record.reason.clone()).unwrap_or_default()
        }
        other => panic!("{other:?}"),
    }
}

/// A refusal: one sentence for the visitor, no session, and this reason in the trail.
async fn refused(gateway: &Gateway, visitor: &Visitor, answer: &Answer, why: &str) {
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{why}: {}", answer.text());
    assert!(visitor.session_cookie().is_none(), "{why}");
    assert!(!answer.text().contains(why), "the visitor is not told which check it was");
    assert_eq!(reason(gateway).await, why);
}

#[tokio::test]
async fn a_passkey_signs_in_without_name_and_password() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let key = Key::new(true);
    let mut first = with_key(&gateway, "alice", &key).await;
    let list = first.get(LIST).await.text();
    assert!(list.contains("can replace your password") && list.contains("never used"), "{list}");
    let mut alice = gateway.stranger();
    let page = alice.get(LOGIN).await;
    assert!(page.header("content-security-policy").contains("script-src 'self';"));
    assert!(page.text().contains("autocomplete=\"username webauthn\"") && page.body.len() < 14 << 10);
    let form = answered(&mut alice, &key).await;
    let answer = alice.submit(LOGIN, &form).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(alice.get("/x").await.status, StatusCode::OK, "what asks for two factors is open to a passkey");
    assert!(alice.get(LIST).await.text().contains("last used"));

    // The attack: the same answer once more.
    let mut thief = gateway.stranger();
    thief.get(LOGIN).await;
    let mut again = alice.clone();
    again.forget("__Host-doorward");
    let answer = again.submit(LOGIN, &form).await;
    assert!(matches!(answer.status, StatusCode::UNPROCESSABLE_ENTITY | StatusCode::FORBIDDEN), "{}", answer.text());
    assert!(again.session_cookie().is_none());
}

/// The attack: a challenge that was answered, one of another browser, one that is too old.
#[tokio::test]
async fn a_challenge_counts_once_in_one_browser_for_two_minutes() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let key = Key::new(true);
    with_key(&gateway, "alice", &key).await;
    let mut stranger = gateway.stranger();
    let form = answered(&mut stranger, &key).await;
    let empty = form.clone().with("answer", "{}");
    let answer = stranger.submit(LOGIN, &empty).await;
    refused(&gateway, &stranger, &answer, "unreadable answer of a passkey").await;
    let answer = stranger.submit(LOGIN, &form).await;
    refused(&gateway, &stranger, &answer, "challenge unknown, used or too old").await;
    let mut other = gateway.stranger();
    let (own, _) = Form::asking(&other.get(LOGIN).await.text());
    let theirs = answered(&mut stranger, &key).await;
    let mixed = own.with("k", theirs.value("k")).with("answer", theirs.value("answer"));
    let answer = other.submit(LOGIN, &mixed).await;
    refused(&gateway, &other, &answer, "challenge unknown, used or too old").await;
    let form = answered(&mut stranger, &key).await;
    gateway.clock.advance(minutes(2));
    let answer = stranger.submit(LOGIN, &form).await;
    refused(&gateway, &stranger, &answer, "challenge unknown, used or too old").await;
}

#[tokio::test]
async fn answers_that_prove_nothing_are_refused_each_for_its_own_reason() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let key = Key::new(true);
    with_key(&gateway, "alice", &key).await;
    let mut stranger = gateway.stranger();
    let at = origin(&stranger);

    // The attack: a look-alike passes on what it was given, on a name below ours; or the key is for another site.
    let (form, options) = Form::asking(&stranger.get(LOGIN).await.text());
    let proof = key.prove(&at.replace(HOST, "evil.app.example"), &options).await;
    let answer = stranger.submit(LOGIN, &form.with("answer", &proof.to_string())).await;
    refused(&gateway, &stranger, &answer, "passkey used on another site").await;

    type Forgery = fn(&mut Value);
    let forgeries: [(&str, Forgery); 7] = [
        ("passkey made for another site", |proof| alter(proof, "authenticatorData", |bytes| bytes[0] ^= 1)),
        ("nobody touched the passkey", |proof| alter(proof, "authenticatorData", |bytes| bytes[32] &= !1)),
        ("wrong signature of a passkey", |proof| alter(proof, "authenticatorData", |bytes| bytes[36] ^= 64)),
        ("passkey changed whether it can be copied", |proof| alter(proof, "authenticatorData", |bytes| bytes[32] ^= 8)),
        ("passkey of another user", |proof| proof["response"]["userHandle"] = "MDEyMzQ1Njc4OWFiY2RlZg".into()),
        ("passkey answered another challenge", |proof| {
            said(proof, |said| said["challenge"] = "AAAA".into());
        }),
        ("passkey used within a page of another site", |proof| {
            said(proof, |said| said["crossOrigin"] = true.into());
        }),
    ];
    for (why, forge) in forgeries {
        let (form, options) = Form::asking(&stranger.get(LOGIN).await.text());
        let mut proof = key.prove(&at, &options).await;
        forge(&mut proof);
        let answer = stranger.submit(LOGIN, &form.with("answer", &proof.to_string())).await;
        refused(&gateway, &stranger, &answer, why).await;
        gateway.clock.advance(minutes(5));
    }
    let (form, options) = Form::asking(&stranger.get(LOGIN).await.text());
    let mut proof = key.prove(&at, &options).await;
    said(&mut proof, |said| said["type"] = "webauthn.create".into());
    let answer = stranger.submit(LOGIN, &form.with("answer", &proof.to_string())).await;
    refused(&gateway, &stranger, &answer, "passkey answered something else than was asked").await;
    let (form, options) = Form::asking(&stranger.get(LOGIN).await.text());
    let mut proof = key.prove(&at, &options).await;
    (proof["rawId"], proof["id"]) = ("AAAA".into(), "AAAA".into());
    let answer = stranger.submit(LOGIN, &form.with("answer", &proof.to_string())).await;
    assert!(answer.text().contains("signalUnknownCredential") && answer.text().contains("AAAA"), "{}", answer.text());
    refused(&gateway, &stranger, &answer, "unknown passkey").await;
    let form = answered(&mut stranger, &key).await;
    assert_eq!(stranger.submit(LOGIN, &form).await.status, StatusCode::SEE_OTHER, "and the key itself goes on");
    assert_eq!(app.count(), 0);
}

/// The attack: a copy of a key. Whichever of the two is used with the lower count, the key opens nothing from then on.
#[tokio::test]
async fn a_key_that_counts_backwards_is_set_aside_and_its_owner_told() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let key = Key::new(true);
    let mut alice = with_key(&gateway, "alice", &key).await;
    let mut stranger = gateway.stranger();
    let form = answered(&mut stranger, &key).await;
    assert_eq!(stranger.submit(LOGIN, &form).await.status, StatusCode::SEE_OTHER);
    stranger.forget("__Host-doorward");
    key.alter(|held| held.counter = Some(0));
    let form = answered(&mut stranger, &key).await;
    let answer = stranger.submit(LOGIN, &form).await;
    refused(&gateway, &stranger, &answer, "counter of a passkey went back").await;
    key.alter(|held| held.counter = Some(900));
    let form = answered(&mut stranger, &key).await;
    let answer = stranger.submit(LOGIN, &form).await;
    refused(&gateway, &stranger, &answer, "passkey was set aside").await;
    assert_eq!(alice.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED, "one of her sessions may be of the copy");
    gateway.next_code();
    alice.sign_in(&gateway.person("alice")).await;
    assert!(alice.get("/.doorward/").await.text().contains("set aside"));
    assert!(alice.get(LIST).await.text().contains("there may be a copy of it"));
}

#[tokio::test]
async fn a_key_that_verifies_nobody_is_the_second_step() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let key = Key::new(false);
    let mut owner = with_key(&gateway, "alice", &key).await;
    assert!(owner.get(LIST).await.text().contains("second step only"));
    let person = gateway.person("alice");
    let mut alice = gateway.stranger();
    let form = answered(&mut alice, &key).await;
    let page = alice.submit(LOGIN, &form).await;
    assert!(page.status == StatusCode::OK && page.text().contains("Enter your password first"), "{}", page.text());
    assert!(page.text().contains("value=\"alice\"") && alice.session_cookie().is_none());
    let step = alice.pass_password(&person, LOGIN).await;
    let page = alice.get(&step).await.text();
    assert!(page.contains("Use a passkey instead") && page.contains("name=\"code\""), "{page}");

    // The attack: the key of somebody else as second step of this sign-in.
    let his = Key::new(true);
    with_key(&gateway, "mallory", &his).await;
    let (form, mut options) = Form::asking(&alice.get(&step).await.text());
    options["allowCredentials"] = json!([]);
    let proof = his.prove(&origin(&alice), &options).await;
    let answer = alice.submit(&step, &form.with("answer", &proof.to_string())).await;
    refused(&gateway, &alice, &answer, "passkey of another user").await;

    // The attack: an answer to the question of the sign-in page, where a second step is asked for.
    let (own, _) = Form::asking(&alice.get(&step).await.text());
    let theirs = answered(&mut alice, &key).await;
    let mixed = own.with("k", theirs.value("k")).with("answer", theirs.value("answer"));
    let answer = alice.submit(&step, &mixed).await;
    refused(&gateway, &alice, &answer, "challenge unknown, used or too old").await;

    // The attack: so many looks at the sign-in page, from her own network, that the question she was asked gives way.
    let (form, options) = Form::asking(&alice.get(&step).await.text());
    let mut strangers = gateway.stranger();
    for _ in 0..260 {
        assert_eq!(strangers.get(LOGIN).await.status, StatusCode::OK);
    }
    let proof = key.prove(&origin(&alice), &options).await;
    let answer = alice.submit(&step, &form.with("answer", &proof.to_string())).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(alice.get("/x").await.status, StatusCode::OK);
}

#[tokio::test]
async fn where_verification_is_required_nothing_goes_without() {
    let app = App::start().await;
    let required = "[auth.webauthn]\nuser_verification = \"required\"\n";
    let gateway = Gateway::before(&app.url());
    let key = Key::new(false);
    with_key(&gateway, "alice", &key).await;
    let gateway = gateway.restarted(&format!("{required}{}", one_app(&app.url(), ""))).await;
    let mut alice = gateway.stranger();
    let (form, mut options) = Form::asking(&alice.get(LOGIN).await.text());
    assert_eq!(options["userVerification"], "required");
    options["userVerification"] = "preferred".into();
    let proof = key.prove(&origin(&alice), &options).await;
    let answer = alice.submit(LOGIN, &form.with("answer", &proof.to_string())).await;
    refused(&gateway, &alice, &answer, "passkey did not verify its user").await;
}

#[tokio::test]
async fn a_new_key_has_to_fit_what_was_asked() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let key = Key::new(true);
    let mut alice = with_key(&gateway, "alice", &key).await;
    let at = origin(&alice);
    let (form, options) = Form::asking(&alice.get(ADD).await.text());
    assert_eq!(options["excludeCredentials"].as_array().map(Vec::len), Some(1));
    let made = Key::new(true).register(&at, &options).await;
    let failed = async |gateway: &Gateway, answer: Answer, why: &str| {
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{why}: {}", answer.text());
        assert_eq!(reason(gateway).await, why);
    };

    // The attack: a key by an algorithm that nobody asked for (the COSE key says -8, EdDSA, instead of -7).
    let mut strange = made.clone();
    alter(&mut strange, "attestationObject", |bytes| {
        let at = bytes.windows(5).position(|part| part == [0x01, 0x02, 0x03, 0x26, 0x20]).expect("a COSE key");
        bytes[at + 3] = 0x27;
    });
    let answer = alice.submit(ADD, &form.with("answer", &strange.to_string())).await;
    failed(&gateway, answer, "passkey signs by an algorithm not asked for").await;

    // The attack: a key that is registered already, here or with somebody else, in an answer that fits otherwise.
    let (form, options) = Form::asking(&alice.get(ADD).await.text());
    let mut known = made.clone();
    said(&mut known, |said| said["challenge"] = options["challenge"].clone());
    let answer = alice.submit(ADD, &form.with("answer", &known.to_string())).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "the first time it is new");
    let mut mallory = gateway.guest("mallory").await;
    for visitor in [&mut alice, &mut mallory] {
        let (form, options) = Form::asking(&visitor.get(ADD).await.text());
        said(&mut known, |said| said["challenge"] = options["challenge"].clone());
        let answer = visitor.submit(ADD, &form.with("answer", &known.to_string())).await;
        failed(&gateway, answer, "passkey is registered already").await;
    }

    // The attack: the answer to a question that another session was asked. (What comes too often is tallied: time goes on.)
    gateway.clock.advance(minutes(5));
    let (own, _) = Form::asking(&mallory.get(ADD).await.text());
    let (theirs, options) = Form::asking(&alice.get(ADD).await.text());
    let made = Key::new(true).register(&at, &options).await;
    let answer = mallory.submit(ADD, &own.with("k", theirs.value("k")).with("answer", &made.to_string())).await;
    failed(&gateway, answer, "challenge unknown, used or too old").await;
}

#[tokio::test]
async fn keys_are_renamed_and_removed_and_other_sessions_end() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let key = Key::new(true);
    let mut alice = with_key(&gateway, "alice", &key).await;
    let mut other = gateway.stranger();
    let form = answered(&mut other, &key).await;
    other.submit(LOGIN, &form).await;
    assert_eq!(other.fetch("GET", "/x").await.status, StatusCode::OK);
    let page = alice.get(LIST).await.text();
    let rename = Form::of(&page).with("name", "  <b>Blue</b> key ");
    assert_eq!(alice.submit(LIST, &rename).await.status, StatusCode::SEE_OTHER);
    let page = alice.get(LIST).await.text();
    assert!(page.contains("&#60;b&#62;Blue&#60;/b&#62; key"), "{page}");
    for name in ["", " ", "a\u{7}b", &"x".repeat(65)] {
        assert_eq!(alice.submit(LIST, &rename.clone().with("name", name)).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    // The attack: a form of somebody else's page, or of none.
    let mut mallory = gateway.guest("mallory").await;
    mallory.get(LIST).await;
    let remove = Form { action: Some(format!("{LIST}/remove")), ..Form::of(&page) };
    assert_eq!(mallory.submit(LIST, &remove).await.status, StatusCode::FORBIDDEN);
    let old = alice.session_cookie().expect("signed in").to_owned();
    let answer = alice.submit(LIST, &remove).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_ne!(alice.session_cookie(), Some(old.as_str()));
    assert_eq!(other.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED);
    assert!(alice.get(LIST).await.text().contains("You have none yet"));
}

#[tokio::test]
async fn what_asks_for_a_passkey_is_open_to_nothing_less_and_leads_to_one() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "[[app.rule]]\npath = \"/vault/\"\nrequire = \"passkey\"\n"));
    let mut alice = gateway.guest("alice").await;
    assert_eq!(alice.get("/x").await.status, StatusCode::OK);
    assert_eq!(alice.fetch("GET", "/vault/").await.status, StatusCode::UNAUTHORIZED);
    app.take();
    let to = follow(&mut alice, "/vault/x?page=2").await;
    assert!(to.text().contains("A passkey is missing") && to.text().contains(ADD), "{}", to.text());
    let key = Key::new(true);
    assert_eq!(add(&mut alice, &key).await.status, StatusCode::SEE_OTHER);
    assert_eq!(alice.fetch("GET", "/vault/").await.status, StatusCode::UNAUTHORIZED, "adding one is not proving it");
    let page = follow(&mut alice, "/vault/x?page=2").await;
    assert!(page.text().contains("Let's make sure it's you") || page.text().contains("make sure it"), "{}", page.text());
    assert!(!page.text().contains("name=\"code\""), "a code will not do");
    let (form, options) = Form::asking(&page.text());
    assert_eq!(options["userVerification"], "required");
    let proof = key.prove(&origin(&alice), &options).await;
    let answer = alice.submit("/.doorward/confirm", &form.with("answer", &proof.to_string())).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    let next = answer.location().to_owned();
    assert_eq!(follow(&mut alice, &next).await.status, StatusCode::OK);
    assert_eq!(app.only().target, "/vault/x?page=2");
    // It cannot be taken away: nothing else opens the vault.
    let page = alice.get(LIST).await.text();
    let remove = Form { action: Some(format!("{LIST}/remove")), ..Form::of(&page) };
    let answer = alice.submit(LIST, &remove).await;
    assert!(answer.status == StatusCode::UNPROCESSABLE_ENTITY && answer.text().contains("Add another one first"));
    // A quarter of an hour later a code is not enough for the session that it is now.
    gateway.clock.advance(minutes(16));
    let page = follow(&mut alice, ADD).await;
    assert!(page.text().contains("data-passkey=\"get\"") && !page.text().contains("name=\"code\""), "{}", page.text());
}

/// Follows redirects and pages that lead on.
async fn follow(visitor: &mut Visitor, path: &str) -> Answer {
    let mut path = path.to_owned();
    for _ in 0..10 {
        let answer = visitor.get(&path).await;
        let text = answer.text();
        let onward =
            text.split_once("content=\"0;url=").and_then(|(_, rest)| rest.split('"').next()).map(crate::kit::form::unescape);
        path = match (answer.status.is_redirection(), onward) {
            (true, _) => answer.location().to_owned(),
            (false, Some(onward)) => onward,
            (false, None) => return answer,
        };
    }
    panic!("round in circles at {path}");
}

#[tokio::test]
async fn a_code_and_a_passkey_prove_once_more() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "[[app.rule]]\npath = \"/settings/\"\nmax_age = \"10m\"\n"));
    let key = Key::new(true);
    let mut alice = with_key(&gateway, "alice", &key).await;
    gateway.clock.advance(minutes(11));
    let page = follow(&mut alice, "/settings/x").await;
    assert!(page.text().contains("name=\"code\"") && page.text().contains("data-passkey"), "{}", page.text());
    let (form, options) = Form::asking(&page.text());
    assert_eq!(options["allowCredentials"].as_array().map(Vec::len), Some(1));
    let proof = key.prove(&origin(&alice), &options).await;
    let answer = alice.submit("/.doorward/confirm", &form.with("answer", &proof.to_string())).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(alice.fetch("GET", "/settings/x").await.status, StatusCode::OK);
}

#[tokio::test]
async fn addresses_have_no_passkeys_and_say_so() {
    let app = App::start().await;
    let gateway = Gateway::start(&format!("portal = \"https://127.0.0.1\"\n{}", one_app(&app.url(), "")));
    let person: Person = gateway.provision("alice").await;
    let mut alice = Visitor::new(gateway.reach(), "127.0.0.1");
    let page = alice.get(LOGIN).await;
    assert!(!page.text().contains("passkey") && !page.header("content-security-policy").contains("script-src"));
    alice.sign_in(&person).await;
    assert!(alice.get(LIST).await.text().contains("browsers have passkeys only for names"));
    assert!(alice.get(ADD).await.text().contains("browsers have passkeys only for names"));
}

#[tokio::test]
async fn the_owner_takes_keys_away_that_were_lost() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let key = Key::new(true);
    let mut alice = with_key(&gateway, "alice", &key).await;
    let reset = Wish::UserReset { name: "alice".to_owned(), factor: Resettable::Passkey, keep_sessions: false };
    let Told::Reset(reset) = gateway.perform(reset).await else { panic!("reset") };
    assert_eq!((reset.removed, reset.ended, reset.authenticators, reset.setup_link), (1, 1, 1, None));
    assert_eq!(alice.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED);
    let mut stranger = gateway.stranger();
    let form = answered(&mut stranger, &key).await;
    let answer = stranger.submit(LOGIN, &form).await;
    refused(&gateway, &stranger, &answer, "unknown passkey").await;
}

/// The attack (on ourselves): the portal is moved, and everybody's keys open nothing.
#[tokio::test]
async fn a_reload_that_would_orphan_keys_is_refused_and_the_first_key_fixes_the_site() {
    let app = App::start().await;
    let text = |portal: &str| {
        let listen = "[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\n[log]\naccess = \"off\"\n";
        format!("portal = \"https://{portal}\"\n{listen}{}", one_app(&app.url(), ""))
    };
    let gateway = Gateway::from_file(&text(HOST));
    let reload = async |portal: &str| {
        std::fs::write(gateway.home().join("gateway.toml"), text(portal)).expect("written");
        gateway.ask(&Wish::Reload { file: None, confirm_secs: None, colour: false }).await
    };
    assert!(matches!(reload("auth.example").await, Told::Reloaded(_)), "without a key there is nothing to lose");
    assert!(matches!(reload(HOST).await, Told::Reloaded(_)));
    let key = Key::new(true);
    with_key(&gateway, "alice", &key).await;
    let Told::Complaints(told) = reload("auth.example").await else { panic!("applied") };
    assert!(told.text.contains("E0503") && told.text.contains("1 passkey would open nothing"), "{}", told.text);
    let Told::Site(site) = gateway.ask(&Wish::Site).await else { panic!("asked") };
    assert_eq!((site.id.as_deref(), site.passkeys), (Some(HOST), 1));
    assert!(matches!(reload(&format!("auth.{HOST}")).await, Told::Reloaded(_)), "a name below it can use them");
}
