//! Who may open what: by name, by group, by being signed in; and what happens at the moment in which that changes.

use std::time::Duration;

use doorward::admin::wish::{Answer, Details, UserLine, Wish};
use futures_util::StreamExt;
use http::StatusCode;
use http_body_util::BodyExt;

use crate::kit::app::App;
use crate::kit::flood::flood;
use crate::kit::form::Form;
use crate::kit::gateway::{Gateway, HOST, one_app, within};
use crate::kit::line::BOTH;
use crate::kit::socket::{echo_app, open};
use crate::kit::visitor::Visitor;
use crate::websockets::AT_ONCE;

const OTHER: &str = "other.example";

async fn group(gateway: &Gateway, name: &str, group: &str, member: bool) -> UserLine {
    let wish = Wish::UserGroup { name: name.to_owned(), group: group.to_owned(), member };
    match gateway.perform(wish).await {
        Answer::Person(person) => *person,
        other => panic!("{other:?}"),
    }
}

async fn status(visitor: &mut Visitor, path: &str) -> StatusCode {
    visitor.fetch("GET", path).await.status
}

#[tokio::test]
async fn people_are_let_in_by_name_by_group_or_by_being_signed_in() {
    let app = App::start().await;
    let more = "allow = [\"group:Family\", \"user:BOB\"]\ndeny = [\"/admin/\"]\n\
                [[app.rule]]\npath = \"/open/\"\nallow = [\"*\"]\n\
                [[app.rule]]\npath = \"/books/\"\nallow = [\"group:finance\"]\n";
    let gateway = Gateway::start(&one_app(&app.url(), more));
    let mut alice = gateway.guest("alice").await;
    let mut bob = gateway.guest("bob").await;
    assert_eq!(status(&mut alice, "/x").await, StatusCode::FORBIDDEN);
    for (visitor, path) in [(&mut alice, "/open/x"), (&mut bob, "/x")] {
        assert_eq!(status(visitor, path).await, StatusCode::OK, "{path}");
    }
    assert_eq!(group(&gateway, "Alice", "FAMILY", true).await.groups, ["family"]);
    assert_eq!(status(&mut alice, "/x").await, StatusCode::OK, "from the next request on");
    for visitor in [&mut alice, &mut bob] {
        for path in ["/admin/", "/Admin/x", "//admin/"] {
            assert_eq!(status(visitor, path).await, StatusCode::NOT_FOUND, "a deny is for everybody: {path}");
        }
        assert_eq!(status(visitor, "/books/1").await, StatusCode::FORBIDDEN, "a rule's list takes the place of the app's");
    }
    let seen = app.count();
    let mut stranger = gateway.stranger();
    assert_eq!(status(&mut stranger, "/open/x").await, StatusCode::UNAUTHORIZED);
    assert_eq!(app.count(), seen, "what was refused reached no app");
}

/// The attack: the stricter list of a rule is passed by with another spelling of its path, which only the app's own list covers.
#[tokio::test]
async fn no_spelling_of_a_path_gets_past_its_list() {
    let app = App::start().await;
    let more = "allow = [\"*\"]\n[[app.rule]]\npath = \"/reports/\"\nallow = [\"group:finance\"]\n\
                [[app.rule]]\npath = \"/notes/\"\nmethods = [\"GET\"]\nallow = [\"*\"]\n";
    let gateway = Gateway::start(&one_app(&app.url(), more));
    let mut alice = gateway.guest("alice").await;
    let spellings = [
        "/reports/1",
        "/reports",
        "/Reports/1",
        "/reports%2f1",
        "//reports/1",
        "/x//../reports/1",
        "/;a/reports/1",
        "/reports;a/1",
        "/%72eports/1",
        "/%2572eports/1",
        "/reports.json",
        "/reports::$DATA",
        "/index.php/reports/1",
        "/notes%2f..%2freports/1",
        "/Reports%2f..",
        "/reports%5c1",
        "/%EF%BD%92eports/1",
        "/reports%20/1",
        "//evil/reports/1",
        "/reports%3f/1",
        "/reports%2e/1",
    ];
    for spelling in spellings {
        for method in ["GET", "HEAD", "POST", "PROPFIND"] {
            let answer = alice.fetch(method, spelling).await.status;
            let refused = [StatusCode::FORBIDDEN, StatusCode::BAD_REQUEST].contains(&answer);
            assert!(refused, "{method} {spelling}: {answer}");
        }
    }
    assert_eq!(app.count(), 0);
    assert_eq!(status(&mut alice, "/notes/1").await, StatusCode::OK);
    group(&gateway, "alice", "finance", true).await;
    assert_eq!(status(&mut alice, "/reports/1").await, StatusCode::OK);
}

/// The attack: somebody who was put out of a group goes on with what is open, or with the session they have.
#[tokio::test]
async fn a_group_that_is_taken_away_closes_the_door_at_once() {
    let app = echo_app().await;
    let endless = App::streaming(|_| async { http::Response::new(flood(u64::MAX).0) }).await;
    let text = format!(
        "{}[[app]]\nhost = \"{OTHER}\"\nupstream = \"{}\"\nallow = [\"group:family\"]\n",
        one_app(&app.url(), "allow = [\"group:family\"]"),
        endless.url(),
    );
    let gateway = Gateway::start(&text);
    let person = gateway.provision("alice").await;
    for protocol in BOTH {
        group(&gateway, "alice", "family", true).await;
        let browser = |host| Visitor::new(gateway.reach(), host).over(protocol);
        let (mut alice, mut other) = (browser(HOST), browser(OTHER));
        alice.sign_in(&person).await;
        other.follow(&mut alice).await;
        let mut socket = open(&mut alice, "/echo").await.expect("agreed");
        let mut line = other.line().await;
        let request = other.call("GET", "/endless");
        let mut response = other.start_on(&mut line, request).await;
        within("data", response.frame()).await.expect("more").expect("a frame");

        assert!(group(&gateway, "alice", "family", false).await.groups.is_empty());
        let closed = tokio::time::timeout(AT_ONCE, async { while let Some(Ok(_)) = socket.next().await {} });
        closed.await.expect("the socket closes");
        let ended = tokio::time::timeout(AT_ONCE, async { while let Some(Ok(_)) = response.frame().await {} });
        ended.await.expect("the stream ends");
        for visitor in [&mut alice, &mut other] {
            let before = app.count() + endless.count();
            let answer = visitor.get("/").await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
            assert_eq!(status(visitor, "/").await, StatusCode::FORBIDDEN);
            assert_eq!(app.count() + endless.count(), before);
            assert_eq!(visitor.fetch("GET", "/.doorward/session").await.status, StatusCode::OK, "still signed in");
        }
        assert_eq!(open(&mut alice, "/echo").await.err(), Some(StatusCode::FORBIDDEN));
        gateway.next_code();
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_as_whom_and_what_to_do() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "name = \"Books\"\nallow = [\"group:secret-circle\"]"));
    let mut alice = gateway.guest("alice").await;
    let page = alice.get("/documents").await;
    let text = page.text();
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    for told in ["alice", "Books", "/.doorward/logout", page.header("x-request-id")] {
        assert!(!told.is_empty() && text.contains(told), "{told}: {text}");
    }
    assert!(!text.contains("secret-circle"), "no rule is told: {text}");
    let problem = alice.fetch("GET", "/documents").await;
    assert_eq!((problem.status, problem.header("content-type")), (StatusCode::FORBIDDEN, "application/problem+json"));
    assert_eq!(problem.json()["status"], 403);
    assert!(!problem.text().contains("secret-circle"));
    // Signing out leads to another account.
    let asked = alice.get("/.doorward/logout").await;
    alice.submit("/.doorward/logout", &Form::of(&asked.text())).await;
    assert_eq!(alice.get("/documents").await.status, StatusCode::FOUND);
    let log = gateway.ended().await;
    assert_eq!(log.matches("\"refusal\":\"not-allowed\"").count(), 2, "{log}");
    assert_eq!(app.count(), 0);
}

/// The attack: an app's own worker goes on showing what it kept to somebody who may not open the app any more.
#[tokio::test]
async fn the_worker_of_an_app_gives_way_when_its_person_is_not_let_in() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "allow = [\"group:family\"]"));
    let mut alice = gateway.guest("alice").await;
    let mut request = alice.call("GET", "/sw.js");
    request.headers_mut().insert("service-worker", http::HeaderValue::from_static("script"));
    let answer = alice.send(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.text().contains("skipWaiting") && !answer.text().contains("respondWith"), "{}", answer.text());
    assert_eq!(app.count(), 0);
}

#[tokio::test]
async fn the_home_page_shows_what_one_may_open() {
    let app = App::start().await;
    let table =
        |host: &str, more: &str| format!("[[app]]\nhost = \"{host}\"\nname = \"{host}\"\nupstream = \"{}\"\n{more}\n", app.url());
    let text = [
        table(HOST, "description = \"<b>Papers</b>\""),
        table(OTHER, "allow = [\"group:family\"]"),
        table("quiet.example", "listed = false"),
        table("half.example", "allow = [\"user:bob\"]\n[[app.rule]]\npath = \"/\"\nallow = [\"*\"]"),
    ];
    let gateway = Gateway::start(&text.concat());
    let mut alice = gateway.guest("alice").await;
    let home = alice.get("/.doorward/").await.text();
    let shown = |home: &str| [HOST, OTHER, "quiet.example", "half.example"].map(|host| home.contains(&format!(">{host}</a>")));
    assert_eq!(shown(&home), [true, false, false, true], "{home}");
    assert!(home.contains("&#60;b&#62;Papers"), "{home}");
    group(&gateway, "alice", "family", true).await;
    assert_eq!(shown(&alice.get("/.doorward/").await.text()), [true, true, false, true]);
}

#[tokio::test]
async fn details_are_kept_and_end_nothing() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let mut alice = gateway.guest("alice").await;
    let set = |display: Option<&str>, email: Option<&str>| Wish::UserSet {
        name: "Alice".to_owned(),
        details: Details { display_name: display.map(str::to_owned), email: email.map(str::to_owned) },
        terms: Default::default(),
    };
    let Answer::Person(person) = gateway.perform(set(Some(" Alice Ä. "), Some("alice@example.com"))).await else {
        panic!("set")
    };
    assert_eq!((person.display_name.as_deref(), person.email.as_deref()), (Some("Alice Ä."), Some("alice@example.com")));
    let Answer::Person(person) = gateway.perform(set(Some(""), None)).await else { panic!("set") };
    assert_eq!((person.display_name, person.email.as_deref()), (None, Some("alice@example.com")));
    for (display, email) in [(Some("a\u{202e}b"), None), (None, Some("no address")), (None, Some("a@b\r\nX: y"))] {
        assert!(matches!(gateway.perform(set(display, email)).await, Answer::Refused { .. }));
    }
    gateway.clock.advance(Duration::from_secs(60));
    assert_eq!(status(&mut alice, "/").await, StatusCode::OK);
}

/// The attack: requests sent while a right is taken away, in the hope that one slips through afterwards.
#[tokio::test]
async fn no_request_that_begins_after_the_answer_gets_through() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "allow = [\"group:family\"]"));
    let person = gateway.provision("alice").await;
    let mut alice = gateway.stranger();
    alice.sign_in(&person).await;
    for _ in 0..30 {
        group(&gateway, "alice", "family", true).await;
        assert_eq!(status(&mut alice, "/").await, StatusCode::OK);
        let mut racing = alice.clone();
        let (taken, _racer) = tokio::join!(group(&gateway, "alice", "family", false), racing.fetch("GET", "/racing"));
        assert!(taken.groups.is_empty());
        let before = app.count();
        assert_eq!(status(&mut alice, "/after").await, StatusCode::FORBIDDEN);
        assert_eq!(app.count(), before);
    }
}
