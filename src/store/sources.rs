//! What each network got wrong: over all names, and for each name.

use ipnet::IpNet;
use rusqlite::params;

use crate::auth::source::{self, Failures};
use crate::auth::throttle::Settings;
use crate::base::clock::Timestamp;
use crate::model::attempt::Tries;
use crate::model::audit::{Actor, Deed, Entry, Outcome};
use crate::model::ban::Ban;
use crate::model::user::UserId;
use crate::store::audit::Told;
use crate::store::bans;
use crate::store::database::{Database, stored_span};
use crate::store::fault::Fault;
use crate::wire::client::Network;

/// Networks whose failures are kept; the one quiet for longest gives way. To have one forgotten, somebody must fail from all
/// the others first, with more tries than that one gets back.
pub(super) const MOST_NETWORKS: u64 = 10_000;
/// Pairs of a network and a name. What is forgotten is the wait of one network: what all networks together got wrong at an
/// account stays with the account.
pub(super) const MOST_GUESSES: u64 = 20_000;
/// Why the gateway bars a network.
const REASON: &str = "went on guessing when told to wait";

/// What a network got wrong over all names.
pub(super) fn failures(database: &Database, network: Network) -> Result<Option<Failures>, Fault> {
    let select = "SELECT failures, strikes, struck_at FROM network WHERE network = ?1";
    database.one(select, params![network.to_string()], |row| {
        let moments = row.bytes(0)?;
        let moment = |bytes: &[u8]| bytes.try_into().map(|bytes| Timestamp::from_millis(i64::from_le_bytes(bytes)));
        let moments: Result<Vec<_>, _> = moments.chunks(8).map(moment).collect();
        let moments = moments.map_err(|_| Fault::Unreadable { column: "network.failures" })?;
        Ok(Failures { moments, strikes: row.small(1)?, struck_at: row.time(2)? })
    })
}

/// Keeps it; `is_new` if there was nothing of that network.
pub(super) fn keep(
    database: &Database,
    network: Network,
    (failures, is_new): (&Failures, bool),
    now: Timestamp,
) -> Result<(), Fault> {
    if is_new {
        make_room(database, "network", "network", MOST_NETWORKS)?;
    }
    let upsert = "INSERT INTO network (network, failures, strikes, struck_at, last_at) VALUES (?1, ?2, ?3, ?4, ?5)
                  ON CONFLICT (network) DO UPDATE SET failures = excluded.failures, strikes = excluded.strikes,
                      struck_at = excluded.struck_at, last_at = excluded.last_at";
    let moments: Vec<u8> = failures.moments.iter().flat_map(|moment| moment.millis().to_le_bytes()).collect();
    let (strikes, struck_at) = (failures.strikes, failures.struck_at.millis());
    database.execute(upsert, params![network.to_string(), moments, strikes, struck_at, now.millis()]).map(|_| ())
}

/// When the network last failed at each of the other names, as far as that counts still.
pub(super) fn names(database: &Database, network: Network, name: [u8; 32], now: Timestamp) -> Result<Vec<Timestamp>, Fault> {
    let select = "SELECT last_at FROM guess WHERE network = ?1 AND name <> ?2 AND last_at > ?3 ORDER BY last_at DESC LIMIT ?4";
    let since = now.millis().saturating_sub(stored_span(source::NAME_COUNTS));
    let most = u32::try_from(source::MOST_NAMES).unwrap_or(u32::MAX);
    database.all(select, params![network.to_string(), name, since, most], |row| row.time(0))
}

/// What the network got wrong for one name.
pub(super) fn guesses(database: &Database, network: Network, name: [u8; 32]) -> Result<Option<Tries>, Fault> {
    let select = "SELECT consecutive, last_at FROM guess WHERE network = ?1 AND name = ?2";
    let read = |consecutive, last| Tries { consecutive, last, ..Tries::default() };
    database.one(select, params![network.to_string(), name], |row| Ok(read(row.small(0)?, row.time(1)?)))
}

/// Keeps it; `user` is who has the name.
pub(super) fn keep_guesses(
    database: &Database,
    network: Network,
    (name, user): ([u8; 32], Option<UserId>),
    (tries, is_new): (Tries, bool),
) -> Result<(), Fault> {
    if is_new {
        make_room(database, "guess", "network, name", MOST_GUESSES)?;
    }
    let upsert = "INSERT INTO guess (network, name, account_id, consecutive, last_at) VALUES (?1, ?2, ?3, ?4, ?5)
                  ON CONFLICT (network, name) DO UPDATE SET account_id = excluded.account_id,
                      consecutive = excluded.consecutive, last_at = excluded.last_at";
    let user = user.as_ref().map(|id| id.as_str());
    database.execute(upsert, params![network.to_string(), name, user, tries.consecutive, tries.last.millis()]).map(|_| ())
}

/// Forgets what the network got wrong for a name.
pub(super) fn forgive(database: &Database, network: Network, name: [u8; 32]) -> Result<(), Fault> {
    let delete = "DELETE FROM guess WHERE network = ?1 AND name = ?2";
    database.execute(delete, params![network.to_string(), name]).map(|_| ())
}

/// Takes the network's latest try back, which was right.
pub(super) fn take_back(database: &Database, network: Network, now: Timestamp) -> Result<(), Fault> {
    match failures(database, network)? {
        Some(failures) => keep(database, network, (&failures.taken_back(), false), now),
        None => Ok(()),
    }
}

/// Counts a try that was refused; bars the network if that was one too many. Returns the ban, and what gave way to it.
pub(super) fn strike(
    database: &Database,
    (network, settings): (Network, Settings),
    (failures, is_new): (Failures, bool),
    (told, now): (&Told, Timestamp),
) -> Result<Option<(Ban, Vec<IpNet>)>, Fault> {
    let (failures, too_many) = failures.struck(now);
    keep(database, network, (&failures, is_new), now)?;
    let Some(length) = settings.ban.filter(|_| too_many) else { return Ok(None) };
    let range = network.range();
    let ban = Ban { network: range, since: now, until: Some(now.plus(length)), reason: REASON.into(), by_owner: false };
    let Some(gone) = bans::write(database, &ban)? else { return Ok(None) };
    let entry = Entry::new(Deed::BanAdded, Actor::Gateway).came_to(Outcome::Done).because(REASON).detailed(range.to_string());
    told.also(database, &entry)?;
    Ok(Some((ban, gone)))
}

/// Deletes what has been quiet since `before`, some at a time.
pub(super) fn forget(database: &Database, before: Timestamp, most: u32) -> Result<(), Fault> {
    for (table, key) in [("network", "network"), ("guess", "network, name")] {
        let delete = format!(
            "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE last_at < ?1 ORDER BY last_at LIMIT ?2)"
        );
        database.execute(&delete, params![before.millis(), most])?;
    }
    Ok(())
}

fn make_room(database: &Database, table: &str, key: &str, most: u64) -> Result<(), Fault> {
    let held = database.one(&format!("SELECT count(*) FROM {table}"), [], |row| row.count(0))?;
    if held.unwrap_or(0) < most {
        return Ok(());
    }
    let delete = format!("DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} ORDER BY last_at LIMIT 1)");
    database.execute(&delete, []).map(|_| ())
}
