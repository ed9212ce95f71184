//! A passkey in place of an authenticator app, made while following a set-up link.

use doorward::admin::wish::{Answer as Told, Details, Wish};
use http::StatusCode;
use serde_json::Value;

use crate::kit::app::App;
use crate::kit::form::Form;
use crate::kit::gateway::{Gateway, HOST, one_app};
use crate::kit::key::{Key, said};
use crate::kit::visitor::{Answer, Visitor};

const LOGIN: &str = "/.doorward/login";
const PASSWORD: &str = "four words nobody guesses";

/// The way to a new account of that name.
async fn invite(gateway: &Gateway, name: &str) -> String {
    let wish = Wish::UserAdd { name: name.to_owned(), credentials: None, details: Details::default() };
    let Told::User(made) = gateway.perform(wish).await else { panic!("made") };
    let link = made.setup_link.expect("a link");
    link.strip_prefix(&format!("https://{HOST}:{}", gateway.reach().https.port())).expect("on our host").to_owned()
}

fn origin(visitor: &Visitor) -> String {
    format!("https://{}", visitor.authority())
}

/// Chooses a password; the page of the second step.
async fn second_step(visitor: &mut Visitor, path: &str) -> String {
    let form = Form::of(&visitor.get(path).await.text());
    let answer = visitor.submit(path, &form.with("password", PASSWORD)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    visitor.get(answer.location()).await.text()
}

/// The form of the second step with a new key in it.
async fn made(visitor: &Visitor, key: &Key, page: &str) -> Form {
    let (form, options) = Form::asking(page);
    form.with("answer", &key.register(&origin(visitor), &options).await.to_string())
}

async fn sign_in(gateway: &Gateway, key: &Key) -> Answer {
    let mut visitor = gateway.stranger();
    let (form, options) = Form::asking(&visitor.get(LOGIN).await.text());
    let proof = key.prove(&origin(&visitor), &options).await;
    visitor.submit(LOGIN, &form.with("answer", &proof.to_string())).await
}

#[tokio::test]
async fn a_passkey_takes_the_place_of_an_authenticator() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "require = \"passkey\""));
    let (path, key) = (invite(&gateway, "alice").await, Key::new(true));
    let mut alice = gateway.stranger();
    let page = second_step(&mut alice, &path).await;
    assert!(page.contains("Or use a passkey instead") && page.contains("Scan this code"), "{page}");
    let form = made(&alice, &key, &page).await;
    let sheet = alice.submit(&path, &form).await;
    assert_eq!((sheet.status, sheet.text().matches("<li>").count()), (StatusCode::OK, 10), "ten recovery codes");
    // Nothing of it counts before the codes are saved.
    assert_eq!(sign_in(&gateway, &key).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = alice.submit(&path, &Form::of(&sheet.text()).with("act", "done").with("saved", "1")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(alice.get("/x").await.status, StatusCode::OK, "it is as firm as a passkey");
    assert_eq!(sign_in(&gateway, &key).await.status, StatusCode::SEE_OTHER);
    assert_eq!(gateway.stranger().get(&path).await.status, StatusCode::NOT_FOUND, "a link works once");
    let Told::Users { users } = gateway.perform(Wish::UserList).await else { panic!("a list") };
    assert!(users[0].password && users[0].authenticators == 0, "{users:?}");
}

/// A link is followed, left, and followed again: what waits beside it has survived, sealed, and the codes are new ones.
#[tokio::test]
async fn who_comes_back_goes_on_where_they_left() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let (path, key) = (invite(&gateway, "alice").await, Key::new(false));
    let mut alice = gateway.stranger();
    let page = second_step(&mut alice, &path).await;
    alice.submit(&path, &made(&alice.clone(), &key, &page).await).await;
    let gateway = gateway.restarted(&one_app(&app.url(), "")).await;
    let mut alice = gateway.stranger();
    let again = alice.get(&format!("{path}?step=2")).await.text();
    let sheet = alice.submit(&path, &Form::of(&again)).await.text();
    assert_eq!(sheet.matches("<li>").count(), 10, "{sheet}");
    let answer = alice.submit(&path, &Form::of(&sheet).with("act", "done").with("saved", "1")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(alice.get("/x").await.status, StatusCode::OK, "a password and a key are two factors");
}

/// The attack: the question that one link asked is answered at another, a second time, or by a key that is somebody's already.
#[tokio::test]
async fn a_key_is_taken_once_and_for_the_link_that_asked() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let (mine, theirs) = (invite(&gateway, "mallory").await, invite(&gateway, "alice").await);
    let key = Key::new(true);
    let mut visitor = gateway.stranger();
    let page = second_step(&mut visitor, &mine).await;
    second_step(&mut visitor, &theirs).await;
    let form = made(&visitor, &key, &page).await;
    let token = Form::of(&visitor.get(&format!("{theirs}?step=2")).await.text()).value("t").to_owned();
    let answer = visitor.submit(&theirs, &form.clone().with("t", &token)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
    assert!(answer.text().contains("href=\"#passkey\"") && !answer.text().contains("<li>1"), "{}", answer.text());
    // Whoever asked has lost nothing but this question, and gets another one.
    let answer = visitor.submit(&mine, &form).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    let form = made(&visitor, &key, &answer.text()).await;
    let mut answered: Value = serde_json::from_str(form.value("answer")).expect("JSON");
    let sheet = visitor.submit(&mine, &form).await;
    assert_eq!(sheet.text().matches("<li>").count(), 10);
    visitor.submit(&mine, &Form::of(&sheet.text()).with("act", "done").with("saved", "1")).await;
    // The same credential for another account: it would sign in as whoever comes first.
    let mut other = gateway.stranger();
    let page = other.get(&format!("{theirs}?step=2")).await.text();
    let (form, options) = Form::asking(&page);
    said(&mut answered, |said| said["challenge"] = options["challenge"].clone());
    let answer = other.submit(&theirs, &form.with("answer", &answered.to_string())).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text());
}

#[tokio::test]
async fn on_addresses_only_an_authenticator_is_offered() {
    let app = App::start().await;
    let gateway = Gateway::start(&format!("portal = \"https://127.0.0.1\"\n{}", one_app(&app.url(), "")));
    let wish = Wish::UserAdd { name: "alice".to_owned(), credentials: None, details: Details::default() };
    let Told::User(made) = gateway.perform(wish).await else { panic!("made") };
    let link = made.setup_link.expect("a link");
    let path = format!("/{}", link.splitn(4, '/').nth(3).expect("a path"));
    let mut visitor = Visitor::new(gateway.reach(), "127.0.0.1");
    let page = second_step(&mut visitor, &path).await;
    assert!(page.contains("Scan this code") && !page.contains("data-passkey"), "{page}");
}

/// Whoever follows a link is offered what counts, and nothing else is taken.
#[tokio::test]
async fn only_what_counts_is_offered_and_taken() {
    let app = App::start().await;
    for (methods, app_offered, key_offered) in [
        ("[\"password+totp\"]", true, false),
        ("[\"passkey\"]", false, true),
        ("[\"password+totp\", \"passkey\"]", true, true),
        ("[\"password\"]", true, false),
    ] {
        let gateway =
            Gateway::start(&format!("[auth]\nmethods = {methods}\nrequire = \"password\"\n{}", one_app(&app.url(), "")));
        let path = invite(&gateway, "alice").await;
        let mut visitor = gateway.stranger();
        let page = second_step(&mut visitor, &path).await;
        assert_eq!((page.contains("Scan this code"), page.contains("data-passkey")), (app_offered, key_offered), "{methods}");
        if !app_offered {
            // The attack: the form of the other factor, put together by hand.
            let answer = visitor.submit(&path, &Form::of(&page).with("code", "123456")).await;
            let by_hand = Form {
                fields: Form::of(&page).fields.into_iter().filter(|(name, _)| name != "answer").collect(),
                ..Form::of(&page)
            };
            let by_hand = visitor.submit(&path, &by_hand.with("code", "123456")).await;
            assert_eq!((answer.status, by_hand.status), (StatusCode::UNPROCESSABLE_ENTITY, StatusCode::BAD_REQUEST));
            // A key that verifies nobody would be a second step, which does not count here.
            let page = visitor.get(&format!("{path}?step=2")).await.text();
            let answer = visitor.submit(&path, &made(&visitor, &Key::new(false), &page).await).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            let sheet = visitor.submit(&path, &made(&visitor, &Key::new(true), &answer.text()).await).await;
            assert_eq!((sheet.status, sheet.text().matches("<li>").count()), (StatusCode::OK, 10), "{}", sheet.text());
        }
    }
}
