//! The security pages through the whole gateway: what a change ends, on every host and for what is open, and what is left of it
//! after a restart.

use doorward::auth::totp;
use doorward::base::entropy::Entropy;
use doorward::base::id::Id;
use doorward::model::credential::{Totp, TotpRecipe};
use futures_util::StreamExt;
use http::StatusCode;

use crate::kit::app::App;
use crate::kit::form::{Form, unescape};
use crate::kit::gateway::{Gateway, HOST, one_app};
use crate::kit::socket::{echo_app, open};
use crate::kit::visitor::{Answer, Visitor, minutes};
use crate::websockets::AT_ONCE;

const SECURITY: &str = "/.doorward/security";
const SESSIONS: &str = "/.doorward/security/sessions";
const LIST: &str = "/.doorward/security/authenticators";
const ADD: &str = "/.doorward/security/authenticators/add";
const CHANGE: &str = "/.doorward/security/password";
const NEW: &str = "amber badger counts 9 lanterns";

/// The authenticator as a phone reads it from the key on the page.
fn scanned(page: &Answer, recipe: TotpRecipe) -> Totp {
    let text = page.text();
    let key = text.split("<p class=\"key\"><code>").nth(1).and_then(|rest| rest.split('<').next()).expect("a key");
    let seed = totp::parse_seed(&unescape(key)).expect("a seed");
    Totp { id: Id::draw(Entropy), recipe, seed, last_step: 0, created_at: Default::default() }
}

/// The second form of adding an authenticator, and what the phone has of it.
async fn scan(visitor: &mut Visitor, choice: &[(&str, &str)], recipe: TotpRecipe) -> (Form, Totp) {
    let mut form = Form::of(&visitor.get(ADD).await.text());
    for (name, value) in choice {
        form = form.with(name, value);
    }
    let next = visitor.submit(ADD, &form).await.location().to_owned();
    let page = visitor.get(&next).await;
    let totp = scanned(&page, recipe);
    (Form::of(&page.text()), totp)
}

/// The form of a page that ends one session, or with `name` another of its forms.
fn token(page: &Answer) -> Form {
    Form::of(&page.text())
}

#[tokio::test]
async fn ending_a_session_closes_what_is_open_there_at_once() {
    let app = echo_app().await;
    let gateway = Gateway::before(&app.url());
    let person = gateway.provision("alice").await;
    let mut home = gateway.stranger();
    home.sign_in(&person).await;
    gateway.next_code();
    let mut away = gateway.stranger();
    away.sign_in(&person).await;
    let mut socket = open(&mut away, "/echo").await.expect("agreed");
    let page = home.get(SESSIONS).await;
    assert!(page.text().contains("1 live connection"), "{}", page.text());
    let id = page.text().split("name=\"end\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("one").to_owned();
    let answer = home.submit(SESSIONS, &token(&page).with("end", &id)).await;
    assert_eq!(answer.location(), format!("{SESSIONS}?done=ended"));
    let ended = tokio::time::timeout(AT_ONCE, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    assert!(ended.is_ok(), "the socket ends with its session");
    assert_eq!(away.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(home.fetch("GET", "/").await.status, StatusCode::OK);
    assert!(!home.get(SESSIONS).await.text().contains("name=\"end\""), "it is gone from the list");
}

#[tokio::test]
async fn a_new_password_counts_at_once_and_after_a_restart() {
    let app = App::start().await;
    let toml = one_app(&app.url(), "");
    let gateway = Gateway::start(&toml);
    let mut person = gateway.provision("alice").await;
    let mut home = gateway.stranger();
    home.sign_in(&person).await;
    gateway.next_code();
    let mut away = gateway.stranger();
    away.sign_in(&person).await;
    let form = Form::of(&home.get(CHANGE).await.text()).with("current", &person.password).with("new", NEW);
    assert_eq!(form.value("others"), "1", "ticked");
    let old = home.session_cookie().expect("signed in").to_owned();
    assert_eq!(home.submit(CHANGE, &form).await.location(), format!("{SECURITY}?done=password"));
    assert_eq!(away.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED);
    // The attack: whoever copied the cookie before has nothing any more.
    let mut thief = gateway.stranger();
    thief.set_cookie("__Host-doorward", &old);
    assert_eq!(thief.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(home.fetch("GET", "/").await.status, StatusCode::OK);
    gateway.next_code();
    let gateway = gateway.restarted(&toml).await;
    let mut again = Visitor::new(gateway.reach(), HOST);
    let refused = Form::of(&again.get("/.doorward/login").await.text());
    let refused = refused.with("name", &person.name).with("password", &person.password);
    assert_eq!(again.submit("/.doorward/login", &refused).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    person.password = NEW.to_owned();
    again.sign_in(&person).await;
    let text = again.get("/.doorward/security/activity").await.text();
    for said in ["The password was changed", "Signed in", "A sign-in failed"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[tokio::test]
async fn an_authenticator_that_was_added_signs_in_after_a_restart_and_a_half_added_one_does_not() {
    let app = App::start().await;
    let configuration = "[[auth.totp.configuration]]\nname = \"Token\"\nalgorithm = \"SHA256\"\ndigits = 8\nperiod = 60\n";
    let toml = format!("{configuration}{}", one_app(&app.url(), ""));
    let gateway = Gateway::start(&toml);
    let person = gateway.provision("alice").await;
    let mut alice = gateway.stranger();
    alice.sign_in(&person).await;
    let recipe = TotpRecipe { algorithm: doorward::model::credential::TotpAlgorithm::Sha256, digits: 8, period: 60 };
    let choice = [("configuration", "1"), ("name", "Token")];
    let (form, added) = scan(&mut alice, &choice, recipe).await;
    let form = form.with("code", &totp::code_at(&added, gateway.clock.now()));
    assert_eq!(alice.submit(ADD, &form).await.location(), format!("{LIST}?done=added"));
    assert_eq!(alice.submit(ADD, &form).await.location(), format!("{LIST}?done=late"), "once");
    let (half, waiting) = scan(&mut alice, &[], TotpRecipe::default()).await;
    gateway.clock.advance(minutes(1));

    // The end comes in the middle of adding another: nothing of that is left, and the page says so.
    let gateway = gateway.restarted(&toml).await;
    alice.reach = gateway.reach();
    let answer = alice.submit(ADD, &half.with("code", &totp::code_at(&waiting, gateway.clock.now()))).await;
    assert_eq!(answer.location(), format!("{LIST}?done=late"));
    let list = alice.get(LIST).await.text();
    assert_eq!(list.matches("<section>").count(), 2, "{list}");
    assert!(list.contains("8 digits, every 60 seconds, SHA256"), "{list}");
    let mut again = Visitor::new(gateway.reach(), HOST);
    let step = again.pass_password(&person, "/.doorward/login").await;
    let form = Form::of(&again.get(&step).await.text()).with("code", &totp::code_at(&added, gateway.clock.now()));
    assert_eq!(again.submit(&step, &form).await.status, StatusCode::SEE_OTHER);
    assert!(again.session_cookie().is_some(), "signed in by the new one");
}

/// The attack: a thief has copied the cookie of a session that is older than its last proof.
#[tokio::test]
async fn a_copied_cookie_changes_nothing_once_the_proof_is_old() {
    let app = App::start().await;
    let gateway = Gateway::start(&format!("[session]\nsudo_timeout = \"2m\"\n{}", one_app(&app.url(), "")));
    let mut alice = gateway.guest("alice").await;
    assert_eq!(alice.get(CHANGE).await.status, StatusCode::OK, "just signed in");
    gateway.clock.advance(minutes(2));
    let mut thief = gateway.stranger();
    thief.set_cookie("__Host-doorward", alice.session_cookie().expect("signed in"));
    for path in [ADD, CHANGE] {
        assert!(thief.get(path).await.location().starts_with("/.doorward/confirm?go="), "{path}");
    }
    assert_eq!(thief.get(SECURITY).await.status, StatusCode::OK, "looking is all there is");
    let next = alice.get(CHANGE).await.location().to_owned();
    let form = Form::of(&alice.get(&next).await.text()).with("code", &gateway.person("alice").code(gateway.clock.now()));
    assert_eq!(alice.submit("/.doorward/confirm", &form).await.status, StatusCode::SEE_OTHER);
    assert_eq!(alice.get(CHANGE).await.status, StatusCode::OK);
    assert_eq!(thief.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED, "and the copy is worth nothing any more");
}

#[tokio::test]
async fn on_the_hosts_of_apps_the_pages_lead_to_the_portal() {
    let app = App::start().await;
    let gateway = Gateway::start(&format!("portal = \"https://auth.example\"\n{}", one_app(&app.url(), "")));
    let person = gateway.provision("alice").await;
    let (mut portal, mut alice) = (Visitor::new(gateway.reach(), "auth.example"), gateway.stranger());
    portal.sign_in(&person).await;
    alice.follow(&mut portal).await;
    for path in [SECURITY, SESSIONS, CHANGE, LIST] {
        assert!(alice.get(path).await.location().starts_with("https://auth.example:"), "{path}");
    }
    let page = portal.get(SESSIONS).await.text();
    assert!(page.contains("auth.example, app.example"), "{page}");
    assert!(portal.get("/.doorward/").await.text().contains("href=\"/.doorward/security\""));
    assert_eq!(app.count(), 0, "nothing of ours reaches the app");
}
