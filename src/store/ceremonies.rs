//! Half-done sign-ins: the password was right, the code is still to come.

use std::sync::Arc;

use rusqlite::params;

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::model::session::Session;
use crate::model::user::UserId;
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::open::Store;
use crate::store::proof::Proof;
use crate::store::sessions::NewSession;
use crate::store::users;

/// How many sign-ins of one user may be half-done; the oldest gives way.
const MOST_PER_USER: usize = 16;
const LONGEST_RETURN: usize = 8 * 1024;

/// A sign-in whose first step was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceremony {
    /// Names it; the browser holds the token.
    pub id: TokenHash,
    /// The browser it belongs to: it counts for no other.
    pub visitor: TokenHash,
    /// Whose password was right.
    pub user: UserId,
    /// The host it was begun on.
    pub host: Box<str>,
    /// Where to go afterwards, at most 8 KiB.
    pub return_to: String,
    /// The host that is on, if not the one it was begun on, and the browser as that host knows it.
    pub return_host: Option<(Box<str>, TokenHash)>,
    /// Whether the session is to be kept on this device.
    pub remember: bool,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl Store {
    /// Begins the second step. `false` if the user is gone or disabled. A place to return to that is too long becomes `/`.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn begin_ceremony(&self, ceremony: Ceremony) -> Result<bool, Fault> {
        let now = self.clock.now();
        self.ask(move |database| {
            if users::enabled(database, ceremony.user)?.is_none() {
                return Ok(false);
            }
            make_room(database, ceremony.user)?;
            let insert = "INSERT INTO ceremony (id, visitor, account_id, host, return_to, remember, created_at, expires_at,
                                                return_host, return_visitor)
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            let return_to = if ceremony.return_to.len() > LONGEST_RETURN { "/" } else { &ceremony.return_to };
            let (away, there) = ceremony.return_host.as_ref().map(|(host, visitor)| (host, visitor.as_bytes())).unzip();
            let (id, visitor, user) = (ceremony.id.as_bytes(), ceremony.visitor.as_bytes(), ceremony.user);
            let (created, ends) = (now.millis(), ceremony.expires_at.millis());
            let (user, host, remember) = (user.as_str(), &ceremony.host, ceremony.remember);
            database.execute(insert, params![id, visitor, user, host, return_to, remember, created, ends, away, there])?;
            Ok(true)
        })
        .await
    }

    /// The half-done sign-in of that id, unless it has ended.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn ceremony(&self, id: TokenHash) -> Result<Option<Ceremony>, Fault> {
        let now = self.clock.now();
        self.ask(move |database| find(database, id, now)).await
    }

    /// Ends a sign-in whose second step was proven, all at once: uses the proof up, deletes the ceremony and opens
    /// `session`. A recovery code ends the user's other sessions, half-done sign-ins and set-up links with it: whoever needs one has
    /// lost something. `None`, and nothing of all this, if somebody was faster (with the proof or with the ceremony), the
    /// ceremony has ended, the proof or the session is not its user's, or the user is gone or disabled.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn finish_sign_in(
        &self,
        ceremony: TokenHash,
        proof: Proof,
        session: NewSession,
    ) -> Result<Option<Arc<Session>>, Fault> {
        let (now, door) = (self.clock.now(), self.door());
        self.admitting(move |database| {
            let Some(begun) = find(database, ceremony, now)? else { return Ok(None) };
            // The password was the first step: it is no second one.
            if session.user != begun.user || proof == Proof::Password {
                return Ok(None);
            }
            let admitted = door.admit(database, (proof, session))?;
            if admitted.is_some() {
                database.execute("DELETE FROM ceremony WHERE id = ?1", params![ceremony.as_bytes()])?;
            }
            Ok(admitted)
        })
        .await
    }
}

fn find(database: &Database, id: TokenHash, now: Timestamp) -> Result<Option<Ceremony>, Fault> {
    let select = "SELECT id, visitor, account_id, host, return_to, remember, expires_at, return_host, return_visitor
                  FROM ceremony WHERE id = ?1 AND expires_at > ?2";
    database.one(select, params![id.as_bytes(), now.millis()], read)
}

fn read(row: &Record<'_>) -> Result<Ceremony, Fault> {
    Ok(Ceremony {
        id: row.hash(0)?,
        visitor: row.hash(1)?,
        user: row.id(2)?,
        host: row.text(3)?.into(),
        return_to: row.text(4)?,
        remember: row.flag(5)?,
        expires_at: row.time(6)?,
        return_host: row.optional(7, |row, column| Ok((row.text(column)?.into(), row.hash(8)?)))?,
    })
}

fn make_room(database: &Database, user: UserId) -> Result<(), Fault> {
    let select = "SELECT id FROM ceremony WHERE account_id = ?1 ORDER BY created_at, id";
    let open = database.all(select, params![user.as_str()], |row| row.hash(0))?;
    for id in open.iter().rev().skip(MOST_PER_USER - 1) {
        database.execute("DELETE FROM ceremony WHERE id = ?1", params![id.as_bytes()])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::task;
    use crate::model::credential::TotpId;
    use crate::store::kit::{Kit, hash};

    fn code(totp: TotpId, step: u64) -> Proof {
        Proof::Code { totp, step }
    }

    #[tokio::test]
    async fn a_half_done_sign_in_survives_a_restart_and_is_finished_once() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let begun = kit.ceremony(alice.id);
        assert!(kit.store.begin_ceremony(begun.clone()).await.unwrap());
        let kit = kit.reopened().await;
        assert_eq!(kit.store.ceremony(begun.id).await.unwrap(), Some(begun.clone()));
        let new = kit.session(alice.id);
        let session = kit.store.finish_sign_in(begun.id, code(totp.id, 7), new.clone()).await.unwrap().unwrap();
        assert_eq!((session.user, &session.user_name), (alice.id, &alice.name));
        assert_eq!(kit.store.hosts_of(session.id), ["a.example".into()]);
        assert!(kit.store.ceremony(begun.id).await.unwrap().is_none());
        assert!(kit.store.finish_sign_in(begun.id, code(totp.id, 8), kit.session(alice.id)).await.unwrap().is_none());
        let kit = kit.reopened().await;
        assert_eq!(kit.store.session(&new.token, "a.example").unwrap().unwrap().id, session.id);
        assert!(!kit.store.burn_step(totp.id, 7).await.unwrap());
    }

    /// The attack: one code, seen while it was typed, is submitted at the same moment in another sign-in.
    #[tokio::test]
    async fn of_two_who_finish_with_one_code_one_wins() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let mut finished = vec![];
        for _ in 0..2 {
            let ceremony = kit.ceremony(alice.id);
            kit.store.begin_ceremony(ceremony.clone()).await.unwrap();
            let (store, session, totp) = (kit.store.clone(), kit.session(alice.id), totp.id);
            let finish = async move { store.finish_sign_in(ceremony.id, code(totp, 7), session).await.unwrap().is_some() };
            finished.push(task::start("finish", finish));
        }
        let mut won = 0;
        for finish in finished {
            won += usize::from(finish.await.unwrap());
        }
        assert_eq!((won, kit.count("session"), kit.count("ceremony")), (1, 1, 1), "the loser may try the next code");
    }

    /// The attack: a valid code of one's own account finishes somebody else's sign-in.
    #[tokio::test]
    async fn authenticator_session_and_ceremony_must_be_of_one_user() {
        let kit = Kit::new();
        let (alice, hers) = kit.enrolled("alice").await;
        let (mallory, his) = kit.enrolled("mallory").await;
        let begun = kit.ceremony(alice.id);
        kit.store.begin_ceremony(begun.clone()).await.unwrap();
        assert!(kit.store.finish_sign_in(begun.id, code(his.id, 7), kit.session(alice.id)).await.unwrap().is_none());
        assert!(kit.store.finish_sign_in(begun.id, code(hers.id, 7), kit.session(mallory.id)).await.unwrap().is_none());
        assert!(kit.store.finish_sign_in(hash(), code(hers.id, 7), kit.session(alice.id)).await.unwrap().is_none());
        assert!(kit.store.burn_step(his.id, 7).await.unwrap(), "a refusal burns nothing");
        assert!(kit.store.finish_sign_in(begun.id, code(hers.id, 7), kit.session(alice.id)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn an_old_ceremony_counts_no_more() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let begun = kit.ceremony(alice.id);
        kit.store.begin_ceremony(begun.clone()).await.unwrap();
        kit.clock.advance(Duration::from_secs(3600));
        assert!(kit.store.ceremony(begun.id).await.unwrap().is_none());
        assert!(kit.store.finish_sign_in(begun.id, code(totp.id, 7), kit.session(alice.id)).await.unwrap().is_none());
    }

    /// The attack: filling the store with sign-ins that are never finished.
    #[tokio::test]
    async fn the_oldest_of_too_many_gives_way() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let mut ids = vec![];
        for n in 0..20 {
            let return_to = if n == 19 { format!("/{}", "x".repeat(8 * 1024)) } else { "/".to_owned() };
            let ceremony = Ceremony { return_to, ..kit.ceremony(alice.id) };
            ids.push(ceremony.id);
            kit.clock.advance(Duration::from_millis(1));
            assert!(kit.store.begin_ceremony(ceremony).await.unwrap());
        }
        assert_eq!(kit.count("ceremony"), MOST_PER_USER);
        assert!(kit.store.ceremony(ids[3]).await.unwrap().is_none());
        assert!(kit.store.ceremony(ids[4]).await.unwrap().is_some());
        assert_eq!(kit.store.ceremony(ids[19]).await.unwrap().unwrap().return_to, "/");
    }
}
