//! Sessions: opened, found, ended. Found in memory; opened and ended on disk first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::params;

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::base::entropy::Entropy;
use crate::base::id::Id;
use crate::model::profile::Profile;
use crate::model::session::{Proofs, Session, SessionId, SessionRecord};
use crate::model::strength::Strength;
use crate::model::user::UserId;
use crate::store::confirm;
use crate::store::database::{Database, Record, stored_span};
use crate::store::fault::Fault;
use crate::store::live::{Live, Which};
use crate::store::open::Store;
use crate::store::people;
use crate::store::users;

/// How many sessions a user may hold; the oldest gives way.
const MOST_PER_USER: usize = 100;
/// How many tokens a session may hold on one host; the oldest gives way.
const MOST_PER_HOST: usize = 2;
/// How many tokens a session may hold on all hosts together; the oldest gives way, but never that of the portal. Under a wildcard
/// there is no end of hosts.
const MOST_PER_SESSION: usize = 100;
const LONGEST_AGENT: usize = 200;
const LONGEST_NETWORK: usize = 64;
/// Sessions written per transaction when their last use is noted.
const BATCH: usize = 500;
const NOTED_AFTER: Duration = Duration::from_secs(60);

/// A session to open.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The hash of the token that the browser gets on the host of the sign-in.
    pub token: TokenHash,
    /// Whose it is.
    pub user: UserId,
    /// That host, canonical. Other hosts get tokens of their own.
    pub host: Box<str>,
    /// How firmly identity was proven.
    pub strength: Strength,
    /// And when.
    pub proofs: Proofs,
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
    /// The session that a token opens on `host`; on any other host the same token opens nothing. In memory, without
    /// waiting. It may have run out: ask [`Session::check`].
    ///
    /// # Errors
    /// [`Fault::Broken`] when the store is out of order: who is signed in is not known then.
    pub fn session(&self, token: &TokenHash, host: &str) -> Result<Option<Arc<Session>>, Fault> {
        if self.is_broken() { Err(Fault::Broken) } else { Ok(self.live.of_token(token, host)) }
    }

    /// The hosts that hold a token of a session, in the order in which it came there; the first is that of the sign-in.
    pub fn hosts_of(&self, id: SessionId) -> Vec<Box<str>> {
        self.live.hosts(&id)
    }

    /// How many sessions count at `now`: those that were used within `recent`, and the others. In memory, without waiting.
    pub fn count_sessions(&self, now: Timestamp, recent: Duration) -> (usize, usize) {
        self.live.count(now, recent)
    }

    /// Lets `token` open a session on `host` as well, because of `by`, a token it had. `None` if the session has ended or run
    /// out, or `by` is none of its tokens any more: of ending it, of [`Store::confirm`], which replaces them all, and of giving
    /// it a token, whichever is written first counts.
    ///
    /// The token of `portal` stays whatever comes: by it every other host gets a new one without anybody being asked.
    ///
    /// Two tabs may bring the same host a token each at the same moment, and only the browser knows which of the cookies
    /// it keeps. So the newest two tokens of a host count, and an older one dies.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn give_token(
        &self,
        (id, by): (SessionId, TokenHash),
        (token, host): (TokenHash, Box<str>),
        portal: &str,
    ) -> Result<Option<Arc<Session>>, Fault> {
        let (now, portal) = (self.clock.now(), Box::<str>::from(portal));
        let Some(session) = self.live.of_id(&id).filter(|session| session.check(now).is_ok()) else { return Ok(None) };
        let kept = host.clone();
        let work = move |database: &Database| {
            // Tokens are deleted with their session.
            let select = "SELECT token FROM session_token WHERE token = ?1 AND session_id = ?2";
            let counts = database.one(select, params![by.as_bytes(), id.as_str()], |_| Ok(()))?.is_some();
            if session.lifeline.is_cut() || !counts {
                return Ok(None);
            }
            let gone = make_room_on(database, id, &host, &portal)?;
            insert_token(database, id, (token, &host), now)?;
            Ok(Some(gone))
        };
        self.run(work, move |live, outcome| Ok(outcome?.and_then(|gone| live.give(&id, token, kept, &gone)))).await
    }

    /// Opens a session; `None` if the user is gone or disabled. Of more than 100 the user's oldest ends.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn open_session(&self, session: NewSession) -> Result<Option<Arc<Session>>, Fault> {
        let (entropy, now, told) = (self.entropy, self.clock.now(), self.told());
        let work = move |database: &Database| {
            let user = session.user;
            let opened = write(database, session, now, entropy)?;
            if opened.is_some() {
                told.tell_of(database, user)?;
            }
            Ok(opened)
        };
        self.run(work, |live, opened| Ok(opened?.map(|opened| opened.enter(live)))).await
    }

    /// Ends one session. `false` if there is none of that id.
    ///
    /// # Errors
    /// Any [`Fault`]; it has ended in memory even then.
    pub async fn end_session(&self, id: SessionId) -> Result<bool, Fault> {
        let told = self.told();
        let work = move |database: &Database| {
            let select = "SELECT account_id FROM session WHERE id = ?1";
            if let Some(user) = database.one(select, params![id.as_str()], |row| row.id(0))? {
                told.tell_of(database, user)?;
            }
            database.execute("DELETE FROM session WHERE id = ?1", params![id.as_str()])
        };
        Ok(self.ending(Which::One(id), work).await? > 0)
    }

    /// Ends all sessions of a user and returns how many there were.
    ///
    /// # Errors
    /// Any [`Fault`]; they have ended in memory even then.
    pub async fn end_sessions_of(&self, user: UserId) -> Result<usize, Fault> {
        let (delete, told) = ("DELETE FROM session WHERE account_id = ?1", self.told());
        let work = move |database: &Database| {
            told.tell_of(database, user)?;
            database.execute(delete, params![user.as_str()])
        };
        self.ending(Which::Of(user), work).await
    }

    /// Ends all sessions of a user but one and returns how many there were.
    ///
    /// # Errors
    /// Any [`Fault`]; they have ended in memory even then.
    pub async fn end_other_sessions(&self, user: UserId, stays: SessionId) -> Result<usize, Fault> {
        let told = self.told();
        let work = move |database: &Database| {
            told.tell_of(database, user)?;
            delete_others(database, user, stays)
        };
        self.ending(Which::Others(user, stays), work).await
    }

    /// Ends everybody's sessions and returns how many there were.
    ///
    /// # Errors
    /// Any [`Fault`]; they have ended in memory even then.
    pub async fn end_all(&self) -> Result<usize, Fault> {
        let told = self.told();
        let work = move |database: &Database| {
            told.tell(database, None)?;
            database.execute("DELETE FROM session", [])
        };
        self.ending(Which::All, work).await
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

    /// Those of one user.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<Arc<Session>>, Fault> {
        Ok(self.list_sessions().await?.into_iter().filter(|session| session.user == user).collect())
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
    host: Box<str>,
    record: SessionRecord,
    evicted: Vec<SessionId>,
}

impl Opened {
    /// Lets it into memory.
    pub(super) fn enter(self, live: &Live) -> Arc<Session> {
        live.end(&Which::These(self.evicted), true);
        let session = live.add(Session::from(self.record));
        live.give(&session.id, self.token, self.host, &[]);
        session
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
        // In this very transaction: whoever changes it afterwards changes it in memory too.
        profile: people::read(database, user.id)?,
        strength: new.strength,
        proofs: new.proofs,
        created_at: now,
        expires_at: new.expires_at,
        idle_timeout: new.idle_timeout,
        network: shortened(&new.network, LONGEST_NETWORK),
        agent: shortened(&new.agent, LONGEST_AGENT),
        last_seen: now,
    };
    insert(database, &record)?;
    insert_token(database, record.id, (new.token, &new.host), now)?;
    Ok(Some(Opened { token: new.token, host: new.host, record, evicted }))
}

fn insert(database: &Database, record: &SessionRecord) -> Result<(), Fault> {
    let insert = "INSERT INTO session (id, account_id, strength, created_at, expires_at, idle_timeout, network, agent,
                                       last_seen, password_at, code_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let (id, user, idle) = (record.id.as_str(), record.user.as_str(), record.idle_timeout.map(stored_span));
    let (created, ends, seen) = (record.created_at.millis(), record.expires_at.millis(), record.last_seen.millis());
    let [password, code] = [record.proofs.password, record.proofs.code].map(|at| at.map(Timestamp::millis));
    let (strength, network, agent) = (record.strength.code(), &record.network, &record.agent);
    let values = params![id, user, strength, created, ends, idle, network, agent, seen, password, code];
    database.execute(insert, values).map(|_| ())
}

pub(super) fn insert_token(
    database: &Database,
    id: SessionId,
    (token, host): (TokenHash, &str),
    now: Timestamp,
) -> Result<(), Fault> {
    let insert = "INSERT INTO session_token (token, session_id, host, created_at) VALUES (?1, ?2, ?3, ?4)";
    database.execute(insert, params![token.as_bytes(), id.as_str(), host, now.millis()]).map(|_| ())
}

/// Deletes the tokens that give way to a new one on `host`.
fn make_room_on(database: &Database, id: SessionId, host: &str, portal: &str) -> Result<Vec<TokenHash>, Fault> {
    let select = "SELECT token, host FROM session_token WHERE session_id = ?1 ORDER BY created_at DESC, token DESC";
    let held = database.all(select, params![id.as_str()], |row| Ok((row.hash(0)?, row.text(1)?)))?;
    let (here, elsewhere): (Vec<_>, Vec<_>) = held.into_iter().partition(|(_, on)| on == host);
    let stays = here.len().min(MOST_PER_HOST - 1);
    let room = MOST_PER_SESSION - 1 - stays - elsewhere.iter().filter(|(_, on)| on == portal).count().min(MOST_PER_HOST);
    let elsewhere = elsewhere.into_iter().filter(|(_, on)| on != portal).skip(room);
    let gone: Vec<TokenHash> = here.into_iter().skip(stays).chain(elsewhere).map(|(token, _)| token).collect();
    for token in &gone {
        database.execute("DELETE FROM session_token WHERE token = ?1", params![token.as_bytes()])?;
    }
    Ok(gone)
}

fn make_room(database: &Database, user: UserId) -> Result<Vec<SessionId>, Fault> {
    let select = "SELECT id FROM session WHERE account_id = ?1 ORDER BY created_at, id";
    let held = database.all(select, params![user.as_str()], |row| row.id(0))?;
    let evicted: Vec<SessionId> = held.into_iter().rev().skip(MOST_PER_USER - 1).collect();
    delete(database, &evicted)?;
    Ok(evicted)
}

/// Deletes all sessions of a user but one from disk.
pub(super) fn delete_others(database: &Database, user: UserId, stays: SessionId) -> Result<usize, Fault> {
    let delete = "DELETE FROM session WHERE account_id = ?1 AND id <> ?2";
    database.execute(delete, params![user.as_str(), stays.as_str()])
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
    let select = "SELECT session.id, account_id, name, strength, session.created_at, expires_at, idle_timeout, network,
                         agent, last_seen, password_at, code_at, disabled
                  FROM session JOIN account ON account.id = session.account_id";
    let profiles = people::read_all(database)?;
    let rows = database.all(select, [], |row| Ok((record(row, &profiles)?, row.flag(12)?)))?;
    let mut dead = vec![];
    for (record, disabled) in rows {
        let session = Session::from(record);
        if disabled || session.check(now).is_err() {
            dead.push(session.id);
        } else {
            live.add(session);
        }
    }
    let select = "SELECT session_id, token, host FROM session_token ORDER BY created_at, token";
    for (id, token, host) in database.all(select, [], |row| Ok((row.id(0)?, row.hash(1)?, row.text(2)?)))? {
        // Those of the dead go with them.
        live.give(&id, token, host.into(), &[]);
    }
    database.batch("BEGIN IMMEDIATE")?;
    delete(database, &dead)?;
    database.batch("COMMIT")
}

fn record(row: &Record<'_>, profiles: &HashMap<UserId, Arc<Profile>>) -> Result<SessionRecord, Fault> {
    let user = row.id(1)?;
    Ok(SessionRecord {
        id: row.id(0)?,
        user,
        user_name: users::name(row, 2)?,
        profile: profiles.get(&user).cloned().unwrap_or_default(),
        strength: Strength::from_code(row.integer(3)?).ok_or(Fault::Unreadable { column: "session.strength" })?,
        proofs: confirm::read(row, 10)?,
        created_at: row.time(4)?,
        expires_at: row.time(5)?,
        idle_timeout: row.optional(6, Record::span)?,
        network: row.text(7)?.into(),
        agent: row.text(8)?.into(),
        last_seen: row.time(9)?,
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
        assert!(kit.store.session(&hash(), "a.example").unwrap().is_none());
        let kit = kit.reopened().await;
        let found = kit.store.session(&new.token, "a.example").unwrap().unwrap();
        assert_eq!((found.id, found.strength, found.expires_at), (session.id, new.strength, new.expires_at));
        assert_eq!((&found.user_name, found.idle_timeout, &found.network), (&alice.name, new.idle_timeout, &new.network));
        assert!(kit.store.end_session(found.id).await.unwrap());
        assert!(!kit.store.end_session(found.id).await.unwrap());
        assert_eq!(found.check(kit.clock.now()), Err(Ended::Revoked));
        assert!(kit.store.session(&new.token, "a.example").unwrap().is_none());
        let kit = kit.reopened().await;
        assert!(kit.store.session(&new.token, "a.example").unwrap().is_none(), "a restart revives nothing");
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
        assert!(kit.store.session(&idle.token, "a.example").unwrap().is_none());
        assert!(kit.store.session(&kept.token, "a.example").unwrap().is_some());
        assert_eq!(kit.count("session"), 1);
        kit.clock.advance(Duration::from_secs(2400));
        let kit = kit.reopened().await;
        assert!(kit.store.session(&kept.token, "a.example").unwrap().is_none());
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
        assert_eq!(kit.store.session(&new.token, "a.example").unwrap().unwrap().last_seen(), seen);
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
        assert!(kit.store.session(&three.token, "a.example").unwrap().is_none());
        assert!(!kit.store.is_broken(), "others go on");
        assert!(kit.store.sweep(kit.clock.now()).await.is_err());
        kit.raw().execute_batch("DROP TRIGGER full").unwrap();
        assert_eq!((kit.count("session"), kit.store.sweep(kit.clock.now()).await.unwrap()), (3, 0));
        assert_eq!(kit.count("session"), 0);
    }

    #[tokio::test]
    async fn one_session_holds_a_token_for_each_host_and_all_end_together() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let session = opened(&kit, new.clone()).await;
        let there = hash();
        kit.clock.advance(Duration::from_millis(1));
        let given =
            kit.store.give_token((session.id, new.token), (there, "b.example".into()), "a.example").await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&given, &session), "idle time and lifeline are the session's");
        let kit = kit.reopened().await;
        let found = kit.store.session(&there, "b.example").unwrap().unwrap();
        assert!(Arc::ptr_eq(&found, &kit.store.session(&new.token, "a.example").unwrap().unwrap()));
        assert_eq!(kit.store.hosts_of(session.id), ["a.example".into(), "b.example".into()]);
        assert_eq!((kit.store.list_sessions().await.unwrap().len(), kit.count("session_token")), (1, 2));
        assert!(kit.store.end_session(session.id).await.unwrap());
        assert!(kit.store.session(&there, "b.example").unwrap().is_none() && found.lifeline.is_cut());
        assert_eq!(kit.count("session_token"), 0);
        let kit = kit.reopened().await;
        assert!(kit.store.session(&there, "b.example").unwrap().is_none(), "a restart revives nothing");
    }

    /// The attack: a token that one app sees is carried to another.
    #[tokio::test]
    async fn a_token_counts_on_its_own_host_only() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let session = opened(&kit, new.clone()).await;
        let there = hash();
        kit.store.give_token((session.id, new.token), (there, "b.example".into()), "a.example").await.unwrap().unwrap();
        for (token, host) in [(new.token, "b.example"), (there, "a.example"), (there, "B.example"), (there, "")] {
            assert!(kit.store.session(&token, host).unwrap().is_none(), "{host}");
        }
    }

    #[tokio::test]
    async fn the_newest_two_tokens_of_a_host_count() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let session = opened(&kit, new.clone()).await;
        let tokens = [hash(), hash(), hash(), hash()];
        for token in tokens {
            kit.clock.advance(Duration::from_millis(1));
            kit.store.give_token((session.id, new.token), (token, "b.example".into()), "a.example").await.unwrap().unwrap();
        }
        let counts = |kit: &Kit| tokens.map(|token| kit.store.session(&token, "b.example").unwrap().is_some());
        assert_eq!(counts(&kit), [false, false, true, true]);
        assert_eq!(kit.count("session_token"), 3);
        assert_eq!(counts(&kit.reopened().await), [false, false, true, true]);
    }

    /// The attack: a hand-off that is under way while the session is ended opens one more host afterwards.
    #[tokio::test]
    async fn a_session_that_ended_gets_no_more_tokens() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let give = async |kit: &Kit, session| kit.store.give_token(session, (hash(), "b.example".into()), "a.example").await;
        let begun = async |kit: &Kit| {
            let new = kit.session(alice.id);
            (opened(kit, new.clone()).await, new.token)
        };
        let (ended, by) = begun(&kit).await;
        let (end, given) = tokio::join!(kit.store.end_session(ended.id), give(&kit, (ended.id, by)));
        assert!(end.unwrap() && given.unwrap().is_none());
        assert!(give(&kit, (ended.id, by)).await.unwrap().is_none());
        let (idle, idle_by) = begun(&kit).await;
        let (disabled, by) = begun(&kit).await;
        kit.clock.advance(Duration::from_secs(1199));
        disabled.seen(kit.clock.now());
        kit.clock.advance(Duration::from_secs(1));
        assert!(give(&kit, (idle.id, idle_by)).await.unwrap().is_none());
        assert!(give(&kit, (disabled.id, hash())).await.unwrap().is_none(), "by a token of nobody");
        assert!(give(&kit, (disabled.id, idle_by)).await.unwrap().is_none(), "by that of another session");
        assert!(give(&kit, (disabled.id, by)).await.unwrap().is_some());
        kit.store.set_disabled(&alice.name, true).await.unwrap();
        assert!(give(&kit, (disabled.id, by)).await.unwrap().is_none());
        assert!(give(&kit, (Id::draw(Entropy), by)).await.unwrap().is_none());
        assert_eq!(kit.count("session_token"), 0);
    }

    /// The attack: a session that cannot be deleted from a full disk gets a token for another host.
    #[tokio::test]
    async fn a_session_that_ended_in_memory_alone_gets_no_more_tokens() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let session = opened(&kit, new.clone()).await;
        kit.raw().execute_batch("CREATE TRIGGER full BEFORE DELETE ON session BEGIN SELECT RAISE(ABORT, 'full'); END").unwrap();
        assert!(kit.store.end_session(session.id).await.is_err());
        assert!(
            kit.store.give_token((session.id, new.token), (hash(), "b.example".into()), "a.example").await.unwrap().is_none()
        );
        assert_eq!(kit.count("session_token"), 1);
    }

    /// The attack: a session is led to host after host under a wildcard. However the clock jumps, the portal keeps its token.
    #[tokio::test]
    async fn a_session_holds_so_many_tokens_and_that_of_the_portal_always() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let session = opened(&kit, new.clone()).await;
        let mut given = vec![];
        for number in 0..150 {
            let (token, host) = (hash(), format!("n{number}.example"));
            kit.clock.advance(Duration::from_millis(1));
            kit.store.give_token((session.id, new.token), (token, host.clone().into()), "a.example").await.unwrap().unwrap();
            given.push((token, host));
            assert!(kit.count("session_token") <= 100);
        }
        assert!(kit.store.session(&new.token, "a.example").unwrap().is_some());
        let alive = |(token, host): &(TokenHash, String)| kit.store.session(token, host).unwrap().is_some();
        assert_eq!(given.iter().map(alive).collect::<Vec<_>>(), [vec![false; 51], vec![true; 99]].concat());
        assert_eq!(kit.count("session_token"), 100);
        let again = (hash(), given[149].1.clone());
        kit.store.give_token((session.id, new.token), (again.0, again.1.clone().into()), "a.example").await.unwrap().unwrap();
        assert!(alive(&again) && alive(&given[149]) && kit.count("session_token") == 100);
    }

    #[tokio::test]
    async fn what_one_host_saw_keeps_the_session_alive_on_all() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let session = opened(&kit, new.clone()).await;
        let there = hash();
        kit.store.give_token((session.id, new.token), (there, "b.example".into()), "a.example").await.unwrap().unwrap();
        kit.clock.advance(Duration::from_secs(1199));
        kit.store.session(&there, "b.example").unwrap().unwrap().seen(kit.clock.now());
        kit.clock.advance(Duration::from_secs(1199));
        assert!(kit.store.session(&new.token, "a.example").unwrap().unwrap().check(kit.clock.now()).is_ok());
    }
}
