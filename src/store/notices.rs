//! What a person is told on their next visit: that somebody signed in from elsewhere, that a factor changed. It needs no
//! mail server, and nobody has to look into a log.

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::model::audit::{Deed, Entry, Notice};
use crate::model::user::UserId;
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::open::Store;

/// How many are kept for one person; the oldest give way.
const MOST: u32 = 20;

impl Store {
    /// What a person has not been told yet, or has not said to have read; oldest first.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn notices_of(&self, user: UserId) -> Result<Vec<Notice>, Fault> {
        self.ask(move |database| {
            let select = "SELECT id, at, event, address, detail FROM notice WHERE account_id = ?1 ORDER BY id";
            let rows = database.all(select, params![user.as_str()], read)?;
            Ok(rows.into_iter().flatten().collect())
        })
        .await
    }

    /// Takes away what a person has read: all up to the one of this number.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn dismiss_notices(&self, user: UserId, up_to: i64) -> Result<(), Fault> {
        self.ask(move |database| {
            let delete = "DELETE FROM notice WHERE account_id = ?1 AND id <= ?2";
            database.execute(delete, params![user.as_str(), up_to]).map(|_| ())
        })
        .await
    }
}

/// Adds one, if there is such an account.
pub(super) fn add(database: &Database, entry: &Entry, now: Timestamp) -> Result<(), Fault> {
    let Some((user, _)) = &entry.account else { return Ok(()) };
    let insert = "INSERT INTO notice (account_id, at, event, address, detail)
                  SELECT id, ?2, ?3, ?4, ?5 FROM account WHERE id = ?1";
    let address = entry.address.map(|address| address.to_canonical().to_string());
    database.execute(insert, params![user.as_str(), now.millis(), entry.deed.name(), address, entry.detail])?;
    let delete = "DELETE FROM notice WHERE account_id = ?1 AND id NOT IN
                  (SELECT id FROM notice WHERE account_id = ?1 ORDER BY id DESC LIMIT ?2)";
    database.execute(delete, params![user.as_str(), MOST]).map(|_| ())
}

/// `None` for what a newer version wrote.
fn read(row: &Record<'_>) -> Result<Option<Notice>, Fault> {
    let Some(deed) = Deed::from_name(&row.text(2)?) else { return Ok(None) };
    let (address, detail) = (row.optional(3, Record::text)?, row.optional(4, Record::text)?);
    Ok(Some(Notice { id: row.integer(0)?, at: row.time(1)?, deed, address, detail }))
}
