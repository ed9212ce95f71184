//! Known devices: browsers that somebody has signed in with, so that their failures are counted apart from those of strangers.
//!
//! A device proves nothing about its holder. Who steals its cookie may guess as often as [`DEVICE_CLOSED_AT`] says, and is a
//! stranger after that.
//!
//! [`DEVICE_CLOSED_AT`]: crate::auth::throttle::DEVICE_CLOSED_AT

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::params;

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::model::user::{UserId, UserName};
use crate::store::database::Database;
use crate::store::fault::Fault;
use crate::store::live::Live;
use crate::store::open::{Keys, Store};
use crate::store::remembered::Device;
use crate::store::users;

/// Devices of one account; the one not used for longest gives way. Only whoever signs in adds one.
const MOST_PER_USER: u32 = 10;

impl Store {
    /// The one of `offered` that is known to belong to the account of that name.
    pub fn known_device(&self, offered: &[TokenHash], name: &UserName) -> Option<TokenHash> {
        let (now, remembered) = (self.clock.now(), &self.live.remembered);
        offered.iter().find(|token| remembered.device(token, now).is_some_and(|device| device.name == *name)).copied()
    }

    /// Whether a device is known, whoever it belongs to.
    pub fn knows_device(&self, token: &TokenHash) -> bool {
        self.live.remembered.device(token, self.clock.now()).is_some()
    }

    /// Notes that somebody signed in with the browser that holds `token`, which counts as theirs until `until`.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn remember_device(&self, user: UserId, token: TokenHash, until: Timestamp) -> Result<(), Fault> {
        let (keys, now) = (Arc::clone(&self.keys), self.clock.now());
        let work = move |database: &Database| {
            let Some(user) = users::enabled(database, user)? else { return Ok((None, Vec::new())) };
            let upsert = "INSERT INTO device (token, account_id, created_at, used_at, expires_at) VALUES (?1, ?2, ?3, ?3, ?4)
                          ON CONFLICT (token) DO UPDATE SET used_at = excluded.used_at, expires_at = excluded.expires_at
                          WHERE account_id = excluded.account_id";
            if database.execute(upsert, params![token.as_bytes(), user.id.as_str(), now.millis(), until.millis()])? == 0 {
                return Ok((None, Vec::new()));
            }
            let select = "SELECT token FROM device WHERE account_id = ?1 ORDER BY used_at DESC, token LIMIT -1 OFFSET ?2";
            let gone = database.all(select, params![user.id.as_str(), MOST_PER_USER], |row| row.hash(0))?;
            gone.iter().try_for_each(|token| forget(database, &keys, *token))?;
            Ok((Some(user.name), gone))
        };
        self.run(work, move |live, outcome| {
            let (name, gone) = outcome?;
            if let Some(name) = name {
                live.remembered.add_device(token, Device { name, until });
            }
            gone.iter().for_each(|token| live.remembered.forget_device(token));
            Ok(())
        })
        .await
    }
}

/// The one of `offered` that belongs to `user`. Asked in the same way for a name that nobody has.
pub(super) fn known(
    database: &Database,
    user: Option<UserId>,
    offered: &[TokenHash],
    now: Timestamp,
) -> Result<Option<TokenHash>, Fault> {
    let user = user.as_ref().map_or("", |id| id.as_str());
    for token in offered {
        let select = "SELECT token FROM device WHERE token = ?1 AND account_id = ?2 AND expires_at > ?3";
        if database.one(select, params![token.as_bytes(), user, now.millis()], |_| Ok(()))?.is_some() {
            return Ok(Some(*token));
        }
    }
    Ok(None)
}

/// Under what the failures of a device are counted. No name begins with a NUL.
pub(super) fn key(keys: &Keys, token: TokenHash) -> [u8; 32] {
    keys.attempts.tag(&[&b"\0device\0"[..], token.as_bytes()].concat())
}

/// Forgets a device and what it got wrong.
pub(super) fn forget(database: &Database, keys: &Keys, token: TokenHash) -> Result<(), Fault> {
    database.execute("DELETE FROM attempt WHERE name = ?1", params![key(keys, token)])?;
    database.execute("DELETE FROM device WHERE token = ?1", params![token.as_bytes()]).map(|_| ())
}

/// Forgets all devices of an account: whoever holds one of its cookies may be the reason for its new credentials. Their counts go
/// with those of the account.
pub(super) fn forget_all(database: &Database, user: UserId) -> Result<(), Fault> {
    database.execute("DELETE FROM device WHERE account_id = ?1", params![user.as_str()]).map(|_| ())
}

/// Takes away those that have run out, some at a time.
pub(super) fn clear(database: &Database, keys: &Keys, (now, most): (Timestamp, u32)) -> Result<(), Fault> {
    let select = "SELECT token FROM device WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
    let over = database.all(select, params![now.millis(), most], |row| row.hash(0))?;
    over.into_iter().try_for_each(|token| forget(database, keys, token))
}

/// Which there are.
pub(super) fn all(database: &Database) -> Result<HashSet<TokenHash>, Fault> {
    Ok(database.all("SELECT token FROM device", [], |row| row.hash(0))?.into_iter().collect())
}

/// Fills the memory at the start.
pub(super) fn load(database: &Database, live: &Live) -> Result<(), Fault> {
    let select = "SELECT token, name, expires_at FROM device JOIN account ON account.id = account_id";
    for (token, name, until) in database.all(select, [], |row| Ok((row.hash(0)?, users::name(row, 1)?, row.time(2)?)))? {
        live.remembered.add_device(token, Device { name, until });
    }
    Ok(())
}
