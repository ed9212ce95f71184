//! Where an app's requests go, and how long we wait for it.

use std::time::Duration;

/// An app's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Host name or address, as written.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait from the last byte of the request's head to the response's head; `None` waits for ever.
    pub response_timeout: Option<Duration>,
    /// Longest silence on a body or tunnel; `None` allows any.
    pub idle_timeout: Option<Duration>,
    /// Largest request body in bytes; `None` allows any.
    pub body_limit: Option<u64>,
}
