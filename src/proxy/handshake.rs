//! The WebSocket handshake: RFC 6455 over HTTP/1.1 on both sides, RFC 8441 over HTTP/2 from clients.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use data_encoding::BASE64;
use http::header::{CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use http_body::Body as HttpBody;
use hyper::ext::Protocol;

use crate::base::entropy::Entropy;
use crate::plan::websocket::Origins;
use crate::proxy::fault::Fault;
use crate::proxy::hop;
use crate::wire::websocket;

const VERSION: &str = "13";
/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How a client asked for a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// By `Upgrade`, with this key.
    Upgrade(HeaderValue),
    /// By an extended CONNECT of HTTP/2, which has no key.
    Connect,
}

/// Whether a request asks for a WebSocket.
///
/// Anything else that says `Upgrade` (h2c, several protocols, a malformed handshake) counts as an ordinary request whose
/// `Upgrade` is not passed on, as RFC 9110 section 7.8 lets a server do.
///
/// # Errors
/// [`Fault::BadMethod`] for TRACE and for CONNECT to anything else, [`Fault::BadHandshake`] for a malformed extended CONNECT.
pub fn asked<B: HttpBody>(request: &Request<B>) -> Result<Option<Asked>, Fault> {
    let headers = request.headers();
    let version_is_known = single(headers, &SEC_WEBSOCKET_VERSION).is_some_and(|version| version == VERSION);
    match *request.method() {
        Method::TRACE => Err(Fault::BadMethod),
        Method::CONNECT => match request.extensions().get::<Protocol>() {
            Some(protocol) if protocol.as_str() == websocket::PROTOCOL && version_is_known => Ok(Some(Asked::Connect)),
            Some(protocol) if protocol.as_str() == websocket::PROTOCOL => Err(Fault::BadHandshake),
            Some(_) | None => Err(Fault::BadMethod),
        },
        Method::GET if request.version() == Version::HTTP_11 && version_is_known => Ok(upgrade_key(request)),
        _ => Ok(None),
    }
}

fn upgrade_key<B: HttpBody>(request: &Request<B>) -> Option<Asked> {
    let headers = request.headers();
    let protocol = single(headers, &UPGRADE)?;
    let key = single(headers, &SEC_WEBSOCKET_KEY)?;
    let sound = protocol.as_bytes().eq_ignore_ascii_case(websocket::PROTOCOL.as_bytes())
        && hop::has_token(headers, &CONNECTION, "upgrade")
        && BASE64.decode(key.as_bytes()).is_ok_and(|nonce| nonce.len() == 16)
        && request.body().is_end_stream();
    sound.then(|| Asked::Upgrade(key.clone()))
}

/// Refuses a handshake that a page of another origin started: the browser sends the visitor's cookies along, and no
/// same-origin rule keeps that page from reading what comes back. Clients that are no browsers send no `Origin`.
///
/// # Errors
/// [`Fault::ForeignOrigin`].
pub fn check_origin(headers: &HeaderMap, host: &HeaderValue, allowed: &Origins) -> Result<(), Fault> {
    if allowed.any || !headers.contains_key(ORIGIN) {
        return Ok(());
    }
    let authority = |text: &[u8]| text.strip_suffix(b":443").unwrap_or(text).to_ascii_lowercase();
    let origin = single(headers, &ORIGIN).and_then(|origin| origin.as_bytes().strip_prefix(b"https://"));
    let origin = origin.map(authority).ok_or(Fault::ForeignOrigin)?;
    let own = allowed.own && origin == authority(host.as_bytes());
    if own || allowed.others.iter().any(|other| other.as_bytes() == origin) { Ok(()) } else { Err(Fault::ForeignOrigin) }
}

/// A fresh key for an upstream, where the client has none.
pub fn draw_key(entropy: Entropy) -> HeaderValue {
    HeaderValue::try_from(BASE64.encode(&entropy.bytes::<16>())).expect("base64 is visible ASCII")
}

/// Writes the handshake lines of a request.
pub fn ask(headers: &mut HeaderMap, key: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(websocket::PROTOCOL));
    headers.insert(SEC_WEBSOCKET_KEY, key);
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
}

/// What a server that understood the handshake answers to its key.
pub fn answer(key: &HeaderValue) -> String {
    BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat()).as_ref())
}

/// Whether the headers of a 101 agree to the handshake with this key.
pub fn agrees(headers: &HeaderMap, key: &HeaderValue) -> bool {
    single(headers, &UPGRADE).is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(websocket::PROTOCOL.as_bytes()))
        && single(headers, &SEC_WEBSOCKET_ACCEPT).is_some_and(|given| given == answer(key).as_str())
}

/// Writes the lines of a 101 that belong to the connection.
pub fn agree(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(websocket::PROTOCOL));
}

/// The value of a field that is there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::websocket::WebSockets;
    use crate::wire::body::Body;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn request(method: Method, lines: &[(&'static str, &'static str)]) -> Request<Body> {
        let mut request = Request::new(Body::Empty);
        *request.method_mut() = method;
        for (name, value) in lines {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request
    }

    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-version", "13"),
    ];

    #[test]
    fn the_example_of_the_rfc_is_answered_as_there() {
        assert_eq!(answer(&HeaderValue::from_static(KEY)), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(asked(&request(Method::GET, &GOOD)).expect("fine"), Some(Asked::Upgrade(HeaderValue::from_static(KEY))));
    }

    /// The attack: an upgrade to something else, or a handshake only half right, opens a raw tunnel past all rules
    /// (h2c smuggling).
    #[test]
    fn anything_else_that_says_upgrade_is_an_ordinary_request() {
        let cases: &[(usize, &str)] = &[
            (0, "close"),
            (1, "h2c"),
            (1, "websocket, h2c"),
            (1, "websocket/13"),
            (2, "short"),
            (2, "dGhlIHNhbXBsZSBub25jZSE9PQ=="),
            (2, "dGhlIHNhbXBsZSBub25jZQ"),
            (3, "8"),
            (3, "13, 8"),
        ];
        for (at, value) in cases {
            let mut lines = GOOD;
            lines[*at].1 = value;
            assert_eq!(asked(&request(Method::GET, &lines)).expect("ordinary"), None, "{value}");
            let twice = [GOOD[0], GOOD[1], GOOD[2], GOOD[3], ("upgrade", "h2c"), ("sec-websocket-key", KEY)];
            assert_eq!(asked(&request(Method::GET, &twice[..5 + at % 2])).expect("ordinary"), None);
        }
        assert_eq!(asked(&request(Method::POST, &GOOD)).expect("ordinary"), None);
        let mut old = request(Method::GET, &GOOD);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(asked(&old).expect("ordinary"), None);
        let (parts, ()) = request(Method::GET, &GOOD).map(|_| ()).into_parts();
        assert_eq!(asked(&Request::from_parts(parts, Body::from("a body"))).expect("ordinary"), None);
    }

    #[test]
    fn connect_is_for_websockets_alone() {
        let version = [("sec-websocket-version", "13")];
        assert!(matches!(asked(&request(Method::CONNECT, &version)), Err(Fault::BadMethod)));
        let mut extended = request(Method::CONNECT, &version);
        extended.extensions_mut().insert(Protocol::from_static("connect-udp"));
        assert!(matches!(asked(&extended), Err(Fault::BadMethod)));
        extended.extensions_mut().insert(Protocol::from_static("websocket"));
        assert!(matches!(asked(&extended), Ok(Some(Asked::Connect))));
        extended.headers_mut().clear();
        assert!(matches!(asked(&extended), Err(Fault::BadHandshake)));
    }

    /// The attack: a page elsewhere opens a WebSocket to the app, and the browser sends the visitor's cookies with it.
    #[test]
    fn only_the_apps_own_origin_opens_websockets() {
        let is_fine = |host, origins: &[&'static str]| passes(host, origins, &WebSockets::default().origins);
        assert!(is_fine("a.example", &[]));
        assert!(is_fine("a.example", &["https://a.example"]));
        assert!(is_fine("A.example:443", &["https://a.example"]));
        assert!(is_fine("a.example:8443", &["https://a.example:8443"]));
        for origin in
            ["https://b.example", "http://a.example", "null", "https://a.example:8443", "https://a.example.evil", "a.example", ""]
        {
            assert!(!is_fine("a.example", &[origin]), "{origin}");
        }
        assert!(!is_fine("a.example", &["https://a.example", "https://a.example"]));
    }

    fn passes(host: &'static str, origins: &[&'static str], allowed: &Origins) -> bool {
        let headers = origins.iter().map(|origin| (ORIGIN, HeaderValue::from_static(origin))).collect();
        check_origin(&headers, &HeaderValue::from_static(host), allowed).is_ok()
    }

    #[test]
    fn origins_that_the_owner_names_are_let_in_and_no_others() {
        let named = Origins { any: false, own: false, others: vec!["b.example".into(), "c.example:8443".into()] };
        for (origin, expected) in [
            ("https://b.example", true),
            ("https://B.example:443", true),
            ("https://c.example:8443", true),
            ("https://c.example", false),
            ("http://b.example", false),
            ("https://a.example", false),
            ("https://b.example.evil", false),
            ("null", false),
        ] {
            assert_eq!(passes("a.example", &[origin], &named), expected, "{origin}");
        }
        assert!(passes("a.example", &[], &named));
        assert!(passes("a.example", &["null"], &Origins { any: true, ..named }));
    }
}
