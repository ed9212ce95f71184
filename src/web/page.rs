//! Makes answers of templates, and puts on every answer of ours the headers that keep it from being framed, stored,
//! sniffed or scripted.

use askama::Template;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Body as _;

use crate::model::event::Event;
use crate::web::audience::Audience;
use crate::web::refusal::Refusal;
use crate::wire::body::Body;

/// No page of ours has a script unless it asks for a passkey, so none is allowed. `form-action 'self'` can stay although browsers apply it to the
/// redirect after a form as well: our forms only ever lead to our own `continue` page, which leads on by itself.
pub const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The same for pages that ask for a passkey: their script is a file of ours.
pub const SCRIPTED_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const PERMISSIONS: &str = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()";

/// An error shown above a form, linked to the field it speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The id of the field.
    pub field: &'static str,
    /// What happened and what to do.
    pub text: String,
}

/// Renders `template` as a page.
pub fn render(status: StatusCode, template: &impl Template) -> Response<Body> {
    match template.render() {
        Ok(html) => answer(status, "text/html; charset=utf-8", html.into()),
        Err(error) => {
            // Writing into a string fails only if a value's own Display does; ours do not.
            tracing::error!(event = Event::GatewayFailed.name(), %error, "a page could not be rendered");
            answer(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "Internal server error\n".into())
        }
    }
}

/// Renders `template` as a page that asks for a passkey, which takes a script, where it `asks`; else as any other.
pub fn render_asking(status: StatusCode, template: &impl Template, asks: bool) -> Response<Body> {
    let mut response = render(status, template);
    if asks {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(SCRIPTED_POLICY));
    }
    response
}

/// An answer of ours with its security headers.
pub fn answer(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    secure(response.headers_mut());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A redirect of ours. `location` must be a path of this host, or a URL of another of ours, that we wrote ourselves.
pub fn redirect(status: StatusCode, location: &str) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    secure(response.headers_mut());
    let location = HeaderValue::try_from(location).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response
}

/// The answer to HEAD: the same head, its length told, no body. hyper leaves a body out over HTTP/1 only; over HTTP/2 it
/// would be sent, and clients reset the stream.
#[must_use]
pub fn without_body(mut response: Response<Body>) -> Response<Body> {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = Body::Empty;
    response
}

/// The plain 404: the same for a page of ours that does not exist and for an app's path that is denied, so that nobody
/// learns which of the two it was.
pub fn not_found(audience: Audience, request_id: &str) -> Response<Body> {
    Refusal::NotFound.answer(audience, request_id, None)
}

impl Alert {
    /// An error of the field `field`.
    pub fn new(field: &'static str, text: impl Into<String>) -> Self {
        Self { field, text: text.into() }
    }
}

/// Puts the security headers of an answer of ours.
fn secure(headers: &mut HeaderMap) {
    const LINES: [(HeaderName, &str); 8] = [
        (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: that would send our own forms with `Origin: null`.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
        (X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in LINES {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attack: framing our pages, planting scripts in them, or finding them in a cache afterwards.
    #[test]
    fn every_answer_carries_the_security_headers() {
        let answers = [
            not_found(Audience::Person, "r1"),
            not_found(Audience::Program, "r1"),
            redirect(StatusCode::SEE_OTHER, "/"),
            answer(StatusCode::OK, "text/plain", "x".into()),
        ];
        for response in answers {
            let header = |name: &str| response.headers()[name].to_str().expect("ASCII").to_owned();
            assert!(header("content-security-policy").starts_with("default-src 'none'; style-src 'self';"));
            assert!(!header("content-security-policy").contains("unsafe"));
            assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
            assert_eq!(header("cache-control"), "no-store");
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("referrer-policy"), "same-origin");
            assert_eq!(header("cross-origin-opener-policy"), "same-origin");
            assert_eq!(header("cross-origin-resource-policy"), "same-origin");
            assert_eq!(header("x-frame-options"), "DENY");
            assert!(header("permissions-policy").contains("geolocation=()"));
        }
    }

    /// The attack: a line break in a redirect target, to write headers of one's own.
    #[test]
    fn a_redirect_that_is_no_header_value_leads_home() {
        assert_eq!(redirect(StatusCode::FOUND, "/a\r\nSet-Cookie: x=y").headers()["location"], "/");
    }
}
