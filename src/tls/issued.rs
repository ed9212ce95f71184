//! Certificates of the local authority, made when a visitor first needs one and again before they end.
//!
//! Names under a wildcard are made up by whoever asks, so what they cost is bounded: one certificate serves them all, or, where
//! browsers take no wildcard, so many are kept and the one that was not asked for the longest gives way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::base::chain::Chain;
use crate::base::clock::{Clock, Timestamp};
use crate::base::current::Current;
use crate::model::event::Event;
use crate::policy::host::Host;
use crate::policy::wildcard::{HostPattern, Wildcard};
use crate::tls::local_ca::{Leaf, LocalCa};

/// Certificates kept at a time for names under one wildcard. Making another takes about as long as the handshake it is for.
pub const MOST_NAMES: usize = 64;
/// Two-part names below which browsers take no wildcard, as below every one-part name: the public suffix list has them.
const SUFFIXES: [&str; 1] = ["home.arpa"];

/// What it takes to make certificates.
#[derive(Clone, Debug)]
pub struct Issuing {
    /// Signs them.
    pub ca: Arc<LocalCa>,
    /// Tells when they end.
    pub clock: Clock,
    /// Does the arithmetic of handshakes.
    pub provider: Arc<CryptoProvider>,
}

impl Issuing {
    /// What shows certificates for these names.
    ///
    /// `until` learns when a certificate that serves all of them ends.
    pub fn resolver(&self, names: &HostPattern, until: &Until) -> Arc<dyn ResolvesServerCert> {
        match names {
            HostPattern::Under(wildcard) if !takes_star(wildcard.parent()) => {
                Arc::new(ByName::new(wildcard.clone(), self.clone()))
            }
            HostPattern::Under(_) | HostPattern::Exact(_) => Arc::new(Issued::new(names.clone(), self.clone(), until.clone())),
        }
    }

    fn issue(&self, names: &HostPattern, now: Timestamp) -> Option<Leaf> {
        let failed = |fault| tracing::error!(event = Event::CertificateFailing.name(), host = %names, fault = %Chain(&fault), "no new certificate");
        self.ca.issue(names, now).map_err(failed).ok()
    }
}

/// Whether browsers take a certificate for `*.parent`.
fn takes_star(parent: &Host) -> bool {
    parent.as_str().contains('.') && !SUFFIXES.contains(&parent.as_str())
}

/// When a certificate ends that was made here; nothing before the first. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Until(Arc<AtomicI64>);

impl Until {
    /// The moment, if there is one yet.
    pub fn get(&self) -> Option<Timestamp> {
        Some(self.0.load(Ordering::Relaxed)).filter(|millis| *millis != 0).map(Timestamp::from_millis)
    }
}

/// Shows one certificate.
#[derive(Debug)]
struct Issued {
    names: HostPattern,
    issuing: Issuing,
    leaf: Current<Option<Leaf>>,
    until: Until,
    making: Mutex<()>,
}

impl Issued {
    fn new(names: HostPattern, issuing: Issuing, until: Until) -> Self {
        Self { names, issuing, leaf: Current::new(None), until, making: Mutex::new(()) }
    }

    fn fresh(&self, now: Timestamp) -> Option<Arc<CertifiedKey>> {
        self.leaf.get().as_ref().as_ref().filter(|leaf| !leaf.is_due(now)).map(|leaf| Arc::clone(leaf.key()))
    }

    fn key(&self) -> Option<Arc<CertifiedKey>> {
        let now = self.issuing.clock.now();
        if let Some(key) = self.fresh(now) {
            return Some(key);
        }
        // Of many first visitors one makes it, in about the time of a handshake, and the others wait for it.
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = self.fresh(now) {
            return Some(key);
        }
        if let Some(leaf) = self.issuing.issue(&self.names, now) {
            self.until.0.store(leaf.not_after().millis(), Ordering::Relaxed);
            self.leaf.replace(Some(leaf));
        }
        self.leaf.get().as_ref().as_ref().map(|leaf| Arc::clone(leaf.key()))
    }
}

impl ResolvesServerCert for Issued {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.key()
    }
}

/// Shows a certificate of its own for each name under a wildcard.
#[derive(Debug)]
struct ByName {
    wildcard: Wildcard,
    issuing: Issuing,
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    kept: HashMap<Host, (Leaf, u64)>,
    /// Counts how often any of them was asked for.
    asked: u64,
}

impl ByName {
    fn new(wildcard: Wildcard, issuing: Issuing) -> Self {
        Self { wildcard, issuing, names: Mutex::default() }
    }

    fn key(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let host = Host::parse(name).ok().filter(|host| self.wildcard.covers(host))?;
        let now = self.issuing.clock.now();
        if let Some(key) = self.names().fresh(&host, now) {
            return Some(key);
        }
        // Without the lock: of two who ask for a new name at once both make one, and the later one stays.
        let leaf = self.issuing.issue(&HostPattern::Exact(host.clone()), now)?;
        let key = Arc::clone(leaf.key());
        self.names().keep(host, leaf);
        Some(key)
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names {
    fn fresh(&mut self, host: &Host, now: Timestamp) -> Option<Arc<CertifiedKey>> {
        self.asked += 1;
        let (leaf, asked) = self.kept.get_mut(host).filter(|(leaf, _)| !leaf.is_due(now))?;
        *asked = self.asked;
        Some(Arc::clone(leaf.key()))
    }

    fn keep(&mut self, host: Host, leaf: Leaf) {
        if self.kept.len() >= MOST_NAMES && !self.kept.contains_key(&host) {
            let longest = self.kept.iter().min_by_key(|(_, (_, asked))| *asked).map(|(host, _)| host.clone());
            longest.and_then(|host| self.kept.remove(&host));
        }
        self.kept.insert(host, (leaf, self.asked));
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.key(hello.server_name()?)
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::base::entropy::Entropy;
    use crate::tls::server;

    fn issuing() -> (TempDir, Issuing) {
        let dir = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let ca = Arc::new(LocalCa::open_or_create(dir.path(), &clock, Entropy).expect("an authority"));
        (dir, Issuing { ca, clock, provider: server::provider() })
    }

    fn by_name(parent: &str, issuing: Issuing) -> ByName {
        let Ok(HostPattern::Under(wildcard)) = HostPattern::parse(&format!("*.{parent}")) else { panic!("{parent}") };
        ByName::new(wildcard, issuing)
    }

    /// The attack: a stranger asks for one made-up name under the wildcard after another.
    #[test]
    fn ten_thousand_made_up_names_are_never_more_than_so_many() {
        let (_dir, issuing) = issuing();
        let names = by_name("localhost", issuing);
        let honest = || names.key("app.localhost").expect("a certificate").cert[0].clone();
        let first = honest();
        for number in 0..2_000 {
            assert!(names.key(&format!("n{number}.localhost")).is_some());
            assert!(names.names().kept.len() <= MOST_NAMES);
            // Whoever comes by now and then keeps theirs.
            if number % 50 == 0 {
                assert_eq!(honest(), first, "after {number}");
            }
        }
        assert_eq!(names.names().kept.len(), MOST_NAMES);
    }

    #[test]
    fn only_names_under_the_wildcard_are_made_and_each_again_before_it_ends() {
        let (_dir, issuing) = issuing();
        let clock = issuing.clock.clone();
        let names = by_name("home.arpa", issuing);
        for name in ["home.arpa", "b.a.home.arpa", "a.example", "a_b.home.arpa", ""] {
            assert!(names.key(name).is_none(), "{name}");
        }
        let first = names.key("a.home.arpa").expect("a certificate");
        assert_eq!(first.cert, names.key("A.Home.Arpa.").expect("the same").cert);
        clock.advance(std::time::Duration::from_secs(21 * 86_400));
        assert_ne!(first.cert, names.key("a.home.arpa").expect("a new one").cert);
        assert_eq!(names.names().kept.len(), 1);
    }

    #[test]
    fn a_certificate_has_a_star_where_browsers_take_one() {
        for (parent, star) in [
            ("apps.example", true),
            ("nas.home.arpa", true),
            ("x.localhost", true),
            ("localhost", false),
            ("local", false),
            ("home.arpa", false),
        ] {
            assert_eq!(takes_star(&Host::parse(parent).expect("a host")), star, "{parent}");
        }
    }
}
