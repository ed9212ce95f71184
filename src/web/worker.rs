//! The service worker handed out to visitors without a session.
//!
//! An app's own worker may answer every navigation out of its cache, redirects to our sign-in page included: the visitor
//! could never sign in again. Browsers fetch a worker's script afresh, past the worker, with `Service-Worker: script`; a
//! visitor without a session gets this one instead. It takes over at once and, having no `fetch` handler, leaves
//! navigation to the network. The app's own returns with the first visit after sign-in.

use http::{HeaderMap, Response, StatusCode};

use crate::web::page;
use crate::wire::body::Body;

const SCRIPT: &str = "self.addEventListener('install', () => self.skipWaiting());\n\
     self.addEventListener('activate', event => event.waitUntil(self.clients.claim()));\n";

/// Whether a browser asks for a service worker's script.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    headers.get("service-worker").is_some_and(|value| value == "script")
}

/// The worker that does nothing.
pub fn answer() -> Response<Body> {
    page::answer(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_takes_over_and_answers_nothing() {
        let mut headers = HeaderMap::new();
        assert!(!is_wanted(&headers));
        headers.insert("service-worker", "script".parse().expect("a value"));
        assert!(is_wanted(&headers));
        assert!(SCRIPT.contains("skipWaiting") && SCRIPT.contains("claim") && !SCRIPT.contains("fetch"));
        assert_eq!(answer().headers()["cache-control"], "no-store");
        assert_eq!(answer().headers()["content-type"], "text/javascript; charset=utf-8");
    }
}
