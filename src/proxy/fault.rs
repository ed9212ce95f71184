//! Why a granted request got no answer from the app.

use std::error::Error;
use std::io;

use crate::proxy::tls_trouble::{self, TlsTrouble};

/// Why a granted request got no answer from the app. What the client is told of it is decided where refusals are written.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No connection to the upstream came about.
    #[error("the upstream cannot be reached")]
    Connect(#[source] io::Error),
    /// No connection came about in time.
    #[error("the upstream did not accept a connection in time")]
    ConnectTimeout,
    /// The upstream did not prove who it is, or speaks no TLS with us.
    #[error("{trouble}")]
    Tls {
        /// What it is about.
        trouble: TlsTrouble,
        /// What was said of it.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The upstream took the request and stayed silent.
    #[error("the upstream did not answer in time")]
    Timeout,
    /// The upstream broke off, or what it sent is not HTTP/1.1.
    #[error("the upstream broke off or answered with something that is not HTTP")]
    Closed(#[source] hyper::Error),
    /// The upstream's answer contradicts itself about where its body ends.
    #[error("the upstream's answer has contradictory framing")]
    BadFraming,
    /// The upstream switched protocols without being asked, or not to the one asked for.
    #[error("the upstream switched protocols in a way that was not asked for")]
    BadUpgrade,
    /// The request's body is larger than the app takes.
    #[error("the request body is larger than allowed")]
    TooLarge,
    /// The client stopped sending the body it announced.
    #[error("the request body stood still for too long")]
    Stalled,
    /// The client's connection failed while it was sending.
    #[error("the client broke off")]
    ClientGone,
    /// A page of another origin tried to open a WebSocket with the visitor's cookies.
    #[error("the WebSocket was asked for by a foreign origin")]
    ForeignOrigin,
    /// The app gets no WebSockets.
    #[error("the app's WebSockets are turned off")]
    WebSocketsOff,
    /// CONNECT to anything but a WebSocket, or TRACE.
    #[error("the method is not forwarded")]
    BadMethod,
    /// An extended CONNECT that is not a WebSocket handshake of version 13.
    #[error("the WebSocket handshake is malformed")]
    BadHandshake,
    /// The judged target cannot be written on a request line as it is.
    #[error("the target cannot be forwarded unchanged")]
    BadTarget,
    /// The session that permitted the request ended before the app answered.
    #[error("the session ended")]
    SessionEnded,
    /// The app was configured anew or taken away, and did not answer within the time it had left.
    #[error("the app's configuration changed")]
    AppChanged,
}

/// On whose side a fault lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's: it may do better.
    Client,
    /// The upstream's: its owner has to look.
    Upstream,
    /// Nobody's: what permitted the request ended meanwhile.
    Nobody,
}

impl Fault {
    /// What it means that hyper gave a connection up.
    pub fn closed(error: hyper::Error) -> Self {
        match tls_trouble::within(&error) {
            Some(trouble) => Self::Tls { trouble, source: Some(error.into()) },
            None => Self::Closed(error),
        }
    }

    /// On whose side it lies.
    pub fn side(&self) -> Side {
        match self {
            Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Tls { .. }
            | Self::Timeout
            | Self::Closed(_)
            | Self::BadFraming
            | Self::BadUpgrade => Side::Upstream,
            Self::TooLarge
            | Self::Stalled
            | Self::ClientGone
            | Self::ForeignOrigin
            | Self::WebSocketsOff
            | Self::BadMethod
            | Self::BadHandshake
            | Self::BadTarget => Side::Client,
            Self::SessionEnded | Self::AppChanged => Side::Nobody,
        }
    }
}
