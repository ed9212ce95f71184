//! What an owner should know about the certificates in use although they work.

use std::path::PathBuf;

use crate::policy::wildcard::HostPattern;

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
}

fn advice(host: &HostPattern) -> &'static str {
    match host {
        HostPattern::Exact(_) => "[acme] gets it one that everybody trusts, or set `certificate` and `private_key` for it",
        HostPattern::Under(_) => {
            "[acme] with `acme.dns` gets it one that everybody trusts, or set `certificate` and `private_key` for it"
        }
    }
}
