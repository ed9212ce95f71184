//! What people change about their own account while they are signed in: the change, what it ends and the new token of the
//! session that made it are one transaction.

use std::sync::Arc;

use rusqlite::params;

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::model::audit::Written;
use crate::model::credential::PasswordHash;
use crate::model::session::{Proofs, Session, SessionId};
use crate::model::strength::Strength;
use crate::model::user::UserId;
use crate::store::audit;
use crate::store::confirm;
use crate::store::credentials;
use crate::store::database::{Database, stored};
use crate::store::fault::Fault;
use crate::store::live::Which;
use crate::store::open::Store;
use crate::store::sessions;
use crate::store::users;

/// The session that changes something, and the one token by which it goes on, on `host`. Every other host asks the portal again.
#[derive(Clone, Debug)]
pub struct Changer {
    /// The session.
    pub session: SessionId,
    /// Its new token.
    pub token: TokenHash,
    /// Where that counts, canonical.
    pub host: Box<str>,
}

/// What a change does to sessions.
#[derive(Clone, Copy, Debug)]
pub(super) struct After {
    /// Whether all other sessions of the user end, and with them what is half done in their name: sign-ins, set-up links.
    pub(super) ends_others: bool,
    /// How firm the session is from then on.
    pub(super) strength: Strength,
    /// And by what.
    pub(super) proofs: Proofs,
}

/// What a session is when it changes something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub(super) user: UserId,
    pub(super) strength: Strength,
    pub(super) proofs: Proofs,
    pub(super) now: Timestamp,
}

/// Why nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The session has ended, the user is gone or disabled, or what is to be changed is not there, or not theirs.
    Gone,
    /// They call something else so.
    NameTaken,
    /// They have as many as one can have.
    TooMany,
    /// It is the last second factor, or the last that is firm enough for what they may open.
    LastFactor,
    /// A key that somebody has already.
    Taken,
    /// A key for another site than those that there are.
    OtherSite,
}

/// What became of a change: the session as it goes on, or why there was none.
pub type Changed = Result<Arc<Session>, Refused>;

impl Store {
    /// Sets the password of the one who is signed in by `changer`. Set-up links and half-done sign-ins of theirs end, and with
    /// `ends_others` all their other sessions.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn change_password(&self, changer: Changer, password: PasswordHash, ends_others: bool) -> Result<Changed, Fault> {
        self.change(changer, move |database, before| {
            credentials::set_password(database, before.user, &password)?;
            end_half_done(database, before.user)?;
            let proofs = Proofs { password: Some(before.now), ..before.proofs };
            Ok(Ok(After { ends_others, strength: before.strength, proofs }))
        })
        .await
    }

    /// What was written down of one user before the record of that number and not before that moment, newest first.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn audit_of(
        &self,
        user: UserId,
        (before, since): (Option<u64>, Timestamp),
        most: u32,
    ) -> Result<Vec<Written>, Fault> {
        self.ask(move |database| {
            let columns = audit::COLUMNS;
            let select =
                format!("SELECT {columns} FROM audit WHERE account_id = ?1 AND seq < ?2 AND at >= ?3 ORDER BY seq DESC LIMIT ?4");
            let before = before.map_or(i64::MAX, stored);
            database.all(&select, params![user.as_str(), before, since.millis(), most], audit::read)
        })
        .await
    }

    /// Does `work` in the name of a session that counts, writes down what was to be told, and gives the session a new token.
    /// `work` that refuses must have changed nothing.
    pub(super) async fn change(
        &self,
        changer: Changer,
        work: impl FnOnce(&Database, Before) -> Result<Result<After, Refused>, Fault> + Send + 'static,
    ) -> Result<Changed, Fault> {
        let (now, told) = (self.clock.now(), self.told());
        let Changer { session: id, token, host } = changer;
        let Some(known) = self.live.of_id(&id).filter(|session| session.check(now).is_ok()) else {
            return Ok(Err(Refused::Gone));
        };
        let (user, kept) = (known.user, host.clone());
        let work = move |database: &Database| {
            // It may have ended, or become another, while this waited.
            let Some(before) = state(database, id, (user, now))? else { return Ok(Err(Refused::Gone)) };
            let after = match work(database, before)? {
                Ok(after) => after,
                Err(refused) => return Ok(Err(refused)),
            };
            if after.ends_others {
                sessions::delete_others(database, user, id)?;
                end_half_done(database, user)?;
            }
            let update = "UPDATE session SET strength = ?2, password_at = ?3, code_at = ?4, passkey_at = ?5 WHERE id = ?1";
            let Proofs { password, code, passkey } = after.proofs;
            let [password, code, passkey] = [password, code, passkey].map(|at| at.map(Timestamp::millis));
            database.execute(update, params![id.as_str(), after.strength.code(), password, code, passkey])?;
            confirm::replace_tokens(database, id, (token, &host), now)?;
            told.tell_of(database, user)?;
            Ok(Ok(after))
        };
        self.run(work, move |live, outcome| {
            Ok(outcome?.and_then(|after| {
                if after.ends_others {
                    live.end(&Which::Others(user, id), true);
                }
                let state = |session: &Session| session.of_strength(after.strength, after.proofs);
                live.renew(&id, (token, kept), state).ok_or(Refused::Gone)
            }))
        })
        .await
    }
}

/// Ends what somebody may have begun with what is being changed: sign-ins that wait for their second step, set-up links.
fn end_half_done(database: &Database, user: UserId) -> Result<(), Fault> {
    users::delete_from(database, user, &["ceremony", "link"])
}

fn state(database: &Database, id: SessionId, (user, now): (UserId, Timestamp)) -> Result<Option<Before>, Fault> {
    let select = "SELECT strength FROM session WHERE id = ?1 AND account_id = ?2";
    let strength = database.one(select, params![id.as_str(), user.as_str()], |row| row.integer(0))?;
    let (Some(strength), Some(proofs)) = (strength.and_then(Strength::from_code), confirm::proofs(database, id)?) else {
        return Ok(None);
    };
    Ok(users::enabled(database, user)?.map(|_| Before { user, strength, proofs, now }))
}
