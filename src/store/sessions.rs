//! Sessions: opened, found, ended. Found in memory; opened and ended on disk first.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::base::entropy::Entropy;
use crate::base::id::Id;
use crate::model::session::{Session, SessionId, SessionRecord};
use crate::model::strength::Strength;
use crate::model::user::UserId;
use crate::store::database::{Database, Record, stored_span};
use crate::store::fault::Fault;
use crate::store::live::{Live, Which};
use crate::store::open::Store;
use crate::store::users;

/// How many sessions a user may hold; the oldest gives way.
const MOST_PER_USER: usize = 100;
const LONGEST_AGENT: usize = 200;
const LONGEST_NETWORK: usize = 64;
/// Sessions written per transaction when their last use is noted.
const BATCH: usize = 500;
const NOTED_AFTER: Duration = Duration::from_secs(60);

/// A session to open.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The hash of the token that the browser gets.
    pub token: TokenHash,
    /// Whose it is.
    pub user: UserId,
    /// The one host it opens, canonical.
    pub host: Box<str>,
    /// How firmly identity was proven.
    pub strength: Strength,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// It ends after this long without a request; `None` for "keep me signed in".
    pub idle_timeout: Option<Duration>,
    /// The client network it begins from.
    pub network: Box<str>,
    /// The browser it begins in; the first 200 characters are kept.
    pub agent: Box<str>,
}

impl Store {
    /// The session that a token opens. In memory, without waiting. It may have run out: ask [`Session::check`].
    ///
    /// # Errors
    /// [`Fault::Broken`] when the store is out of order: who is signed in is not known then.
    pub fn session(&self, token: &TokenHash) -> Result<Option<Arc<Session>>, Fault> {
        if self.is_broken() { Err(Fault::Broken) } else { Ok(self.live.of_token(token)) }
    }

    /// Opens a session; `None` if the user is gone or disabled. Of more than 100 the user's oldest ends.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn open_session(&self, session: NewSession) -> Result<Option<Arc<Session>>, Fault> {
        let (entropy, now) = (self.entropy, self.clock.now());
        let work = move |database: &Database| write(database, session, now, entropy);
        self.run(work, |live, opened| Ok(opened?.map(|opened| opened.enter(live)))).await
    }

    /// Ends one session. `false` if there is none of that id.
    ///
    /// # Errors
    /// Any [`Fault`]; it has ended in memory even then.
    pub async fn end_session(&self, id: SessionId) -> Result<bool, Fault> {
        let work = move |database: &Database| database.execute("DELETE FROM session WHERE id = ?1", params![id.as_str()]);
        Ok(self.ending(Which::One(id), work).await? > 0)
    }

    /// Ends all sessions of a user and returns how many there were.
    ///
    /// # Errors
    /// Any [`Fault`]; they have ended in memory even then.
    pub async fn end_sessions_of(&self, user: UserId) -> Result<usize, Fault> {
        let delete = "DELETE FROM session WHERE account_id = ?1";
        self.ending(Which::Of(user), move |database| database.execute(delete, params![user.as_str()])).await
    }

    /// Ends everybody's sessions and returns how many there were.
    ///
    /// # Errors
    /// Any [`Fault`]; they have ended in memory even then.
    pub async fn end_all(&self) -> Result<usize, Fault> {
        self.ending(Which::All, |database| database.execute("DELETE FROM session", [])).await
    }

    /// The sessions that count, oldest first.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn list_sessions(&self) -> Result<Vec<Arc<Session>>, Fault> {
        let now = self.clock.now();
        let count = move |session: &Arc<Session>| session.check(now).is_ok();
        // Asked in the queue, so that whatever was acknowledged or asked for before is in the list.
        self.run(|_| Ok(()), move |live, asked| asked.map(|()| live.list().into_iter().filter(count).collect())).await
    }

    /// Notes on disk the last use of every session that was used a minute or more after what is noted there.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn flush_seen(&self) -> Result<(), Fault> {
        self.flush(NOTED_AFTER).await
    }

    pub(super) async fn flush(&self, moved_by: Duration) -> Result<(), Fault> {
        loop {
            let moved = self.live.moved(moved_by, BATCH);
            let full = moved.len() == BATCH;
            if moved.is_empty() {
                return Ok(());
            }
            let work = move |database: &Database| {
                for (id, at) in &moved {
                    database.execute("UPDATE session SET last_seen = ?2 WHERE id = ?1", params![id.as_str(), at.millis()])?;
                }
                Ok(moved)
            };
            self.run(work, |live, moved| moved.map(|moved| live.persisted(&moved))).await?;
            if !full {
                return Ok(());
            }
        }
    }

    /// Does `work`, which deletes `which` from disk, then ends them in memory, whether or not that worked: what is to
    /// end must not live on because a disk is full.
    pub(super) async fn ending<T: Send + 'static>(
        &self,
        which: Which,
        work: impl FnOnce(&Database) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let meant = which.clone();
        let outcome = self
            .run(work, move |live, outcome| {
                live.end(&meant, outcome.is_ok());
                outcome
            })
            .await;
        if outcome.is_err() {
            // If the writer's thread is gone, nobody else has done it.
            self.live.end(&which, false);
        }
        outcome
    }
}

/// A session that is on disk, but not yet in memory.
#[derive(Debug)]
pub(super) struct Opened {
    token: TokenHash,
    record: SessionRecord,
    evicted: Vec<SessionId>,
}

impl Opened {
    /// Lets it into memory.
    pub(super) fn enter(self, live: &Live) -> Arc<Session> {
        live.end(&Which::These(self.evicted), true);
        live.add(self.token, Session::from(self.record))
    }
}

/// Writes a session; `None` if the user is gone or disabled.
pub(super) fn write(database: &Database, new: NewSession, now: Timestamp, entropy: Entropy) -> Result<Option<Opened>, Fault> {
    let Some(user) = users::enabled(database, new.user)? else { return Ok(None) };
    let evicted = make_room(database, user.id)?;
    let record = SessionRecord {
        id: Id::draw(entropy),
        user: user.id,
        user_name: user.name,
        host: new.host,
        strength: new.strength,
        created_at: now,
        expires_at: new.expires_at,
        idle_timeout: new.idle_timeout,
        network: shortened(&new.network, LONGEST_NETWORK),
        agent: shortened(&new.agent, LONGEST_AGENT),
        last_seen: now,
    };
    insert(database, new.token, &record)?;
    Ok(Some(Opened { token: new.token, record, evicted }))
}

fn insert(database: &Database, token: TokenHash, record: &SessionRecord) -> Result<(), Fault> {
    let insert = "INSERT INTO session (id, token, account_id, host, strength, created_at, expires_at, idle_timeout, network,
                                       agent, last_seen)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let (id, user, idle) = (record.id.as_str(), record.user.as_str(), record.idle_timeout.map(stored_span));
    let (created, ends, seen) = (record.created_at.millis(), record.expires_at.millis(), record.last_seen.millis());
    let (token, strength) = (token.as_bytes(), record.strength.code());
    let values = params![id, token, user, record.host, strength, created, ends, idle, record.network, record.agent, seen];
    database.execute(insert, values).map(|_| ())
}

fn make_room(database: &Database, user: UserId) -> Result<Vec<SessionId>, Fault> {
    let select = "SELECT id FROM session WHERE account_id = ?1 ORDER BY created_at, id";
    let held = database.all(select, params![user.as_str()], |row| row.id(0))?;
    let evicted: Vec<SessionId> = held.into_iter().rev().skip(MOST_PER_USER - 1).collect();
    delete(database, &evicted)?;
    Ok(evicted)
}

/// Deletes these sessions from disk.
pub(super) fn delete(database: &Database, ids: &[SessionId]) -> Result<(), Fault> {
    for id in ids {
        database.execute("DELETE FROM session WHERE id = ?1", params![id.as_str()])?;
    }
    Ok(())
}

/// Loads the sessions that still count, and deletes the others.
pub(super) fn load(database: &Database, live: &Live, now: Timestamp) -> Result<(), Fault> {
    let select = "SELECT session.id, token, account_id, name, host, strength, session.created_at, expires_at, idle_timeout,
                         network, agent, last_seen, disabled
                  FROM session JOIN account ON account.id = session.account_id";
    let rows = database.all(select, [], |row| Ok((row.hash(1)?, record(row)?, row.flag(12)?)))?;
    let mut dead = vec![];
    for (token, record, disabled) in rows {
        let session = Session::from(record);
        if disabled || session.check(now).is_err() {
            dead.push(session.id);
        } else {
            live.add(token, session);
        }
    }
    database.batch("BEGIN IMMEDIATE")?;
    delete(database, &dead)?;
    database.batch("COMMIT")
}

fn record(row: &Record<'_>) -> Result<SessionRecord, Fault> {
    Ok(SessionRecord {
        id: row.id(0)?,
        user: row.id(2)?,
        user_name: users::name(row, 3)?,
        host: row.text(4)?.into(),
        strength: Strength::from_code(row.integer(5)?).ok_or(Fault::Unreadable { column: "session.strength" })?,
        created_at: row.time(6)?,
        expires_at: row.time(7)?,
        idle_timeout: row.optional(8, Record::span)?,
        network: row.text(9)?.into(),
        agent: row.text(10)?.into(),
        last_seen: row.time(11)?,
    })
}

fn shortened(text: &str, most: usize) -> Box<str> {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end]).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::session::Ended;
    use crate::store::kit::{Kit, hash};

    async fn opened(kit: &Kit, new: NewSession) -> Arc<Session> {
        kit.store.open_session(new).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_session_is_found_by_its_token_until_it_is_ended() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let session = opened(&kit, new.clone()).await;
        assert!(kit.store.session(&hash()).unwrap().is_none());
        let kit = kit.reopened().await;
        let found = kit.store.session(&new.token).unwrap().unwrap();
        assert_eq!((found.id, found.strength, found.expires_at), (session.id, new.strength, new.expires_at));
        assert_eq!((&found.user_name, found.idle_timeout, &found.network), (&alice.name, new.idle_timeout, &new.network));
        assert!(kit.store.end_session(found.id).await.unwrap());
        assert!(!kit.store.end_session(found.id).await.unwrap());
        assert_eq!(found.check(kit.clock.now()), Err(Ended::Revoked));
        assert!(kit.store.session(&new.token).unwrap().is_none());
        let kit = kit.reopened().await;
        assert!(kit.store.session(&new.token).unwrap().is_none(), "a restart revives nothing");
    }

    #[tokio::test]
    async fn all_of_a_user_and_all_of_everybody_are_ended() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let (bob, _) = kit.enrolled("bob").await;
        let first = opened(&kit, kit.session(alice.id)).await;
        opened(&kit, kit.session(alice.id)).await;
        let his = opened(&kit, kit.session(bob.id)).await;
        assert_eq!(kit.store.end_sessions_of(alice.id).await.unwrap(), 2);
        assert!(first.lifeline.is_cut() && !his.lifeline.is_cut());
        assert_eq!(kit.store.list_sessions().await.unwrap().iter().map(|session| session.id).collect::<Vec<_>>(), [his.id]);
        assert_eq!(kit.store.end_all().await.unwrap(), 1);
        assert!(his.lifeline.is_cut());
        assert!(kit.reopened().await.store.list_sessions().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_has_run_out_is_not_loaded() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let idle = kit.session(alice.id);
        let kept = NewSession { idle_timeout: None, ..kit.session(alice.id) };
        opened(&kit, idle.clone()).await;
        opened(&kit, kept.clone()).await;
        kit.clock.advance(Duration::from_secs(1200));
        let kit = kit.reopened().await;
        assert!(kit.store.session(&idle.token).unwrap().is_none());
        assert!(kit.store.session(&kept.token).unwrap().is_some());
        assert_eq!(kit.count("session"), 1);
        kit.clock.advance(Duration::from_secs(2400));
        let kit = kit.reopened().await;
        assert!(kit.store.session(&kept.token).unwrap().is_none());
    }

    #[tokio::test]
    async fn the_oldest_of_too_many_ends() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let mut sessions = vec![];
        for _ in 0..=MOST_PER_USER {
            kit.clock.advance(Duration::from_millis(1));
            sessions.push(opened(&kit, kit.session(alice.id)).await);
        }
        assert_eq!(sessions.iter().filter(|session| session.lifeline.is_cut()).count(), 1);
        assert!(sessions[0].lifeline.is_cut());
        assert_eq!(kit.count("session"), MOST_PER_USER);
    }

    #[tokio::test]
    async fn what_clients_say_of_themselves_is_shortened() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let session = opened(&kit, NewSession { agent: "ä".repeat(1 << 20).into(), ..kit.session(alice.id) }).await;
        assert_eq!(&*session.agent, "ä".repeat(200));
    }

    #[tokio::test]
    async fn use_is_noted_after_a_minute_and_at_the_end() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let session = opened(&kit, new.clone()).await;
        let noted = |kit: &Kit| -> i64 { kit.raw().query_one("SELECT last_seen FROM session", [], |row| row.get(0)).unwrap() };
        for (seconds, written) in [(59, false), (1, true), (59, false), (1, true)] {
            kit.clock.advance(Duration::from_secs(seconds));
            session.seen(kit.clock.now());
            kit.store.flush_seen().await.unwrap();
            assert_eq!(noted(&kit) == kit.clock.now().millis(), written);
        }
        kit.clock.advance(Duration::from_secs(7));
        session.seen(kit.clock.now());
        let seen = session.last_seen();
        let kit = kit.reopened().await;
        assert_eq!(kit.store.session(&new.token).unwrap().unwrap().last_seen(), seen);
    }

    /// The attack: a session that was ended lives on because the disk was full at that moment.
    #[tokio::test]
    async fn what_cannot_be_deleted_ends_all_the_same_and_is_deleted_later() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let (one, two, three) = (kit.session(alice.id), kit.session(alice.id), kit.session(alice.id));
        let sessions = [opened(&kit, one).await, opened(&kit, two).await, opened(&kit, three.clone()).await];
        kit.raw().execute_batch("CREATE TRIGGER full BEFORE DELETE ON session BEGIN SELECT RAISE(ABORT, 'full'); END").unwrap();
        assert!(kit.store.end_session(sessions[0].id).await.is_err());
        assert!(sessions[0].lifeline.is_cut() && !sessions[1].lifeline.is_cut());
        assert!(kit.store.set_disabled(&alice.name, true).await.is_err());
        assert!(sessions.iter().all(|session| session.lifeline.is_cut()));
        assert!(kit.store.session(&three.token).unwrap().is_none());
        assert!(!kit.store.is_broken(), "others go on");
        assert!(kit.store.sweep(kit.clock.now()).await.is_err());
        kit.raw().execute_batch("DROP TRIGGER full").unwrap();
        assert_eq!((kit.count("session"), kit.store.sweep(kit.clock.now()).await.unwrap()), (3, 0));
        assert_eq!(kit.count("session"), 0);
    }
}
