//! A client's request made into the one an app gets.

use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body::Body as HttpBody;

use crate::plan::app::App;
use crate::plan::upstream::Upstream;
use crate::policy::target::Target;
use crate::proxy::fault::Fault;
use crate::proxy::forward::Facts;
use crate::proxy::forwarded;
use crate::proxy::hop;
use crate::wire::body::Body;
use crate::wire::cookie;
use crate::wire::identity;

/// The judged target as hyper will write it.
///
/// # Errors
/// [`Fault::BadTarget`] if that would be other bytes than those that were judged.
pub fn origin_form(target: &Target) -> Result<Uri, Fault> {
    let written = PathAndQuery::try_from(target.as_str()).map_err(|_| Fault::BadTarget)?;
    if written.as_str() == target.as_str() && target.as_str().starts_with('/') {
        Ok(Uri::from(written))
    } else {
        Err(Fault::BadTarget)
    }
}

/// The request to send. Nothing of the client's target, version or extensions is taken over.
pub fn build(head: Parts, body: Body, target: Uri, app: &App, facts: &Facts<'_>) -> Request<Body> {
    let mut headers = head.headers;
    let takes_trailers = hop::has_token(&headers, &TE, "trailers");
    let trailer = hop::announced_trailers(&headers, |name| !identity::is_ours(name) && !app.request_headers.touch(name));
    let announced = headers.contains_key(CONTENT_LENGTH);
    dress(&mut headers, app, facts);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    frame(&mut headers, &head.method, &body, announced);
    if let Some(trailer) = trailer.filter(|_| headers.contains_key(TRANSFER_ENCODING)) {
        headers.insert(TRAILER, trailer);
    }
    assemble(head.method, target, headers, body)
}

/// Puts a request together.
pub fn assemble(method: Method, target: Uri, headers: HeaderMap, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = target;
    *request.headers_mut() = headers;
    request
}

/// Takes from a client's headers what must not pass and sets what is ours to set. The order matters: first away with
/// everything, then ours, then the owner's, which cannot be ours.
pub fn dress(headers: &mut HeaderMap, app: &App, facts: &Facts<'_>) {
    hop::remove(headers);
    identity::strip(headers);
    // hyper answers `100-continue` itself when the body is first read; passed on, both sides would wait for the other.
    headers.remove(EXPECT);
    headers.remove(CONTENT_LENGTH);
    cookie::strip(headers);
    join_cookies(headers);
    headers.insert(HOST, host(&app.upstream, &facts.host_header));
    forwarded::set(headers, facts.client, &facts.host_header, facts.request_id);
    forwarded::set_prefix(headers, &app.mount);
    app.request_headers.apply(headers);
}

/// The `Host` the app gets: the visitor's, or its own.
pub fn host(upstream: &Upstream, visitors: &HeaderValue) -> HeaderValue {
    if upstream.preserve_host {
        return visitors.clone();
    }
    HeaderValue::try_from(upstream.origin.authority()).expect("the name of an upstream is visible ASCII")
}

/// HTTP/2 may split `Cookie` into several fields, HTTP/1.1 may not (RFC 9113 section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let lines: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_bytes(&lines.join(&b"; "[..])).expect("header values joined by visible ASCII");
    headers.insert(COOKIE, joined);
}

/// Says where the body ends, from what we know of the body and not from what the client wrote.
fn frame(headers: &mut HeaderMap, method: &Method, body: &Body, announced: bool) {
    if body.is_end_stream() {
        // Servers tell "no body" from "length unknown" by this line where a method usually has a body.
        if announced || [Method::POST, Method::PUT, Method::PATCH].contains(method) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        return;
    }
    match body.size_hint().exact() {
        Some(length) => headers.insert(CONTENT_LENGTH, HeaderValue::from(length)),
        // Said aloud, since hyper takes an unannounced body of a GET for none.
        None => headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attack: a target that is judged in one spelling and written on the request line in another.
    #[test]
    fn what_was_judged_is_what_is_written() {
        let printable = (0x21..0x7f_u8).map(char::from);
        let mut texts: Vec<String> =
            printable.flat_map(|sign| [format!("/a{sign}b"), format!("/a?b{sign}c"), format!("/{sign}")]).collect();
        texts.extend(["/", "//a//b", "/a?", "/?", "/a??", "/%2f%5c%25", "/@evil.example/", "/a:80", "/*"].map(str::to_owned));
        let mut written = 0;
        for target in texts.iter().filter_map(|text| Target::parse(text).ok()) {
            match origin_form(&target) {
                Ok(uri) => {
                    assert_eq!(uri.to_string(), target.as_str());
                    written += 1;
                }
                // What cannot be written could not have been received by hyper either.
                Err(_) => assert!(target.as_str().parse::<Uri>().is_err(), "{}", target.as_str()),
            }
        }
        assert!(written > 200, "{written}");
    }
}
