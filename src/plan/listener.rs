//! Where we listen, and what one client may take of us.

use std::net::SocketAddr;
use std::time::Duration;

/// Where we listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// TLS.
    pub https: Vec<SocketAddr>,
    /// Plain HTTP: redirects and the local authority's certificate, never an app.
    pub http: Vec<SocketAddr>,
    /// Longest wait for a handshake and for a request head.
    pub header_timeout: Duration,
    /// Longest wait for open requests when stopping.
    pub drain_timeout: Duration,
    /// Most connections at once, over all listeners.
    pub max_connections: usize,
    /// Most connections at once from one client network.
    pub max_connections_per_network: usize,
}
