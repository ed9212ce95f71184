//! Paths that ask for a proof no older than so long: the page on which it is given again, and the ways round it that there
//! must not be.

use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_TYPE, ORIGIN};

use crate::kit::app::App;
use crate::kit::form::Form;
use crate::kit::gateway::{Gateway, HOST, Person, one_app};
use crate::kit::key::Key;
use crate::kit::line::BOTH;
use crate::kit::visitor::{Answer, Visitor, minutes};

const AUTH: &str = "auth.example";
const OTHER: &str = "other.example";
const SENSITIVE: &str = "[[app.rule]]\npath = \"/settings/\"\nmax_age = \"10m\"\n";

/// Follows our redirects and pages that lead on, until the app or a form answers; where it ended and what it said.
pub async fn browse(tabs: &mut [&mut Visitor], at: usize, path: &str) -> (usize, String, Answer) {
    let (mut at, mut path) = (at, path.to_owned());
    for _ in 0..12 {
        let answer = tabs[at].get(&path).await;
        let text = answer.text();
        let next = match answer.status.is_redirection() {
            true => Some(answer.location().to_owned()),
            false => {
                text.split_once("content=\"0;url=").and_then(|(_, rest)| rest.split('"').next()).map(crate::kit::form::unescape)
            }
        };
        let Some(next) = next else { return (at, path, answer) };
        match next.strip_prefix("https://") {
            Some(rest) => {
                at = tabs.iter().position(|tab| rest.starts_with(&tab.authority())).expect("one of ours");
                path = tabs[at].own_path(&next);
            }
            None => path = next,
        }
    }
    panic!("round in circles at {path}");
}

async fn confirm(tab: &mut Visitor, page: &Answer, person: &Person) -> Answer {
    let form = Form::of(&page.text()).with("code", &person.code(tab.reach.clock.now()));
    tab.submit("/.doorward/confirm", &form).await
}

#[tokio::test]
async fn a_sensitive_path_asks_once_more_and_leads_back() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), SENSITIVE));
    let person = gateway.provision("alice").await;
    for protocol in BOTH {
        let mut alice = gateway.stranger().over(protocol);
        alice.sign_in(&person).await;
        assert_eq!(alice.get("/settings/x").await.status, StatusCode::OK, "just signed in");
        gateway.clock.advance(minutes(10));
        assert_eq!(alice.get("/other").await.status, StatusCode::OK, "the session goes on");
        app.take();
        let (_, at, page) = browse(&mut [&mut alice], 0, "/settings/x?page=2").await;
        assert!(at.starts_with("/.doorward/confirm?go=") && page.status == StatusCode::OK, "{at}");
        assert!(page.text().contains("alice") && page.text().contains("10 minutes"), "{}", page.text());
        let old = alice.session_cookie().expect("signed in").to_owned();
        let answer = confirm(&mut alice, &page, &person).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        assert_ne!(alice.session_cookie(), Some(old.as_str()));
        let next = answer.location().to_owned();
        let (_, at, page) = browse(&mut [&mut alice], 0, &next).await;
        assert_eq!((at.as_str(), page.status), ("/settings/x?page=2", StatusCode::OK));
        assert_eq!(app.take().len(), 1, "the app saw what was let through, and nothing else");

        // The attack: whoever stole the cookie before has nothing of the new proof.
        let mut thief = gateway.stranger();
        thief.set_cookie("__Host-doorward", &old);
        assert_eq!(thief.fetch("GET", "/other").await.status, StatusCode::UNAUTHORIZED);
        gateway.clock.advance(Duration::from_secs(599));
        assert_eq!(alice.fetch("GET", "/settings/").await.status, StatusCode::OK);
        gateway.clock.advance(Duration::from_secs(1));
        assert_eq!(alice.fetch("GET", "/settings/").await.status, StatusCode::UNAUTHORIZED);
        gateway.next_code();
    }
}

#[tokio::test]
async fn programs_are_told_in_words_of_their_own() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), SENSITIVE));
    let mut alice = gateway.guest("alice").await;
    gateway.clock.advance(minutes(11));
    for method in ["GET", "POST", "DELETE"] {
        let answer = alice.fetch(method, "/settings/x").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        let problem = answer.json();
        assert_eq!((&problem["type"], &problem["max_age"]), (&"/problems/reauth".into(), &600.into()));
        assert_eq!(problem["login_url"], "/.doorward/confirm");
        assert!(answer.header("www-authenticate").contains("error=\"insufficient_user_authentication\", max_age=\"600\""));
    }
    assert_eq!(app.count(), 0);
    // The page that a script sends people to asks by itself.
    let (_, at, page) = browse(&mut [&mut alice], 0, "/.doorward/confirm").await;
    assert!(at == "/.doorward/confirm" && page.text().contains("name=\"code\""), "{at}");
    let person = gateway.person("alice");
    assert_eq!(confirm(&mut alice, &page, &person).await.status, StatusCode::SEE_OTHER);
    assert_eq!(alice.fetch("POST", "/settings/x").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_form_sent_to_it_is_said_not_to_have_been_sent() {
    let app = App::start().await;
    let portal = format!("portal = \"https://{AUTH}\"\n{}", one_app(&app.url(), SENSITIVE));
    for (text, same_host) in [(one_app(&app.url(), SENSITIVE), true), (portal, false)] {
        let gateway = Gateway::start(&text);
        let person = gateway.provision("alice").await;
        let mut portal = Visitor::new(gateway.reach(), if same_host { HOST } else { AUTH });
        portal.sign_in(&person).await;
        let mut alice = Visitor::new(gateway.reach(), HOST);
        if same_host {
            alice = portal.clone()
        } else {
            alice.follow(&mut portal).await
        }
        gateway.clock.advance(minutes(10));
        app.take();
        let mut request = alice.navigation("POST", "/settings/delete");
        request.headers_mut().insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().expect("a value"));
        request.headers_mut().insert(ORIGIN, format!("https://{}", alice.authority()).parse().expect("a value"));
        let answer = alice.send(request).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let next = answer.location().to_owned();
        let first = alice.get(&next).await;
        assert!(first.text().contains("Nothing you typed was sent to the app"), "{next}: {}", first.text());
        assert!(!first.text().contains("signed out before"), "nobody was signed out");
        let (_, at, page) = browse(&mut [&mut alice, &mut portal], 0, &next).await;
        assert!(at.starts_with("/.doorward/confirm") && page.text().contains("Nothing you typed was sent to the app"), "{at}");
        assert_eq!(app.count(), 0);
        drop(gateway);
    }
}

#[tokio::test]
async fn the_proof_is_given_on_the_portal_and_handed_to_the_app() {
    let app = App::start().await;
    let other = format!("[[app]]\nhost = \"{OTHER}\"\nupstream = \"{}\"\n", app.url());
    let gateway = Gateway::start(&format!("portal = \"https://{AUTH}\"\n{}{other}", one_app(&app.url(), SENSITIVE)));
    let person = gateway.provision("alice").await;
    let browser = |host| Visitor::new(gateway.reach(), host);
    let (mut portal, mut alice, mut away) = (browser(AUTH), browser(HOST), browser(OTHER));
    portal.sign_in(&person).await;
    alice.follow(&mut portal).await;
    away.follow(&mut portal).await;
    gateway.clock.advance(minutes(10));
    app.take();
    let (at, path, page) = browse(&mut [&mut alice, &mut portal], 0, "/settings/").await;
    assert!(at == 1 && path.starts_with("/.doorward/confirm?go="), "{path}");
    // A second tab that waits on the same question.
    let (_, _, second) = browse(&mut [&mut alice, &mut portal], 0, "/settings/two").await;
    let next = confirm(&mut portal, &page, &person).await.location().to_owned();
    let (at, path, page) = browse(&mut [&mut alice, &mut portal], 1, &next).await;
    assert_eq!((at, path.as_str(), page.status), (0, "/settings/", StatusCode::OK));
    // It is answered there as well, whatever is typed: the proof was given meanwhile.
    let answer = portal.submit("/.doorward/confirm", &Form::of(&second.text()).with("code", "000000")).await;
    let next = answer.location().to_owned();
    let (at, path, page) = browse(&mut [&mut alice, &mut portal], 1, &next).await;
    assert_eq!((at, path.as_str(), page.status), (0, "/settings/two", StatusCode::OK));
    // Every other host asks the portal again, without anybody noticing.
    assert_eq!(away.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED);
    let (at, path, page) = browse(&mut [&mut away, &mut portal], 0, "/x").await;
    assert_eq!((at, path.as_str(), page.status), (0, "/x", StatusCode::OK));
    // On the app's host the page of our own leads to the portal's, and back to the app.
    gateway.clock.advance(minutes(2));
    let (at, path, page) = browse(&mut [&mut alice, &mut portal], 0, "/.doorward/confirm").await;
    assert!(at == 1 && page.text().contains("name=\"code\""), "{path}");
}

/// The attack: a thief with a copied cookie of the portal has a ticket made, and brings it to the app's host right after the
/// owner of the session proved a factor once more.
#[tokio::test]
async fn a_ticket_made_before_the_proof_does_not_bring_the_proof_along() {
    let app = App::start().await;
    let gateway = Gateway::start(&format!("portal = \"https://{AUTH}\"\n{}", one_app(&app.url(), SENSITIVE)));
    let person = gateway.provision("alice").await;
    let browser = |host| Visitor::new(gateway.reach(), host);
    let (mut portal, mut alice, mut thief) = (browser(AUTH), browser(HOST), browser(HOST));
    portal.sign_in(&person).await;
    alice.follow(&mut portal).await;
    gateway.clock.advance(minutes(10));
    let mut copied = portal.clone();
    let way = thief.get("/x").await.location().to_owned();
    let ticket = copied.get(&copied.own_path(&way)).await.location().to_owned();
    assert!(ticket.contains("/.doorward/enter?ticket="), "{ticket}");
    let (_, _, page) = browse(&mut [&mut alice, &mut portal], 0, "/settings/").await;
    let next = confirm(&mut portal, &page, &person).await.location().to_owned();
    let answer = thief.get(&thief.own_path(&ticket)).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::FOUND, "/x"));
    assert!(thief.session_cookie().is_none());
    app.take();
    let (at, path, _) = browse(&mut [&mut thief, &mut copied], 0, "/settings/").await;
    assert!(at == 1 && path.starts_with("/.doorward/login?go=") && app.count() == 0, "{path}");
    let (at, path, page) = browse(&mut [&mut alice, &mut portal], 1, &next).await;
    assert_eq!((at, path.as_str(), page.status), (0, "/settings/", StatusCode::OK));
}

/// The attack: codes tried one after the other with a stolen session, a used code, somebody else's code.
#[tokio::test]
async fn a_wrong_proof_is_counted_and_changes_nothing() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), SENSITIVE));
    let person = gateway.provision("alice").await;
    let mallory = gateway.provision("mallory").await;
    let mut alice = gateway.stranger();
    alice.sign_in(&person).await;
    let used = person.code(gateway.clock.now());
    let (_, _, page) = {
        gateway.clock.advance(minutes(10));
        browse(&mut [&mut alice], 0, "/settings/").await
    };
    let form = Form::of(&page.text());
    let code = mallory.code(gateway.clock.now());
    let before = alice.session_cookie().expect("signed in").to_owned();
    let mut statuses = vec![];
    for code in [used.as_str(), code.as_str(), "", "000000", "000001", "000002", "000003", "000004", "000005", "000006", "000007"]
    {
        statuses.push(alice.submit("/.doorward/confirm", &form.clone().with("code", code)).await.status);
    }
    assert_eq!(statuses[..4], [StatusCode::UNPROCESSABLE_ENTITY; 4]);
    assert_eq!(statuses.last(), Some(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
    assert_eq!(alice.session_cookie(), Some(before.as_str()));
    assert_eq!(alice.fetch("GET", "/settings/").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(alice.fetch("GET", "/").await.status, StatusCode::OK, "the session itself goes on");
    // The attack: another site sends the form, or one without its token.
    gateway.clock.advance(minutes(20));
    let right = person.code(gateway.clock.now());
    let answer = alice.submit("/.doorward/confirm", &form.clone().with("t", "x").with("code", &right)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let mut request = alice.navigation("POST", "/.doorward/confirm");
    request.headers_mut().insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().expect("a value"));
    request.headers_mut().insert(ORIGIN, "https://evil.example".parse().expect("a value"));
    *request.body_mut() = form.with("code", &right).encoded().into();
    assert_eq!(alice.send(request).await.status, StatusCode::FORBIDDEN);
    assert_eq!(alice.fetch("GET", "/settings/").await.status, StatusCode::UNAUTHORIZED);
}

/// Whatever the clock does, people are asked at most; they never go round in circles by themselves.
#[tokio::test]
async fn the_shortest_age_and_a_slow_way_never_go_round_in_circles() {
    let app = App::start().await;
    let text = format!("portal = \"https://{AUTH}\"\n{}", one_app(&app.url(), "max_age = \"60s\""));
    let gateway = Gateway::start(&text);
    let person = gateway.provision("alice").await;
    let (mut portal, mut alice) = (Visitor::new(gateway.reach(), AUTH), Visitor::new(gateway.reach(), HOST));
    portal.sign_in(&person).await;
    alice.follow(&mut portal).await;
    for _ in 0..4 {
        gateway.clock.advance(Duration::from_secs(60));
        let (at, _, page) = browse(&mut [&mut alice, &mut portal], 0, "/x").await;
        assert_eq!((at, page.status), (1, StatusCode::OK));
        let next = confirm(&mut portal, &page, &person).await.location().to_owned();
        // Too slow: the proof is over on the way, and is asked for once more.
        gateway.clock.advance(Duration::from_secs(60));
        let (at, path, page) = browse(&mut [&mut alice, &mut portal], 1, &next).await;
        assert!(at == 1 && path.starts_with("/.doorward/confirm"), "{path}");
        let next = confirm(&mut portal, &page, &person).await.location().to_owned();
        gateway.clock.advance(Duration::from_secs(59));
        let (at, path, page) = browse(&mut [&mut alice, &mut portal], 1, &next).await;
        assert_eq!((at, path.as_str(), page.status), (0, "/x", StatusCode::OK));
    }
}

/// Where a password is all there is, it is the password that is asked for.
#[tokio::test]
async fn a_password_alone_is_proven_by_the_password() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "require = \"password\"\nmax_age = \"5m\""));
    let words = "correct horse carol staple";
    let hash = doorward::auth::password::hash(
        &doorward::base::secret::Secret::new(words.to_owned()),
        doorward::base::entropy::Entropy.bytes(),
    );
    let credentials = doorward::admin::wish::Credentials { password_hash: Some(hash.0.expose().clone()), totp_seed: None };
    let wish = doorward::admin::wish::Wish::UserAdd {
        name: "carol".to_owned(),
        credentials: Some(credentials),
        details: doorward::admin::wish::Details::default(),
    };
    gateway.perform(wish).await;
    let mut carol = gateway.stranger();
    let form = Form::of(&carol.get("/.doorward/login").await.text());
    carol.submit("/.doorward/login", &form.with("name", "carol").with("password", words)).await;
    assert_eq!(carol.get("/x").await.status, StatusCode::OK);
    gateway.clock.advance(minutes(5));
    let (_, at, page) = browse(&mut [&mut carol], 0, "/x").await;
    assert!(at.starts_with("/.doorward/confirm") && page.text().contains("name=\"password\""), "{at}");
    let form = Form::of(&page.text());
    let answer = carol.submit("/.doorward/confirm", &form.clone().with("password", "wrong")).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = carol.submit("/.doorward/confirm", &form.with("password", words)).await;
    let next = answer.location().to_owned();
    let (_, at, page) = browse(&mut [&mut carol], 0, &next).await;
    assert_eq!((at.as_str(), page.status), ("/x", StatusCode::OK));
}

/// Adds a key on the page for it.
async fn add_key(visitor: &mut Visitor, key: &Key) {
    let add = "/.doorward/security/passkeys/add";
    let (form, options) = Form::asking(&visitor.get(add).await.text());
    let made = key.register(&format!("https://{}", visitor.authority()), &options).await;
    let answer = visitor.submit(add, &form.with("answer", &made.to_string())).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
}

/// Answers a page that asks for a key.
async fn prove(visitor: &mut Visitor, page: &str, action: &str, key: &Key) -> Answer {
    let (form, options) = Form::asking(page);
    let proof = key.prove(&format!("https://{}", visitor.authority()), &options).await;
    visitor.submit(action, &form.with("answer", &proof.to_string())).await
}

/// The attack: the cookie of a session that a passkey began, and one phished code to make it fresh.
#[tokio::test]
async fn a_code_does_not_stand_for_the_passkey_that_began_a_session() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "require = \"2fa\"\nmax_age = \"5m\""));
    let (person, key) = (gateway.provision("alice").await, Key::new(true));
    let mut first = gateway.stranger();
    first.sign_in(&person).await;
    add_key(&mut first, &key).await;
    let mut alice = gateway.stranger();
    let login = alice.get("/x").await.location().to_owned();
    let page = alice.get(&login).await.text();
    prove(&mut alice, &page, "/.doorward/login", &key).await;
    assert_eq!(alice.get("/x").await.status, StatusCode::OK);
    gateway.clock.advance(minutes(5));
    let (_, at, page) = browse(&mut [&mut alice], 0, "/x").await;
    assert!(at.starts_with("/.doorward/confirm") && !page.text().contains("name=\"code\""), "{at}: {}", page.text());
    let mut form = Form::of(&page.text()).with("code", &person.code(gateway.clock.now()));
    form.fields.retain(|(name, _)| name != "answer");
    assert_eq!(alice.submit("/.doorward/confirm", &form).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(alice.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED);
    prove(&mut alice, &page.text(), "/.doorward/confirm", &key).await;
    assert_eq!(alice.get("/x").await.status, StatusCode::OK);
}

/// Whoever opens the sign-in page itself, and not the app, is asked for the passkey that the app asks for, and not sent in circles.
#[tokio::test]
async fn the_sign_in_page_by_itself_leads_to_the_passkey_that_is_asked_for() {
    let app = App::start().await;
    let (portal, other) =
        (format!("portal = \"https://{HOST}\"\n"), format!("[[app]]\nhost = \"{OTHER}\"\nupstream = \"{}\"\n", app.url()));
    for text in [
        one_app(&app.url(), "require = \"passkey\""),
        one_app(&app.url(), "methods = [\"passkey\"]"),
        format!("{portal}[auth]\nrequire = \"passkey\"\n{}{other}", one_app(&app.url(), "")),
    ] {
        let gateway = Gateway::before(&app.url());
        let key = Key::new(true);
        let mut alice = gateway.guest("alice").await;
        add_key(&mut alice, &key).await;
        let gateway = gateway.restarted(&text).await;
        alice.reach = gateway.reach();
        let (_, at, page) = browse(&mut [&mut alice], 0, "/.doorward/login").await;
        assert!(at.starts_with("/.doorward/confirm"), "{text}: {at}");
        let next = prove(&mut alice, &page.text(), "/.doorward/confirm", &key).await.location().to_owned();
        let (_, at, page) = browse(&mut [&mut alice], 0, &next).await;
        assert_eq!(page.status, StatusCode::OK, "{text}: {at}");
        assert_eq!(alice.fetch("GET", "/").await.status, StatusCode::OK, "{text}");
    }
}

/// A code that counts elsewhere makes nothing fresh where only a key beside the password counts, so it is not asked for.
#[tokio::test]
async fn the_page_by_itself_asks_for_what_is_lacking_where_it_leads() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let (person, key) = (gateway.provision("alice").await, Key::new(false));
    let mut alice = gateway.stranger();
    alice.sign_in(&person).await;
    add_key(&mut alice, &key).await;
    let gateway = gateway.restarted(&one_app(&app.url(), "methods = [\"password+passkey\"]\nmax_age = \"5m\"")).await;
    let mut again = gateway.stranger();
    let step = again.pass_password(&person, "/.doorward/login").await;
    let page = again.get(&step).await.text();
    prove(&mut again, &page, &step, &key).await;
    assert_eq!(again.get("/").await.status, StatusCode::OK);
    gateway.clock.advance(minutes(5));
    let (_, at, page) = browse(&mut [&mut again], 0, "/.doorward/confirm").await;
    assert!(at.starts_with("/.doorward/confirm") && !page.text().contains("name=\"code\""), "{at}: {}", page.text());
    let next = prove(&mut again, &page.text(), "/.doorward/confirm", &key).await.location().to_owned();
    let (_, at, page) = browse(&mut [&mut again], 0, &next).await;
    assert_eq!(page.status, StatusCode::OK, "{at}");
    assert_eq!(again.fetch("GET", "/").await.status, StatusCode::OK);
}
