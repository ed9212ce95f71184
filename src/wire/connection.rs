//! What is known of the connection a request came by.

use std::net::SocketAddr;

/// Facts that are the same for every request of one connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The other end of the TCP connection.
    pub peer: SocketAddr,
    /// Our end of it.
    pub local: SocketAddr,
    /// The name the client asked for in its ClientHello, canonical; `None` without SNI.
    pub sni: Option<Box<str>>,
    /// What is spoken on it.
    pub protocol: Protocol,
}

/// What is spoken on a connection, as agreed by ALPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 (or 1.0).
    Http1,
    /// HTTP/2.
    Http2,
}
