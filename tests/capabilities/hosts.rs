//! Hosts: many names for one app, wildcards, every spelling of one name, and none that is not ours.

use std::time::Duration;

use doorward::wire::body::Body;
use http::header::LOCATION;
use http::{HeaderValue, Request, StatusCode};
use tokio::net::TcpStream;

use crate::kit::app::App;
use crate::kit::frames::{Frames, Outcome};
use crate::kit::gateway::{Gateway, HOST, until};
use crate::kit::line::{BOTH, Line, Protocol};
use crate::kit::visitor::Visitor;
use crate::kit::wire::{Wire, statuses};

const AUTH: &str = "auth.apps.example";
const OWN: &str = "own.apps.example";

/// A wildcard with a host and the portal in the middle of it, each before an app of its own.
fn file(any: &App, own: &App) -> String {
    format!(
        "portal = \"https://{AUTH}\"\n\
         [[app]]\nname = \"any\"\nhost = [\"{HOST}\", \"*.apps.example\"]\nupstream = \"{}\"\nbypass = [\"/open\"]\n\
         [[app]]\nname = \"own\"\nhost = \"{OWN}\"\nupstream = \"{}\"\nbypass = [\"/open\"]\n",
        any.url(),
        own.url()
    )
}

#[tokio::test]
async fn one_sign_in_opens_every_name_under_a_wildcard_each_with_a_cookie_of_its_own() {
    let (any, own) = (App::start().await, App::start().await);
    let gateway = Gateway::start(&file(&any, &own));
    let alice = gateway.provision("alice").await;
    for protocol in BOTH {
        let browser = |host: &str| Visitor::new(gateway.reach(), host).over(protocol);
        let mut portal = browser(AUTH);
        portal.sign_in(&alice).await;
        let mut tokens = vec![];
        for host in ["a.apps.example", "b.apps.example", "xn--bcher-kva.apps.example", OWN, HOST] {
            let mut here = browser(host);
            here.follow(&mut portal).await;
            assert_eq!(here.fetch("GET", "/x").await.status, StatusCode::OK, "{host}");
            let (mine, other) = if host == OWN { (&own, &any) } else { (&any, &own) };
            assert_eq!(mine.take().last().expect("a request").header("host"), here.authority(), "{host}");
            assert_eq!(other.count(), 0, "{host}");
            tokens.push((host, here.session_cookie().expect("a token").to_owned()));
        }
        // The attack: the cookie of one name at another, of the same app even.
        for (host, token) in &tokens {
            for other in tokens.iter().map(|(host, _)| host).filter(|other| *other != host) {
                let mut thief = browser(other);
                thief.set_cookie("__Host-doorward", token);
                assert_eq!(thief.fetch("GET", "/x").await.status, StatusCode::UNAUTHORIZED, "{host} → {other}");
            }
        }
        gateway.next_code();
    }
}

/// The attack: a ticket made for one name under the wildcard is brought to another, which is the same app.
#[tokio::test]
async fn a_ticket_counts_on_the_one_name_it_was_made_for() {
    let (any, own) = (App::start().await, App::start().await);
    let gateway = Gateway::start(&file(&any, &own));
    let alice = gateway.provision("alice").await;
    let mut portal = Visitor::new(gateway.reach(), AUTH);
    portal.sign_in(&alice).await;
    let mut first = Visitor::new(gateway.reach(), "a.apps.example");
    let asked = first.get("/").await;
    let answer = portal.get(&portal.own_path(asked.location())).await;
    let path = first.own_path(answer.location());
    let mut thief = Visitor::new(gateway.reach(), "b.apps.example");
    thief.set_cookie("__Host-doorward-pre", first.cookie("__Host-doorward-pre").expect("one"));
    assert_eq!(thief.get(&path).await.status, StatusCode::FORBIDDEN);
    assert!(thief.session_cookie().is_none());
    first.get(&path).await;
    assert!(first.session_cookie().is_none(), "used up in foreign hands");
}

/// The attack: somebody signed in is led to more and more names under a wildcard, until the session has no end of tokens, or
/// until the portal forgets who they are.
#[tokio::test]
async fn a_session_spreads_to_so_many_names_and_the_portal_keeps_its_own() {
    let (any, own) = (App::start().await, App::start().await);
    let gateway = Gateway::start(&file(&any, &own));
    let alice = gateway.provision("alice").await;
    let mut portal = Visitor::new(gateway.reach(), AUTH);
    portal.sign_in(&alice).await;
    let name = |number: usize| format!("n{number}.apps.example");
    let mut first = Visitor::new(gateway.reach(), &name(0));
    first.follow(&mut portal).await;
    for number in 1..110 {
        gateway.clock.advance(Duration::from_secs(1));
        Visitor::new(gateway.reach(), &name(number)).follow(&mut portal).await;
    }
    assert_eq!(portal.fetch("GET", "/.doorward/session").await.status, StatusCode::OK);
    assert_eq!(first.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED, "the oldest gave way");
    first.follow(&mut portal).await;
    assert_eq!(first.fetch("GET", "/").await.status, StatusCode::OK, "and comes back without a question");
}

/// The attack: a name nobody configured, whose app would be somebody else's choice.
#[tokio::test]
async fn a_wildcard_ends_where_it_says() {
    let (any, own) = (App::start().await, App::start().await);
    let gateway = Gateway::start(&file(&any, &own));
    for name in ["apps.example", "b.a.apps.example", "a.own.apps.example", "a.apps.example.com", "aapps.example", "example"] {
        assert!(Wire::shake(&gateway.reach(), name, &[b"http/1.1"]).await.is_err(), "{name}");
        for protocol in BOTH {
            let mut line = Line::open(&gateway.reach(), "a.apps.example", protocol).await;
            let mut stranger = Visitor::new(gateway.reach(), name).over(protocol);
            let request = stranger.call("GET", "/open");
            assert_eq!(stranger.send_on(&mut line, request).await.status, 421, "{name}");
        }
    }
    // The portal is written out, so no wildcard takes it.
    let mut portal = Visitor::new(gateway.reach(), AUTH);
    assert_eq!(portal.fetch("GET", "/open").await.status, StatusCode::NOT_FOUND);
    assert_eq!(portal.get("/.doorward/login").await.status, StatusCode::OK);
    assert_eq!((any.count(), own.count()), (0, 0));
}

/// The attack: a connection that browsers share because certificates overlap, or that a client simply uses for another host.
#[tokio::test]
async fn the_handshake_and_the_host_name_the_same_apps_or_it_is_421() {
    let (any, own) = (App::start().await, App::start().await);
    let gateway = Gateway::start(&file(&any, &own));
    let (a, b) = ("a.apps.example", "b.apps.example");
    for protocol in BOTH {
        for (shaken, asked, expected) in [
            (a, a, 200),
            (a, b, 200),
            (a, HOST, 200),
            (HOST, b, 200),
            (OWN, OWN, 200),
            (a, OWN, 421),
            (OWN, a, 421),
            (HOST, OWN, 421),
            (AUTH, a, 421),
            (a, AUTH, 421),
            (AUTH, OWN, 421),
            (OWN, AUTH, 421),
        ] {
            let mut line = Line::open(&gateway.reach(), shaken, protocol).await;
            let mut stranger = Visitor::new(gateway.reach(), asked).over(protocol);
            let request = stranger.call("GET", "/open");
            assert_eq!(stranger.send_on(&mut line, request).await.status.as_u16(), expected, "{protocol:?} {shaken} {asked}");
            // The connection is good for its own host all the same.
            let mut right = Visitor::new(gateway.reach(), shaken).over(protocol);
            if shaken != AUTH && protocol == Protocol::Http2 {
                let request = right.call("GET", "/open");
                assert_eq!(right.send_on(&mut line, request).await.status, StatusCode::OK, "{shaken}");
            }
        }
    }
}

#[tokio::test]
async fn every_spelling_of_a_host_is_that_host() {
    let app = App::start().await;
    let text = format!(
        "portal = \"https://auth.example\"\n\
         [[app]]\nhost = [\"{HOST}\", \"Bücher.Example\", \"127.0.0.1\", \"2001:DB8::1\"]\nupstream = \"{}\"\nbypass = [\"/open\"]\n",
        app.url()
    );
    let gateway = Gateway::start(&text);
    let port = gateway.reach().https.port();
    for (name, written) in [
        (HOST, "app.example"),
        (HOST, "APP.Example"),
        (HOST, "app.example."),
        (HOST, "App.Example.:443"),
        (HOST, "app.example:8443"),
        (HOST, "xn--bcher-kva.example"),
        (HOST, "XN--BCHER-KVA.example."),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", &format!("127.0.0.1:{port}")),
        ("127.0.0.1", "[2001:db8::1]"),
        ("127.0.0.1", "[2001:0DB8:0:0::0.0.0.1]:443"),
    ] {
        for version in ["1.1", "1.0"] {
            let mut wire = Wire::over(Wire::shake(&gateway.reach(), name, &[b"http/1.1"]).await.expect("a handshake"));
            wire.write(format!("GET /open HTTP/{version}\r\nHost: {written}\r\nConnection: close\r\n\r\n"))
                .await
                .expect("written");
            assert_eq!(statuses(&wire.rest().await), [200], "{written}");
            assert_eq!(app.take().last().expect("a request").header("host"), written);
        }
        let frames = Frames::request(b"GET", written.as_bytes(), b"/open");
        assert_eq!(frames.send(&gateway.reach(), name).await, Outcome::Answered(200), "{written}");
    }
    let mut german = Visitor::new(gateway.reach(), "xn--bcher-kva.example");
    assert_eq!(german.fetch("GET", "/open").await.status, StatusCode::OK);
}

/// The attack: a spelling that one server reads as one host and another as another.
#[tokio::test]
async fn what_is_not_exactly_one_host_is_refused() {
    let app = App::start().await;
    let gateway = Gateway::start(&format!(
        "portal = \"https://auth.example\"\n[[app]]\nhost = [\"{HOST}\", \"bücher.example\", \"127.0.0.1\"]\nupstream = \"{}\"\nbypass = [\"/open\"]\n",
        app.url()
    ));
    let hosts: [&[u8]; 22] = [
        b"b\xc3\xbccher.example",
        b"b\xfccher.example",
        b"b%C3%BCcher.example",
        b"app.example..",
        b".app.example",
        b"app..example",
        b"app.example:",
        b"app.example:0",
        b"app.example:443:443",
        b"app.example@evil.example",
        b"user@app.example",
        b"app.example/",
        b"app.example#x",
        b"app_.example",
        b"app.example\xe3\x80\x82",
        b"127.1",
        b"0177.0.0.1",
        b"0x7f000001",
        b"[::ffff:127.0.0.1%25lo]",
        b"[127.0.0.1]",
        b"::1",
        b"app.example, evil.example",
    ];
    for host in hosts {
        let shown = String::from_utf8_lossy(host);
        let mut wire = Wire::open(&gateway.reach()).await;
        wire.write([b"GET /open HTTP/1.1\r\nHost: ", host, b"\r\nConnection: close\r\n\r\n"].concat()).await.expect("written");
        assert_eq!(statuses(&wire.rest().await), [400], "{shown}");
        let outcome = Frames::request(b"GET", host, b"/open").send(&gateway.reach(), HOST).await;
        assert!(matches!(outcome, Outcome::Answered(400) | Outcome::Reset | Outcome::Closed), "{shown}: {outcome:?}");
    }
    assert_eq!(app.count(), 0);
}

/// The attack: absolute-form, whose authority some servers follow and some ignore.
#[tokio::test]
async fn an_absolute_target_names_the_host_of_the_request() {
    let (any, own) = (App::start().await, App::start().await);
    let gateway = Gateway::start(&file(&any, &own));
    for (target, host, expected) in [
        ("https://app.example/open", HOST, 200),
        ("https://APP.example.:443/open", "app.example:443", 200),
        ("https://app.example/open", "app.example:444", 400),
        ("https://own.apps.example/open", HOST, 400),
        ("https://a.apps.example/open", "b.apps.example", 400),
        ("https://a.apps.example/open", "a.apps.example", 200),
        ("http://app.example/open", HOST, 400),
        ("https://u@app.example/open", HOST, 400),
        ("https://app.example@own.apps.example/open", HOST, 400),
    ] {
        let mut wire = Wire::open(&gateway.reach()).await;
        wire.write(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await.expect("written");
        assert_eq!(statuses(&wire.rest().await), [expected], "{target} {host}");
    }
    assert_eq!(own.count(), 0);
    assert!(any.take().iter().all(|seen| seen.target == "/open"));
}

/// The attack: a page of one name under a wildcard opens a WebSocket at another, with the visitor's cookies.
#[tokio::test]
async fn a_websocket_is_opened_by_pages_of_the_very_same_name() {
    let app = App::start().await;
    let text = format!(
        "portal = \"https://{AUTH}\"\n[[app]]\nhost = \"*.apps.example\"\nupstream = \"{}\"\nbypass = [\"/open\"]\n",
        app.url()
    );
    let gateway = Gateway::start(&text);
    let mut visitor = Visitor::new(gateway.reach(), "a.apps.example");
    for (origin, refused) in [("https://b.apps.example", true), ("https://apps.example", true), ("https://a.apps.example", false)]
    {
        let mut request: Request<Body> = visitor.call("GET", "/open");
        let port = gateway.reach().https.port();
        let origin = HeaderValue::try_from(format!("{origin}:{port}")).expect("a value");
        let headers = request.headers_mut();
        headers.insert("origin", origin.clone());
        headers.insert("connection", HeaderValue::from_static("Upgrade"));
        headers.insert("upgrade", HeaderValue::from_static("websocket"));
        headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
        headers.insert("sec-websocket-key", HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        let status = visitor.send(request).await.status;
        // This app has no WebSockets: what matters is that it was asked, or was not.
        assert_eq!((status == StatusCode::FORBIDDEN, app.take().is_empty()), (refused, refused), "{origin:?} {status}");
    }
}

/// The attack: a stranger shakes hands for one made-up name after another.
#[tokio::test]
async fn names_made_up_by_strangers_do_not_fill_memory() {
    let app = App::start().await;
    let text = format!("portal = \"https://{AUTH}\"\n[[app]]\nhost = \"*.localhost\"\nupstream = \"{}\"\n", app.url());
    let gateway = Gateway::start(&text);
    for number in 0..300 {
        let name = format!("n{number}.localhost");
        let stream = Wire::shake(&gateway.reach(), &name, &[b"http/1.1"]).await.expect("a handshake");
        drop::<tokio_rustls::client::TlsStream<TcpStream>>(stream);
    }
    // What is kept is counted where it is kept, see `tls::issued`; here it goes on working.
    let mut visitor = Visitor::new(gateway.reach(), "honest.localhost");
    let answer = visitor.get("/").await;
    assert_eq!((answer.status, answer.header(LOCATION.as_str()).is_empty()), (StatusCode::FOUND, false));
    until("every connection is over", || gateway.running().https.len() == 1).await;
}

#[tokio::test]
async fn plain_http_sends_every_name_under_a_wildcard_to_its_own_address() {
    let (any, own) = (App::start().await, App::start().await);
    let gateway = Gateway::start(&file(&any, &own));
    for (host, expected) in [("a.apps.example", 308), ("A.APPS.example.", 308), ("b.a.apps.example", 421), ("apps.example", 421)]
    {
        let mut wire = Wire::plain(gateway.http()).await;
        wire.write(format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await.expect("written");
        let answer = String::from_utf8_lossy(&wire.rest().await).into_owned();
        assert_eq!(statuses(answer.as_bytes()), [expected], "{host}");
        let to = format!("location: https://a.apps.example:{}/x", gateway.reach().https.port());
        assert_eq!(answer.to_lowercase().contains(&to), expected == 308, "{host}: {answer}");
    }
}
