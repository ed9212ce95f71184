//! Counts of failures, durable so that a restart forgives nobody. Judged and counted in one transaction, before anything is
//! verified.

use std::sync::Arc;

use ipnet::IpNet;
use rusqlite::params;

use crate::auth::throttle::{Limits, Settings, Wait, Whose};
use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::model::attempt::{Factor, Tries};
use crate::model::ban::Ban;
use crate::model::user::{UserId, UserName};
use crate::store::audit::Told;
use crate::store::bans;
use crate::store::database::{Database, Record};
use crate::store::devices;
use crate::store::fault::Fault;
use crate::store::open::{Keys, Store};
use crate::store::sources;
use crate::store::users;
use crate::wire::client::Network;

/// How many counts are kept for names that nobody has; the oldest give way. What that forgives is nobody's.
const MOST_UNKNOWN: u64 = 10_000;
/// Stands for what is typed as a name and can be none. No name begins with a NUL.
const NO_NAME: &[u8] = b"\0no name\0";
/// Before a name: its recovery codes, where they are counted for each network.
const RECOVERY: &[u8] = b"\0recovery\0";

/// A try to prove a factor, before it is looked at.
#[derive(Clone, Debug)]
pub struct Attempt {
    name: Option<UserName>,
    factor: Factor,
    network: Network,
    spared: bool,
    devices: Vec<TokenHash>,
    settings: Settings,
}

impl Attempt {
    /// A try from `network` at the account of that name, whether or not there is one, so that both are told the same; `None`
    /// is a text that no account can have as its name.
    pub fn at(name: Option<&UserName>, factor: Factor, network: Network) -> Self {
        let settings = Settings::default();
        Self { name: name.cloned(), factor, network, spared: false, devices: Vec::new(), settings }
    }

    /// With what the owner has set. A network that is `spared` is never held to what it gets wrong over all accounts.
    #[must_use]
    pub fn under(self, settings: Settings, spared: bool) -> Self {
        Self { settings, spared, ..self }
    }

    /// From a browser that says to be one of these known devices.
    #[must_use]
    pub fn on(self, devices: Vec<TokenHash>) -> Self {
        Self { devices, ..self }
    }

    /// Under what those of its network alone are counted, for a factor of which they are.
    fn guess_key(&self, keys: &Keys) -> [u8; 32] {
        match (self.factor, &self.name) {
            (Factor::Recovery, Some(name)) => keys.attempts.tag(&[RECOVERY, name.as_str().as_bytes()].concat()),
            (Factor::Password | Factor::Code | Factor::Recovery, _) => self.key(keys),
        }
    }

    /// Under what its failures are counted. Keyed, because people type passwords where their name belongs.
    fn key(&self, keys: &Keys) -> [u8; 32] {
        keys.attempts.tag(self.name.as_ref().map_or(NO_NAME, |name| name.as_str().as_bytes()))
    }
}

/// Why a try may not be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// Because of the account's failures, or the device's.
    Wait(Wait),
    /// Because of what its network got wrong over all accounts.
    Network {
        /// For how long.
        wait: Wait,
        /// The ban that this try has led to.
        ban: Option<Box<Ban>>,
    },
}

/// What judging came to.
struct Judged {
    outcome: Result<(), Held>,
    /// A ban that was written, and what gave way to it.
    banned: Option<(Ban, Vec<IpNet>)>,
}

impl Judged {
    fn held(wait: Wait) -> Self {
        Self { outcome: Err(Held::Wait(wait)), banned: None }
    }
}

impl Store {
    /// Judges whether a try may be made now and, if so, counts it: at once, and before it is verified, so that tries made
    /// at the same moment are counted one after the other. A try that is refused is not counted, except against a network
    /// that does not wait.
    ///
    /// A known device of the account is judged by its own failures alone.
    ///
    /// # Errors
    /// Any [`Fault`] outside; inside, [`Held`] when no try may be made.
    pub async fn try_factor(&self, attempt: Attempt) -> Result<Result<(), Held>, Fault> {
        let (keys, now, told) = (Arc::clone(&self.keys), self.clock.now(), self.told());
        let work = move |database: &Database| try_factor(database, (&keys, &told), &attempt, now);
        self.run(work, |live, judged| {
            let Judged { outcome, banned } = judged?;
            bans::settle(live, banned);
            Ok(outcome)
        })
        .await
    }

    /// Forgets the failures of one factor after it succeeded: those that this try was counted with, no others.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn factor_succeeded(&self, attempt: Attempt) -> Result<(), Fault> {
        let (keys, now) = (Arc::clone(&self.keys), self.clock.now());
        self.ask(move |database| {
            let key = attempt.key(&keys);
            let delete = "DELETE FROM attempt WHERE name = ?1 AND factor = ?2";
            let user = attempt.name.as_ref().map(|name| users::find(database, name)).transpose()?.flatten();
            if let Some(device) = devices::known(database, user.map(|user| user.id), &attempt.devices, now)? {
                return database.execute(delete, params![devices::key(&keys, device), attempt.factor.name()]).map(|_| ());
            }
            if !attempt.spared {
                sources::take_back(database, attempt.network, now)?;
            }
            if Limits::of(attempt.factor, Whose::Network, attempt.settings).is_some() {
                sources::forgive(database, attempt.network, attempt.guess_key(&keys))?;
            }
            after_success(database, &attempt, key)
        })
        .await
    }
}

/// Forgets what unknown devices got wrong, or as much of it as a right try takes back.
fn after_success(database: &Database, attempt: &Attempt, key: [u8; 32]) -> Result<(), Fault> {
    let tries = find(database, key, attempt.factor)?.unwrap_or_default();
    match Limits::after_success(tries, attempt.factor, attempt.settings) {
        Some(left) => {
            let update = "UPDATE attempt SET consecutive = ?3, in_window = ?4, in_day = ?5 WHERE name = ?1 AND factor = ?2";
            let values = params![key, attempt.factor.name(), left.consecutive, left.in_window, left.in_day];
            database.execute(update, values).map(|_| ())
        }
        None => {
            let delete = "DELETE FROM attempt WHERE name = ?1 AND factor = ?2";
            database.execute(delete, params![key, attempt.factor.name()]).map(|_| ())
        }
    }
}

fn try_factor(database: &Database, (keys, told): (&Keys, &Told), attempt: &Attempt, now: Timestamp) -> Result<Judged, Fault> {
    let user = attempt.name.as_ref().map(|name| users::find(database, name)).transpose()?.flatten().map(|user| user.id);
    if let Some(device) = devices::known(database, user, &attempt.devices, now)? {
        match try_device(database, keys, attempt, (device, user, now))? {
            Some(judged) => return Ok(judged),
            // It has got too much wrong: whoever holds it is a stranger.
            None => devices::forget(database, keys, device)?,
        }
    }
    let name = attempt.key(keys);
    if !attempt.spared {
        let known = sources::failures(database, attempt.network)?;
        let (failures, is_new) = (known.clone().unwrap_or_default(), known.is_none());
        let names = sources::names(database, attempt.network, name, now)?;
        if let Err(left) = failures.judge(&names, now) {
            let whose = (attempt.network, attempt.settings);
            let banned = sources::strike(database, whose, (failures, is_new), (told, now))?;
            let ban = banned.as_ref().map(|(ban, _)| Box::new(ban.clone()));
            return Ok(Judged { outcome: Err(Held::Network { wait: Wait::For(left), ban }), banned });
        }
    }
    try_stranger(database, attempt, (name, attempt.guess_key(keys), user), now)
}

/// By the device's own failures; `None` when it is known no more.
fn try_device(
    database: &Database,
    keys: &Keys,
    attempt: &Attempt,
    (device, user, now): (TokenHash, Option<UserId>, Timestamp),
) -> Result<Option<Judged>, Fault> {
    let Some(limits) = Limits::of(attempt.factor, Whose::Device, attempt.settings) else { return Ok(None) };
    let key = devices::key(keys, device);
    let tries = find(database, key, attempt.factor)?.unwrap_or_default();
    match limits.judge(&tries, now) {
        Err(Wait::Closed) => Ok(None),
        Err(wait) => Ok(Some(Judged::held(wait))),
        Ok(()) => {
            keep(database, (key, attempt.factor), user, limits.counted(tries, now))?;
            Ok(Some(Judged { outcome: Ok(()), banned: None }))
        }
    }
}

/// By the failures of the network at this name, and by those of all unknown devices at it. The same work for names that nobody
/// has: they must not be told apart.
fn try_stranger(
    database: &Database,
    attempt: &Attempt,
    (name, guess, user): ([u8; 32], [u8; 32], Option<UserId>),
    now: Timestamp,
) -> Result<Judged, Fault> {
    let limits = |whose| Limits::of(attempt.factor, whose, attempt.settings);
    let of_network = match limits(Whose::Network) {
        Some(limits) => Some((limits, sources::guesses(database, attempt.network, guess)?)),
        None => None,
    };
    // What can be no name is nobody's: only its network is counted, or strangers could make people wait who mistype.
    let of_all = match limits(Whose::Strangers).filter(|_| attempt.name.is_some()) {
        Some(limits) => Some((limits, find(database, name, attempt.factor)?)),
        None => None,
    };
    for (limits, tries) in of_network.iter().chain(&of_all) {
        if let Err(wait) = limits.judge(&tries.unwrap_or_default(), now) {
            return Ok(Judged::held(wait));
        }
    }
    if let Some((limits, tries)) = of_network {
        let counted = limits.counted(tries.unwrap_or_default(), now);
        sources::keep_guesses(database, attempt.network, (guess, user), (counted, tries.is_none()))?;
    }
    if let Some((limits, tries)) = of_all {
        if tries.is_none() {
            make_room(database)?;
        }
        keep(database, (name, attempt.factor), user, limits.counted(tries.unwrap_or_default(), now))?;
    }
    if !attempt.spared {
        let known = sources::failures(database, attempt.network)?;
        let is_new = known.is_none();
        sources::keep(database, attempt.network, (&known.unwrap_or_default().counted(now), is_new), now)?;
    }
    Ok(Judged { outcome: Ok(()), banned: None })
}

/// Forgets what was got wrong at a user's recovery codes: they got in by another way.
pub(super) fn forgive_recovery(database: &Database, user: UserId) -> Result<(), Fault> {
    let delete = "DELETE FROM attempt WHERE account_id = ?1 AND factor = ?2";
    database.execute(delete, params![user.as_str(), Factor::Recovery.name()]).map(|_| ())
}

fn find(database: &Database, name: [u8; 32], factor: Factor) -> Result<Option<Tries>, Fault> {
    let select = "SELECT consecutive, in_window, in_day, last_at FROM attempt WHERE name = ?1 AND factor = ?2";
    database.one(select, params![name, factor.name()], read)
}

fn read(row: &Record<'_>) -> Result<Tries, Fault> {
    Ok(Tries { consecutive: row.small(0)?, in_window: row.small(1)?, in_day: row.small(2)?, last: row.time(3)? })
}

fn keep(database: &Database, of: ([u8; 32], Factor), user: Option<UserId>, tries: Tries) -> Result<(), Fault> {
    let upsert = "INSERT INTO attempt (name, factor, account_id, consecutive, in_window, in_day, last_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                  ON CONFLICT (name, factor) DO UPDATE SET account_id = excluded.account_id,
                      consecutive = excluded.consecutive, in_window = excluded.in_window, in_day = excluded.in_day,
                      last_at = excluded.last_at";
    let user = user.as_ref().map(|id| id.as_str());
    let values = params![of.0, of.1.name(), user, tries.consecutive, tries.in_window, tries.in_day, tries.last.millis()];
    database.execute(upsert, values).map(|_| ())
}

fn make_room(database: &Database) -> Result<(), Fault> {
    let held = database.one("SELECT count(*) FROM attempt WHERE account_id IS NULL", [], |row| row.count(0))?;
    if held.unwrap_or(0) < MOST_UNKNOWN {
        return Ok(());
    }
    let select = "SELECT name, factor FROM attempt WHERE account_id IS NULL ORDER BY last_at LIMIT 1";
    let Some((name, factor)) = database.one(select, [], |row| Ok((row.bytes(0)?, row.text(1)?)))? else { return Ok(()) };
    database.execute("DELETE FROM attempt WHERE name = ?1 AND factor = ?2", params![name, factor]).map(|_| ())
}

/// Deletes counts for names that nobody has and nobody has tried since `before`, some at a time.
pub(super) fn forget(database: &Database, before: Timestamp, most: u32) -> Result<(), Fault> {
    let select = "SELECT name, factor FROM attempt WHERE account_id IS NULL AND last_at < ?1 ORDER BY last_at LIMIT ?2";
    let stale = database.all(select, params![before.millis(), most], |row| Ok((row.bytes(0)?, row.text(1)?)))?;
    for (name, factor) in stale {
        database.execute("DELETE FROM attempt WHERE name = ?1 AND factor = ?2", params![name, factor])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::task;
    use crate::store::kit::{Kit, hash, name};

    fn from(network: u32, text: &str, factor: Factor) -> Attempt {
        Attempt::at(Some(&name(text)), factor, Network::V4(network.into()))
    }

    /// From a network that is spared, as this machine itself is.
    fn here(text: &str, factor: Factor) -> Attempt {
        from(0x7f00_0001, text, factor).under(Settings::default(), true)
    }

    async fn tried(kit: &Kit, text: &str, factor: Factor) -> Result<(), Held> {
        kit.store.try_factor(here(text, factor)).await.unwrap()
    }

    fn wait(secs: u64) -> Result<(), Held> {
        Err(Held::Wait(Wait::For(Duration::from_secs(secs))))
    }

    fn is_of_network(outcome: &Result<(), Held>) -> bool {
        matches!(outcome, Err(Held::Network { .. }))
    }

    /// The attack: many guesses at the same moment, each judged before any is counted.
    #[tokio::test]
    async fn of_two_hundred_codes_at_once_five_are_looked_at() {
        let kit = Kit::new();
        kit.enrolled("alice").await;
        let tries: Vec<_> = (0..200)
            .map(|_| {
                let store = kit.store.clone();
                task::start("guess", async move { store.try_factor(here("alice", Factor::Code)).await.unwrap().is_ok() })
            })
            .collect();
        let mut allowed = 0;
        for attempt in tries {
            allowed += usize::from(attempt.await.unwrap());
        }
        assert_eq!(allowed, 5);
    }

    /// The attack: crashing or restarting the gateway to be forgiven.
    #[tokio::test]
    async fn a_restart_forgives_nobody_and_a_success_only_its_own_factor() {
        let kit = Kit::new();
        kit.enrolled("alice").await;
        for _ in 0..5 {
            assert_eq!(tried(&kit, "alice", Factor::Code).await, Ok(()));
            assert_eq!(tried(&kit, "alice", Factor::Password).await, Ok(()));
        }
        let kit = kit.reopened().await;
        assert_eq!(tried(&kit, "alice", Factor::Code).await, wait(900));
        assert_eq!(tried(&kit, "alice", Factor::Password).await, wait(2));
        kit.store.factor_succeeded(here("alice", Factor::Password)).await.unwrap();
        assert_eq!(tried(&kit, "alice", Factor::Password).await, Ok(()));
        assert!(tried(&kit, "alice", Factor::Code).await.is_err());
    }

    /// The attack: telling names that exist by how their failures are counted.
    #[tokio::test]
    async fn unknown_names_are_answered_like_known_ones() {
        let kit = Kit::new();
        kit.enrolled("alice").await;
        for _ in 0..40 {
            for factor in [Factor::Password, Factor::Code] {
                assert_eq!(tried(&kit, "alice", factor).await, tried(&kit, "nobody", factor).await);
            }
            kit.clock.advance(Duration::from_secs(47));
            kit.store.sweep(kit.clock.now()).await.unwrap();
        }
    }

    /// The attack: filling the store with names that nobody has.
    #[tokio::test]
    async fn counts_of_unknown_names_are_bounded_and_those_of_people_stay() {
        let kit = Kit::new();
        kit.enrolled("alice").await;
        assert!(tried(&kit, "alice", Factor::Password).await.is_ok());
        let mut raw = kit.raw();
        let fill = raw.transaction().unwrap();
        for n in 0..MOST_UNKNOWN {
            let insert =
                "INSERT INTO attempt (name, factor, consecutive, in_window, in_day, last_at) VALUES (?1, 'code', 1, 1, 1, ?2)";
            let name: Vec<u8> = n.to_be_bytes().into_iter().chain([0; 24]).collect();
            fill.execute(insert, params![name, i64::try_from(n).unwrap()]).unwrap();
        }
        fill.commit().unwrap();
        for text in ["x", "y", "z"] {
            assert!(tried(&kit, text, Factor::Password).await.is_ok());
        }
        let held: i64 = raw.query_one("SELECT count(*) FROM attempt WHERE account_id IS NULL", [], |row| row.get(0)).unwrap();
        assert_eq!(held, MOST_UNKNOWN as i64);
        let oldest: i64 = raw.query_one("SELECT min(last_at) FROM attempt", [], |row| row.get(0)).unwrap();
        assert_eq!(oldest, 3);
        assert_eq!(kit.count("attempt"), MOST_UNKNOWN as usize + 1);
        kit.store.sweep(kit.clock.now()).await.unwrap();
        assert_eq!(kit.count("attempt"), MOST_UNKNOWN as usize + 1 - 1_000, "some at a time");
    }

    /// The attack: closing a name before its owner gets their account.
    #[tokio::test]
    async fn a_new_account_starts_afresh() {
        let kit = Kit::new();
        for _ in 0..6 {
            let _ = tried(&kit, "carol", Factor::Password).await;
        }
        assert!(tried(&kit, "carol", Factor::Password).await.is_err());
        kit.store.add_user(&name("carol")).await.unwrap();
        assert!(tried(&kit, "carol", Factor::Password).await.is_ok());
    }

    /// The attack: reading the names (and the passwords typed in their place) out of a stolen database.
    #[tokio::test]
    async fn names_tried_are_not_in_the_file() {
        let kit = Kit::new();
        let _ = tried(&kit, "hunter2-typed-here", Factor::Password).await;
        for file in std::fs::read_dir(kit.dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(7).any(|part| part == b"hunter2"));
        }
    }

    /// Has strangers fail at a factor, each from a network of their own, until they may not any more.
    async fn flood(kit: &Kit, text: &str, factor: Factor) -> u32 {
        let mut guesses = 0;
        for n in 0..10_000 {
            match kit.store.try_factor(from(0x0a00_0000 + n, text, factor)).await.unwrap() {
                Ok(()) => guesses += 1,
                Err(Held::Wait(Wait::For(wait))) => kit.clock.advance(wait),
                Err(Held::Wait(Wait::Closed)) => return guesses,
                Err(held) => panic!("{held:?}"),
            }
        }
        panic!("never closed")
    }

    async fn known(kit: &Kit, user: UserId) -> TokenHash {
        let token = hash();
        kit.store.remember_device(user, token, kit.clock.now().plus(Duration::from_secs(90 * 86_400))).await.unwrap();
        token
    }

    /// The attack: failing at somebody's account until they cannot sign in either.
    #[tokio::test]
    async fn a_flood_of_strangers_closes_a_factor_to_strangers_only() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let device = known(&kit, alice.id).await;
        for factor in Factor::ALL {
            let most = if *factor == Factor::Recovery { 20 } else { 100 };
            assert_eq!(flood(&kit, "alice", *factor).await, most);
            let hers = from(1, "alice", *factor).on(vec![hash(), device]);
            assert_eq!(kit.store.try_factor(hers.clone()).await.unwrap(), Ok(()));
            kit.store.factor_succeeded(hers).await.unwrap();
            let closed = Err(Held::Wait(Wait::Closed));
            assert_eq!(kit.store.try_factor(from(1, "alice", *factor)).await.unwrap(), closed, "her success reopens nothing");
        }
        let kit = kit.reopened().await;
        assert_eq!(kit.store.try_factor(from(1, "alice", Factor::Code).on(vec![device])).await.unwrap(), Ok(()));
        assert_eq!(kit.store.known_device(&[device], &alice.name), Some(device));
        kit.store.issue_link(alice.id, hash(), kit.in_an_hour()).await.unwrap();
        for factor in Factor::ALL {
            assert_eq!(kit.store.try_factor(from(2, "alice", *factor)).await.unwrap(), Ok(()), "a link reopens");
        }
    }

    /// The attack: with a stolen device cookie, or with that of one's own account.
    #[tokio::test]
    async fn a_device_is_worth_twenty_tries_at_its_own_account() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let (mallory, _) = kit.enrolled("mallory").await;
        let (hers, his) = (known(&kit, alice.id).await, known(&kit, mallory.id).await);
        for factor in Factor::ALL {
            flood(&kit, "alice", *factor).await;
            let foreign = from(3, "alice", *factor).on(vec![his]);
            assert_eq!(kit.store.try_factor(foreign).await.unwrap(), Err(Held::Wait(Wait::Closed)));
        }
        let mut guesses = 0;
        let refused = loop {
            match kit.store.try_factor(from(3, "alice", Factor::Code).on(vec![hers])).await.unwrap() {
                Ok(()) => guesses += 1,
                Err(Held::Wait(Wait::For(wait))) => kit.clock.advance(wait),
                Err(held) => break held,
            }
        };
        assert_eq!((guesses, refused), (20, Held::Wait(Wait::Closed)), "then it is a stranger's");
        assert_eq!(kit.count("device"), 1);
    }

    #[tokio::test]
    async fn devices_are_bounded_end_by_themselves_and_with_new_credentials() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let mut devices = vec![];
        for _ in 0..12 {
            kit.clock.advance(Duration::from_secs(1));
            devices.push(known(&kit, alice.id).await);
        }
        let knows = |kit: &Kit, device: TokenHash| kit.store.known_device(&[device], &alice.name).is_some();
        assert_eq!(kit.count("device"), 10);
        assert!(!knows(&kit, devices[1]) && knows(&kit, devices[2]) && knows(&kit, devices[11]));
        assert_eq!(kit.store.known_device(&devices, &name("bob")), None);
        kit.store.provision(alice.id, None, None).await.unwrap();
        kit.store.sweep(kit.clock.now()).await.unwrap();
        assert!(!knows(&kit, devices[11]));
        let device = known(&kit, alice.id).await;
        kit.clock.advance(Duration::from_secs(90 * 86_400));
        assert!(!knows(&kit, device));
        kit.store.sweep(kit.clock.now()).await.unwrap();
        assert_eq!(kit.count("device"), 0);
    }

    /// The attack: one guess at each of many names, so that no account's count rises.
    #[tokio::test]
    async fn a_network_that_tries_many_names_waits_and_one_that_does_not_is_barred() {
        let kit = Kit::new();
        kit.enrolled("alice").await;
        for n in 0..10 {
            assert_eq!(kit.store.try_factor(from(7, &format!("name{n}"), Factor::Password)).await.unwrap(), Ok(()));
        }
        for n in 0..10 {
            assert_eq!(kit.store.bans().len(), 0);
            let refused = kit.store.try_factor(from(7, "alice", Factor::Password)).await.unwrap();
            assert!(is_of_network(&refused), "{refused:?}");
            let banned = matches!(&refused, Err(Held::Network { ban: Some(_), .. }));
            assert_eq!(banned, n == 9);
        }
        assert_eq!(kit.store.try_factor(from(8, "alice", Factor::Password)).await.unwrap(), Ok(()), "another network");
        let kit = kit.reopened().await;
        let barred = |kit: &Kit| kit.store.ban_on("0.0.0.7".parse().unwrap()).is_some();
        assert!(barred(&kit) && is_of_network(&kit.store.try_factor(from(7, "alice", Factor::Password)).await.unwrap()));
        kit.clock.advance(Duration::from_secs(3_600));
        assert!(!barred(&kit));
        assert_eq!(kit.store.try_factor(from(7, "alice", Factor::Password)).await.unwrap(), Ok(()));
        let records = kit.store.audit(crate::store::audit::Wanted { most: 100, ..Default::default() }).await.unwrap();
        assert_eq!(records.iter().filter(|record| record.event == "ban.added").count(), 1);
    }

    #[tokio::test]
    async fn twenty_failures_in_ten_minutes_and_successes_are_none() {
        let kit = Kit::new();
        for n in 0..60 {
            let right = from(9, &format!("name{}", n % 5), Factor::Password);
            assert_eq!(kit.store.try_factor(right.clone()).await.unwrap(), Ok(()), "{n}");
            kit.store.factor_succeeded(right).await.unwrap();
        }
        for n in 0..20 {
            assert_eq!(kit.store.try_factor(from(9, &format!("name{}", n % 5), Factor::Password)).await.unwrap(), Ok(()));
        }
        assert!(is_of_network(&kit.store.try_factor(from(9, "name9", Factor::Password)).await.unwrap()));
        assert!(is_of_network(&kit.store.try_factor(from(9, "alice", Factor::Code)).await.unwrap()), "of all factors");
        assert_eq!(tried(&kit, "alice", Factor::Code).await, Ok(()), "a spared network is not held to it");
    }

    /// The attack: having one's own failures forgotten by filling the store with others'.
    #[tokio::test]
    async fn what_is_forgotten_costs_more_tries_than_it_gives_back() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let device = known(&kit, alice.id).await;
        flood(&kit, "alice", Factor::Code).await;
        for n in 0..20 {
            kit.store.try_factor(from(9, &format!("name{}", n % 5), Factor::Password)).await.unwrap().unwrap();
        }
        let mut raw = kit.raw();
        let fill = raw.transaction().unwrap();
        let at = kit.clock.now().millis() + 1;
        let (guesses, networks) = (kit.count("guess") as u64, kit.count("network") as u64);
        for n in 0..sources::MOST_GUESSES - guesses {
            let (network, name) = (format!("x{n}"), [&n.to_be_bytes()[..], &[0; 24]].concat());
            if n < sources::MOST_NETWORKS - networks {
                let insert = "INSERT INTO network (network, failures, strikes, struck_at, last_at) VALUES (?1, x'', 0, 0, ?2)";
                fill.execute(insert, params![network, at]).unwrap();
            }
            let insert = "INSERT INTO guess (network, name, consecutive, last_at) VALUES (?1, ?2, 1, ?3)";
            fill.execute(insert, params![network, name, at]).unwrap();
        }
        fill.commit().unwrap();
        assert!(is_of_network(&kit.store.try_factor(from(9, "name9", Factor::Password)).await.unwrap()), "all fit");
        kit.clock.advance(Duration::from_secs(1));
        for n in 0..3 {
            kit.store.try_factor(from(0x0b00_0000 + n, "bob", Factor::Password)).await.unwrap().unwrap();
        }
        assert_eq!(kit.count("guess"), sources::MOST_GUESSES as usize);
        assert_eq!(kit.count("network"), sources::MOST_NETWORKS as usize);
        let closed = Err(Held::Wait(Wait::Closed));
        assert_eq!(kit.store.try_factor(from(5, "alice", Factor::Code)).await.unwrap(), closed, "the account's count stays");
        assert_eq!(kit.store.try_factor(from(5, "alice", Factor::Code).on(vec![device])).await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn what_can_be_no_name_counts_against_its_network_alone() {
        let kit = Kit::new();
        for n in 0..60 {
            let attempt = Attempt::at(None, Factor::Password, Network::V4(std::net::Ipv4Addr::from(n)));
            assert_eq!(kit.store.try_factor(attempt).await.unwrap(), Ok(()));
        }
        let same = Attempt::at(None, Factor::Password, Network::V4(0.into()));
        for _ in 0..4 {
            assert_eq!(kit.store.try_factor(same.clone()).await.unwrap(), Ok(()));
        }
        assert_eq!(kit.store.try_factor(same).await.unwrap(), wait(2));
    }
}
