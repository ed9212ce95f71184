//! Recovery codes: made on the security page, used when the phone is gone, taken away by the owner.

use doorward::admin::wish::{Answer as Wished, ResetAnswer, Resettable, UserLine, Wish};
use doorward::base::task;
use http::StatusCode;

use crate::kit::app::App;
use crate::kit::form::Form;
use crate::kit::gateway::{Gateway, Person, one_app};
use crate::kit::line::BOTH;
use crate::kit::visitor::{Answer, Visitor, minutes};

const PAGE: &str = "/.doorward/security/recovery";

fn codes(page: &Answer) -> Vec<String> {
    page.text().split("<li>").skip(1).filter_map(|rest| rest.split("</li>").next()).map(str::to_owned).collect()
}

/// New codes, saved as their page asks for.
async fn new_codes(visitor: &mut Visitor) -> Vec<String> {
    let form = Form::of(&visitor.get(PAGE).await.text());
    let sheet = visitor.submit(PAGE, &form.with("act", "new")).await;
    assert_eq!(sheet.status, StatusCode::OK, "{}", sheet.text());
    let done = visitor.submit(PAGE, &Form::of(&sheet.text()).with("act", "done").with("saved", "1")).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text());
    codes(&sheet)
}

/// Name, password, recovery code.
async fn recover(visitor: &mut Visitor, person: &Person, code: &str) -> Answer {
    let step = visitor.pass_password(person, "/.doorward/login").await.replace("/login/code?", "/login/recovery?");
    let form = Form::of(&visitor.get(&step).await.text());
    visitor.submit("/.doorward/login/recovery", &form.with("code", code)).await
}

async fn show(gateway: &Gateway, name: &str) -> UserLine {
    match gateway.perform(Wish::UserShow { name: name.to_owned() }).await {
        Wished::Person(line) => *line,
        other => panic!("{other:?}"),
    }
}

async fn reset(gateway: &Gateway, factor: Resettable, keep_sessions: bool) -> ResetAnswer {
    match gateway.perform(Wish::UserReset { name: "alice".to_owned(), factor, keep_sessions }).await {
        Wished::Reset(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_code_opens_the_app_once_over_both_protocols() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), ""));
    let alice = gateway.provision("alice").await;
    let mut browser = gateway.stranger();
    browser.sign_in(&alice).await;
    let codes = new_codes(&mut browser).await;
    for (protocol, code) in BOTH.into_iter().zip(&codes) {
        let mut other = gateway.stranger().over(protocol);
        let answer = recover(&mut other, &alice, code).await;
        assert!(answer.location().starts_with("/.doorward/login/recovered?go="), "{}", answer.text());
        assert!(other.get(answer.location()).await.text().contains("You used a recovery code."));
        assert_eq!(other.get("/").await.text(), "hello from the app\n");
        assert_eq!(browser.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED, "every other session has ended");
        browser = other;
        let again = recover(&mut gateway.stranger(), &alice, code).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let line = show(&gateway, "alice").await;
    assert_eq!((line.authenticators, line.recovery_codes), (1, 8));
    assert_eq!(line.last_sign_in, Some(gateway.clock.now().secs()));
    let log = gateway.ended().await;
    for code in &codes {
        assert!(!log.contains(code.as_str()) && !log.contains(&code[3..]), "no code in the log");
    }
}

/// The attack: one code in many browsers at the same moment.
#[tokio::test]
async fn of_parallel_uses_of_one_code_one_gets_in() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), ""));
    let alice = gateway.provision("alice").await;
    let mut browser = gateway.stranger();
    browser.sign_in(&alice).await;
    let codes = new_codes(&mut browser).await;
    let mut ready = vec![];
    for _ in 0..4 {
        let mut visitor = gateway.stranger();
        let step = visitor.pass_password(&alice, "/.doorward/login").await.replace("/login/code?", "/login/recovery?");
        let form = Form::of(&visitor.get(&step).await.text()).with("code", &codes[0]);
        ready.push((visitor, form));
    }
    let tries: Vec<_> = ready
        .into_iter()
        .map(|(mut visitor, form)| {
            task::start("use", async move { visitor.submit("/.doorward/login/recovery", &form).await.status })
        })
        .collect();
    let mut statuses = vec![];
    for one in tries {
        statuses.push(one.await.expect("no panic"));
    }
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::SEE_OTHER).count(), 1, "{statuses:?}");
}

/// The attack: whoever holds the account goes on while its owner takes the factor away.
#[tokio::test]
async fn a_reset_by_the_owner_counts_at_once() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), ""));
    let alice = gateway.provision("alice").await;
    let mut browser = gateway.stranger();
    browser.sign_in(&alice).await;
    let codes = new_codes(&mut browser).await;
    let answer = reset(&gateway, Resettable::Recovery, true).await;
    assert_eq!((answer.removed, answer.ended, answer.setup_link), (10, 0, None));
    assert_eq!(browser.fetch("GET", "/").await.status, StatusCode::OK, "kept");
    assert_eq!(recover(&mut gateway.stranger(), &alice, &codes[0]).await.status, StatusCode::UNPROCESSABLE_ENTITY);

    let answer = reset(&gateway, Resettable::Totp, false).await;
    assert_eq!((answer.removed, answer.ended, answer.authenticators), (1, 1, 0));
    assert_eq!(browser.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED);
    let link = answer.setup_link.expect("the way to a new one");
    let path = link[link.find("/.doorward").expect("a path")..].to_owned();
    assert_eq!(gateway.stranger().get(&path).await.status, StatusCode::OK);
    for factor in [Resettable::Totp, Resettable::Recovery, Resettable::Passkey] {
        let wish = Wish::UserReset { name: "alice".to_owned(), factor, keep_sessions: false };
        assert!(matches!(gateway.perform(wish).await, Wished::Refused { .. }), "there is none any more");
    }
}

#[tokio::test]
async fn an_hour_is_enough_to_use_the_second_code_after_mistyped_ones() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), ""));
    let alice = gateway.provision("alice").await;
    let mut browser = gateway.stranger();
    browser.sign_in(&alice).await;
    let codes = new_codes(&mut browser).await;
    let wrong = format!("{}{}", &codes[0][..21], if codes[0].ends_with('0') { '1' } else { '0' });
    for _ in 0..5 {
        assert_eq!(recover(&mut gateway.stranger(), &alice, &wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(recover(&mut gateway.stranger(), &alice, &codes[1]).await.status, StatusCode::TOO_MANY_REQUESTS);
    gateway.clock.advance(minutes(60));
    assert_eq!(recover(&mut gateway.stranger(), &alice, &codes[1]).await.status, StatusCode::SEE_OTHER);
}
