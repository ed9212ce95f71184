//! Every answer that is not the app's, in one closed table: whose fault it is, and its stable name in the log.
//! Status and text belong to its page, see `web::refusal`.

use std::error::Error;

use http::Response;

use crate::gate::upstream;
use crate::policy::decide::Forbidden;
use crate::policy::refusal::Unreadable;
use crate::policy::rule::DenyStatus;
use crate::proxy::fault::{Fault as UpstreamFault, Side};
use crate::store::fault::Fault as StoreFault;
use crate::wire::body::Body;

/// Why a request was not forwarded, or its answer could not be.
#[derive(Debug)]
pub enum Refusal {
    /// It could mean two things to two readers.
    Malformed(Malformed),
    /// Its target cannot be judged.
    Unreadable(Unreadable),
    /// Too many header fields.
    HeadTooLarge,
    /// A method that is never forwarded.
    Method,
    /// The name in the handshake and the host of the request belong to different apps.
    Misdirected,
    /// No app has this host.
    NoSuchApp,
    /// The readings of the path are for different apps of this host.
    SeveralApps,
    /// A path that nobody gets, or none of ours.
    Blocked(DenyStatus),
    /// The visitor has to sign in first; the answer tells how, in the manner the client can use.
    SignIn(Box<Response<Body>>),
    /// The app's owner has closed it for now.
    Maintenance(Option<String>),
    /// A trusted proxy named a client that is no address, so nobody knows whom the request counts for.
    BadForwarded,
    /// Not for whom the visitor is signed in as, or not for anybody yet.
    Forbidden(Forbidden),
    /// The store cannot say who this is.
    Unavailable(StoreFault),
    /// The app's server did not take or answer the request.
    Upstream(UpstreamFault),
}

/// What of a head contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// No host, several, or one that cannot be a host.
    Host,
    /// `Host`, `:authority` and the target name different hosts.
    HostsDiffer,
    /// The target has no path, or another scheme than the connection.
    Target,
}

/// Whose fault it is: who has to do something about it. Decides how loudly it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// The client.
    Client,
    /// We.
    Gateway,
    /// The app's server.
    Upstream,
}

impl Refusal {
    /// Whose fault it is.
    pub fn whose(&self) -> Party {
        match self {
            Self::Unavailable(_) => Party::Gateway,
            Self::Upstream(fault) => match fault.side() {
                Side::Upstream => Party::Upstream,
                Side::Client | Side::Nobody => Party::Client,
            },
            Self::Malformed(_)
            | Self::Unreadable(_)
            | Self::HeadTooLarge
            | Self::Method
            | Self::Misdirected
            | Self::NoSuchApp
            | Self::SeveralApps
            | Self::Blocked(_)
            | Self::SignIn(_)
            | Self::Forbidden(_)
            | Self::Maintenance(_)
            | Self::BadForwarded => Party::Client,
        }
    }

    /// Whether the app's server could not even be connected to.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Upstream(UpstreamFault::Connect(_) | UpstreamFault::ConnectTimeout))
    }

    /// Its name in the access log; stable, because filters are written against it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::Host) => "bad-host",
            Self::Malformed(Malformed::HostsDiffer) => "hosts-differ",
            Self::Malformed(Malformed::Target) => "bad-target",
            Self::Unreadable(unreadable) => unreadable.name(),
            Self::HeadTooLarge => "head-too-large",
            Self::Method => "method",
            Self::Misdirected => "misdirected",
            Self::NoSuchApp => "no-such-app",
            Self::SeveralApps => "ambiguous-app",
            Self::Blocked(_) => "blocked",
            Self::SignIn(_) => "sign-in",
            Self::Maintenance(_) => "maintenance",
            Self::BadForwarded => "bad-forwarded",
            Self::Forbidden(Forbidden::NotAllowed) => "not-allowed",
            Self::Unavailable(_) => "store-unavailable",
            Self::Upstream(fault) => upstream::name(fault),
        }
    }

    /// What lies behind it, for the owner's log; never for the client.
    pub fn cause(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(fault) => Some(fault),
            Self::Upstream(fault) => Some(fault),
            Self::Unreadable(unreadable) => Some(unreadable),
            Self::Malformed(_)
            | Self::HeadTooLarge
            | Self::Method
            | Self::Misdirected
            | Self::NoSuchApp
            | Self::SeveralApps
            | Self::Blocked(_)
            | Self::SignIn(_)
            | Self::Forbidden(_)
            | Self::Maintenance(_)
            | Self::BadForwarded => None,
        }
    }
}
