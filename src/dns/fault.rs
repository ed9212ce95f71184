//! Why a name server could not be asked or did not do what it was asked.

use std::io;
use std::net::SocketAddr;

/// Why a name server could not be asked or did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No connection to it comes about.
    #[error("it cannot be reached")]
    Unreachable(#[source] io::Error),
    /// It says nothing.
    #[error("it does not answer")]
    Silent,
    /// What it sent is no answer to what was asked.
    #[error("what it answers makes no sense")]
    Garbled,
    /// It says that it will not, or cannot.
    #[error("it answers {}", .0.name())]
    Said(Refusal),
    /// Its consent is not signed with our key.
    #[error("its answer is not signed with the key, so that it may come from anybody")]
    Unsigned,
    /// What was to be sent cannot be written as DNS.
    #[error("{0} cannot stand in DNS")]
    Unwritable(String),
    /// There is nobody to ask.
    #[error("there is no resolver to ask")]
    Nobody,
    /// A name leads to a name that leads to a name, without end.
    #[error("its CNAME records lead in a circle, or too far")]
    Circle,
    /// A record leads to a name that no host or record of a proof has.
    #[error("a CNAME record leads to a name that cannot be one")]
    OddTarget,
    /// No zone has the name.
    #[error("no zone was found that {0} is in")]
    NoZone(String),
    /// A fault of one server.
    #[error("{server}: {fault}", server = shown(.0), fault = .1)]
    At(SocketAddr, #[source] Box<Fault>),
}

/// What a name server says instead of yes (RFC 1035 section 4.1.1, RFC 2136 section 2.2, RFC 8945 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot read what was sent.
    Form,
    /// Something is wrong with it.
    Server,
    /// It does not know this kind of question.
    Unknown,
    /// It does not want to.
    Refused,
    /// It is not in charge of the zone, or does not know who asks.
    NotAuthoritative,
    /// The name is in another zone.
    NotZone,
    /// It does not know the key.
    BadKey,
    /// The signature is not the key's.
    BadSignature,
    /// Its clock and ours differ.
    BadTime,
    /// Something else.
    Other(u16),
}

impl Refusal {
    /// As it is written in the logs of name servers.
    pub fn name(self) -> String {
        let name = match self {
            Self::Form => "FORMERR",
            Self::Server => "SERVFAIL",
            Self::Unknown => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::NotAuthoritative => "NOTAUTH",
            Self::NotZone => "NOTZONE",
            Self::BadKey => "BADKEY",
            Self::BadSignature => "BADSIG",
            Self::BadTime => "BADTIME",
            Self::Other(code) => return format!("with code {code}"),
        };
        name.to_owned()
    }
}

impl Fault {
    /// The same, of that server.
    #[must_use]
    pub fn at(self, server: SocketAddr) -> Self {
        match self {
            at @ Self::At(..) => at,
            fault => Self::At(server, Box::new(fault)),
        }
    }

    /// Without the server.
    pub fn bare(&self) -> &Self {
        match self {
            Self::At(_, fault) => fault,
            fault => fault,
        }
    }

    /// Whether this machine has no way to such addresses at all, as without IPv6.
    pub fn has_no_way(&self) -> bool {
        match self.bare() {
            Self::Unreachable(fault) => matches!(
                fault.kind(),
                io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable | io::ErrorKind::AddrNotAvailable
            ),
            Self::Silent
            | Self::Garbled
            | Self::Said(_)
            | Self::Unsigned
            | Self::Unwritable(_)
            | Self::Nobody
            | Self::Circle
            | Self::OddTarget
            | Self::NoZone(_)
            | Self::At(..) => false,
        }
    }
}

/// An address, with its port where that is not the usual one.
pub fn shown(server: &SocketAddr) -> String {
    if server.port() == 53 { server.ip().to_string() } else { server.to_string() }
}
