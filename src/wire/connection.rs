//! What is known of the connection a request came by.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::uri::Scheme;

/// Facts that are the same for every request of one connection.
#[derive(Debug)]
pub struct Connection {
    /// The other end of the TCP connection.
    pub peer: SocketAddr,
    /// The name the client asked for in its ClientHello, canonical; `None` without SNI.
    pub sni: Option<Box<str>>,
    /// What is spoken on it.
    pub protocol: Protocol,
    in_flight: AtomicUsize,
    begun: AtomicUsize,
}

/// What is spoken on a connection, as agreed by ALPN; without TLS it is plain HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 (or 1.0) over TLS.
    Http1,
    /// HTTP/2 over TLS.
    Http2,
    /// HTTP/1.1 (or 1.0) without TLS.
    Plain,
}

/// A request being answered; from its head to the end of its response's body.
#[derive(Debug)]
pub struct InFlight(Arc<Connection>);

impl Connection {
    /// A connection on which nothing was asked yet.
    pub fn new(peer: SocketAddr, sni: Option<Box<str>>, protocol: Protocol) -> Self {
        Self { peer, sni, protocol, in_flight: AtomicUsize::new(0), begun: AtomicUsize::new(0) }
    }

    /// Whom its requests count for. An IPv4 address mapped into IPv6 is the same client as without.
    pub fn client(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }

    /// Counts a request in, until the value returned is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    /// How many requests it has brought; wraps around after a few milliards.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// The scheme that requests on it must have, where they name one.
    pub fn scheme(&self) -> Scheme {
        match self.protocol {
            Protocol::Http1 | Protocol::Http2 => Scheme::HTTPS,
            Protocol::Plain => Scheme::HTTP,
        }
    }

    /// Whether nothing is being answered.
    pub fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) == 0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_idle_when_every_answer_has_ended() {
        let address = "127.0.0.1:1".parse().expect("an address");
        let connection = Arc::new(Connection::new(address, None, Protocol::Http2));
        let (first, second) = (connection.begin(), connection.begin());
        drop(first);
        assert!(!connection.is_idle());
        drop(second);
        assert!(connection.is_idle());
    }
}
