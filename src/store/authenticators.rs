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
use crate::store::open::Store;
use crate::store::own_account::{After, Before, Changed, Changer, Refused};

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
            let strength = before.strength.max(Strength::TwoFactor);
            Ok(Ok(After { ends_others: is_first || replaced.is_some(), strength, proofs }))
        })
        .await
    }

    /// Takes an authenticator away, and ends the user's other sessions. Without `may_be_last` one second factor stays.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn remove_authenticator(&self, changer: Changer, id: TotpId, may_be_last: bool) -> Result<Changed, Fault> {
        self.change(changer, move |database, before| {
            if !is_of(database, before.user, id)? {
                return Ok(Err(Refused::Gone));
            }
            let left = second_factors(database, before.user)?.saturating_sub(1);
            if left == 0 && !may_be_last {
                return Ok(Err(Refused::LastFactor));
            }
            database.execute("DELETE FROM totp WHERE id = ?1", params![id.as_str()])?;
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
    let select = "SELECT count(*) FROM totp WHERE account_id = ?1";
    Ok(database.one(select, params![user.as_str()], |row| row.count(0))?.unwrap_or(0))
}

/// Whoever has no second factor any more is signed in by a password.
pub(super) fn after_removal(before: Before, left: u64) -> After {
    let Before { strength, proofs, .. } = before;
    match left {
        0 => After { ends_others: true, strength: Strength::Password, proofs: Proofs { code: None, ..proofs } },
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
