//! Who a visitor is, and where they come from, is for the gateway to say: not for the client, and not for the app.

use doorward::wire::body::Body;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use crate::kit::app::App;
use crate::kit::frames::{Frames, Outcome};
use crate::kit::gateway::{Gateway, HOST, one_app};
use crate::kit::line::{BOTH, Protocol};
use crate::kit::wire::{Wire, statuses};

/// Names that some app believes.
const BELIEVED: &[&str] = &[
    "Remote-User",
    "Remote-Groups",
    "Remote-Email",
    "Remote-Name",
    "X-Remote-User",
    "X-WEBAUTH-USER",
    "X-WebAuth-Role",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Preferred-Username",
    "X-Forwarded-Access-Token",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Authentik-Username",
    "X-Authelia-User",
    "X-Doorward-User",
    "X-Doorward-Token",
    "X-Doorward-Anything",
    "X-Pomerium-Jwt-Assertion",
    "Cf-Access-Jwt-Assertion",
    "X-Goog-Authenticated-User-Email",
    "X-Ms-Client-Principal-Name",
    "X-Amzn-Oidc-Identity",
    "Tailscale-User-Login",
    "X-JWT-Assertion",
    "X-SSL-Client-CN",
    "X-Client-Cert",
    "SSL-Client-Verify",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Method",
    "X-Rewrite-URL",
    "X-Override-URL",
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Forwarded",
    "X-Forwarded-Prefix",
    "X-Forwarded-Uri",
    "X-Forwarded-Path",
    "X-Forwarded-Method",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Forwarded-Scheme",
    "X-Forwarded-By",
    "Forwarded",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "X-Originating-IP",
    "X-Host",
    "X-Original-Host",
    "X-Envoy-Original-Path",
    "X-Middleware-Subrequest",
    "X-Accel-Redirect",
    "X-Sendfile-Type",
    "Front-End-Https",
    "X-Url-Scheme",
    "Proxy",
];

/// Names that we set ourselves.
const SET_BY_US: &[&str] =
    &["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Real-IP", "X-Request-Id"];

/// Every spelling of a name that some server folds into it.
fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![name.to_owned(), name.to_lowercase(), name.to_uppercase()];
    for odd in ["_", ".", "~", "!", "*", "'", "|", "+", "$", "%", "^", "`", "&", "#"] {
        all.push(name.replace('-', odd));
        all.push(format!("{name}{odd}"));
        all.push(name.replacen('-', odd, 1));
    }
    all.retain(|spelling| HeaderName::from_bytes(spelling.as_bytes()).is_ok());
    all.sort();
    all.dedup();
    all
}

/// The attack: the client names itself, its address or another target, in any spelling (CVE-2025-64484, CVE-2026-33433).
#[tokio::test]
async fn nobody_names_themselves_in_any_spelling() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "bypass = [\"/public/\"]"));
    let mut guest = gateway.guest("alice").await;
    let all: Vec<String> = BELIEVED.iter().chain(SET_BY_US).flat_map(|name| spellings(name)).collect();
    let mut tried = 0;
    for protocol in BOTH {
        guest.protocol = protocol;
        for path in ["/", "/public/"] {
            let mut line = guest.line().await;
            // As many as one head may have.
            for some in all.chunks(80) {
                let mut request = guest.call("GET", path);
                for name in some {
                    let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                    request.headers_mut().append(name, HeaderValue::from_static("evil"));
                }
                assert_eq!(guest.send_on(&mut line, request).await.status, 200);
                let seen = app.take().remove(0);
                let evil: Vec<_> = seen.headers.iter().filter(|(_, value)| *value == "evil").collect();
                assert!(evil.is_empty(), "{protocol:?} {path}: {evil:?}");
                tried += some.len();
            }
        }
    }
    assert!(tried > 5_000, "{tried}");
}

/// The attack: `Connection` names a header that we set, so that we or the next hop take it away again (CVE-2024-45410).
#[tokio::test]
async fn connection_tokens_take_away_only_what_the_client_sent() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let guest = gateway.guest("alice").await;
    let cookie = guest.session_cookie().expect("signed in");
    for connection in [
        "X-Forwarded-For",
        "x-forwarded-for, X-REAL-IP",
        "close,\tx-forwarded-host ,x-forwarded-proto",
        "keep-alive, host, x-request-id",
        "x-forwarded-for\r\nConnection: x-real-ip",
        "cookie",
    ] {
        let mut wire = Wire::open(&gateway.reach()).await;
        let head =
            format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nCookie: __Host-doorward={cookie}\r\nConnection: {connection}\r\n\r\n");
        wire.write(head).await.expect("written");
        assert_eq!(statuses(&wire.until(b"app\n").await), [200], "{connection}");
        let seen = app.take().remove(0);
        assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1", "{connection}");
        assert_eq!(seen.header("x-real-ip"), "127.0.0.1");
        assert_eq!(seen.header("x-forwarded-proto"), "https");
        assert_eq!((seen.header("host"), seen.header("x-forwarded-host")), (HOST, HOST));
        assert!(!seen.header("x-request-id").is_empty());
        assert!(["", "close", "keep-alive"].contains(&seen.header("connection")), "{:?}", seen.headers);
    }
}

/// The attack: an app, or whoever reads its logs, learns session tokens.
#[tokio::test]
async fn our_cookies_never_reach_an_app() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "bypass = [\"/public/\"]"));
    let mut guest = gateway.guest("alice").await;
    let token = guest.session_cookie().expect("signed in").to_owned();
    let pre = guest.cookie("__Host-doorward-pre").expect("one").to_owned();
    let lines: Vec<(String, &str)> = vec![
        (format!("__Host-doorward={token}"), ""),
        (format!("a=1; __Host-doorward={token}; b=2"), "a=1; b=2"),
        (format!("__Host-doorward={token};a=1"), "a=1"),
        (format!("a=1;__Host-doorward-pre={pre};__Host-doorward={token};b=\"2"), "a=1; b=\"2"),
        (format!("a=1;  __Host-doorward = {token} ; __HOST-DOORWARD={token}; c=3"), "a=1; c=3"),
        (format!("__host-doorward-else={token}; __Host-doorward={token}; sid=xyz=="), "sid=xyz=="),
    ];
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut line = guest.line().await;
        for (sent, left) in &lines {
            let mut request = guest.call("GET", "/public/x");
            request.headers_mut().insert(COOKIE, sent.parse().expect("a value"));
            assert_eq!(guest.send_on(&mut line, request).await.status, 200);
            let seen = app.take().remove(0);
            assert_eq!(&seen.header("cookie"), left, "{sent}");
            let anywhere = format!("{:?}{}", seen.headers, seen.target);
            assert!(!anywhere.contains(&token) && !anywhere.contains(&pre), "{anywhere}");
        }
    }
    // HTTP/2 may bring a cookie in pieces; the app gets one line (RFC 9113 section 8.2.3).
    let pieces = Frames::request(b"GET", HOST.as_bytes(), b"/")
        .field(b"cookie", b"a=1")
        .field(b"cookie", format!("__Host-doorward={token}").as_bytes())
        .field(b"cookie", b"b=2");
    assert_eq!(pieces.send(&gateway.reach(), HOST).await, Outcome::Answered(200));
    let seen = app.only();
    assert_eq!(seen.headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2"]);
}

/// The attack: an app signs people out, or plants a session of somebody else's.
#[tokio::test]
async fn an_app_cannot_set_our_cookies() {
    const LINES: &[&str] = &[
        "__Host-doorward=planted; Path=/; Secure",
        "__Host-doorward=; Max-Age=0; Path=/; Secure",
        " __Host-doorward=x",
        "__HOST-doorward=x",
        "__Host-doorward-pre=x; Secure; Path=/",
        "__Host-doorward",
        "mine=1; Path=/",
        "other=__Host-doorward; HttpOnly",
    ];
    let app = App::answering(|_| {
        let mut response = Response::new(Body::from("x"));
        for line in LINES {
            response.headers_mut().append(SET_COOKIE, HeaderValue::from_static(line));
        }
        response
    })
    .await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    let token = guest.session_cookie().map(str::to_owned);
    for protocol in BOTH {
        guest.protocol = protocol;
        let answer = guest.fetch("GET", "/").await;
        let lines: Vec<_> = answer.headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(lines, ["mine=1; Path=/", "other=__Host-doorward; HttpOnly"], "in their order, untouched");
        assert_eq!(guest.session_cookie().map(str::to_owned), token);
    }
}

/// The attack: the same behind a body, where only trailers are looked at late or never.
#[tokio::test]
async fn trailers_carry_neither_identity_nor_cookies() {
    let app = App::answering(|_| {
        let mut response = Response::new(Body::Empty);
        response.headers_mut().insert("trailer", HeaderValue::from_static("set-cookie, digest"));
        let mut trailers = HeaderMap::new();
        trailers.insert(SET_COOKIE, HeaderValue::from_static("__Host-doorward=planted; Path=/; Secure"));
        trailers.insert("digest", HeaderValue::from_static("x"));
        *response.body_mut() = crate::kit::flood::with_trailers("x", trailers);
        response
    })
    .await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut request = guest.call("POST", "/");
        request.headers_mut().insert("trailer", HeaderValue::from_static("remote-user, remote_user, checksum"));
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        let mut trailers = HeaderMap::new();
        // The others are refused over HTTP/1.1 before anything else.
        let forged = ["remote-user", "remote_user", "x-forwarded-for", "cookie"];
        for name in forged.into_iter().take(if protocol == Protocol::Http2 { 4 } else { 2 }) {
            trailers.insert(HeaderName::from_bytes(name.as_bytes()).expect("a name"), HeaderValue::from_static("evil"));
        }
        trailers.insert("checksum", HeaderValue::from_static("1"));
        *request.body_mut() = crate::kit::flood::with_trailers("x", trailers);
        let answer = guest.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "x"), "{protocol:?}");
        let back = answer.trailers.expect("trailers");
        assert!(back.contains_key("digest") && !back.contains_key(SET_COOKIE), "{back:?}");
        let seen = app.take().remove(0);
        let trailers = seen.trailers.expect("trailers");
        assert_eq!(trailers.len(), 1, "{trailers:?}");
        assert_eq!(trailers["checksum"], "1");
    }
}
