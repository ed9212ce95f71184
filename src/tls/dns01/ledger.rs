//! Which records are to be removed again: noted before they are set, so that none outlives a gateway that was killed for longer than
//! until the next start.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;
use tracing::{info, warn};

use crate::base::chain::Chain;
use crate::base::clock::{Clock, Timestamp};
use crate::dns::name;
use crate::dns::update::Change;
use crate::model::event::Event;
use crate::plan::dns::DnsPolicy;
use crate::tls::dns01::fault::Fault;
use crate::tls::dns01::provider;
use crate::tls::durable;
use crate::tls::fault::Fault as FileFault;

/// What could not be removed for so long is forgotten: its zone may be gone.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// Records that are remembered. Beyond that the oldest is forgotten: it does no harm but stand there.
const MOST: usize = 1_000;

/// A record that is set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: String,
    /// Since when, in seconds since 1970.
    pub since: i64,
    /// The provider that set it. Another one does not know it, and would take it for removed.
    #[serde(default)]
    pub by: Option<String>,
}

/// The records that are to be removed.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    state: Mutex<State>,
    /// One change of DNS at a time: a program that reads a zone and writes it back loses what another did in between, and what a
    /// resumed order sets must not be removed as a left-over.
    turn: tokio::sync::Mutex<()>,
    /// One record at a time, for providers where a name can say no more than one thing.
    only: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    /// Those that an order waits for.
    held: HashSet<(String, String)>,
}

/// A record that an order waits for, until this is dropped.
#[derive(Debug)]
pub struct Held<'a> {
    ledger: &'a Ledger,
    entry: Entry,
    /// No other record is set meanwhile.
    _only: Option<OwnedMutexGuard<()>>,
}

impl Ledger {
    /// As it was left in a file; empty where that cannot be read.
    pub fn open(path: PathBuf) -> Self {
        let text = durable::read(&path).ok().flatten();
        let entries: Vec<Entry> = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        // They go to programs as arguments: what is no name of a record is not from us.
        let is_hash = |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        let is_ours = |entry: &Entry| name::canonical(&entry.name).is_some() && is_hash(&entry.value);
        let entries = entries.into_iter().filter(is_ours).take(MOST).collect();
        Self {
            path,
            state: Mutex::new(State { entries, held: HashSet::new() }),
            turn: tokio::sync::Mutex::default(),
            only: Arc::default(),
        }
    }

    /// Sets a record, noting first that it is to be removed.
    ///
    /// # Errors
    /// [`Fault`]; what may have been set is removed by the next [`Ledger::sweep`].
    pub async fn set(&self, policy: &DnsPolicy, (name, value): (&str, &str), clock: &Clock) -> Result<Held<'_>, Fault> {
        let entry = Entry {
            name: name.to_owned(),
            value: value.to_owned(),
            since: clock.now().secs(),
            by: Some(policy.provider.name().to_owned()),
        };
        let only = match policy.provider.holds_one_value() {
            true => Some(Arc::clone(&self.only).lock_owned().await),
            false => None,
        };
        let _turn = self.turn.lock().await;
        // From here on: where it cannot be noted, no order waits for it either.
        let held = Held { ledger: self, entry, _only: only };
        self.note(held.entry.clone()).map_err(Fault::Note)?;
        match provider::change(policy, Change::Add, (name, value), clock.now()).await {
            Ok(()) => Ok(held),
            Err(fault) if fault.is_refusal() => {
                self.strike(&held.entry);
                Err(fault)
            }
            Err(fault) => {
                // It may be set all the same, or half.
                self.remove(policy, &held.entry, clock.now()).await;
                Err(fault)
            }
        }
    }

    /// Removes what no order waits for any more: left by a gateway that was killed, or by a provider that was out of order.
    pub async fn sweep(&self, policy: &DnsPolicy, clock: &Clock) {
        // Removing any record there would remove the one that an order waits for.
        let only = policy.provider.holds_one_value().then(|| self.only.try_lock());
        if matches!(only, Some(Err(_))) {
            return;
        }
        let entries = self.state().entries.clone();
        for entry in entries {
            let _turn = self.turn.lock().await;
            let by_another = entry.by.as_ref().is_some_and(|by| by != policy.provider.name());
            if !by_another && !self.state().is_held(&entry) {
                self.remove(policy, &entry, clock.now()).await;
            }
        }
    }

    /// How many are to be removed.
    pub fn count(&self) -> usize {
        self.state().entries.len()
    }

    async fn remove(&self, policy: &DnsPolicy, entry: &Entry, now: Timestamp) {
        let (name, removed) = (&entry.name, provider::change(policy, Change::Remove, (&entry.name, &entry.value), now).await);
        let is_old = now.since(Timestamp::from_secs(entry.since)) > LONGEST;
        match &removed {
            Ok(()) => info!(event = Event::CertificateProgress.name(), name, "a record that proved a name was removed"),
            Err(fault) => {
                let output = fault.output().unwrap_or_default();
                warn!(
                    event = Event::CertificateWarning.name(),
                    name, output, "a record that proved a name could not be removed: {fault}"
                );
            }
        }
        if removed.is_ok() || is_old {
            self.strike(entry);
        }
    }

    fn strike(&self, entry: &Entry) {
        let mut state = self.state();
        state.entries.retain(|other| (&other.name, &other.value) != (&entry.name, &entry.value));
        if let Err(fault) = self.write(&state) {
            let name = &entry.name;
            warn!(event = Event::CertificateWarning.name(), name, fault = %Chain(&fault), "that a record was removed cannot be written down");
        }
    }

    fn note(&self, entry: Entry) -> Result<(), FileFault> {
        let mut state = self.state();
        state.entries.retain(|other| (&other.name, &other.value) != (&entry.name, &entry.value));
        state.held.insert((entry.name.clone(), entry.value.clone()));
        state.entries.push(entry);
        let surplus = state.entries.len().saturating_sub(MOST);
        state.entries.drain(..surplus);
        self.write(&state)
    }

    fn write(&self, state: &State) -> Result<(), FileFault> {
        let text = serde_json::to_vec_pretty(&state.entries).expect("names and numbers");
        durable::write(&self.path, &text, 0o600)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_held(&self, entry: &Entry) -> bool {
        self.held.contains(&(entry.name.clone(), entry.value.clone()))
    }
}

impl Held<'_> {
    /// Removes the record.
    pub async fn remove(self, policy: &DnsPolicy, now: Timestamp) {
        let _turn = self.ledger.turn.lock().await;
        self.ledger.remove(policy, &self.entry, now).await;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.ledger.state().held.remove(&(self.entry.name.clone(), self.entry.value.clone()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use futures_util::FutureExt;

    use super::*;
    use crate::dns::kit::Server;
    use crate::plan::dns::Provider;
    use crate::plan::dns_interface::Interface;
    use crate::plan::dns_providers;

    const NAME: &str = "_acme-challenge.a.example";

    fn policy(server: &Server) -> DnsPolicy {
        let provider = Provider::Rfc2136 { server: server.address, zone: None, key: None };
        DnsPolicy { provider, resolvers: Vec::new(), timeout: Duration::from_secs(1) }
    }

    #[tokio::test]
    async fn what_a_killed_gateway_left_is_removed_and_what_an_order_waits_for_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records.json");
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let server = Server::unsigned(&["example SOA"]).await;
        let policy = policy(&server);
        let ledger = Ledger::open(path.clone());
        let first = ledger.set(&policy, (NAME, "one"), &clock).await.expect("set");
        // As if killed: nothing is removed, and another gateway starts.
        drop(first);
        let again = Ledger::open(path.clone());
        let second = again.set(&policy, (NAME, "two"), &clock).await.expect("set");
        assert_eq!((server.count(NAME), again.count()), (2, 2));
        again.sweep(&policy, &clock).await;
        assert_eq!((server.count(NAME), again.count()), (1, 1), "the one that is waited for");
        second.remove(&policy, clock.now()).await;
        assert_eq!((server.count(NAME), again.count()), (0, 0));
        assert_eq!(Ledger::open(path).count(), 0);
    }

    #[tokio::test]
    async fn what_cannot_be_removed_is_tried_again_and_not_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records.json");
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let server = Server::unsigned(&["example SOA"]).await;
        let ledger = Ledger::open(path);
        drop(ledger.set(&policy(&server), (NAME, "one"), &clock).await.expect("set"));
        let provider = Provider::Rfc2136 { server: "127.0.0.1:1".parse().expect("an address"), zone: None, key: None };
        let nobody = DnsPolicy { provider, resolvers: Vec::new(), timeout: Duration::from_secs(1) };
        ledger.sweep(&nobody, &clock).await;
        assert_eq!(ledger.count(), 1);
        clock.advance(LONGEST + Duration::from_secs(1));
        ledger.sweep(&nobody, &clock).await;
        assert_eq!(ledger.count(), 0);
    }

    #[tokio::test]
    async fn what_cannot_be_noted_is_waited_for_by_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let server = Server::unsigned(&["example SOA"]).await;
        let ledger = Ledger::open(folder.path().join("missing").join("records.json"));
        let fault = ledger.set(&policy(&server), (NAME, "one"), &clock).await.expect_err("nowhere to note it");
        assert!(matches!(fault, Fault::Note(_)) && ledger.state().held.is_empty() && server.count(NAME) == 0);
    }

    /// As at Duck DNS, which keeps one text for a name: what is set second would remove what the first order waits for.
    #[tokio::test]
    async fn where_a_name_holds_one_value_records_are_set_one_after_the_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let provider = dns_providers::named("duckdns").expect("known");
        // The process that would speak to it is the program of these tests here, which has nothing to do for such a word.
        let interface = Interface { provider, credentials: BTreeMap::new(), zone: Some("a.example".to_owned()), ca_file: None };
        let (provider, timeout) = (Provider::Interface(interface), Duration::from_secs(1));
        let policy = DnsPolicy { provider, resolvers: Vec::new(), timeout };
        let ledger = Ledger::open(folder.path().join("records.json"));
        let first = ledger.set(&policy, (NAME, "one"), &clock).await.expect("set");
        let mut second = Box::pin(ledger.set(&policy, (NAME, "two"), &clock));
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        ledger.note(Entry { name: NAME.to_owned(), value: "left".to_owned(), since: 0, by: None }).expect("noted");
        ledger.state().held.clear();
        ledger.sweep(&policy, &clock).await;
        assert_eq!(ledger.count(), 2, "removing what was left would remove the one");
        first.remove(&policy, clock.now()).await;
        second.await.expect("set").remove(&policy, clock.now()).await;
        ledger.sweep(&policy, &clock).await;
        assert_eq!(ledger.count(), 0);
    }

    /// The attack: whoever may write the file has the hook called with arguments of his.
    #[test]
    fn what_is_no_record_is_not_taken_from_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records.json");
        std::fs::write(&path, r#"[{"name":"--config=/tmp/x","value":"","since":0},{"name":"a.example","value":"","since":0}]"#)
            .expect("written");
        assert_eq!(Ledger::open(path.clone()).count(), 1);
        std::fs::write(&path, "[{").expect("written");
        assert_eq!(Ledger::open(path).count(), 0);
    }
}
