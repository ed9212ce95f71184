//! Every answer that is not the app's, in one closed table: status, whose fault it is, and its stable name in the log.

use std::error::Error;

use http::{Response, StatusCode};

use crate::gate::upstream;
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
    /// A path that nobody gets, or none of ours.
    Blocked(DenyStatus),
    /// The visitor has to sign in first; the answer tells how, in the manner the client can use.
    SignIn(Box<Response<Body>>),
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

/// Who has to do something about it. Decides how loudly it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The client's doing.
    Client,
    /// Ours.
    Gateway,
    /// The app's server's.
    Upstream,
}

impl Refusal {
    /// The status answered. A sign-in is 401 to programs; a person is redirected instead.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unreadable(unreadable) if unreadable.too_long() => StatusCode::URI_TOO_LONG,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Misdirected | Self::NoSuchApp => StatusCode::MISDIRECTED_REQUEST,
            Self::Blocked(DenyStatus::NotFound) => StatusCode::NOT_FOUND,
            Self::Blocked(DenyStatus::Forbidden) => StatusCode::FORBIDDEN,
            Self::SignIn(answer) => answer.status(),
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Upstream(fault) => upstream::status(fault),
        }
    }

    /// Whose fault it is.
    pub fn whose(&self) -> Fault {
        match self {
            Self::Unavailable(_) => Fault::Gateway,
            Self::Upstream(fault) => match fault.side() {
                Side::Upstream => Fault::Upstream,
                Side::Client | Side::Nobody => Fault::Client,
            },
            Self::Malformed(_)
            | Self::Unreadable(_)
            | Self::HeadTooLarge
            | Self::Method
            | Self::Misdirected
            | Self::NoSuchApp
            | Self::Blocked(_)
            | Self::SignIn(_) => Fault::Client,
        }
    }

    /// Its name in the access log; stable, because filters are written against it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::Host) => "bad_host",
            Self::Malformed(Malformed::HostsDiffer) => "hosts_differ",
            Self::Malformed(Malformed::Target) => "bad_target",
            Self::Unreadable(unreadable) => unreadable.name(),
            Self::HeadTooLarge => "head_too_large",
            Self::Method => "method",
            Self::Misdirected => "misdirected",
            Self::NoSuchApp => "no_such_app",
            Self::Blocked(_) => "blocked",
            Self::SignIn(_) => "sign_in",
            Self::Unavailable(_) => "store_unavailable",
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
            | Self::Blocked(_)
            | Self::SignIn(_) => None,
        }
    }
}
