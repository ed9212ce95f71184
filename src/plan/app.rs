//! One protected application.

use std::path::PathBuf;
use std::time::Duration;

use crate::base::lifeline::Lifeline;
use crate::plan::headers::HeaderEdits;
use crate::plan::maintenance::Maintenance;
use crate::plan::upstream::Upstream;
use crate::plan::websocket::WebSockets;
use crate::policy::host::Host;
use crate::policy::mount::Mount;
use crate::policy::rule::RuleSet;
use crate::policy::wildcard::{HostPattern, Wildcard};
use crate::wire::trust::Trust;

/// One protected application.
#[derive(Clone, Debug)]
pub struct App {
    /// Its name on pages and in logs.
    pub name: String,
    /// The hosts it answers for, as far as they are written out.
    pub hosts: Vec<Host>,
    /// The wildcards it answers for.
    pub wildcards: Vec<Wildcard>,
    /// Where on those hosts it is.
    pub mount: Mount,
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
    /// Closed by its owner for now.
    pub maintenance: Option<Maintenance>,
    /// How its upstream proves who it is, once the files are read.
    pub trust: Trust,
    /// How long somebody new may add what it asks for with a password alone; zero for never.
    pub enrol_deadline: Duration,
    /// Whether the home page shows it.
    pub listed: bool,
    /// What the home page says of it.
    pub description: Option<String>,
    /// What its open streams live by: cut when the app, as it is here, is no longer served.
    pub lifeline: Lifeline,
}

impl App {
    /// Whether `other` does the same for its visitors, so that what is open through one may go on through the other. Every
    /// field is named here: one that is forgotten would leave an old rule in force.
    pub fn serves_like(&self, other: &Self) -> bool {
        let Self {
            name: _,
            hosts,
            wildcards,
            mount,
            upstream,
            rules,
            certificate: _,
            request_headers,
            response_headers,
            websocket,
            maintenance,
            trust: _,
            // It opens nothing and shuts nothing that is open.
            enrol_deadline: _,
            listed: _,
            description: _,
            lifeline: _,
        } = self;
        *hosts == other.hosts
            && *wildcards == other.wildcards
            && *mount == other.mount
            && *upstream == other.upstream
            && *rules == other.rules
            && *request_headers == other.request_headers
            && *response_headers == other.response_headers
            && *websocket == other.websocket
            && *maintenance == other.maintenance
    }

    /// Its hosts and its wildcards.
    pub fn patterns(&self) -> impl Iterator<Item = HostPattern> {
        let wildcards = self.wildcards.iter().cloned().map(HostPattern::Under);
        self.hosts.iter().cloned().map(HostPattern::Exact).chain(wildcards)
    }

    /// Whether `other` is the same in every respect.
    pub fn is_like(&self, other: &Self) -> bool {
        let shown = self.name == other.name && self.listed == other.listed && self.description == other.description;
        self.serves_like(other) && shown && self.enrol_deadline == other.enrol_deadline && self.certificate == other.certificate
    }
}

/// A certificate chain and its key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The key.
    pub private_key: PathBuf,
}
