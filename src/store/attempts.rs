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
            // For names that exist as well: they must not be told apart by the work done.
            if tries.is_none() {
                make_room(database)?;
            }
            let counted = throttle::counted(tries.unwrap_or_default(), factor, now);
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

/// Takes the count of a user's recovery codes back after a sign-in: another way in forgives all, a code that was
/// right only the try it was.
pub(super) fn settle_recovery(database: &Database, user: UserId, was_recovery: bool) -> Result<(), Fault> {
    let statement = if was_recovery {
        "UPDATE attempt SET consecutive = max(consecutive - 1, 0), in_window = max(in_window - 1, 0), in_day = max(in_day - 1, 0)
         WHERE account_id = ?1 AND factor = ?2"
    } else {
        "DELETE FROM attempt WHERE account_id = ?1 AND factor = ?2"
    };
    database.execute(statement, params![user.as_str(), Factor::Recovery.name()]).map(|_| ())
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
    use crate::store::kit::{Kit, name};

    fn key(text: &str) -> AttemptKey {
        AttemptKey::of(&name(text))
    }

    async fn tried(kit: &Kit, text: &str, factor: Factor) -> Result<(), Wait> {
        kit.store.try_factor(key(text), factor).await.unwrap()
    }

    /// The attack: many guesses at the same moment, each judged before any is counted.
    #[tokio::test]
    async fn of_two_hundred_codes_at_once_five_are_looked_at() {
        let kit = Kit::new();
        kit.enrolled("alice").await;
        let tries: Vec<_> = (0..200)
            .map(|_| {
                let store = kit.store.clone();
                task::start("guess", async move { store.try_factor(key("alice"), Factor::Code).await.unwrap().is_ok() })
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
        assert_eq!(tried(&kit, "alice", Factor::Code).await, Err(Wait::For(Duration::from_secs(900))));
        assert_eq!(tried(&kit, "alice", Factor::Password).await, Err(Wait::For(Duration::from_secs(2))));
        kit.store.factor_succeeded(key("alice"), Factor::Password).await.unwrap();
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
}
