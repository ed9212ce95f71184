//! Header names and the URL prefix of our own.

use http::HeaderName;

/// Carries the id of a request towards the app, and of a refusal towards the client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The prefix of our own URLs on every host.
pub const OWN_PREFIX: &str = "/.doorward/";
