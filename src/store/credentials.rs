//! Passwords and authenticators.

use std::sync::Arc;

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::model::credential::{Passkey, PasswordHash, Totp, TotpAlgorithm, TotpId, TotpRecipe};
use crate::model::terms::Terms;
use crate::model::user::{User, UserId, UserName};
use crate::store::database::{Database, Record, stored};
use crate::store::devices;
use crate::store::fault::Fault;
use crate::store::live::Which;
use crate::store::open::{Keys, Store};
use crate::store::passkeys;
use crate::store::recovery;
use crate::store::terms;
use crate::store::users;
use crate::store::vault;

/// What signing in needs to know. A disabled account has it too: it is checked with the same work and told the same.
#[derive(Clone, Debug)]
pub struct SignInFacts {
    /// Who it is.
    pub user: User,
    /// Their password, once set up.
    pub password: Option<PasswordHash>,
    /// Their authenticators, oldest first.
    pub totps: Vec<Totp>,
    /// Their passkeys and security keys that were not set aside, oldest first.
    pub passkeys: Vec<Passkey>,
    /// How many of their keys were set aside.
    pub set_aside: usize,
    /// How many recovery codes they can still use.
    pub recovery_left: usize,
    /// What the owner set down for them.
    pub terms: Terms,
    /// Since when what is asked of them has been asked: since their account was made, or since the owner last demanded more.
    pub asked_since: Timestamp,
}

impl Store {
    /// What signing in by that name needs to know; `None` if nobody has it.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn sign_in_facts(&self, name: &UserName) -> Result<Option<SignInFacts>, Fault> {
        let (name, keys) = (name.clone(), Arc::clone(&self.keys));
        self.ask(move |database| {
            let user = users::find(database, &name)?;
            user.map(|user| facts(database, &keys, user)).transpose()
        })
        .await
    }

    /// The same for a user known by id, as half-done sign-ins know them.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn sign_in_facts_of(&self, user: UserId) -> Result<Option<SignInFacts>, Fault> {
        let keys = Arc::clone(&self.keys);
        self.ask(move |database| {
            let select = "SELECT id, name, disabled, created_at FROM account WHERE id = ?1";
            let user = database.one(select, params![user.as_str()], users::user)?;
            user.map(|user| facts(database, &keys, user)).transpose()
        })
        .await
    }

    /// Sets credentials without a browser: what is given takes the place of what there was, the rest stays. Ends the
    /// user's sessions, set-up links and half-done sign-ins, and forgets their failures. Returns whether there is such a
    /// user.
    ///
    /// # Errors
    /// Any [`Fault`]; sessions have ended in memory even then.
    pub async fn provision(&self, user: UserId, password: Option<PasswordHash>, totp: Option<Totp>) -> Result<bool, Fault> {
        let (keys, told) = (Arc::clone(&self.keys), self.told());
        self.ending(Which::Of(user), move |database| {
            let select = "SELECT id, name, disabled, created_at FROM account WHERE id = ?1";
            if database.one(select, params![user.as_str()], users::user)?.is_none() {
                return Ok(false);
            }
            if let Some(password) = password {
                set_password(database, user, &password)?;
            }
            if let Some(totp) = totp {
                replace_totps(database, &keys, user, &totp)?;
            }
            users::delete_from(database, user, &["session", "link", "ceremony", "attempt", "guess"])?;
            devices::forget_all(database, user)?;
            told.tell_of(database, user)?;
            Ok(true)
        })
        .await
    }

    /// Burns `step` and all before it. `false` if it was burnt already, by whoever came first.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn burn_step(&self, totp: TotpId, step: u64) -> Result<bool, Fault> {
        self.ask(move |database| burn(database, totp, step)).await
    }
}

pub(super) fn facts(database: &Database, keys: &Keys, user: User) -> Result<SignInFacts, Fault> {
    let select = "SELECT password FROM account WHERE id = ?1 AND password IS NOT NULL";
    let password = database.one(select, params![user.id.as_str()], |row| row.secret(0).map(PasswordHash))?;
    let select = "SELECT id, algorithm, digits, period, seed, last_step, created_at
                  FROM totp WHERE account_id = ?1 ORDER BY created_at, id";
    let totps = database.all(select, params![user.id.as_str()], |row| totp(row, keys, user.id))?;
    let mut passkeys = passkeys::all_of(database, keys, user.id)?;
    let all = passkeys.len();
    passkeys.retain(|passkey| passkey.set_aside.is_none());
    let set_aside = all - passkeys.len();
    let recovery_left = recovery::left(database, user.id)?;
    let (terms, asked_since) = terms::of(database, &user)?;
    Ok(SignInFacts { user, password, totps, passkeys, set_aside, recovery_left, terms, asked_since })
}

/// Judges and burns in one statement: of two submissions of one code only one changes a row.
pub(super) fn burn(database: &Database, totp: TotpId, step: u64) -> Result<bool, Fault> {
    let update = "UPDATE totp SET last_step = ?2 WHERE id = ?1 AND last_step < ?2";
    Ok(database.execute(update, params![totp.as_str(), stored(step)])? > 0)
}

pub(super) fn set_password(database: &Database, user: UserId, password: &PasswordHash) -> Result<(), Fault> {
    let update = "UPDATE account SET password = ?2 WHERE id = ?1";
    database.execute(update, params![user.as_str(), password.0.expose()]).map(|_| ())
}

/// Takes the password away.
pub(super) fn forget_password(database: &Database, user: UserId) -> Result<(), Fault> {
    database.execute("UPDATE account SET password = NULL WHERE id = ?1", params![user.as_str()]).map(|_| ())
}

/// Puts `totp` in place of all authenticators of `user`.
pub(super) fn replace_totps(database: &Database, keys: &Keys, user: UserId, totp: &Totp) -> Result<(), Fault> {
    remove_totps(database, user)?;
    insert_totp(database, keys, user, totp)
}

pub(super) fn remove_totps(database: &Database, user: UserId) -> Result<(), Fault> {
    database.execute("DELETE FROM totp WHERE account_id = ?1", params![user.as_str()]).map(|_| ())
}

pub(super) fn insert_totp(database: &Database, keys: &Keys, user: UserId, totp: &Totp) -> Result<(), Fault> {
    let insert = "INSERT INTO totp (id, account_id, algorithm, digits, period, seed, last_step, created_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (id, recipe) = (totp.id.as_str(), totp.recipe);
    let seed = keys.vault.seal(&place(totp.id, user), totp.seed.expose());
    let (step, created) = (stored(totp.last_step), totp.created_at.millis());
    let values = params![id, user.as_str(), recipe.algorithm.name(), recipe.digits, stored(recipe.period), seed, step, created];
    database.execute(insert, values).map(|_| ())
}

/// Reads the columns `algorithm, digits, period` from `first` on.
pub(super) fn recipe(row: &Record<'_>, first: usize) -> Result<TotpRecipe, Fault> {
    let algorithm = TotpAlgorithm::from_name(&row.text(first)?).ok_or(Fault::Unreadable { column: "an algorithm" })?;
    Ok(TotpRecipe { algorithm, digits: row.small(first + 1)?, period: row.count(first + 2)? })
}

fn totp(row: &Record<'_>, keys: &Keys, user: UserId) -> Result<Totp, Fault> {
    let id = row.id(0)?;
    let seed = keys.vault.open(&place(id, user), &row.bytes(4)?)?;
    Ok(Totp { id, recipe: recipe(row, 1)?, seed, last_step: row.count(5)?, created_at: row.time(6)? })
}

fn place(id: TotpId, user: UserId) -> String {
    vault::place("totp", "seed", id.as_str(), user.as_str())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::task;
    use crate::store::kit::{Kit, hash, name, password};

    #[tokio::test]
    async fn what_was_provisioned_is_read_back_after_a_restart() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let kit = kit.reopened().await;
        let facts = kit.store.sign_in_facts(&alice.name).await.unwrap().unwrap();
        assert_eq!(facts.user, alice);
        assert_eq!(facts.password.unwrap().0.expose(), password("first").0.expose());
        let [read] = &facts.totps[..] else { unreachable!("one authenticator") };
        assert_eq!((read.id, read.recipe, read.last_step, read.created_at), (totp.id, totp.recipe, 0, totp.created_at));
        assert!(read.seed.same_as(totp.seed.expose()));
        assert!(kit.store.sign_in_facts(&name("nobody")).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn provisioning_replaces_what_is_given_and_ends_what_was_open() {
        let kit = Kit::new();
        let (alice, old) = kit.enrolled("alice").await;
        let session = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        let link = hash();
        kit.store.issue_link(alice.id, link, kit.in_an_hour()).await.unwrap();
        assert!(kit.store.provision(alice.id, Some(password("second")), None).await.unwrap());
        assert!(session.lifeline.is_cut());
        assert!(kit.store.link(link).await.unwrap().is_none());
        let facts = kit.store.sign_in_facts(&alice.name).await.unwrap().unwrap();
        assert_eq!(facts.password.unwrap().0.expose(), password("second").0.expose());
        assert_eq!(facts.totps[0].id, old.id);
        let new = kit.totp();
        assert!(kit.store.provision(alice.id, None, Some(new.clone())).await.unwrap());
        let facts = kit.store.sign_in_facts(&alice.name).await.unwrap().unwrap();
        assert_eq!(facts.totps.iter().map(|totp| totp.id).collect::<Vec<_>>(), [new.id]);
        assert!(facts.password.is_some());
    }

    #[tokio::test]
    async fn a_step_is_burnt_once_and_takes_all_before_it_along() {
        let kit = Kit::new();
        let (_, totp) = kit.enrolled("alice").await;
        for (step, burnt) in [(10, true), (10, false), (9, false), (11, true), (u64::MAX, true), (u64::MAX, false)] {
            assert_eq!(kit.store.burn_step(totp.id, step).await.unwrap(), burnt, "{step}");
        }
        let kit = kit.reopened().await;
        assert!(!kit.store.burn_step(totp.id, 12).await.unwrap());
    }

    /// The attack: one code sent many times at the same moment.
    #[tokio::test]
    async fn of_many_who_burn_one_step_one_succeeds() {
        let kit = Kit::new();
        let (_, totp) = kit.enrolled("alice").await;
        let burns = (0..50).map(|_| {
            let (store, id) = (kit.store.clone(), totp.id);
            task::start("burn", async move { store.burn_step(id, 7).await.unwrap() })
        });
        let mut won = 0;
        for burn in burns.collect::<Vec<_>>() {
            won += usize::from(burn.await.unwrap());
        }
        assert_eq!(won, 1);
    }

    /// The attack: a database or backup is stolen.
    #[tokio::test]
    async fn seeds_are_not_in_the_files() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let (link, pending) = (hash(), kit.totp());
        kit.store.issue_link(alice.id, link, kit.in_an_hour()).await.unwrap();
        kit.store.stage_password(link, password("second"), pending.clone()).await.unwrap();
        let held = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        for file in fs::read_dir(kit.dir.path()).unwrap() {
            let bytes = fs::read(file.unwrap().path()).unwrap();
            assert!(!held(&bytes, totp.seed.expose()) && !held(&bytes, pending.seed.expose()));
        }
    }

    /// The attack: who can write to the database puts the sealed seed of their own authenticator into somebody else's row.
    #[tokio::test]
    async fn a_sealed_seed_opens_in_its_own_row_only() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let (mallory, _) = kit.enrolled("mallory").await;
        let swap = "UPDATE totp SET seed = (SELECT seed FROM totp WHERE account_id = ?2) WHERE account_id = ?1";
        kit.raw().execute(swap, params![alice.id.as_str(), mallory.id.as_str()]).unwrap();
        assert!(matches!(kit.store.sign_in_facts(&alice.name).await, Err(Fault::Sealed(_))));
        assert!(kit.store.sign_in_facts(&mallory.name).await.is_ok());
    }

    /// The attack: who can write to the database hands their own authenticator, row and all, over to somebody else's account.
    #[tokio::test]
    async fn an_authenticator_that_changes_hands_does_not_open() {
        let kit = Kit::new();
        let (alice, hers) = kit.enrolled("alice").await;
        let (_, his) = kit.enrolled("mallory").await;
        let raw = kit.raw();
        raw.execute("DELETE FROM totp WHERE id = ?1", params![hers.id.as_str()]).unwrap();
        let give = "UPDATE totp SET account_id = ?2 WHERE id = ?1";
        raw.execute(give, params![his.id.as_str(), alice.id.as_str()]).unwrap();
        assert!(matches!(kit.store.sign_in_facts(&alice.name).await, Err(Fault::Sealed(_))));
    }
}
