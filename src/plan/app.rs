//! One protected application.

use std::path::PathBuf;

use crate::base::lifeline::Lifeline;
use crate::plan::upstream::Upstream;
use crate::policy::host::Host;
use crate::policy::rule::RuleSet;

/// One protected application.
#[derive(Clone, Debug)]
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
    /// What its open streams live by: cut when the app, as it is here, is no longer served.
    pub lifeline: Lifeline,
}

impl App {
    /// Whether `other` does the same for its visitors, so that what is open through one may go on through the other. Every
    /// field is named here: one that is forgotten would leave an old rule in force.
    pub fn serves_like(&self, other: &Self) -> bool {
        let Self { name: _, hosts, upstream, rules, certificate: _, lifeline: _ } = self;
        *hosts == other.hosts && *upstream == other.upstream && *rules == other.rules
    }

    /// Whether `other` is the same in every respect.
    pub fn is_like(&self, other: &Self) -> bool {
        self.serves_like(other) && self.name == other.name && self.certificate == other.certificate
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
