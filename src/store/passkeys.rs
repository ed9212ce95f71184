//! Passkeys and security keys, and the site they are made for.
//!
//! What recognises a key is sealed in its row; the counter is beside it in the clear, so that judging and noting a use is one
//! statement. All keys are made for one site: the first fixes it, and it is free again when the last is gone.

use std::sync::Arc;

use rusqlite::params;

use crate::auth::passkey::Made;
use crate::base::clock::Timestamp;
use crate::base::id::Id;
use crate::base::secret::Secret;
use crate::model::credential::{Passkey, PasskeyId};
use crate::model::session::Proofs;
use crate::model::strength::Strength;
use crate::model::user::{User, UserId};
use crate::store::authenticators::second_factors;
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::keep::{Holding, Keep};
use crate::store::links::NewPasskey;
use crate::store::live::Which;
use crate::store::open::{Keys, Store};
use crate::store::own_account::{After, Before, Changed, Changer, Refused};
use crate::store::recovery;
use crate::store::users;
use crate::store::vault;

/// How many a user may have.
pub const MOST: usize = 20;
/// The longest name, in characters.
pub const LONGEST_NAME: usize = 64;

const COLUMNS: &str = "passkey.id, account_id, credential_id, state, passkey.name, aaguid, counter, verifies, discoverable,
                       backup_eligible, backed_up, transports, passkey.created_at, used_at, set_aside_at";

/// The site that the keys of this installation are made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Its domain; `None` while there is no key.
    pub id: Option<Box<str>>,
    /// How many keys there are.
    pub passkeys: u64,
}

impl Store {
    /// The site that keys are made for. In memory, without waiting.
    pub fn site(&self) -> Arc<Site> {
        self.site.get()
    }

    /// The keys of a user, oldest first.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn passkeys_of(&self, user: UserId) -> Result<Vec<Passkey>, Fault> {
        let keys = Arc::clone(&self.keys);
        self.ask(move |database| all_of(database, &keys, user)).await
    }

    /// The key that browsers know by this id, and whose it is.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn passkey(&self, credential_id: &[u8]) -> Result<Option<(User, Passkey)>, Fault> {
        let (keys, credential_id) = (Arc::clone(&self.keys), credential_id.to_vec());
        self.ask(move |database| {
            let select = format!("SELECT {COLUMNS} FROM passkey WHERE credential_id = ?1");
            let Some(passkey) = database.one(&select, params![credential_id], |row| read(row, &keys))? else { return Ok(None) };
            let select = "SELECT id, name, disabled, created_at FROM account WHERE id = ?1";
            let user = database.one(select, params![passkey.user.as_str()], users::user)?;
            Ok(user.map(|user| (user, passkey)))
        })
        .await
    }

    /// Adds a key to the account of the one who is signed in by `changer`, all at once: there is no half of it, whatever happens
    /// meanwhile. Their other sessions and what is half done in their name end.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn add_passkey(&self, changer: Changer, (made, name): (Made, String), site: &str) -> Result<Changed, Fault> {
        let (entropy, keys, site) = (self.entropy, Arc::clone(&self.keys), site.to_owned());
        let work = move |database: &Database, before: Before| {
            let key = NewPasskey { made, name, site };
            if let Some(refused) = unfit(database, Some(before.user), &key.made, &key.site)? {
                return Ok(Err(refused));
            }
            insert(database, &keys, (Id::draw(entropy), before.user), &key, before.now)?;
            Ok(Ok(After { ends_others: true, strength: before.strength, proofs: before.proofs }))
        };
        let changed = self.change(changer, work).await?;
        self.reread_site().await?;
        Ok(changed)
    }

    /// Removes a key of the one who is signed in by `changer`, unless it is needed for what `keep` says, or to sign in at
    /// all. As [`Store::add_passkey`] otherwise.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn remove_passkey(&self, changer: Changer, id: PasskeyId, keep: Keep) -> Result<Changed, Fault> {
        let keys = Arc::clone(&self.keys);
        let work = move |database: &Database, before: Before| {
            let (mut leaving, staying): (Vec<_>, Vec<_>) =
                all_of(database, &keys, before.user)?.into_iter().partition(|passkey| passkey.id == id);
            let Some(leaving) = leaving.pop() else { return Ok(Err(Refused::Gone)) };
            let held = Holding::of(database, before.user)?;
            if leaving.set_aside.is_none() && keep.forbids(held, held.without_key(leaving.verifies)) {
                return Ok(Err(Refused::LastFactor));
            }
            database.execute("DELETE FROM passkey WHERE id = ?1", params![id.as_str()])?;
            let factors = second_factors(database, before.user)?;
            if factors == 0 {
                // They stand in for a factor, and there is none any more.
                recovery::forget(database, before.user)?;
            }
            let factors = if has_password(database, before.user)? { factors } else { 0 };
            Ok(Ok(after_removal(before, factors, &staying)))
        };
        let changed = self.change(changer, work).await?;
        self.reread_site().await?;
        Ok(changed)
    }

    /// Gives a key of `user` another name. `false` if there is no such key.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn rename_passkey(&self, user: UserId, id: PasskeyId, name: String) -> Result<bool, Fault> {
        self.ask(move |database| {
            let update = "UPDATE passkey SET name = ?3 WHERE id = ?1 AND account_id = ?2";
            Ok(database.execute(update, params![id.as_str(), user.as_str(), name])? > 0)
        })
        .await
    }

    /// Sets a key aside whose counter went back: it opens nothing any more, until its holder makes a new one. Every session of its
    /// user ends, for one of them may be of whoever holds the copy.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn set_passkey_aside(&self, user: UserId, id: PasskeyId) -> Result<(), Fault> {
        let (now, told) = (self.clock.now(), self.told());
        let work = move |database: &Database| {
            let update = "UPDATE passkey SET set_aside_at = ?3 WHERE id = ?1 AND account_id = ?2 AND set_aside_at IS NULL";
            if database.execute(update, params![id.as_str(), user.as_str(), now.millis()])? > 0 {
                users::delete_from(database, user, &["session", "ceremony", "link"])?;
                told.tell_of(database, user)?;
            }
            Ok(())
        };
        self.ending(Which::Of(user), work).await
    }

    pub(super) async fn reread_site(&self) -> Result<(), Fault> {
        let site = Arc::clone(&self.site);
        // In the queue: of two that change something, what the later one wrote is what stays.
        self.ask(move |database| {
            site.replace(read_site(database)?);
            Ok(())
        })
        .await
    }
}

/// The site, as it is on disk.
pub(super) fn read_site(database: &Database) -> Result<Site, Fault> {
    let passkeys = database.one("SELECT count(*) FROM passkey", [], |row| row.count(0))?.unwrap_or(0);
    let id = database.one("SELECT rp_id FROM installation WHERE rp_id IS NOT NULL", [], |row| row.text(0))?;
    Ok(Site { id: id.filter(|_| passkeys > 0).map(String::into_boxed_str), passkeys })
}

/// The keys of a user, oldest first.
pub(super) fn all_of(database: &Database, keys: &Keys, user: UserId) -> Result<Vec<Passkey>, Fault> {
    let select = format!("SELECT {COLUMNS} FROM passkey WHERE account_id = ?1 ORDER BY created_at, id");
    database.all(&select, params![user.as_str()], |row| read(row, keys))
}

/// Notes a use. Judged and noted in one statement: of two uses with one count only one changes a row.
pub(super) fn spend(
    database: &Database,
    (id, user): (PasskeyId, UserId),
    (counter, at): (u32, Timestamp),
    (verified, backed_up): (bool, bool),
) -> Result<bool, Fault> {
    let update = "UPDATE passkey SET counter = ?3, used_at = ?4, verifies = max(verifies, ?5), backed_up = ?6
                  WHERE id = ?1 AND account_id = ?2 AND set_aside_at IS NULL AND (counter < ?3 OR (counter = 0 AND ?3 = 0))";
    let values = params![id.as_str(), user.as_str(), counter, at.millis(), verified, backed_up];
    Ok(database.execute(update, values)? > 0)
}

/// Why a key cannot be added, to those of `user` if it stays with them.
pub(super) fn unfit(database: &Database, user: Option<UserId>, made: &Made, site: &str) -> Result<Option<Refused>, Fault> {
    let select = "SELECT id FROM passkey WHERE credential_id = ?1";
    if database.one(select, params![made.credential_id], |_| Ok(()))?.is_some() {
        return Ok(Some(Refused::Taken));
    }
    if let Some(user) = user {
        let select = "SELECT count(*) FROM passkey WHERE account_id = ?1";
        if database.one(select, params![user.as_str()], |row| row.count(0))?.unwrap_or(0) >= MOST as u64 {
            return Ok(Some(Refused::TooMany));
        }
    }
    let fixed = read_site(database)?.id;
    Ok(fixed.is_some_and(|fixed| *fixed != *site).then_some(Refused::OtherSite))
}

/// Without one, a code is not the second factor to anything.
fn has_password(database: &Database, user: UserId) -> Result<bool, Fault> {
    let select = "SELECT id FROM account WHERE id = ?1 AND password IS NOT NULL";
    Ok(database.one(select, params![user.as_str()], |_| Ok(()))?.is_some())
}

/// What a session counts as once a key is gone: no firmer than what its user has left can prove.
fn after_removal(before: Before, factors: u64, staying: &[Passkey]) -> After {
    let verifies = staying.iter().any(|passkey| passkey.verifies && passkey.set_aside.is_none());
    let most = match (factors, verifies) {
        (_, true) => Strength::Passkey,
        (0, false) => Strength::Password,
        (_, false) => Strength::TwoFactor,
    };
    let passkey = before.proofs.passkey.filter(|_| !staying.is_empty());
    After { ends_others: true, strength: before.strength.min(most), proofs: Proofs { passkey, ..before.proofs } }
}

/// Writes a key, and with the first one the site that all are for.
pub(super) fn insert(
    database: &Database,
    keys: &Keys,
    (id, user): (PasskeyId, UserId),
    NewPasskey { made, name, site }: &NewPasskey,
    now: Timestamp,
) -> Result<(), Fault> {
    database.execute("UPDATE installation SET rp_id = ?1", params![site])?;
    let insert = "INSERT INTO passkey (id, account_id, credential_id, state, name, aaguid, counter, verifies, discoverable,
                                       backup_eligible, backed_up, transports, created_at)
                  VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    let state = keys.vault.seal(&place(id, user), &made.state);
    let (eligible, backed_up) = (made.backup_eligible, made.backed_up);
    let values = params![
        id.as_str(),
        user.as_str(),
        made.credential_id,
        state,
        name,
        made.aaguid,
        made.counter,
        made.verified,
        made.discoverable,
        eligible,
        backed_up,
        made.transports,
        now.millis()
    ];
    database.execute(insert, values).map(|_| ())
}

fn read(row: &Record<'_>, keys: &Keys) -> Result<Passkey, Fault> {
    let (id, user) = (row.id(0)?, row.id(1)?);
    let state: Secret<Vec<u8>> = keys.vault.open(&place(id, user), &row.bytes(3)?)?;
    Ok(Passkey {
        id,
        user,
        credential_id: row.bytes(2)?,
        state,
        name: row.text(4)?,
        aaguid: row.bytes(5)?.try_into().map_err(|_| Fault::Unreadable { column: "passkey.aaguid" })?,
        counter: row.small(6)?,
        verifies: row.flag(7)?,
        discoverable: row.flag(8)?,
        backup_eligible: row.flag(9)?,
        backed_up: row.flag(10)?,
        transports: row.text(11)?,
        created_at: row.time(12)?,
        used_at: row.optional(13, Record::time)?,
        set_aside: row.optional(14, Record::time)?,
    })
}

fn place(id: PasskeyId, user: UserId) -> String {
    vault::place("passkey", "state", id.as_str(), user.as_str())
}

#[cfg(test)]
mod tests;
