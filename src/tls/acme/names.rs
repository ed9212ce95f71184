//! The names whose certificates come by ACME: what each shows, what its orders came to, and whether one runs now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::Notify;
use tracing::error;

use crate::base::chain::Chain;
use crate::base::clock::{Clock, Timestamp};
use crate::base::current::Current;
use crate::model::event::Event;
use crate::plan::acme::AcmePolicy;
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::advice::Advice;
use crate::tls::acme::attempt::Ground;
use crate::tls::acme::challenge::Challenges;
use crate::tls::acme::folder::{Folder, History, Told, fingerprint, validity};
use crate::tls::acme::schedule::{Chance, Failed, Held, Limit, Record, Stage, Step, Validity, Ways};
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
    /// Somebody has the lease.
    leased: bool,
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
    /// Whether it is for an order.
    orders: bool,
    /// Where the order goes.
    stage: Stage,
    /// Whether the order was tried out only: the one that counts is still to be made.
    goes_on: bool,
}

/// How a name stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Who signed what it shows, and from when until when that is valid; nothing before the first.
    pub shown: Option<(String, Validity)>,
    /// How authorities name that certificate when they say when to renew it.
    pub renewal_id: Option<String>,
    /// Whether it was revoked.
    pub revoked: bool,
    /// What its orders came to.
    pub history: History,
    /// Since when an order runs.
    pub running: Option<Timestamp>,
    /// Whether the owner wants one, and it has not ended yet.
    pub wished: bool,
}

impl Names {
    /// Those kept in `folder`.
    pub fn new(folder: Folder, provider: Arc<CryptoProvider>, clock: Clock) -> Self {
        Self { ground: Ground::new(folder, provider, clock), slots: Mutex::default(), due: Notify::new() }
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
        self.leased(slot, true)
    }

    /// The right to write about a name without an order of it, unless somebody has it: nobody is told that one runs, and what the
    /// owner wants stays wanted.
    pub fn hold(self: &Arc<Self>, slot: &Arc<Slot>) -> Option<Lease> {
        self.leased(slot, false)
    }

    fn leased(self: &Arc<Self>, slot: &Arc<Slot>, orders: bool) -> Option<Lease> {
        let mut state = slot.state();
        if state.leased {
            return None;
        }
        state.leased = true;
        state.running = orders.then(|| self.ground.clock.now());
        let history = state.history.clone();
        drop(state);
        let (slot, names) = (Arc::clone(slot), Arc::clone(self));
        Some(Lease { slot, names, history, orders, stage: Stage::Production, goes_on: false })
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
        let (staging, fallback) = (policy.staging.is_some(), policy.fallback.is_some());
        let ways = Ways { staging, fallback, wished: standing.wished };
        let (chance, held) = (Chance::of(&self.host.to_string()), standing.held(policy));
        let mut record = standing.history.record;
        turn(&mut record, policy);
        record.next(held, chance, now, ways)
    }

    /// Which limit keeps an order from going before `until`; none where it is not due before, or rests after a failure.
    pub fn limit(&self, policy: &AcmePolicy, (until, now): (Timestamp, Timestamp)) -> Option<Limit> {
        let mut record = self.standing().history.record;
        turn(&mut record, policy);
        record.limit(until, now)
    }

    /// The certificate about which its authority is to be asked now when to renew it, and that authority's directory.
    pub fn question(&self, policy: &AcmePolicy, now: Timestamp) -> Option<(String, String)> {
        let standing = self.standing();
        standing.held(policy)?;
        let (certificate, directory) = (standing.renewal_id?, standing.history.issued_by.unwrap_or(policy.directory.clone()));
        Advice::is_due(standing.history.advice.as_ref(), (&certificate, &directory), now).then_some((certificate, directory))
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        let shown = self.shown.read(|shown| shown.as_ref().map(|loaded| (loaded.facts.issuer.clone(), validity(loaded))));
        let renewal_id = self.shown.read(|shown| shown.as_ref().and_then(|loaded| loaded.facts.renewal_id.clone()));
        let state = self.state();
        let (history, running, wished) = (state.history.clone(), state.running, state.wished);
        drop(state);
        let revoked = history.revoked.is_some() && history.revoked == self.fingerprint();
        Standing { shown, renewal_id, revoked, history, running, wished }
    }

    /// SHA-256 of the certificate it shows, in hexadecimal digits.
    pub fn fingerprint(&self) -> Option<String> {
        self.shown.read(|shown| shown.as_ref().and_then(fingerprint))
    }

    /// The certificate it shows.
    pub fn key(&self) -> Option<Arc<CertifiedKey>> {
        self.shown.read(|shown| shown.as_ref().map(|loaded| Arc::clone(&loaded.key)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn turn(record: &mut Record, policy: &AcmePolicy) {
    let fallback = policy.fallback.as_ref().map(|fallback| fallback.directory.as_str());
    record.turn_to(&policy.directory, policy.staging.as_deref(), fallback);
}

impl Standing {
    /// What counts for the schedule. A certificate that was revoked, or is of another authority than those in the configuration, is
    /// shown as long as it is all there is, and replaced at once: owners try things out elsewhere first.
    pub fn held(&self, policy: &AcmePolicy) -> Option<Held> {
        let (_, validity) = self.shown.as_ref().filter(|_| !self.revoked)?;
        let by = self.history.issued_by.as_deref().unwrap_or(&policy.directory);
        let fallback = policy.fallback.as_ref().map(|fallback| fallback.directory.as_str());
        let advice = self.history.advice.as_ref().zip(self.renewal_id.as_ref()).filter(|(advice, id)| advice.is_of(id, by));
        let held = Held { validity: *validity, advised: advice.and_then(|(advice, _)| advice.moment()) };
        (by == policy.directory || Some(by) == fallback).then_some(held)
    }

    /// When the next order is due, if nothing is in its way.
    pub fn renewal(&self, host: &HostPattern, policy: &AcmePolicy) -> Option<Timestamp> {
        Some(self.held(policy)?.renewal(Chance::of(&host.to_string())))
    }
}

impl Lease {
    /// The name.
    pub fn host(&self) -> &HostPattern {
        &self.slot.host
    }

    /// It is for an order that goes there.
    pub fn prepare(&mut self, stage: Stage, policy: &AcmePolicy) {
        self.stage = stage;
        turn(&mut self.history.record, policy);
    }

    /// What was tried out is still to be ordered where it counts: what the owner wants is not answered.
    pub fn goes_on(&mut self) {
        self.goes_on = true;
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

impl Lease {
    /// An order that ended in the middle has failed like any other: without a pause after it, it would be tried again at once, and
    /// again.
    fn broken(&mut self) {
        let now = self.names.ground.clock.now();
        self.history.attempts = self.history.attempts.saturating_add(1);
        self.history.record.failed(now, Failed { stage: self.stage, counts: false, retry_after: None });
        let sentence =
            format!("the order for {} ended in the middle: the gateway has a fault, of which the log tells", self.slot.host);
        self.history.trouble = Some(Told { at: now.secs(), sentence, words: None });
        if let Err(fault) = self.note() {
            error!(event = Event::CertificateFailing.name(), host = %self.slot.host, fault = %Chain(&fault), "what an order came to cannot be written down");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.orders && thread::panicking() {
            self.broken();
        }
        let mut state = self.slot.state();
        state.leased = false;
        if self.orders {
            state.running = None;
            state.wished &= self.goes_on;
        }
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
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::tls::server;

    /// The attack: an authority that makes an order panic is asked again at once, and again, as fast as the network goes.
    #[test]
    fn an_order_that_panics_has_failed_and_is_paused_after() {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let names = Arc::new(Names::new(Folder::within(dir.path()), server::provider(), clock.clone()));
        let slot = names.slot(&HostPattern::parse("a.example").expect("a host"));
        let lease = names.lease(&slot).expect("free");
        let torn = catch_unwind(AssertUnwindSafe(|| {
            let _lease = lease;
            panic!("as a library does");
        }));
        assert!(torn.is_err() && names.lease(&slot).is_some());
        let again = Names::new(Folder::within(dir.path()), server::provider(), clock.clone()).slot(slot.host());
        for standing in [slot.standing(), again.standing()] {
            let step = standing.history.record.next(None, Chance::of("a.example"), clock.now(), Ways::default());
            assert!(matches!(step, Step::Wait(until) if until > clock.now()), "{step:?}");
            assert!(standing.history.trouble.is_some_and(|told| told.sentence.contains("ended in the middle")));
        }
    }

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
        assert!(names.lease(&slot).is_none() && names.hold(&slot).is_none());
        assert_eq!(slot.standing().running, Some(clock.now()));
        lease.history.issued_by = Some("https://ca.example/".to_owned());
        lease.note().expect("written");
        drop(lease);
        assert!(slot.standing().running.is_none() && !slot.state().wished);
        names.wish(&host);
        let asking = names.hold(&slot).expect("free");
        assert!(names.lease(&slot).is_none() && slot.standing().running.is_none(), "who asks is not told as who orders");
        drop(asking);
        assert!(slot.state().wished, "what the owner wants waits for a question");
        let mut trial = names.lease(&slot).expect("free");
        trial.goes_on();
        drop(trial);
        assert!(slot.state().wished, "and for what is tried out first");
        let again = Names::new(Folder::within(dir.path()), server::provider(), clock);
        assert_eq!(again.slot(&host).standing().history.issued_by.as_deref(), Some("https://ca.example/"), "after a restart");
        assert!(names.lease(&slot).is_some());
    }
}
