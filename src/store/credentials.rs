//! Passwords and authenticators.

use std::sync::Arc;

use rusqlite::params;

use crate::model::credential::{PasswordHash, Totp, TotpAlgorithm, TotpId, TotpRecipe};
use crate::model::user::{User, UserId, UserName};
use crate::store::database::{Database, Record, stored};
use crate::store::fault::Fault;
use crate::store::live::Which;
use crate::store::open::{Keys, Store};
use crate::store::users;

/// What signing in needs to know. A disabled account has it too: it is checked with the same work and told the same.
#[derive(Clone, Debug)]
pub struct SignInFacts {
    /// Who it is.
    pub user: User,
    /// Their password, once set up.
    pub password: Option<PasswordHash>,
    /// Their authenticators, oldest first.
    pub totps: Vec<Totp>,
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
        let keys = Arc::clone(&self.keys);
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
            for table in ["session", "link", "ceremony", "attempt"] {
                database.execute(&format!("DELETE FROM {table} WHERE account_id = ?1"), params![user.as_str()])?;
            }
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

fn facts(database: &Database, keys: &Keys, user: User) -> Result<SignInFacts, Fault> {
    let select = "SELECT password FROM account WHERE id = ?1 AND password IS NOT NULL";
    let password = database.one(select, params![user.id.as_str()], |row| row.secret(0).map(PasswordHash))?;
    let select = "SELECT id, algorithm, digits, period, seed, last_step, created_at
                  FROM totp WHERE account_id = ?1 ORDER BY created_at, id";
    let totps = database.all(select, params![user.id.as_str()], |row| totp(row, keys))?;
    Ok(SignInFacts { user, password, totps })
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

/// Puts `totp` in place of all authenticators of `user`.
pub(super) fn replace_totps(database: &Database, keys: &Keys, user: UserId, totp: &Totp) -> Result<(), Fault> {
    database.execute("DELETE FROM totp WHERE account_id = ?1", params![user.as_str()])?;
    let insert = "INSERT INTO totp (id, account_id, algorithm, digits, period, seed, last_step, created_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (id, recipe) = (totp.id.as_str(), totp.recipe);
    let seed = keys.seeds.seal(&place(totp.id), totp.seed.expose());
    let (step, created) = (stored(totp.last_step), totp.created_at.millis());
    let values = params![id, user.as_str(), recipe.algorithm.name(), recipe.digits, stored(recipe.period), seed, step, created];
    database.execute(insert, values).map(|_| ())
}

/// Reads the columns `algorithm, digits, period` from `first` on.
pub(super) fn recipe(row: &Record<'_>, first: usize) -> Result<TotpRecipe, Fault> {
    let algorithm = TotpAlgorithm::from_name(&row.text(first)?).ok_or(Fault::Unreadable { column: "an algorithm" })?;
    Ok(TotpRecipe { algorithm, digits: row.small(first + 1)?, period: row.count(first + 2)? })
}

fn totp(row: &Record<'_>, keys: &Keys) -> Result<Totp, Fault> {
    let id = row.id(0)?;
    let seed = keys.seeds.open(&place(id), &row.bytes(4)?)?;
    Ok(Totp { id, recipe: recipe(row, 1)?, seed, last_step: row.count(5)?, created_at: row.time(6)? })
}

fn place(id: TotpId) -> String {
    format!("totp|seed|{id}")
}
