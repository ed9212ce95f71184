//! In which ways people may prove who they are: for an app, for one person; who may change their factors themselves; and who is led to
//! adding one.

use std::time::Duration;

use doorward::admin::terms::TermsWish;
use doorward::admin::wish::{Answer as Told, Credentials, Details, UserLine, Wish};
use doorward::auth::password;
use doorward::auth::totp;
use doorward::base::entropy::Entropy;
use doorward::base::secret::Secret;
use futures_util::StreamExt;
use http::StatusCode;

use crate::kit::app::App;
use crate::kit::form::{Form, unescape};
use crate::kit::gateway::{Gateway, Person, one_app};
use crate::kit::key::Key;
use crate::kit::socket::{echo_app, open};
use crate::kit::visitor::{Answer, Visitor, minutes};
use crate::websockets::AT_ONCE;

const LOGIN: &str = "/.doorward/login";
const CONFIRM: &str = "/.doorward/confirm";
const ADD_KEY: &str = "/.doorward/security/passkeys/add";
const SECURITY: &str = "/.doorward/security";

fn origin(visitor: &Visitor) -> String {
    format!("https://{}", visitor.authority())
}

async fn set(gateway: &Gateway, name: &str, terms: TermsWish) -> UserLine {
    match gateway.perform(Wish::UserSet { name: name.to_owned(), details: Details::default(), terms }).await {
        Told::Person(person) => *person,
        other => panic!("{other:?}"),
    }
}

fn methods(list: &str) -> TermsWish {
    TermsWish { methods: Some(list.to_owned()), ..TermsWish::default() }
}

/// An account with a password and nothing else.
async fn with_password(gateway: &Gateway, name: &str) -> Person {
    let words = format!("correct horse {name} staple");
    let password_hash = password::hash(&Secret::new(words.clone()), Entropy.bytes()).0.expose().clone();
    let credentials = Some(Credentials { password_hash: Some(password_hash), totp_seed: None });
    let answer = gateway.perform(Wish::UserAdd { name: name.to_owned(), credentials, details: Details::default() }).await;
    assert!(matches!(answer, Told::User(_)), "{answer:?}");
    Person::new(name, &words, vec![0; 20], gateway.clock.now())
}

/// Asks for `path` and follows to the page on which one signs in.
async fn sent_to(visitor: &mut Visitor, path: &str) -> String {
    let answer = visitor.get(path).await;
    assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.text());
    answer.location().to_owned()
}

/// Follows redirects of our own until a page is shown.
async fn followed(visitor: &mut Visitor, mut answer: Answer) -> (String, Answer) {
    let mut at = String::new();
    for _ in 0..8 {
        if !answer.status.is_redirection() {
            return (at, answer);
        }
        at = answer.location().to_owned();
        answer = visitor.get(&at).await;
    }
    panic!("in circles: {at}");
}

async fn submit_password(visitor: &mut Visitor, person: &Person, login: &str) -> Answer {
    let form = Form::of(&visitor.get(login).await.text());
    visitor.submit(login, &form.with("name", &person.name).with("password", &person.password)).await
}

/// Answers a page that asks for a key.
async fn prove(visitor: &mut Visitor, page: &str, action: &str, key: &Key) -> Answer {
    let (form, options) = Form::asking(page);
    let proof = key.prove(&origin(visitor), &options).await;
    visitor.submit(action, &form.with("answer", &proof.to_string())).await
}

async fn add_key(visitor: &mut Visitor, path: &str, key: &Key) -> Answer {
    let page = visitor.get(path).await;
    assert_eq!(page.status, StatusCode::OK, "{} {}", page.location(), page.text());
    let (form, options) = Form::asking(&page.text());
    let made = key.register(&origin(visitor), &options).await;
    visitor.submit(path, &form.with("answer", &made.to_string())).await
}

/// The attack: a password and a code open what is for passkeys.
#[tokio::test]
async fn a_way_that_does_not_count_for_an_app_is_asked_for_one_that_does() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "methods = [\"passkey\"]"));
    let person = gateway.provision("alice").await;
    let mut alice = gateway.stranger();
    let login = sent_to(&mut alice, "/x").await;
    let page = alice.get(&login).await.text();
    assert!(!page.contains("name=\"password\"") && page.contains("id=\"passkey\"") && page.contains(SECURITY), "{page}");

    // Their own account is where they add one; no app opens to them meanwhile.
    let login = sent_to(&mut alice, ADD_KEY).await;
    let step = alice.pass_password(&person, &login).await;
    alice.pass_code(&person, &step).await;
    assert_eq!(alice.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED);
    let answer = alice.get("/x").await;
    let (at, missing) = followed(&mut alice, answer).await;
    assert!(at.starts_with(CONFIRM) && missing.status == StatusCode::FORBIDDEN, "{at}: {}", missing.text());
    assert_eq!(app.count(), 0);
    let key = Key::new(true);
    assert_eq!(add_key(&mut alice, ADD_KEY, &key).await.status, StatusCode::SEE_OTHER);
    assert_eq!(alice.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED, "having one is not having proven it");

    let answer = alice.get("/x").await;
    let (at, page) = followed(&mut alice, answer).await;
    assert!(at.starts_with(CONFIRM) && !page.text().contains("name=\"code\""), "{at}: {}", page.text());
    let answer = prove(&mut alice, &page.text(), CONFIRM, &key).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(alice.get("/x").await.status, StatusCode::OK);
}

/// The attack: a session, or a WebSocket of it, goes on by a way that the owner has just taken from its holder.
#[tokio::test]
async fn what_is_set_down_for_a_person_counts_at_once_and_everywhere() {
    let app = echo_app().await;
    let gateway = Gateway::before(&app.url());
    let person = gateway.provision("alice").await;
    let mut bob = gateway.guest("bob").await;
    let mut alice = gateway.stranger();
    alice.sign_in(&person).await;
    let key = Key::new(true);
    assert_eq!(add_key(&mut alice, ADD_KEY, &key).await.status, StatusCode::SEE_OTHER);
    let mut socket = open(&mut alice, "/echo").await.expect("agreed");

    let line = set(&gateway, "alice", methods("passkey")).await;
    assert_eq!(line.terms.methods.as_deref(), Some(&["passkey".to_owned()][..]));
    let ended = tokio::time::timeout(AT_ONCE, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    assert!(ended.is_ok(), "the socket ends");
    let seen = app.count();
    assert_eq!(alice.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED);
    assert_ne!(bob.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED, "others go on");
    // Nor do they look after their account by it, for which they have a way that counts.
    let answer = alice.get(SECURITY).await;
    let (at, page) = followed(&mut alice, answer).await;
    assert!(at.starts_with(CONFIRM), "{at}");
    assert_eq!(prove(&mut alice, &page.text(), CONFIRM, &key).await.status, StatusCode::SEE_OTHER);
    assert_eq!(alice.get(SECURITY).await.status, StatusCode::OK);
    assert_ne!(alice.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED);
    assert!(app.count() > seen);

    // And a password with a code begins nothing for them any more: the second step asks for the key.
    gateway.next_code();
    let mut again = gateway.stranger();
    let step = again.pass_password(&person, LOGIN).await;
    let page = again.get(&step).await.text();
    assert!(!page.contains("id=\"code\"") && !page.contains("login/recovery") && page.contains("id=\"passkey\""), "{page}");
    let mut form = Form::of(&page).with("code", &person.code(gateway.clock.now()));
    form.fields.retain(|(name, _)| name != "answer");
    assert_eq!(again.submit(&step, &form).await.status, StatusCode::BAD_REQUEST);
    assert!(again.session_cookie().is_none());
    set(&gateway, "alice", methods("inherit")).await;
    let mut again = gateway.stranger();
    again.sign_in(&person).await;
    assert_ne!(again.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED);
}

/// The attack: what is set down for one person opens what the app or the installation keeps shut; or shuts out by a slip.
#[tokio::test]
async fn terms_never_widen_and_never_shut_out_by_a_slip() {
    let app = App::start().await;
    let text =
        format!("[auth]\nmethods = [\"password+totp\", \"passkey\"]\n{}", one_app(&app.url(), "methods = [\"password+totp\"]"));
    let gateway = Gateway::start(&text);
    let mut alice = gateway.guest("alice").await;
    assert_eq!(alice.get("/x").await.status, StatusCode::OK);
    set(&gateway, "alice", methods("password,password+totp,passkey")).await;
    assert_eq!(alice.get("/x").await.status, StatusCode::OK);
    for wish in [
        methods("password"),
        methods("password+passkey"),
        TermsWish { require: Some("password".into()), ..TermsWish::default() },
        TermsWish { require: Some("passkey".into()), methods: Some("password+totp".into()), ..TermsWish::default() },
        methods("oidc"),
    ] {
        let told = gateway.perform(Wish::UserSet { name: "alice".into(), details: Details::default(), terms: wish }).await;
        assert!(matches!(told, Told::Refused { .. }), "{told:?}");
    }
    assert_eq!(alice.get("/x").await.status, StatusCode::OK, "nothing was changed");

    // What the app alone makes impossible is told on a page, not in circles.
    set(&gateway, "alice", methods("passkey")).await;
    let answer = alice.get("/x").await;
    let (_, page) = followed(&mut alice, answer).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text().contains("There is no way in"), "{}", page.text());
}

/// The attack: a passkey signs in by itself where it counts only behind a password; or a recovery code where no code counts.
#[tokio::test]
async fn what_an_installation_leaves_out_begins_no_session() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let person = gateway.provision("alice").await;
    let mut alice = gateway.stranger();
    alice.sign_in(&person).await;
    let key = Key::new(true);
    assert_eq!(add_key(&mut alice, ADD_KEY, &key).await.status, StatusCode::SEE_OTHER);
    let before = alice.get("/.doorward/session").await;
    assert_eq!(before.status, StatusCode::OK);
    let text = format!("[auth]\nmethods = [\"password+passkey\"]\n{}", one_app(&app.url(), ""));
    let gateway = gateway.restarted(&text).await;
    let mut again = gateway.stranger();
    let page = again.get(LOGIN).await.text();
    assert!(page.contains("name=\"password\"") && !page.contains("id=\"passkey\""), "{page}");
    alice.reach = gateway.reach();
    assert_eq!(alice.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED, "a code counts no more");
    let step = again.pass_password(&person, LOGIN).await;
    let page = again.get(&step).await.text();
    assert!(!page.contains("id=\"code\"") && !page.contains("login/recovery"), "{page}");
    let recovery = again.get(&step.replace("/code", "/recovery")).await;
    assert!(recovery.location().starts_with("/.doorward/login/code"), "{}", recovery.text());
    let answer = prove(&mut again, &page, &step, &key).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(again.get("/x").await.status, StatusCode::OK);
}

/// The attack: what nobody may change by themselves is changed by sending the form that no page shows.
#[tokio::test]
async fn without_self_service_nothing_sent_changes_a_factor() {
    let app = App::start().await;
    let gateway = Gateway::start(&format!("[auth]\nself_service = false\n{}", one_app(&app.url(), "")));
    let mut alice = gateway.guest("alice").await;
    let overview = alice.get(SECURITY).await;
    assert_eq!(overview.status, StatusCode::OK);
    assert!(overview.text().contains("Whoever runs this server"), "{}", overview.text());
    let list = alice.get(&format!("{SECURITY}/authenticators")).await;
    let id = list.text().split("security/authenticators/").nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned);
    let own = format!("authenticators/{}", id.expect("a link"));
    let pages = ["recovery", "authenticators/add", "passkeys/add", "passkeys/rename", "passkeys/remove", &own, "later"];
    let form = Form::of(&alice.get(&format!("{SECURITY}/password")).await.text());
    for page in pages {
        let refused = alice.submit(&format!("{SECURITY}/{page}"), &form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{page}");
        assert!(refused.text().contains("Whoever runs this server"), "{page}: {}", refused.text());
    }
    assert_eq!(alice.submit("/.doorward/login/recovered", &form).await.status, StatusCode::FORBIDDEN);
    for page in ["authenticators/add", "passkeys/add"] {
        assert_eq!(alice.get(&format!("{SECURITY}/{page}")).await.status, StatusCode::FORBIDDEN, "{page}");
    }
    for page in ["password", "sessions", "authenticators", "passkeys", "recovery", "activity"] {
        assert_eq!(alice.get(&format!("{SECURITY}/{page}")).await.status, StatusCode::OK, "{page}");
    }
    let own = TermsWish { self_service: Some("on".into()), ..TermsWish::default() };
    assert_eq!(set(&gateway, "alice", own).await.terms.self_service, Some(true));
    assert_eq!(add_key(&mut alice, ADD_KEY, &Key::new(true)).await.status, StatusCode::SEE_OTHER);
}

/// The code of the authenticator that a set-up page shows.
fn scanned(page: &Answer, gateway: &Gateway) -> String {
    let text = page.text();
    let key = text.split("<p class=\"key\"><code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a key");
    let seed = totp::parse_seed(&unescape(key)).expect("a seed");
    Person::new("x", "", seed.expose().clone(), gateway.clock.now()).code(gateway.clock.now())
}

/// Goes through the pages of a set-up link from its second step on; the last answer.
async fn enrolled(gateway: &Gateway, visitor: &mut Visitor, link: &str) -> Answer {
    let page = visitor.get(link).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text());
    let code = scanned(&page, gateway);
    let sheet = visitor.submit(link, &Form::of(&page.text()).with("code", &code)).await;
    assert_eq!(sheet.status, StatusCode::OK, "{}", sheet.text());
    visitor.submit(link, &Form::of(&sheet.text()).with("act", "done").with("saved", "1")).await
}

#[tokio::test]
async fn somebody_new_is_led_to_a_second_factor_and_then_to_where_they_wanted_to_go() {
    let app = App::start().await;
    let gateway = Gateway::start(&format!("[auth]\nenrol_deadline = \"1h\"\n{}", one_app(&app.url(), "")));
    let person = with_password(&gateway, "alice").await;
    gateway.clock.advance(minutes(59));
    let mut alice = gateway.stranger();
    let login = sent_to(&mut alice, "/wanted").await;
    let led = submit_password(&mut alice, &person, &login).await;
    assert_eq!(led.status, StatusCode::SEE_OTHER, "{}", led.text());
    let link = led.location().to_owned();
    assert!(link.starts_with("/.doorward/setup/"), "{link}");
    // The attack: nobody is let in with less than what is asked for meanwhile.
    assert_eq!(alice.fetch("GET", "/wanted").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.count(), 0);

    // A second tab begins anew; the first is told so, and only one of them counts.
    let second = submit_password(&mut alice, &person, LOGIN).await.location().to_owned();
    assert_eq!(alice.get(&link).await.status, StatusCode::NOT_FOUND);
    let answer = enrolled(&gateway, &mut alice, &second).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(alice.get("/wanted").await.status, StatusCode::OK);

    // The attack: the same password once more, to come by another factor.
    let mut thief = gateway.stranger();
    let login = sent_to(&mut thief, "/wanted").await;
    let answer = submit_password(&mut thief, &person, &login).await;
    assert!(answer.location().starts_with("/.doorward/login/code"), "{}", answer.location());
}

#[tokio::test]
async fn whoever_is_led_to_a_second_factor_arrives_at_what_they_asked_for() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "enrol_deadline = \"1h\""));
    let person = with_password(&gateway, "alice").await;
    let mut alice = gateway.stranger();
    let login = sent_to(&mut alice, "/wanted?x=1").await;
    let link = submit_password(&mut alice, &person, &login).await.location().to_owned();
    let answer = enrolled(&gateway, &mut alice, &link).await;
    let (_, page) = followed(&mut alice, answer).await;
    assert!(page.text().contains("/wanted?x=1"), "{}", page.text());
}

/// The attack: a stolen password comes by a second factor after the time for it is over, or where the owner gives none; by the link that
/// was begun in time, and by the page of the account.
#[tokio::test]
async fn after_the_time_for_it_a_password_adds_nothing() {
    let app = App::start().await;
    for (deadline, within) in [("1h", 60), ("0s", 0)] {
        let gateway = Gateway::start(&format!("[auth]\nenrol_deadline = \"{deadline}\"\n{}", one_app(&app.url(), "")));
        let person = with_password(&gateway, "alice").await;
        let mut early = gateway.stranger();
        let login = sent_to(&mut early, "/x").await;
        let begun = (within > 0).then_some(submit_password(&mut early, &person, &login).await.location().to_owned());
        gateway.clock.advance(minutes(within));
        let mut thief = gateway.stranger();
        let login = sent_to(&mut thief, "/x").await;
        let answer = submit_password(&mut thief, &person, &login).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{deadline}");
        assert!(answer.text().contains("doorward user link alice"), "{}", answer.text());
        assert!(thief.session_cookie().is_none(), "{deadline}");
        if let Some(link) = begun {
            assert_eq!(early.get(&link).await.status, StatusCode::NOT_FOUND, "the link is over too");
            for page in ["authenticators/add", "passkeys/add", "recovery"] {
                let form = Form::of("<form><input type=\"hidden\" name=\"t\" value=\"x\">");
                let answer = early.submit(&format!("{SECURITY}/{page}"), &form).await;
                assert_ne!(answer.status, StatusCode::OK, "{page}: {}", answer.text());
                let (at, answer) = followed(&mut early, answer).await;
                assert!(answer.status != StatusCode::OK || at.starts_with(CONFIRM) || at.starts_with(LOGIN), "{page} {at}");
            }
            // What the owner demands anew begins the time anew, for as long as there is nothing to lose.
            let demanded = TermsWish { require: Some("2fa".into()), ..TermsWish::default() };
            set(&gateway, "alice", demanded).await;
            let login = sent_to(&mut thief, "/x").await;
            let answer = submit_password(&mut thief, &person, &login).await;
            assert!(answer.location().starts_with("/.doorward/setup/"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn where_only_a_passkey_counts_somebody_new_is_led_to_one_and_on() {
    let app = App::start().await;
    for asks in ["require = \"passkey\"", "methods = [\"passkey\"]"] {
        let gateway = Gateway::start(&one_app(&app.url(), &format!("{asks}\nenrol_deadline = \"1h\"")));
        let person = with_password(&gateway, "alice").await;
        let mut alice = gateway.stranger();
        let login = sent_to(&mut alice, "/wanted").await;
        let led = submit_password(&mut alice, &person, &login).await;
        assert!(led.location().starts_with(ADD_KEY), "{asks}: {} {}", led.location(), led.text());
        assert_eq!(alice.fetch("GET", "/wanted").await.status, StatusCode::UNAUTHORIZED);
        let key = Key::new(true);
        let answer = add_key(&mut alice, led.location(), &key).await;
        assert!(answer.location().starts_with(CONFIRM), "{}", answer.location());
        let page = alice.get(answer.location()).await.text();
        let answer = prove(&mut alice, &page, CONFIRM, &key).await;
        let (_, page) = followed(&mut alice, answer).await;
        assert!(page.text().contains("/wanted"), "{}", page.text());
        assert_eq!(alice.get("/wanted").await.status, StatusCode::OK, "{asks}");
    }
}

/// The attack: who demands more of one person meets a session that has less, and an app that asks for less.
#[tokio::test]
async fn what_is_demanded_of_a_person_is_asked_for_even_where_an_app_asks_for_less() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "require = \"password\"\nbypass = [\"/open/\"]"));
    let person = with_password(&gateway, "alice").await;
    let mut alice = gateway.stranger();
    assert_eq!(submit_password(&mut alice, &person, LOGIN).await.status, StatusCode::SEE_OTHER);
    assert_eq!(alice.get("/x").await.status, StatusCode::OK);
    let line = set(&gateway, "alice", TermsWish { require: Some("2fa".into()), ..TermsWish::default() }).await;
    assert_eq!(line.terms.require.as_deref(), Some("2fa"));
    assert_eq!(alice.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(alice.fetch("GET", "/open/x").await.status, StatusCode::OK, "what is public stays so");
    let mut again = gateway.stranger();
    let answer = submit_password(&mut again, &person, LOGIN).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(again.session_cookie().is_none());
    // The attack: the session of before gives itself what is demanded.
    let add = alice.get(&format!("{SECURITY}/authenticators/add")).await;
    assert_eq!(add.status, StatusCode::FORBIDDEN, "{}", add.text());
    gateway.clock.advance(Duration::from_secs(1));
    set(&gateway, "alice", TermsWish { require: Some("inherit".into()), ..TermsWish::default() }).await;
    assert_eq!(alice.get("/x").await.status, StatusCode::OK);
}

/// A page of the account that a key may have to be proven for.
async fn opened(visitor: &mut Visitor, path: &str, key: &Key) -> Answer {
    let answer = visitor.get(path).await;
    let (at, page) = followed(visitor, answer).await;
    if at.starts_with(CONFIRM) {
        prove(visitor, &page.text(), CONFIRM, key).await;
        return visitor.get(path).await;
    }
    page
}

/// The attack: the only key that counts is taken away while an authenticator stays, so that from then on a phished code opens the account
/// and makes another key.
#[tokio::test]
async fn the_last_of_what_counts_is_not_taken_away() {
    let app = App::start().await;
    let demanded = TermsWish { require: Some("passkey".into()), ..TermsWish::default() };
    for (auth, more, wish) in [
        ("", "", Some(demanded)),
        ("", "", Some(methods("passkey"))),
        ("", "methods = [\"passkey\"]", None),
        ("[auth]\nmethods = [\"passkey\"]\n", "", None),
        ("", "methods = [\"password+totp\"]", None),
    ] {
        let gateway = Gateway::before(&app.url());
        let mut alice = gateway.guest("alice").await;
        let key = Key::new(true);
        assert_eq!(add_key(&mut alice, ADD_KEY, &key).await.status, StatusCode::SEE_OTHER);
        let gateway = gateway.restarted(&format!("{auth}{}", one_app(&app.url(), more))).await;
        alice.reach = gateway.reach();
        if let Some(wish) = wish {
            set(&gateway, "alice", wish).await;
        }
        let asked = format!("{auth}{more}");
        let keys = format!("{SECURITY}/passkeys");
        let page = opened(&mut alice, &keys, &key).await.text();
        let remove = Form { action: Some(format!("{keys}/remove")), ..Form::of(&page) };
        let authenticators = opened(&mut alice, &format!("{SECURITY}/authenticators"), &key).await.text();
        let id = authenticators.split("security/authenticators/").nth(1).and_then(|rest| rest.split('"').next()).expect("a link");
        let own = format!("{SECURITY}/authenticators/{id}");
        let page = alice.get(&own).await.text();
        let codes = more.contains("totp");
        assert_eq!(page.contains("value=\"remove\""), !codes, "{asked}: {page}");
        let form = if codes { Form::of(&page).with("act", "remove") } else { remove };
        let refused = alice.submit(if codes { &own } else { &keys }, &form).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{asked}: {}", refused.text());
        let site = gateway.perform(Wish::UserShow { name: "alice".into() }).await;
        let Told::Person(line) = site else { panic!("{site:?}") };
        assert_eq!((line.authenticators, line.passkeys), (1, 1), "{asked}");
    }
}

/// The attack: where only a passkey is asked for and nothing may be changed, whoever has the password and a code replaces the
/// authenticator, or adds one.
#[tokio::test]
async fn without_self_service_nothing_is_added_but_what_is_asked_for() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let mut alice = gateway.guest("alice").await;
    let list = alice.get(&format!("{SECURITY}/authenticators")).await.text();
    let id = list.split("security/authenticators/").nth(1).and_then(|rest| rest.split('"').next()).expect("a link").to_owned();
    let add = format!("{SECURITY}/authenticators/add");
    let form = Form::of(&alice.get(&format!("{add}?instead={id}")).await.text());
    set(&gateway, "alice", TermsWish { self_service: Some("off".into()), ..methods("passkey") }).await;
    for form in [form.clone(), form.with("instead", "")] {
        let refused = alice.submit(&add, &form.with("name", "mine")).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{} {}", refused.location(), refused.text());
        assert!(refused.text().contains("Whoever runs this server"), "{}", refused.text());
    }
    for page in [add.clone(), format!("{add}?instead={id}")] {
        assert_eq!(alice.get(&page).await.status, StatusCode::FORBIDDEN, "{page}");
    }
    assert_eq!(add_key(&mut alice, ADD_KEY, &Key::new(true)).await.status, StatusCode::SEE_OTHER);
}

/// The attack (on ourselves): a list that is cut down later leaves somebody with nothing, and nobody hears of it.
#[tokio::test]
async fn a_reload_that_leaves_somebody_no_way_says_so() {
    let app = App::start().await;
    let text = |auth: &str| {
        let listen = "[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\n[log]\naccess = \"off\"\n";
        format!("{listen}[auth]\n{auth}\n{}", one_app(&app.url(), ""))
    };
    let gateway = Gateway::from_file(&text(""));
    gateway.provision("alice").await;
    gateway.provision("bob").await;
    set(&gateway, "alice", methods("passkey")).await;
    std::fs::write(gateway.home().join("gateway.toml"), text("methods = [\"password+totp\"]")).expect("written");
    let told = gateway.ask(&Wish::Reload { file: None, confirm_secs: None, colour: false }).await;
    let Told::Reloaded(told) = told else { panic!("{told:?}") };
    let told = format!("{told:?}");
    assert!(told.contains("W0612") && told.contains("alice") && told.contains("user set alice --methods inherit"), "{told}");
    assert!(!told.contains("bob"), "{told}");
}

/// The attack: a stolen password, within the time for adding a factor, takes away the link that the owner just made for whom it was
/// stolen from.
#[tokio::test]
async fn a_password_takes_no_link_of_the_owners_away() {
    let app = App::start().await;
    let gateway = Gateway::start(&format!("[auth]\nenrol_deadline = \"1h\"\n{}", one_app(&app.url(), "")));
    let person = with_password(&gateway, "alice").await;
    let Told::User(made) = gateway.perform(Wish::UserLink { name: "alice".to_owned() }).await else { panic!("a link") };
    let link = made.setup_link.expect("a link");
    let link = format!("/{}", link.splitn(4, '/').nth(3).expect("a path"));
    let mut thief = gateway.stranger();
    let answer = submit_password(&mut thief, &person, LOGIN).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text());
    assert!(answer.text().contains("The owner of this server has made a set-up link for you"));
    assert!(thief.session_cookie().is_none());
    assert_eq!(gateway.end_sessions_of("alice").await, 0, "nothing was begun");
    assert_eq!(gateway.stranger().get(&link).await.status, StatusCode::OK);
}
