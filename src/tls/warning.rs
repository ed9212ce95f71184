//! What an owner should know about the certificates in use although they work.

use std::collections::HashMap;
use std::mem::{self, Discriminant};
use std::path::PathBuf;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::policy::wildcard::HostPattern;

/// How often what lasts is said again.
const DAY: Duration = Duration::from_secs(86_400);

/// Something to tell the owner. `Display` is a sentence to show.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// Clients will refuse the certificate for this host.
    #[error("the certificate in {} is not for {}", certificate.display(), host)]
    NotCovered {
        /// The host that shows it.
        host: HostPattern,
        /// The chain.
        certificate: PathBuf,
    },
    /// The certificate is not valid any more.
    #[error("the certificate in {} expired on {day}", certificate.display())]
    Expired {
        /// The chain.
        certificate: PathBuf,
        /// The last day, `2026-11-22`.
        day: String,
    },
    /// The certificate ends soon.
    #[error("the certificate in {} expires on {day}", certificate.display())]
    ExpiresSoon {
        /// The chain.
        certificate: PathBuf,
        /// The last day.
        day: String,
    },
    /// The certificate is not valid yet, or the clock is wrong.
    #[error("the certificate in {} is not valid before {day}: is this machine's clock right?", certificate.display())]
    NotYetValid {
        /// The chain.
        certificate: PathBuf,
        /// The first day.
        day: String,
    },
    /// Other people on this machine can read the key.
    #[error("the private key {} can be read by other users of this machine: chmod 600 it", path.display())]
    KeyReadable {
        /// The key.
        path: PathBuf,
    },
    /// A name that browsers out there resolve shows a certificate only devices of the owner trust.
    #[error(
        "{} shows a certificate of the local authority: only devices that trust it open it without a warning; {}", host,
        advice(.host)
    )]
    LocalForPublicName {
        /// The host.
        host: HostPattern,
    },
    /// A public name waits for its first certificate.
    #[error("{host} shows a certificate of the local authority until it gets one that everybody trusts: {why}")]
    NotIssued {
        /// The host.
        host: HostPattern,
        /// Why it has none yet.
        why: String,
    },
    /// Renewal is late.
    #[error("the certificate of {host} ends on {day} and could not be renewed yet: {why}")]
    RenewalLate {
        /// The host.
        host: HostPattern,
        /// The last day.
        day: String,
        /// Why.
        why: String,
    },
    /// It was revoked, and there is no other yet.
    #[error("the certificate of {host} was revoked and is shown until there is another: {why}")]
    Revoked {
        /// The host.
        host: HostPattern,
        /// Why there is none.
        why: String,
    },
    /// Renewal is so late that somebody has to look now.
    #[error("THE CERTIFICATE OF {host} ENDS ON {day}, and it could not be renewed: {why}")]
    RenewalAlarming {
        /// The host.
        host: HostPattern,
        /// The last day.
        day: String,
        /// Why.
        why: String,
    },
    /// It was not renewed in time.
    #[error("THE CERTIFICATE OF {host} ENDED ON {day}, and it could not be renewed: {why}")]
    RenewalFailed {
        /// The host.
        host: HostPattern,
        /// The last day.
        day: String,
        /// Why.
        why: String,
    },
}

/// Says each warning when it is new and once a day while it lasts, however often it is looked.
#[derive(Debug, Default)]
pub struct Telling(HashMap<(Discriminant<Warning>, String), Timestamp>);

impl Telling {
    /// Those of `warnings`, which are all there are, that are to be said now.
    pub fn due(&mut self, warnings: Vec<Warning>, now: Timestamp) -> Vec<Warning> {
        let said = mem::take(&mut self.0);
        let mut due = Vec::new();
        for warning in warnings {
            let key = (mem::discriminant(&warning), warning.subject());
            // What a clock noted that was ahead says nothing.
            let rests = |at: &Timestamp| *at <= now && now < at.plus(DAY);
            let last = said.get(&key).copied().filter(rests);
            self.0.insert(key, last.unwrap_or(now));
            if last.is_none() {
                due.push(warning);
            }
        }
        due
    }
}

impl Warning {
    /// What it is about: a host, a file, or both.
    fn subject(&self) -> String {
        match self {
            Self::NotCovered { host, certificate } => format!("{host} {}", certificate.display()),
            Self::Expired { certificate, .. } | Self::ExpiresSoon { certificate, .. } => certificate.display().to_string(),
            Self::NotYetValid { certificate, .. } => certificate.display().to_string(),
            Self::KeyReadable { path } => path.display().to_string(),
            Self::LocalForPublicName { host } | Self::NotIssued { host, .. } | Self::Revoked { host, .. } => host.to_string(),
            Self::RenewalLate { host, .. } | Self::RenewalAlarming { host, .. } | Self::RenewalFailed { host, .. } => {
                host.to_string()
            }
        }
    }
}

fn advice(host: &HostPattern) -> &'static str {
    match host {
        HostPattern::Exact(_) => "[acme] gets it one that everybody trusts, or set `certificate` and `private_key` for it",
        HostPattern::Under(_) => {
            "[acme] with `acme.dns` gets it one that everybody trusts, or set `certificate` and `private_key` for it"
        }
    }
}
