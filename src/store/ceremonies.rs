//! Half-done sign-ins: the password was right, the code is still to come.

use std::sync::Arc;

use rusqlite::params;

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::model::credential::TotpId;
use crate::model::session::Session;
use crate::model::user::UserId;
use crate::store::credentials;
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::open::Store;
use crate::store::sessions::{self, NewSession};
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
            let insert = "INSERT INTO ceremony (id, visitor, account_id, host, return_to, remember, created_at, expires_at)
                          VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
            let return_to = if ceremony.return_to.len() > LONGEST_RETURN { "/" } else { &ceremony.return_to };
            let (id, visitor, user) = (ceremony.id.as_bytes(), ceremony.visitor.as_bytes(), ceremony.user);
            let (created, ends) = (now.millis(), ceremony.expires_at.millis());
            let values = params![id, visitor, user.as_str(), ceremony.host, return_to, ceremony.remember, created, ends];
            database.execute(insert, values)?;
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

    /// Ends a sign-in whose code was accepted at `step`, all at once: burns the step, deletes the ceremony and opens
    /// `session`. `None`, and nothing of all this, if somebody was faster (with the step or with the ceremony), the
    /// ceremony has ended, the authenticator or the session is not its user's, or the user is gone or disabled.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn finish_sign_in(
        &self,
        ceremony: TokenHash,
        totp: TotpId,
        step: u64,
        session: NewSession,
    ) -> Result<Option<Arc<Session>>, Fault> {
        let (entropy, now) = (self.entropy, self.clock.now());
        let work = move |database: &Database| {
            let Some(begun) = find(database, ceremony, now)? else { return Ok(None) };
            let owned = "SELECT id FROM totp WHERE id = ?1 AND account_id = ?2";
            let owned = database.one(owned, params![totp.as_str(), begun.user.as_str()], |_| Ok(()))?.is_some();
            let allowed = owned && session.user == begun.user && users::enabled(database, begun.user)?.is_some();
            if !allowed || !credentials::burn(database, totp, step)? {
                return Ok(None);
            }
            database.execute("DELETE FROM ceremony WHERE id = ?1", params![ceremony.as_bytes()])?;
            sessions::write(database, session, now, entropy)
        };
        self.run(work, |live, opened| Ok(opened?.map(|opened| opened.enter(live)))).await
    }
}

fn find(database: &Database, id: TokenHash, now: Timestamp) -> Result<Option<Ceremony>, Fault> {
    let select = "SELECT id, visitor, account_id, host, return_to, remember, expires_at
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
