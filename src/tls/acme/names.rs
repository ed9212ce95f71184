//! The names whose certificates come by ACME: what each shows, what its orders came to, and whether one runs now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::Notify;
use tracing::error;

use crate::base::chain::Chain;
use crate::base::clock::{Clock, Timestamp};
use crate::base::current::Current;
use crate::base::seal;
use crate::model::event::Event;
use crate::plan::acme::AcmePolicy;
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::attempt::Ground;
use crate::tls::acme::challenge::Challenges;
use crate::tls::acme::folder::{Folder, History, validity};
use crate::tls::acme::schedule::{Chance, Step, Validity};
use crate::tls::dns01::ledger::Ledger;
use crate::tls::fault::Fault;
use crate::tls::files::Loaded;

/// All names of an installation that were ever asked for since the start.
#[derive(Debug)]
pub struct Names {
    ground: Ground,
    slots: Mutex<HashMap<HostPattern, Arc<Slot>>>,
    /// Something is due at another time than before.
    due: Notify,
}

/// One name.
#[derive(Debug)]
pub struct Slot {
    host: HostPattern,
    shown: Current<Option<Loaded>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    history: History,
    /// Since when an order runs.
    running: Option<Timestamp>,
    /// The owner wants one now.
    wished: bool,
}

/// The right to order for a name: there is one at a time, so that start, schedule and command never order twice at once.
#[derive(Debug)]
pub struct Lease {
    slot: Arc<Slot>,
    names: Arc<Names>,
    /// What is known of it; written down when the lease ends.
    pub history: History,
}

/// How a name stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Who signed what it shows, and from when until when that is valid; nothing before the first.
    pub shown: Option<(String, Validity)>,
    /// What its orders came to.
    pub history: History,
    /// Since when an order runs.
    pub running: Option<Timestamp>,
}

impl Names {
    /// Those kept in `folder`.
    pub fn new(folder: Folder, provider: Arc<CryptoProvider>, clock: Clock) -> Self {
        let records = Arc::new(Ledger::open(folder.records()));
        let ground = Ground { folder, records, challenges: Arc::default(), provider, clock, accounts: Arc::default() };
        Self { ground, slots: Mutex::default(), due: Notify::new() }
    }

    /// What is to be shown to authorities.
    pub fn challenges(&self) -> &Arc<Challenges> {
        &self.ground.challenges
    }

    /// What attempts need.
    pub fn ground(&self) -> &Ground {
        &self.ground
    }

    /// The name, read from disk when it is first asked for. A file that cannot be used never keeps a gateway from starting: the one
    /// before it is taken, or a new one is ordered.
    pub fn slot(&self, host: &HostPattern) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(host) {
            return Arc::clone(slot);
        }
        let (loaded, faults) = self.ground.folder.load(host, &self.ground.provider);
        for fault in faults {
            error!(event = Event::CertificateFailing.name(), %host, fault = %Chain(&fault), "a certificate cannot be used; the one before it is, or the local authority's");
        }
        let history = self.ground.folder.history(host);
        let state = State { history, ..State::default() };
        let slot = Arc::new(Slot { host: host.clone(), shown: Current::new(loaded), state: Mutex::new(state) });
        slots.insert(host.clone(), Arc::clone(&slot));
        slot
    }

    /// The right to order for a name, unless somebody has it.
    pub fn lease(self: &Arc<Self>, slot: &Arc<Slot>) -> Option<Lease> {
        let mut state = slot.state();
        if state.running.is_some() {
            return None;
        }
        state.running = Some(self.ground.clock.now());
        let history = state.history.clone();
        drop(state);
        Some(Lease { slot: Arc::clone(slot), names: Arc::clone(self), history })
    }

    /// Notes that the owner wants a certificate now, due or not.
    pub fn wish(&self, host: &HostPattern) {
        self.slot(host).state().wished = true;
        self.due.notify_one();
    }

    /// Something is due at another time than before.
    pub fn wake(&self) {
        self.due.notify_one();
    }

    /// Waits for that.
    pub async fn woken(&self) {
        self.due.notified().await;
    }
}

impl Slot {
    /// The name.
    pub fn host(&self) -> &HostPattern {
        &self.host
    }

    /// What to do now.
    pub fn step(&self, policy: &AcmePolicy, now: Timestamp) -> Step {
        let standing = self.standing();
        let wished = self.state().wished;
        let staging = policy.staging.is_some();
        let chance = Chance::of(&self.host.to_string());
        standing.history.record.next(standing.valid_by(policy), chance, now, (staging, wished))
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let shown = self.shown.read(|shown| shown.as_ref().map(|loaded| (loaded.facts.issuer.clone(), validity(loaded))));
        let state = self.state();
        Standing { shown, history: state.history.clone(), running: state.running }
    }

    /// SHA-256 of the certificate it shows, in hexadecimal digits.
    pub fn fingerprint(&self) -> Option<String> {
        let leaf = self.key()?.cert.first().map(|leaf| seal::sha256(leaf));
        leaf.map(|hash| HEXLOWER.encode(&hash))
    }

    /// The certificate it shows.
    pub fn key(&self) -> Option<Arc<CertifiedKey>> {
        self.shown.read(|shown| shown.as_ref().map(|loaded| Arc::clone(&loaded.key)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    /// What counts for the schedule. A certificate of another authority than the one in the configuration is shown as long as it
    /// is all there is, and replaced at once: owners try things out elsewhere first.
    pub fn valid_by(&self, policy: &AcmePolicy) -> Option<Validity> {
        let (_, validity) = self.shown.as_ref()?;
        self.history.issued_by.as_ref().is_none_or(|directory| *directory == policy.directory).then_some(*validity)
    }

    /// When the next order is due, if nothing is in its way.
    pub fn renewal(&self, host: &HostPattern, policy: &AcmePolicy) -> Option<Timestamp> {
        Some(self.valid_by(policy)?.renewal(Chance::of(&host.to_string())))
    }
}

impl Lease {
    /// The name.
    pub fn host(&self) -> &HostPattern {
        &self.slot.host
    }

    /// Shows another certificate from now on; open connections go on with what they have.
    pub fn show(&self, loaded: Loaded) {
        self.slot.shown.replace(Some(loaded));
    }

    /// Whether it shows one already.
    pub fn shows(&self) -> bool {
        self.slot.shown.read(Option::is_some)
    }

    /// Writes down what the attempt came to. It holds for this run of the gateway even where it cannot be written.
    ///
    /// # Errors
    /// [`Fault::Unwritable`].
    pub fn note(&self) -> Result<(), Fault> {
        self.slot.state().history = self.history.clone();
        self.names.ground.folder.make()?;
        self.names.ground.folder.write_history(&self.slot.host, &self.history)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.slot.state();
        (state.running, state.wished) = (None, false);
        drop(state);
        self.names.wake();
    }
}

/// Shows a name's certificate, and the local authority's until there is one.
#[derive(Debug)]
pub struct ShownOr {
    /// The name.
    pub slot: Arc<Slot>,
    /// What shows the local authority's.
    pub otherwise: Arc<dyn ResolvesServerCert>,
}

impl ResolvesServerCert for ShownOr {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.slot.key().or_else(|| self.otherwise.resolve(hello))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::server;

    #[test]
    fn there_is_one_lease_at_a_time_and_it_ends_with_its_holder() {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let names = Arc::new(Names::new(Folder::within(dir.path()), server::provider(), clock.clone()));
        let host = HostPattern::parse("a.example").expect("a host");
        let slot = names.slot(&host);
        assert!(Arc::ptr_eq(&slot, &names.slot(&host)));
        names.wish(&host);
        let mut lease = names.lease(&slot).expect("free");
        assert!(names.lease(&slot).is_none());
        assert_eq!(slot.standing().running, Some(clock.now()));
        lease.history.issued_by = Some("https://ca.example/".to_owned());
        lease.note().expect("written");
        drop(lease);
        assert!(slot.standing().running.is_none() && !slot.state().wished);
        let again = Names::new(Folder::within(dir.path()), server::provider(), clock);
        assert_eq!(again.slot(&host).standing().history.issued_by.as_deref(), Some("https://ca.example/"), "after a restart");
        assert!(names.lease(&slot).is_some());
    }
}
