//! Hop-by-hop fields: what belongs to one connection is not passed to the next (RFC 9110 section 7.6.1).
//!
//! Removal comes before we set anything, in both directions: a `Connection: X-Forwarded-For` can then take away only what
//! the peer itself sent, never what we add.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, COOKIE, EXPECT,
    HOST, MAX_FORWARDS, PROXY_AUTHORIZATION, SET_COOKIE, TRAILER,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::wire::header::HOP_BY_HOP;

/// Fields that say how to frame, route, authenticate or read a message: behind its body they come too late to be honest.
const NEVER_TRAILING: [HeaderName; 12] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    EXPECT,
    HOST,
    MAX_FORWARDS,
    PROXY_AUTHORIZATION,
    SET_COOKIE,
];

/// Takes away everything that belongs to one connection: the standard set, and whatever any `Connection` line names.
pub fn remove(headers: &mut HeaderMap) {
    for name in listed(headers) {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// The names in all `Connection` lines, except those that are removed in any case; a usual message names none, which
/// costs no allocation.
fn listed(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &CONNECTION)
        .filter(|token| {
            !["close", "keep-alive", "upgrade", "te"].iter().any(|usual| token.eq_ignore_ascii_case(usual.as_bytes()))
        })
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .collect()
}

/// The comma-separated members of all lines of a field, trimmed, without empty ones.
///
/// Bytes, not text: one line with a byte above 0x7f must not hide the tokens beside it.
pub fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

/// Whether a field has this member, letter case aside.
pub fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
}

/// The `Trailer` line to send on: the names announced, without those that may not trail. `None` if nothing is left.
///
/// hyper sends trailers over HTTP/1.1 only when this field names them.
pub fn announced_trailers(headers: &HeaderMap, allowed: impl Fn(&HeaderName) -> bool) -> Option<HeaderValue> {
    let names: Vec<HeaderName> = tokens(headers, &TRAILER)
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .filter(|name| may_trail(name) && allowed(name))
        .collect();
    let line = names.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(", ");
    if line.is_empty() { None } else { HeaderValue::try_from(line).ok() }
}

/// Whether a field may come behind a body.
pub fn may_trail(name: &HeaderName) -> bool {
    !HOP_BY_HOP.contains(name) && !NEVER_TRAILING.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_standard_set_goes_and_the_rest_stays() {
        let mut all: HeaderMap = HOP_BY_HOP.iter().map(|name| (name.clone(), HeaderValue::from_static("x"))).collect();
        all.insert("accept", HeaderValue::from_static("*/*"));
        remove(&mut all);
        assert_eq!(all, headers(&[("accept", "*/*")]));
    }

    /// The attack: `Connection` tokens spread over lines, cases and odd spacing, so that a cleaner which reads one line
    /// or compares exactly leaves some standing (CVE-2024-45410 and its lower-case bypass CVE-2026-29054).
    #[test]
    fn every_token_of_every_connection_line_counts() {
        let mut all = headers(&[
            ("connection", "close, X-ONE"),
            ("connection", " ,x-two\t, ,X-Three;x"),
            ("connection", "x-four"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-four", "4"),
            ("x-five", "5"),
        ]);
        all.append(CONNECTION, HeaderValue::from_bytes(b"\xff, x-five").expect("opaque bytes"));
        remove(&mut all);
        assert_eq!(all, HeaderMap::new());
    }

    #[test]
    fn trailers_are_announced_without_those_that_frame_or_identify() {
        let all = headers(&[("trailer", "Digest, content-length"), ("trailer", "Set-Cookie,grpc-status, x y, te")]);
        assert_eq!(announced_trailers(&all, |_| true).expect("two left"), "digest, grpc-status");
        assert_eq!(announced_trailers(&all, |name| name != "digest").expect("one left"), "grpc-status");
        assert_eq!(announced_trailers(&headers(&[("trailer", "host")]), |_| true), None);
    }
}
