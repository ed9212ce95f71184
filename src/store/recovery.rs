//! Recovery codes: drawn elsewhere, kept as hashes, each spent once.

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::model::credential::{PasswordHash, RecoverySet, RecoverySetId};
use crate::model::user::UserId;
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::open::Store;
use crate::store::own_account::{After, Changed, Changer, Refused};
use crate::store::users;

/// A code that a user has, or had.
#[derive(Clone, Debug)]
pub struct RecoveryRow {
    /// The set it belongs to.
    pub set: RecoverySetId,
    /// What it is held against.
    pub hash: PasswordHash,
    /// Whether it was used.
    pub used: bool,
}

impl Store {
    /// The codes that count for a user; `None` if there are none.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn recovery(&self, user: UserId) -> Result<Option<RecoverySet>, Fault> {
        self.ask(move |database| find(database, user, false)).await
    }

    /// The codes that were shown to a user, who has not said yet to have saved them.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn pending_recovery(&self, user: UserId) -> Result<Option<RecoverySet>, Fault> {
        self.ask(move |database| find(database, user, true)).await
    }

    /// What a code of that row is to be held against; `None` if the user has no such row.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn recovery_row(&self, user: UserId, row: u8) -> Result<Option<RecoveryRow>, Fault> {
        self.ask(move |database| {
            let select = "SELECT set_id, hash, used_at FROM recovery_code JOIN recovery_set ON recovery_set.id = set_id
                          WHERE account_id = ?1 AND pending = 0 AND number = ?2";
            database.one(select, params![user.as_str(), row], |record| {
                Ok(RecoveryRow { set: record.id(0)?, hash: PasswordHash(record.secret(1)?), used: !record.is_null(2)? })
            })
        })
        .await
    }

    /// Keeps the hashes of codes that are about to be shown, numbered from 1. They open nothing before they are put in force,
    /// and take the place of others that wait. `false` if the user is gone or disabled.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn stage_recovery(&self, user: UserId, set: RecoverySetId, hashes: Vec<PasswordHash>) -> Result<bool, Fault> {
        let now = self.clock.now();
        self.ask(move |database| {
            if users::enabled(database, user)?.is_none() {
                return Ok(false);
            }
            database.execute("DELETE FROM recovery_set WHERE account_id = ?1 AND pending = 1", params![user.as_str()])?;
            let insert = "INSERT INTO recovery_set (id, account_id, pending, created_at) VALUES (?1, ?2, 1, ?3)";
            database.execute(insert, params![set.as_str(), user.as_str(), now.millis()])?;
            for (number, hash) in (1u8..).zip(&hashes) {
                let insert = "INSERT INTO recovery_code (set_id, number, hash) VALUES (?1, ?2, ?3)";
                database.execute(insert, params![set.as_str(), number, hash.0.expose()])?;
            }
            Ok(true)
        })
        .await
    }

    /// Puts codes in force for somebody who has no session: see [`Store::replace_recovery`].
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    #[cfg(test)]
    pub(crate) async fn put_recovery_in_force(&self, user: UserId, set: RecoverySetId) -> Result<bool, Fault> {
        self.ask(move |database| put_in_force(database, user, set)).await
    }

    /// Puts the codes that wait in force for the one who is signed in by `changer`, all at once: those of before count no more, and
    /// their other sessions and what is half done in their name end. Refused if `set` does not wait any more.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn replace_recovery(&self, changer: Changer, set: RecoverySetId) -> Result<Changed, Fault> {
        self.change(changer, move |database, before| {
            if !put_in_force(database, before.user, set)? {
                return Ok(Err(Refused::Gone));
            }
            Ok(Ok(After { ends_others: true, strength: before.strength, proofs: before.proofs }))
        })
        .await
    }
}

/// Lets the waiting set of that id take the place of the one that counts. `false`, and nothing has changed, if it does not wait.
pub(super) fn put_in_force(database: &Database, user: UserId, set: RecoverySetId) -> Result<bool, Fault> {
    let select = "SELECT id FROM recovery_set WHERE id = ?1 AND account_id = ?2 AND pending = 1";
    if database.one(select, params![set.as_str(), user.as_str()], |_| Ok(()))?.is_none() {
        return Ok(false);
    }
    database.execute("DELETE FROM recovery_set WHERE account_id = ?1 AND pending = 0", params![user.as_str()])?;
    database.execute("UPDATE recovery_set SET pending = 0 WHERE id = ?1", params![set.as_str()])?;
    Ok(true)
}

/// Takes all codes of a user away, and the count of tries at them. Returns how many could still be used.
pub(super) fn forget(database: &Database, user: UserId) -> Result<usize, Fault> {
    let left = find(database, user, false)?.map_or(0, |set| set.left());
    database.execute("DELETE FROM recovery_set WHERE account_id = ?1", params![user.as_str()])?;
    database.execute("DELETE FROM attempt WHERE account_id = ?1 AND factor = 'recovery'", params![user.as_str()])?;
    Ok(left)
}

/// How many codes of a user can still be used.
pub(super) fn left(database: &Database, user: UserId) -> Result<usize, Fault> {
    Ok(find(database, user, false)?.map_or(0, |set| set.left()))
}

/// Judges and spends in one statement: of two submissions of one code only one changes a row.
pub(super) fn spend(database: &Database, user: UserId, (set, row): (RecoverySetId, u8), now: Timestamp) -> Result<bool, Fault> {
    let update = "UPDATE recovery_code SET used_at = ?4
                  WHERE set_id = (SELECT id FROM recovery_set WHERE id = ?1 AND account_id = ?2 AND pending = 0)
                        AND number = ?3 AND used_at IS NULL";
    Ok(database.execute(update, params![set.as_str(), user.as_str(), row, now.millis()])? == 1)
}

fn find(database: &Database, user: UserId, pending: bool) -> Result<Option<RecoverySet>, Fault> {
    let select = "SELECT id, created_at FROM recovery_set WHERE account_id = ?1 AND pending = ?2";
    let found = database.one(select, params![user.as_str(), pending], |row| Ok((row.id(0)?, row.time(1)?)))?;
    let Some((id, created_at)) = found else { return Ok(None) };
    let id: RecoverySetId = id;
    let select = "SELECT number, used_at FROM recovery_code WHERE set_id = ?1 ORDER BY number";
    let rows = database.all(select, params![id.as_str()], read)?;
    Ok(Some(RecoverySet { id, created_at, rows }))
}

fn read(row: &Record<'_>) -> Result<(u8, Option<Timestamp>), Fault> {
    let number = u8::try_from(row.small(0)?).map_err(|_| Fault::Unreadable { column: "recovery_code.number" })?;
    Ok((number, row.optional(1, Record::time)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::Entropy;
    use crate::base::id::Id;
    use crate::base::task;
    use crate::model::attempt::Factor;
    use crate::model::session::Session;
    use crate::store::kit::{Kit, hash, password};
    use crate::store::proof::Proof;

    fn by(session: &Session) -> Changer {
        Changer { session: session.id, token: hash(), host: "a.example".into() }
    }

    async fn staged(kit: &Kit, user: UserId, mark: &str) -> RecoverySetId {
        let set = Id::draw(Entropy);
        let hashes = (1..=10).map(|row| password(&format!("{mark}{row}"))).collect();
        assert!(kit.store.stage_recovery(user, set, hashes).await.unwrap());
        set
    }

    async fn given(kit: &Kit, user: UserId, mark: &str) -> RecoverySetId {
        let set = staged(kit, user, mark).await;
        assert!(kit.store.put_recovery_in_force(user, set).await.unwrap());
        set
    }

    /// Whether a sign-in of `user` ends with that code.
    async fn opens(kit: &Kit, user: UserId, (set, row): (RecoverySetId, u8)) -> bool {
        let begun = kit.ceremony(user);
        assert!(kit.store.begin_ceremony(begun.clone()).await.unwrap());
        let finished = kit.store.finish_sign_in(begun.id, Proof::Recovery { set, row }, kit.session(user)).await;
        finished.unwrap().is_some()
    }

    /// The attack: a code that was seen is used once more; the code of another row, of no row, of somebody else.
    #[tokio::test]
    async fn a_code_opens_once_and_for_its_owner_only() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let (mallory, _) = kit.enrolled("mallory").await;
        let (hers, his) = (given(&kit, alice.id, "a").await, given(&kit, mallory.id, "m").await);
        assert!(opens(&kit, alice.id, (hers, 3)).await);
        let kit = kit.reopened().await;
        for (set, row) in [(hers, 3), (hers, 0), (hers, 11), (hers, 255), (his, 4), (Id::draw(Entropy), 4)] {
            assert!(!opens(&kit, alice.id, (set, row)).await, "{row}");
        }
        let set = kit.store.recovery(alice.id).await.unwrap().unwrap();
        assert_eq!((set.left(), set.rows[2], set.rows[3]), (9, (3, Some(kit.clock.now())), (4, None)));
        assert_eq!(kit.store.recovery(mallory.id).await.unwrap().unwrap().left(), 10, "a refusal spends nothing");
        let row = kit.store.recovery_row(alice.id, 3).await.unwrap().unwrap();
        assert!(row.used && row.hash.0.expose() == password("a3").0.expose());
        assert!(kit.store.recovery_row(alice.id, 11).await.unwrap().is_none());
    }

    /// The attack: one code, in many sign-ins at the same moment.
    #[tokio::test]
    async fn of_many_who_use_one_code_one_wins() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let set = given(&kit, alice.id, "a").await;
        let mut begun = vec![];
        for _ in 0..8 {
            let ceremony = kit.ceremony(alice.id);
            kit.store.begin_ceremony(ceremony.clone()).await.unwrap();
            begun.push(ceremony.id);
        }
        let finish = |ceremony| {
            let (store, session) = (kit.store.clone(), kit.session(alice.id));
            let proof = Proof::Recovery { set, row: 1 };
            task::start("finish", async move { store.finish_sign_in(ceremony, proof, session).await.unwrap().is_some() })
        };
        let finished: Vec<_> = begun.into_iter().map(finish).collect();
        let mut won = 0;
        for finish in finished {
            won += usize::from(finish.await.unwrap());
        }
        assert_eq!((won, kit.count("session"), kit.count("ceremony")), (1, 1, 0));
    }

    #[tokio::test]
    async fn using_one_ends_what_was_open_and_another_way_in_forgives_failures() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let (bob, _) = kit.enrolled("bob").await;
        let set = given(&kit, alice.id, "a").await;
        // It may have been sent to what is lost now.
        assert!(kit.store.issue_link(alice.id, hash(), kit.in_an_hour()).await.unwrap());
        let before = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        let others = kit.store.open_session(kit.session(bob.id)).await.unwrap().unwrap();
        let tries = async || {
            let select = "SELECT consecutive FROM attempt WHERE factor = 'recovery'";
            kit.raw().query_one(select, [], |row| row.get::<_, i64>(0)).unwrap_or(0)
        };
        for _ in 0..3 {
            kit.store.try_factor(kit.attempt(&alice.name, Factor::Recovery)).await.unwrap().unwrap();
        }
        assert!(opens(&kit, alice.id, (set, 1)).await);
        assert!(before.lifeline.is_cut() && !others.lifeline.is_cut());
        assert_eq!(kit.count("link"), 0);
        assert_eq!(tries().await, 3);
        let begun = kit.ceremony(alice.id);
        kit.store.begin_ceremony(begun.clone()).await.unwrap();
        let code = Proof::Code { totp: totp.id, step: 5 };
        kit.store.finish_sign_in(begun.id, code, kit.session(alice.id)).await.unwrap().unwrap();
        assert_eq!(tries().await, 0, "another way in forgives them");
    }

    /// The attack: codes that were shown and never saved, or that newer ones took the place of.
    #[tokio::test]
    async fn codes_count_from_when_they_are_saved_and_the_old_ones_until_then() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let old = given(&kit, alice.id, "old").await;
        let (shown, newer) = (staged(&kit, alice.id, "shown").await, staged(&kit, alice.id, "newer").await);
        assert_eq!(kit.store.pending_recovery(alice.id).await.unwrap().unwrap().id, newer);
        assert!(!opens(&kit, alice.id, (newer, 1)).await);
        assert!(opens(&kit, alice.id, (old, 1)).await);

        let new = kit.session(alice.id);
        let session = kit.store.open_session(new.clone()).await.unwrap().unwrap();
        let other = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        let token = hash();
        let replace = |set| kit.store.replace_recovery(Changer { token, ..by(&session) }, set);
        assert!(replace(shown).await.unwrap().is_err() && replace(old).await.unwrap().is_err());
        assert!(!other.lifeline.is_cut(), "a refusal ends nothing");
        assert_eq!(replace(newer).await.unwrap().unwrap().id, session.id);
        assert!(other.lifeline.is_cut() && !session.lifeline.is_cut());
        assert!(kit.store.session(&new.token, "a.example").unwrap().is_none(), "the token is a new one");
        assert!(kit.store.session(&token, "a.example").unwrap().is_some());
        assert!(replace(newer).await.unwrap().is_err(), "once");
        let kit = kit.reopened().await;
        assert!(kit.store.session(&token, "a.example").unwrap().is_some());
        assert!(!opens(&kit, alice.id, (old, 2)).await, "the old ones are gone");
        assert!(opens(&kit, alice.id, (newer, 2)).await);
        assert_eq!((kit.count("recovery_set"), kit.count("recovery_code")), (1, 10));
        kit.store.delete_user(&alice.name).await.unwrap();
        assert_eq!((kit.count("recovery_set"), kit.count("recovery_code")), (0, 0));
    }

    /// The attack: confirming somebody else's codes, or by a session that is over.
    #[tokio::test]
    async fn codes_are_put_in_force_by_their_owner_only() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let (mallory, _) = kit.enrolled("mallory").await;
        let set = staged(&kit, alice.id, "a").await;
        let his = kit.store.open_session(kit.session(mallory.id)).await.unwrap().unwrap();
        assert!(kit.store.replace_recovery(by(&his), set).await.unwrap().is_err());
        let hers = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        kit.store.end_session(hers.id).await.unwrap();
        assert!(kit.store.replace_recovery(by(&hers), set).await.unwrap().is_err());
        kit.store.set_disabled(&alice.name, true).await.unwrap();
        assert!(!kit.store.stage_recovery(alice.id, Id::draw(Entropy), vec![]).await.unwrap());
    }

    #[tokio::test]
    async fn a_link_brings_its_codes_along_or_none() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let old = given(&kit, alice.id, "old").await;
        let link = async || {
            let token = hash();
            kit.store.issue_link(alice.id, token, kit.in_an_hour()).await.unwrap();
            kit.store.stage_password(token, password("x"), kit.totp()).await.unwrap();
            assert!(kit.store.prove_link(token, 5).await.unwrap());
            token
        };
        let (token, shown) = (link().await, staged(&kit, alice.id, "new").await);
        let complete = |token, codes| kit.store.complete_link(token, codes, kit.session(alice.id));
        assert!(
            complete(token, Some(old)).await.unwrap().is_none()
                && complete(token, Some(Id::draw(Entropy))).await.unwrap().is_none()
        );
        assert_eq!(kit.store.recovery(alice.id).await.unwrap().unwrap().id, old, "nothing has changed");
        assert!(complete(token, Some(shown)).await.unwrap().is_some());
        assert_eq!(kit.store.recovery(alice.id).await.unwrap().unwrap().id, shown);
        let token = link().await;
        assert!(complete(token, None).await.unwrap().is_some());
        assert_eq!(kit.count("recovery_set"), 0, "where none are given out, the old ones do not stay");
    }
}
