//! Set-up links: how somebody gets their first password and authenticator, or new ones.

use std::sync::Arc;

use rusqlite::params;

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::model::credential::{PasswordHash, Totp};
use crate::model::session::Session;
use crate::model::user::{User, UserId};
use crate::store::credentials;
use crate::store::database::{Database, Record, stored};
use crate::store::fault::Fault;
use crate::store::live::Which;
use crate::store::open::{Keys, Store};
use crate::store::sessions::{self, NewSession};
use crate::store::users;

/// A set-up link that still counts.
#[derive(Clone, Debug)]
pub struct Link {
    /// Whom it sets up.
    pub user: User,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What was chosen so far; nothing of it counts before the link is completed.
    pub pending: Option<Pending>,
}

/// What is set up, but not yet proven.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The password chosen.
    pub password: PasswordHash,
    /// The authenticator shown. Stays the same however often the page is loaded.
    pub totp: Totp,
}

impl Store {
    /// Issues a link that ends at `expires_at`. Older links of the user die, and factors that were closed after too many
    /// failures are open again. Returns whether there is such a user.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn issue_link(&self, user: UserId, token: TokenHash, expires_at: Timestamp) -> Result<bool, Fault> {
        self.ask(move |database| {
            let select = "SELECT id FROM account WHERE id = ?1";
            if database.one(select, params![user.as_str()], |_| Ok(()))?.is_none() {
                return Ok(false);
            }
            for table in ["link", "attempt"] {
                database.execute(&format!("DELETE FROM {table} WHERE account_id = ?1"), params![user.as_str()])?;
            }
            let insert = "INSERT INTO link (token, account_id, expires_at) VALUES (?1, ?2, ?3)";
            database.execute(insert, params![token.as_bytes(), user.as_str(), expires_at.millis()])?;
            Ok(true)
        })
        .await
    }

    /// The link of that token, unless it has ended or its user is disabled. Looking consumes nothing.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn link(&self, token: TokenHash) -> Result<Option<Link>, Fault> {
        let (keys, now) = (Arc::clone(&self.keys), self.clock.now());
        self.ask(move |database| find(database, &keys, token, now)).await
    }

    /// Keeps the password chosen (the last one counts) and the authenticator to enrol (the first one counts, so that the
    /// code on the page stays the same). Returns `false` if the link has ended.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn stage_password(&self, token: TokenHash, password: PasswordHash, totp: Totp) -> Result<bool, Fault> {
        let (keys, now) = (Arc::clone(&self.keys), self.clock.now());
        self.ask(move |database| {
            if find(database, &keys, token, now)?.is_none() {
                return Ok(false);
            }
            let update = "UPDATE link SET password = ?2 WHERE token = ?1";
            database.execute(update, params![token.as_bytes(), password.0.expose()])?;
            let update = "UPDATE link SET totp_id = ?2, totp_algorithm = ?3, totp_digits = ?4, totp_period = ?5, totp_seed = ?6,
                                          totp_created_at = ?7
                          WHERE token = ?1 AND totp_id IS NULL";
            let (id, recipe, seed) = (totp.id.as_str(), totp.recipe, keys.seeds.seal(&place(token), totp.seed.expose()));
            let (period, created) = (stored(recipe.period), totp.created_at.millis());
            let values = params![token.as_bytes(), id, recipe.algorithm.name(), recipe.digits, period, seed, created];
            database.execute(update, values)?;
            Ok(true)
        })
        .await
    }

    /// Completes a link whose code was accepted at `step`, all at once: consumes it, puts the pending password and
    /// authenticator in place of all there were, ends the user's other sessions and half-done sign-ins, forgets their
    /// failures and opens `session`. `None`, and nothing of all this, if the link has ended, has nothing pending or is
    /// another user's: of two who complete one link, one gets the session.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn complete_link(&self, token: TokenHash, step: u64, session: NewSession) -> Result<Option<Arc<Session>>, Fault> {
        let (keys, entropy, now) = (Arc::clone(&self.keys), self.entropy, self.clock.now());
        let user = session.user;
        let work = move |database: &Database| {
            let link = find(database, &keys, token, now)?.filter(|link| link.user.id == user);
            let Some(pending) = link.and_then(|link| link.pending) else { return Ok(None) };
            credentials::set_password(database, user, &pending.password)?;
            credentials::replace_totps(database, &keys, user, &Totp { last_step: step, ..pending.totp })?;
            for table in ["link", "session", "ceremony", "attempt"] {
                database.execute(&format!("DELETE FROM {table} WHERE account_id = ?1"), params![user.as_str()])?;
            }
            sessions::write(database, session, now, entropy)
        };
        self.run(work, move |live, opened| {
            Ok(opened?.map(|opened| {
                live.end(&Which::Of(user), true);
                opened.enter(live)
            }))
        })
        .await
    }
}

fn find(database: &Database, keys: &Keys, token: TokenHash, now: Timestamp) -> Result<Option<Link>, Fault> {
    let select = "SELECT account.id, name, disabled, account.created_at, expires_at, link.password, totp_id, totp_algorithm,
                         totp_digits, totp_period, totp_seed, totp_created_at
                  FROM link JOIN account ON account.id = link.account_id
                  WHERE token = ?1 AND expires_at > ?2 AND disabled = 0";
    database.one(select, params![token.as_bytes(), now.millis()], |row| {
        let pending = row.optional(5, |row, _| pending(row, keys, token))?;
        Ok(Link { user: users::user(row)?, expires_at: row.time(4)?, pending })
    })
}

fn pending(row: &Record<'_>, keys: &Keys, token: TokenHash) -> Result<Pending, Fault> {
    let seed = keys.seeds.open(&place(token), &row.bytes(10)?)?;
    let recipe = credentials::recipe(row, 7)?;
    let totp = Totp { id: row.id(6)?, recipe, seed, last_step: 0, created_at: row.time(11)? };
    Ok(Pending { password: PasswordHash(row.secret(5)?), totp })
}

fn place(token: TokenHash) -> String {
    format!("link|totp_seed|{token}")
}
