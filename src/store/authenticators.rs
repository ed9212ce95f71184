//! Several authenticators of one person, each under a name of its own.

use std::sync::Arc;

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::model::credential::{Totp, TotpId, TotpRecipe};
use crate::model::session::Proofs;
use crate::model::strength::Strength;
use crate::model::user::UserId;
use crate::store::credentials;
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::keep::{Holding, Keep};
use crate::store::open::Store;
use crate::store::own_account::{After, Before, Changed, Changer, Refused};
use crate::store::recovery;

/// How many one person may have. Each is one more chance for somebody who guesses codes.
pub const MOST: usize = 5;

/// An authenticator as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authenticator {
    /// Names it.
    pub id: TotpId,
    /// What its owner calls it.
    pub name: Option<String>,
    /// How it makes codes.
    pub recipe: TotpRecipe,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When a code of it last opened something.
    pub used_at: Option<Timestamp>,
}

impl Store {
    /// The authenticators of a user, oldest first.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn authenticators(&self, user: UserId) -> Result<Vec<Authenticator>, Fault> {
        self.ask(move |database| {
            let select = "SELECT id, name, algorithm, digits, period, created_at, used_at
                          FROM totp WHERE account_id = ?1 ORDER BY created_at, id";
            database.all(select, params![user.as_str()], read)
        })
        .await
    }

    /// Adds an authenticator whose code was accepted at `totp.last_step`, in place of `replaced` if that is given. With the
    /// first second factor, or instead of another, the user's other sessions end: they were proven by less, or by that.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn add_authenticator(
        &self,
        changer: Changer,
        (totp, name): (Totp, String),
        replaced: Option<TotpId>,
    ) -> Result<Changed, Fault> {
        let keys = Arc::clone(&self.keys);
        self.change(changer, move |database, before| {
            if let Some(refused) = refused(database, before.user, (&name, replaced))? {
                return Ok(Err(refused));
            }
            let is_first = second_factors(database, before.user)? == 0;
            if let Some(replaced) = replaced {
                database.execute("DELETE FROM totp WHERE id = ?1", params![replaced.as_str()])?;
            }
            credentials::insert_totp(database, &keys, before.user, &totp)?;
            let update = "UPDATE totp SET name = ?2, used_at = ?3 WHERE id = ?1";
            database.execute(update, params![totp.id.as_str(), name, before.now.millis()])?;
            let proofs = Proofs { code: Some(before.now), ..before.proofs };
            // A password and a code are two factors; a code and another code are not.
            let two = if proofs.password.is_some() { Strength::TwoFactor } else { Strength::Password };
            let strength = before.strength.max(two);
            Ok(Ok(After { ends_others: is_first || replaced.is_some(), strength, proofs }))
        })
        .await
    }

    /// Takes an authenticator away, unless it is needed for what `keep` says, and ends the user's other sessions.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn remove_authenticator(&self, changer: Changer, id: TotpId, keep: Keep) -> Result<Changed, Fault> {
        self.change(changer, move |database, before| {
            if !is_of(database, before.user, id)? {
                return Ok(Err(Refused::Gone));
            }
            let held = Holding::of(database, before.user)?;
            if keep.forbids(held, held.without_authenticator()) {
                return Ok(Err(Refused::LastFactor));
            }
            database.execute("DELETE FROM totp WHERE id = ?1", params![id.as_str()])?;
            let left = second_factors(database, before.user)?;
            if left == 0 {
                // Codes stand in for a factor: without one they would be asked for at each sign-in, until there are none.
                recovery::forget(database, before.user)?;
            }
            Ok(Ok(after_removal(before, left)))
        })
        .await
    }

    /// Gives an authenticator another name. `Some` with the reason if that cannot be.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn rename_authenticator(&self, user: UserId, id: TotpId, name: String) -> Result<Option<Refused>, Fault> {
        let told = self.told();
        self.ask(move |database| {
            if let Some(refused) = refused(database, user, (&name, Some(id)))? {
                return Ok(Some(refused));
            }
            let update = "UPDATE totp SET name = ?3 WHERE id = ?1 AND account_id = ?2";
            database.execute(update, params![id.as_str(), user.as_str(), name])?;
            told.tell_of(database, user)?;
            Ok(None)
        })
        .await
    }
}

/// How many second factors a user has, of every kind. What counts for "the last one" counts here, in the transaction.
pub(super) fn second_factors(database: &Database, user: UserId) -> Result<u64, Fault> {
    let select = "SELECT (SELECT count(*) FROM totp WHERE account_id = ?1)
                       + (SELECT count(*) FROM passkey WHERE account_id = ?1 AND set_aside_at IS NULL)";
    Ok(database.one(select, params![user.as_str()], |row| row.count(0))?.unwrap_or(0))
}

/// Whoever has no second factor any more is signed in by a password.
pub(super) fn after_removal(before: Before, left: u64) -> After {
    let Before { strength, proofs, .. } = before;
    match left {
        0 => After { ends_others: true, strength: Strength::Password, proofs: Proofs { code: None, passkey: None, ..proofs } },
        _ => After { ends_others: true, strength, proofs },
    }
}

/// Why somebody cannot have an authenticator of that name, in place of `replaced` or besides all they have.
fn refused(database: &Database, user: UserId, (name, replaced): (&str, Option<TotpId>)) -> Result<Option<Refused>, Fault> {
    let select = "SELECT id, name FROM totp WHERE account_id = ?1";
    let held = database.all(select, params![user.as_str()], |row| Ok((row.id(0)?, row.optional(1, Record::text)?)))?;
    let others = held.iter().filter(|(id, _)| Some(*id) != replaced);
    Ok(match replaced {
        Some(replaced) if !held.iter().any(|(id, _)| *id == replaced) => Some(Refused::Gone),
        None if held.len() >= MOST => Some(Refused::TooMany),
        _ if others.flat_map(|(_, name)| name).any(|other| other.to_lowercase() == name.to_lowercase()) => {
            Some(Refused::NameTaken)
        }
        _ => None,
    })
}

fn is_of(database: &Database, user: UserId, id: TotpId) -> Result<bool, Fault> {
    let select = "SELECT id FROM totp WHERE id = ?1 AND account_id = ?2";
    Ok(database.one(select, params![id.as_str(), user.as_str()], |_| Ok(()))?.is_some())
}

fn read(row: &Record<'_>) -> Result<Authenticator, Fault> {
    Ok(Authenticator {
        id: row.id(0)?,
        name: row.optional(1, Record::text)?,
        recipe: credentials::recipe(row, 2)?,
        created_at: row.time(5)?,
        used_at: row.optional(6, Record::time)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::Entropy;
    use crate::base::id::Id;
    use crate::model::session::Session;
    use crate::store::kit::{Kit, hash, password};

    fn by(session: &Session) -> Changer {
        Changer { session: session.id, token: hash(), host: "a.example".into() }
    }

    /// Somebody by password alone who is asked for a recovery code at each sign-in has none left one day, and is locked out.
    #[tokio::test]
    async fn with_the_last_factor_go_the_codes_that_stand_in_for_it() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let set = Id::draw(Entropy);
        assert!(kit.store.stage_recovery(alice.id, set, vec![password("a"), password("b")]).await.unwrap());
        assert!(kit.store.put_recovery_in_force(alice.id, set).await.unwrap());
        let session = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        kit.store.remove_authenticator(by(&session), totp.id, Keep::default()).await.unwrap().unwrap();
        assert_eq!((kit.count("totp"), kit.count("recovery_set"), kit.count("recovery_code")), (0, 0, 0));
        let facts = kit.store.sign_in_facts_of(alice.id).await.unwrap().unwrap();
        assert_eq!((facts.totps.len(), facts.recovery_left), (0, 0));
    }

    async fn signed_in(kit: &Kit, user: UserId) -> Arc<Session> {
        kit.store.open_session(kit.session(user)).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn what_was_added_is_read_back_with_its_name_and_last_use() {
        let kit = Kit::new();
        let (alice, first) = kit.enrolled("alice").await;
        let session = signed_in(&kit, alice.id).await;
        let new = Totp { last_step: 7, ..kit.totp() };
        let changer = by(&session);
        let token = changer.token;
        let after = kit.store.add_authenticator(changer, (new.clone(), "Tablet".into()), None).await.unwrap().unwrap();
        assert_eq!((after.id, after.strength, after.proofs.code), (session.id, Strength::TwoFactor, Some(kit.clock.now())));
        let kit = kit.reopened().await;
        assert_eq!(kit.store.session(&token, "a.example").unwrap().unwrap().proofs, after.proofs, "by the new token alone");
        assert_eq!(kit.count("session_token"), 1);
        let held = kit.store.authenticators(alice.id).await.unwrap();
        let read = held.iter().map(|one| (one.id, one.name.as_deref(), one.used_at));
        let mut read: Vec<_> = read.collect();
        read.sort_by_key(|(_, name, _)| name.is_some());
        assert_eq!(read, [(first.id, None, None), (new.id, Some("Tablet"), Some(kit.clock.now()))]);
        let totps = kit.store.sign_in_facts(&alice.name).await.unwrap().unwrap().totps;
        let totp = totps.iter().find(|totp| totp.id == new.id).unwrap();
        assert!(totp.seed.same_as(new.seed.expose()));
        assert!(!kit.store.burn_step(new.id, 7).await.unwrap(), "the code that proved it is used up");
    }

    /// The attack: a change is under way while the session ends, or its user is disabled; or the authenticator is somebody else's.
    #[tokio::test]
    async fn only_a_session_that_counts_changes_anything_and_only_of_its_user() {
        let kit = Kit::new();
        let (alice, hers) = kit.enrolled("alice").await;
        let (mallory, his) = kit.enrolled("mallory").await;
        let session = signed_in(&kit, mallory.id).await;
        let add = |changer, instead| kit.store.add_authenticator(changer, (kit.totp(), "x".into()), instead);
        assert_eq!(add(by(&session), Some(hers.id)).await.unwrap().err(), Some(Refused::Gone));
        let removed = kit.store.remove_authenticator(by(&session), hers.id, Keep::default()).await.unwrap();
        assert_eq!(removed.err(), Some(Refused::Gone));
        let renamed = kit.store.rename_authenticator(mallory.id, hers.id, "x".into()).await.unwrap();
        assert_eq!(renamed, Some(Refused::Gone));
        let kept = kit.store.remove_authenticator(by(&session), his.id, Keep { last: true, ..Keep::default() }).await.unwrap();
        assert_eq!(kept.err(), Some(Refused::LastFactor));
        let (ended, added) = tokio::join!(kit.store.end_session(session.id), add(by(&session), None));
        assert!(ended.unwrap());
        assert_eq!(added.unwrap().err(), Some(Refused::Gone));
        let session = signed_in(&kit, alice.id).await;
        let (disabled, changed) = tokio::join!(
            kit.store.set_disabled(&alice.name, true),
            kit.store.change_password(by(&session), password("new"), true)
        );
        assert!(disabled.unwrap());
        assert_eq!(changed.unwrap().err(), Some(Refused::Gone));
        assert_eq!(kit.count("totp"), 2);
        assert_eq!(kit.count("session_token"), 0);
        assert!(!kit.store.sign_in_facts(&alice.name).await.unwrap().unwrap().password.unwrap().0.expose().contains("new"));
    }

    #[tokio::test]
    async fn what_a_change_ends_is_ended_with_it() {
        let kit = Kit::new();
        let (alice, first) = kit.enrolled("alice").await;
        let (bob, _) = kit.enrolled("bob").await;
        let (session, other, theirs) =
            (signed_in(&kit, alice.id).await, signed_in(&kit, alice.id).await, signed_in(&kit, bob.id).await);
        kit.store.begin_ceremony(kit.ceremony(alice.id)).await.unwrap();
        kit.store.issue_link(alice.id, hash(), kit.in_an_hour()).await.unwrap();
        kit.store.change_password(by(&session), password("new"), false).await.unwrap().unwrap();
        assert_eq!((kit.count("ceremony"), kit.count("link"), kit.count("session")), (0, 0, 3));
        kit.store.add_authenticator(by(&session), (kit.totp(), "x".into()), Some(first.id)).await.unwrap().unwrap();
        assert!(other.lifeline.is_cut() && !session.lifeline.is_cut() && !theirs.lifeline.is_cut());
        assert_eq!((kit.count("session"), kit.count("totp")), (2, 2));
        kit.store.end_other_sessions(alice.id, session.id).await.unwrap();
        assert!(!session.lifeline.is_cut() && !theirs.lifeline.is_cut());
    }
}
