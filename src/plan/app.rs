//! One protected application.

use std::path::PathBuf;

use crate::plan::headers::HeaderEdits;
use crate::plan::upstream::Upstream;
use crate::plan::websocket::WebSockets;
use crate::policy::host::Host;
use crate::policy::rule::RuleSet;

/// One protected application.
#[derive(Debug)]
pub struct App {
    /// Its name on pages and in logs.
    pub name: String,
    /// The hosts it answers for.
    pub hosts: Vec<Host>,
    /// Where its requests go.
    pub upstream: Upstream,
    /// Its path rules.
    pub rules: RuleSet,
    /// A certificate of the owner's own, instead of one from the local authority.
    pub certificate: Option<CertificateFiles>,
    /// What the owner changes about its requests' headers.
    pub request_headers: HeaderEdits,
    /// And about its answers'.
    pub response_headers: HeaderEdits,
    /// What its WebSockets may do.
    pub websocket: WebSockets,
}

/// A certificate chain and its key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The key.
    pub private_key: PathBuf,
}
