//! An app's answer made into the one the client gets: nothing added and nothing taken away but what belongs to the
//! connection, and what the owner says.

use http::header::{CONTENT_LENGTH, SET_COOKIE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use tracing::warn;

use crate::model::event::Event;
use crate::proxy::exchange::Exchange;
use crate::proxy::fault::Fault;
use crate::proxy::guard::{Guarded, Way, settle};
use crate::proxy::hop;
use crate::proxy::pool::Lease;
use crate::wire::body::Body;
use crate::wire::cookie;

/// The answer to give. Its body keeps the connection until it is complete.
///
/// # Errors
/// [`Fault::BadFraming`] if the upstream contradicts itself.
pub fn pass(response: Response<Incoming>, lease: Lease, exchange: &Exchange<'_>) -> Result<Response<Body>, Fault> {
    let (mut head, body) = response.into_parts();
    let body = Body::from(body);
    let chunked = is_chunked(&head.headers)?;
    let trailer = if chunked { hop::announced_trailers(&head.headers, |_| true) } else { None };
    hop::remove(&mut head.headers);
    if let Some(trailer) = trailer.filter(|_| !body.is_end_stream()) {
        head.headers.insert(TRAILER, trailer);
    }
    settle_length(&mut head.headers, head.status)?;
    drop_our_cookies(&mut head.headers, &exchange.app.name);
    exchange.app.response_headers.apply(&mut head.headers);
    head.version = Version::HTTP_11;
    let body = if body.is_end_stream() {
        settle(lease, &exchange.progress);
        Body::Empty
    } else {
        let way = Way::Down { lease: Some(lease) };
        let idle_timeout = exchange.app.upstream.idle_timeout;
        Body::wrapped(Guarded::new(body, way, exchange.progress.clone(), exchange.permit.clone(), idle_timeout))
    };
    Ok(Response::from_parts(head, body))
}

/// Whether the body came in chunks. Other transfer codings are refused: the line that names them belongs to this
/// connection, and the client would be left with bytes it cannot read. So is a length beside the chunks, which hyper
/// overlooks and the client might not.
fn is_chunked(headers: &HeaderMap) -> Result<bool, Fault> {
    let mut codings = hop::tokens(headers, &TRANSFER_ENCODING);
    match (codings.next(), codings.next()) {
        (None, _) if !headers.contains_key(TRANSFER_ENCODING) => Ok(false),
        (Some(one), None) if one.eq_ignore_ascii_case(b"chunked") && !headers.contains_key(CONTENT_LENGTH) => Ok(true),
        _ => Err(Fault::BadFraming),
    }
}

/// Leaves one well-formed length or none.
fn settle_length(headers: &mut HeaderMap, status: StatusCode) -> Result<(), Fault> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(line) = lines.next() else { return Ok(()) };
    let plain = lines.next().is_none() && !line.is_empty() && line.as_bytes().iter().all(u8::is_ascii_digit);
    if plain && status != StatusCode::NO_CONTENT {
        return Ok(());
    }
    let length = single_length(headers)?;
    if status == StatusCode::NO_CONTENT {
        // RFC 9110 section 8.6: not in a 204.
        headers.remove(CONTENT_LENGTH);
    } else {
        headers.insert(CONTENT_LENGTH, length);
    }
    Ok(())
}

/// The one length that all lines and list members agree on.
fn single_length(headers: &HeaderMap) -> Result<HeaderValue, Fault> {
    let mut lengths = hop::tokens(headers, &CONTENT_LENGTH);
    let length = lengths.next().filter(|length| length.iter().all(u8::is_ascii_digit)).ok_or(Fault::BadFraming)?;
    if lengths.any(|other| other != length) {
        return Err(Fault::BadFraming);
    }
    Ok(HeaderValue::from_bytes(length).expect("digits"))
}

/// An app cannot sign anybody out or plant a session of its own making.
pub fn drop_our_cookies(headers: &mut HeaderMap, app: &str) {
    if !headers.get_all(SET_COOKIE).iter().any(cookie::sets_ours) {
        return;
    }
    warn!(event = Event::AppCookie.name(), app, "the app tried to set a cookie of ours");
    let kept: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().filter(|line| !cookie::sets_ours(line)).cloned().collect();
    headers.remove(SET_COOKIE);
    for line in kept {
        headers.append(SET_COOKIE, line);
    }
}
