//! Counts of failures, durable so that a restart forgives nobody.

use std::sync::Arc;

use rusqlite::params;

use crate::auth::throttle::{self, Wait};
use crate::base::clock::Timestamp;
use crate::model::attempt::{Factor, Tries};
use crate::model::user::{UserId, UserName};
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::open::{Keys, Store};
use crate::store::users;

/// How many counts are kept for names that nobody has; the oldest give way. What that forgives is nobody's.
const MOST_UNKNOWN: u64 = 10_000;

/// Whose failures are counted: a canonical name, whether or not it has an account, so that both are told the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptKey(UserName);

impl AttemptKey {
    /// The key of `name`.
    pub fn of(name: &UserName) -> Self {
        Self(name.clone())
    }

    /// What is stored of it. Keyed, because people type passwords where their name belongs.
    fn hash(&self, keys: &Keys) -> [u8; 32] {
        keys.attempts.tag(self.0.as_str().as_bytes())
    }
}

impl Store {
    /// Judges whether a try may be made now and, if so, counts it: at once, and before it is verified, so that tries made
    /// at the same moment are counted one after the other. A try that is refused is not counted.
    ///
    /// # Errors
    /// Any [`Fault`] outside; inside, [`Wait`] when no try may be made.
    pub async fn try_factor(&self, key: AttemptKey, factor: Factor) -> Result<Result<(), Wait>, Fault> {
        let (keys, now) = (Arc::clone(&self.keys), self.clock.now());
        self.ask(move |database| {
            let hash = key.hash(&keys);
            let tries = find(database, hash, factor)?;
            if let Err(wait) = throttle::judge(&tries.unwrap_or_default(), factor, now) {
                return Ok(Err(wait));
            }
            let user = users::find(database, &key.0)?.map(|user| user.id);
            if tries.is_none() && user.is_none() {
                make_room(database)?;
            }
            let counted = throttle::counted(tries.unwrap_or_default(), now);
            keep(database, (hash, factor), user, counted).map(Ok)
        })
        .await
    }

    /// Forgets the failures of one factor after it succeeded; other factors keep theirs.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn factor_succeeded(&self, key: AttemptKey, factor: Factor) -> Result<(), Fault> {
        let hash = key.hash(&self.keys);
        self.ask(move |database| {
            let delete = "DELETE FROM attempt WHERE name = ?1 AND factor = ?2";
            database.execute(delete, params![hash, factor.name()]).map(|_| ())
        })
        .await
    }
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
