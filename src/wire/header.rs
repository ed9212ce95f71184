//! Header names and the URL prefix of our own.

use http::HeaderName;
use http::header::{CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};

/// Carries the id of a request towards the app, and of a refusal towards the client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The prefix of our own URLs on every host.
pub const OWN_PREFIX: &str = "/.doorward/";

/// Fields that belong to one connection (RFC 9110 section 7.6.1), besides those a `Connection` line names.
pub const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];
