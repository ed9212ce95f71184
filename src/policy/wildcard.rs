//! Wildcards: every host with exactly one label in front of a name.

use std::fmt;
use std::net::IpAddr;

use crate::policy::host::{BadHost, Host};
use crate::policy::international;

const STAR: &str = "*.";

/// `*.example.com`: `a.example.com`, and neither `example.com` nor `b.a.example.com`.
///
/// One label, as in certificates (RFC 9525 section 6.3): a name that matches here is one that a certificate of the same
/// spelling covers, and at most one wildcard can match a host, so that which one wins is no question.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wildcard(Host);

/// A host, or a wildcard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// One host.
    Exact(Host),
    /// Every host under a name.
    Under(Wildcard),
}

/// Why a text is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHostPattern {
    /// Not a host.
    #[error(transparent)]
    Host(#[from] BadHost),
    /// A star that is not the whole first label.
    #[error("a wildcard is `*.` in front of a name, and stands for one label")]
    Star,
    /// A wildcard under an address, or under a name such as `com` or `example`.
    #[error("a wildcard needs a name of at least two parts behind it, or localhost, local or internal")]
    TooWide,
}

impl Wildcard {
    /// The name behind the star.
    pub fn parent(&self) -> &Host {
        &self.0
    }

    fn example(&self) -> Host {
        // A name that is at its longest already has no host under it, and none is asked for.
        Host::parse(&format!("a.{}", self.0)).unwrap_or_else(|_| self.0.clone())
    }

    /// Whether it stands for this host.
    pub fn covers(&self, host: &Host) -> bool {
        host.behind_first_label() == Some(self.0.as_str())
    }
}

impl fmt::Display for Wildcard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{STAR}{}", self.0)
    }
}

impl HostPattern {
    /// Reads a host or a wildcard as an owner writes it, international names included.
    ///
    /// # Errors
    /// [`BadHostPattern`].
    pub fn parse(text: &str) -> Result<Self, BadHostPattern> {
        let Some(parent) = text.strip_prefix(STAR) else {
            return if text.contains('*') { Err(BadHostPattern::Star) } else { Ok(Self::Exact(international::host(text)?)) };
        };
        if parent.contains('*') {
            return Err(BadHostPattern::Star);
        }
        let parent = international::host(parent)?;
        let local = ["localhost", "local", "internal"].contains(&parent.as_str());
        if parent.ip().is_some() || !(local || parent.as_str().contains('.')) {
            return Err(BadHostPattern::TooWide);
        }
        Ok(Self::Under(Wildcard(parent)))
    }

    /// Whether no public authority would certify it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Exact(host) => host.is_local(),
            // `a.lan` has a dot, but `lan` has none: what counts is the name with its star.
            Self::Under(wildcard) => wildcard.example().is_local(),
        }
    }

    /// The address that it is, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Exact(host) => host.ip(),
            Self::Under(_) => None,
        }
    }

    /// A host it is, or stands for.
    pub fn example(&self) -> Host {
        match self {
            Self::Exact(host) => host.clone(),
            Self::Under(wildcard) => wildcard.example(),
        }
    }

    /// Whether it is this host, or stands for it.
    pub fn covers(&self, host: &Host) -> bool {
        match self {
            Self::Exact(own) => own == host,
            Self::Under(wildcard) => wildcard.covers(host),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Under(wildcard) => wildcard.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).expect(text)
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let pattern = HostPattern::parse("*.Apps.Example.").expect("a wildcard");
        assert_eq!(pattern.to_string(), "*.apps.example");
        for (text, covered) in [
            ("a.apps.example", true),
            ("xn--bcher-kva.apps.example", true),
            ("apps.example", false),
            ("b.a.apps.example", false),
            ("aapps.example", false),
            ("a.apps.example.com", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(pattern.covers(&host(text)), covered, "{text}");
        }
        assert_eq!(
            HostPattern::parse("*.bücher.example").map(|pattern| pattern.to_string()),
            Ok("*.xn--bcher-kva.example".into())
        );
        assert_eq!(HostPattern::parse("A.Example").map(|pattern| pattern.to_string()), Ok("a.example".into()));
        assert!(HostPattern::parse("*.localhost").is_ok());
    }

    /// The attack: a wildcard that catches more than its owner reads in it.
    #[test]
    fn what_is_not_exactly_one_label_under_a_name_is_refused() {
        for (text, why) in [
            ("*", BadHostPattern::Star),
            ("a*.example.com", BadHostPattern::Star),
            ("*a.example.com", BadHostPattern::Star),
            ("a.*.example.com", BadHostPattern::Star),
            ("*.*.example.com", BadHostPattern::Star),
            ("**.example.com", BadHostPattern::Star),
            ("*.com", BadHostPattern::TooWide),
            ("*.192.0.2.1", BadHostPattern::TooWide),
            ("*.[::1]", BadHostPattern::TooWide),
            ("*.", BadHostPattern::Host(BadHost::Empty)),
            ("*..example.com", BadHostPattern::Host(BadHost::Label)),
            ("*.example.com:443", BadHostPattern::Host(BadHost::Character)),
        ] {
            assert_eq!(HostPattern::parse(text), Err(why), "{text}");
        }
    }
}
