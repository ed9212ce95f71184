//! The WebSocket handshake: RFC 6455 over HTTP/1.1 on both sides, RFC 8441 over HTTP/2 from clients.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use data_encoding::BASE64;
use http::header::{CONNECTION, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use http_body::Body as HttpBody;
use hyper::ext::Protocol;

use crate::base::entropy::Entropy;
use crate::proxy::fault::Fault;
use crate::proxy::hop;

const WEBSOCKET: &str = "websocket";
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
            Some(protocol) if protocol.as_str() == WEBSOCKET && version_is_known => Ok(Some(Asked::Connect)),
            Some(protocol) if protocol.as_str() == WEBSOCKET => Err(Fault::BadHandshake),
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
    let sound = protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes())
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
pub fn check_origin(headers: &HeaderMap, host: &HeaderValue) -> Result<(), Fault> {
    if !headers.contains_key(ORIGIN) {
        return Ok(());
    }
    let authority = |text: &[u8]| text.strip_suffix(b":443").unwrap_or(text).to_ascii_lowercase();
    let origin = single(headers, &ORIGIN).and_then(|origin| origin.as_bytes().strip_prefix(b"https://"));
    if origin.is_some_and(|origin| authority(origin) == authority(host.as_bytes())) { Ok(()) } else { Err(Fault::ForeignOrigin) }
}

/// A fresh key for an upstream, where the client has none.
pub fn draw_key(entropy: Entropy) -> HeaderValue {
    HeaderValue::try_from(BASE64.encode(&entropy.bytes::<16>())).expect("base64 is visible ASCII")
}

/// Writes the handshake lines of a request.
pub fn ask(headers: &mut HeaderMap, key: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
    headers.insert(SEC_WEBSOCKET_KEY, key);
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
}

/// Whether the headers of a 101 agree to the handshake with this key.
pub fn agrees(headers: &HeaderMap, key: &HeaderValue) -> bool {
    let accept = BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat()).as_ref());
    single(headers, &UPGRADE).is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
        && single(headers, &SEC_WEBSOCKET_ACCEPT).is_some_and(|given| given == accept.as_str())
}

/// Writes the lines of a 101 that belong to the connection.
pub fn agree(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(WEBSOCKET));
}

/// The value of a field that is there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}
