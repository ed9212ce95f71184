//! One sign-in for several hosts: over TLS, by tickets, with what is open on one host ended from another.

use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;

use crate::kit::app::App;
use crate::kit::flood::flood;
use crate::kit::form::Form;
use crate::kit::gateway::{Gateway, HOST, within};
use crate::kit::line::{BOTH, Line};
use crate::kit::visitor::Visitor;

const AUTH: &str = "auth.example";
const OTHER: &str = "other.example";

/// Two apps, and people sign in on a host that has none.
fn start(upstream: &str) -> Gateway {
    let app = |host: &str| format!("[[app]]\nhost = \"{host}\"\nupstream = \"{upstream}\"\n");
    Gateway::start(&format!("portal = \"https://{AUTH}\"\n{}{}", app(HOST), app(OTHER)))
}

#[tokio::test]
async fn a_portal_of_its_own_has_pages_of_ours_and_nothing_else() {
    let app = App::start().await;
    let gateway = start(&app.url());
    for protocol in BOTH {
        let mut stranger = Visitor::new(gateway.reach(), AUTH).over(protocol);
        let root = stranger.get("/").await;
        assert_eq!((root.status, root.location()), (StatusCode::FOUND, "/.doorward/"));
        assert_eq!(stranger.get("/.doorward/").await.location(), "/.doorward/login");
        assert_eq!(stranger.get("/.doorward/login").await.status, StatusCode::OK);
        for path in ["/x", "/index.html", "//", "/%2edoorward/login"] {
            assert_eq!(stranger.fetch("GET", path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        for (shaken, asked) in [(AUTH, HOST), (HOST, AUTH)] {
            let mut line = Line::open(&gateway.reach(), shaken, protocol).await;
            let mut crossed = Visitor::new(gateway.reach(), asked).over(protocol);
            let request = crossed.call("GET", "/.doorward/login");
            assert_eq!(crossed.send_on(&mut line, request).await.status, StatusCode::MISDIRECTED_REQUEST, "{shaken} {asked}");
        }
    }
    assert_eq!(app.count(), 0);
}

/// The attack: whoever signs out on one host leaves a stream open on another.
#[tokio::test]
async fn one_sign_in_opens_every_host_and_signing_out_on_one_closes_all() {
    let app = App::streaming(|_| async { http::Response::new(flood(u64::MAX).0) }).await;
    let gateway = start(&app.url());
    let alice = gateway.provision("alice").await;
    for protocol in BOTH {
        let browser = |host| Visitor::new(gateway.reach(), host).over(protocol);
        let (mut portal, mut first, mut second) = (browser(AUTH), browser(HOST), browser(OTHER));
        portal.sign_in(&alice).await;
        first.follow(&mut portal).await;
        second.follow(&mut portal).await;
        assert_ne!(first.session_cookie(), second.session_cookie());
        let mut line = first.line().await;
        let request = first.call("GET", "/endless");
        let mut response = first.start_on(&mut line, request).await;
        within("data", response.frame()).await.expect("more").expect("a frame");

        let asked = second.get("/.doorward/logout").await;
        let answer = second.submit("/.doorward/logout", &Form::of(&asked.text())).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/.doorward/logout"));
        let ended = tokio::time::timeout(Duration::from_secs(2), async { while let Some(Ok(_)) = response.frame().await {} });
        ended.await.expect("the stream ends");
        for visitor in [&mut portal, &mut first] {
            assert_eq!(visitor.fetch("GET", "/.doorward/session").await.status, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(first.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED);
        gateway.next_code();
    }
}

/// The attack: another app's host, another browser, a second time.
#[tokio::test]
async fn a_ticket_opens_one_host_in_one_browser_once() {
    let app = App::start().await;
    let gateway = start(&app.url());
    let alice = gateway.provision("alice").await;
    let browser = |host| Visitor::new(gateway.reach(), host);
    let (mut portal, mut first) = (browser(AUTH), browser(HOST));
    portal.sign_in(&alice).await;
    for case in ["another host", "another browser", "a second time"] {
        let mut fresh = first.clone();
        let to_portal = fresh.get("/").await;
        let answer = portal.get(&portal.own_path(to_portal.location())).await;
        let path = fresh.own_path(answer.location());
        let mut thief = match case {
            "another host" => browser(OTHER),
            "another browser" => browser(HOST),
            _ => {
                let mut thief = fresh.clone();
                first.follow(&mut portal).await;
                fresh.get(&path).await;
                assert!(fresh.session_cookie().is_some());
                thief.forget("__Host-doorward");
                thief
            }
        };
        assert_eq!(thief.get(&path).await.status, StatusCode::FORBIDDEN, "{case}");
        assert!(thief.session_cookie().is_none(), "{case}");
        assert_eq!(thief.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED, "{case}");
    }
}
