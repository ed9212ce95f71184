//! What the database holds sealed, and how all of it is sealed anew when the master key changes.
//!
//! A sealed value is bound to table, column, row and owner. Everything is sealed on the writer's thread and by the key that
//! is active there at that moment, so once a new key is active nothing is sealed with an older one, whatever was under way.
//! Re-sealing takes some rows at a time; until it is done both keys are in the ring, and a crash loses nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::base::current::Current;
use crate::base::entropy::Entropy;
use crate::base::key_ring::{KeyId, KeyRing, RingKey, RingSealer};
use crate::base::seal::DoesNotOpen;
use crate::base::secret::Secret;
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::key_file::KeyHolder;
use crate::store::open::Store;

const PURPOSE: &str = "sealed record v1";
/// Rows sealed anew in one go.
pub const BATCH: u32 = 200;

/// A column that holds sealed values.
struct Column {
    table: &'static str,
    column: &'static str,
    /// What names the row, and whose it is, as SQL.
    row: &'static str,
    owner: &'static str,
}

/// Every sealed column. What is sealed and not listed here would be lost with the next key; a test reads the schema.
const COLUMNS: [Column; 7] = [
    Column { table: "installation", column: "key_check", row: "'1'", owner: "''" },
    Column { table: "secret", column: "sealed", row: "name", owner: "''" },
    Column { table: "totp", column: "seed", row: "id", owner: "account_id" },
    Column { table: "link", column: "totp_seed", row: "lower(hex(token))", owner: "account_id" },
    Column { table: "link", column: "passkey", row: "lower(hex(token))", owner: "account_id" },
    Column { table: "passkey", column: "state", row: "id", owner: "account_id" },
    Column { table: "audit_head", column: "sealed", row: "'1'", owner: "''" },
];

/// What a value in `table.column` is bound to: its row and, where it has one, its owner.
pub(super) fn place(table: &str, column: &str, row: &str, owner: &str) -> String {
    format!("{table}|{column}|{row}|{owner}")
}

/// Seals and opens what the database holds.
#[derive(Debug)]
pub(super) struct Vault {
    sealer: Current<RingSealer>,
    holder: Mutex<KeyHolder>,
}

impl Vault {
    pub(super) fn new(holder: KeyHolder) -> Self {
        Self { sealer: Current::new(holder.ring().sealer(PURPOSE)), holder: Mutex::new(holder) }
    }

    /// Seals `plain` to `place`. On the writer's thread only: see the head of this file.
    pub(super) fn seal(&self, place: &str, plain: &[u8]) -> Vec<u8> {
        self.sealer.get().seal(place, plain)
    }

    /// Opens what was sealed to `place`.
    pub(super) fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, DoesNotOpen> {
        self.sealer.get().open(place, sealed)
    }

    pub(super) fn knows(&self, id: KeyId) -> bool {
        self.sealer.get().knows(id)
    }

    pub(super) fn ring(&self) -> KeyRing {
        self.holder().ring().clone()
    }

    /// Keeps `ring` first, then works with it: what it seals can be opened after a crash.
    fn change(&self, ring: KeyRing) -> Result<(), Fault> {
        let mut holder = self.holder();
        holder.keep(ring)?;
        self.sealer.replace(holder.ring().sealer(PURPOSE));
        Ok(())
    }

    fn holder(&self) -> MutexGuard<'_, KeyHolder> {
        // What a panic may leave behind is a ring that is kept and not yet used.
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A master key, and how much hangs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOverview {
    /// Its name.
    pub id: KeyId,
    /// When it was made, if that is known.
    pub made_at: Option<Timestamp>,
    /// Whether it seals from now on.
    pub active: bool,
    /// Values that are sealed with it.
    pub sealed: u64,
}

/// How far re-sealing has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Values sealed anew just now.
    pub done: u64,
    /// Values still under an older key.
    pub left: u64,
    /// Of these, values that do not open: altered, or moved from elsewhere. They stay as they are.
    pub unreadable: u64,
}

impl Store {
    /// The master keys, the active one first.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn keys(&self) -> Result<Vec<KeyOverview>, Fault> {
        let keys = Arc::clone(&self.keys);
        self.ask(move |database| {
            let ring = keys.vault.ring();
            let overview = |(at, key): (usize, &RingKey)| {
                let sealed = under(database, key.id)?;
                Ok(KeyOverview { id: key.id, made_at: key.made_at, active: at == 0, sealed })
            };
            ring.keys().iter().enumerate().map(overview).collect()
        })
        .await
    }

    /// Makes a new master key, which seals from now on, and returns its name. What is sealed already is sealed anew by
    /// [`Store::reseal`].
    ///
    /// # Errors
    /// [`Fault::KeysElsewhere`] if the keys are not ours to change, [`Fault::KeysFull`] if there are too many; else any
    /// [`Fault`].
    pub async fn rotate_key(&self) -> Result<KeyId, Fault> {
        let (keys, entropy, now, told) = (Arc::clone(&self.keys), self.entropy, self.clock.now(), self.told());
        self.ask(move |database| {
            let ring = keys.vault.ring().rotated(entropy, now).ok_or(Fault::KeysFull)?;
            let id = ring.active().id;
            keys.vault.change(ring)?;
            told.tell_detail(database, &id.to_string())?;
            Ok(id)
        })
        .await
    }

    /// Seals at most `most` values anew with the active key.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn reseal(&self, most: u32) -> Result<Resealed, Fault> {
        let keys = Arc::clone(&self.keys);
        self.ask(move |database| reseal(database, &keys.vault, most)).await
    }

    /// Forgets a master key.
    ///
    /// # Errors
    /// [`Fault::KeyNeeded`] while anything is sealed with it, [`Fault::KeyActive`], [`Fault::KeyUnknown`],
    /// [`Fault::KeysElsewhere`]; else any [`Fault`].
    pub async fn drop_key(&self, id: KeyId) -> Result<(), Fault> {
        // Twice: what was sealed anew in the transaction that looks may still be lost with it, and the key must not go first.
        // Only once the answer is here it is on disk that nothing needs the key, and nothing is sealed with it again.
        let keys = Arc::clone(&self.keys);
        self.ask(move |database| dispensable(database, &keys.vault, id).map(|_| ())).await?;
        let (keys, told) = (Arc::clone(&self.keys), self.told());
        self.ask(move |database| {
            let rest = dispensable(database, &keys.vault, id)?;
            told.tell_detail(database, &id.to_string())?;
            keys.vault.change(rest)
        })
        .await
    }

    /// The keys as they are, for a backup.
    pub fn ring(&self) -> KeyRing {
        self.keys.vault.ring()
    }
}

/// The ring without a key, if nothing needs that.
fn dispensable(database: &Database, vault: &Vault, id: KeyId) -> Result<KeyRing, Fault> {
    let ring = vault.ring();
    if ring.find(id).is_none() {
        return Err(Fault::KeyUnknown { id });
    }
    let rest = ring.without(id).ok_or(Fault::KeyActive { id })?;
    match under(database, id)? {
        0 => Ok(rest),
        sealed => Err(Fault::KeyNeeded { id, sealed }),
    }
}

/// How many values a key has sealed.
fn under(database: &Database, id: KeyId) -> Result<u64, Fault> {
    let count = |Column { table, column, .. }: &Column| {
        let select = format!("SELECT count(*) FROM {table} WHERE {column} IS NOT NULL AND substr({column}, 2, 4) = ?1");
        Ok(database.one(&select, params![id.0], |row| row.count(0))?.unwrap_or(0))
    };
    COLUMNS.iter().map(count).sum()
}

/// Makes sure that every key that sealed something is in the ring.
pub(super) fn check_all_known(database: &Database, vault: &Vault) -> Result<(), Fault> {
    for Column { table, column, .. } in &COLUMNS {
        let select = format!(
            "SELECT substr({column}, 2, 4), count(*) FROM {table} WHERE {column} IS NOT NULL GROUP BY substr({column}, 2, 4)"
        );
        for (bytes, sealed) in database.all(&select, [], |row| Ok((row.bytes(0)?, row.count(1)?)))? {
            let id = bytes.try_into().map(KeyId).map_err(|_| Fault::Unreadable { column })?;
            if !vault.knows(id) {
                return Err(Fault::KeyGone { id, sealed, table });
            }
        }
    }
    Ok(())
}

/// Every key that sealed something.
pub(super) fn keys_needed(database: &Database) -> Result<BTreeSet<KeyId>, Fault> {
    let mut needed = BTreeSet::new();
    for Column { table, column, .. } in &COLUMNS {
        let select = format!("SELECT DISTINCT substr({column}, 2, 4) FROM {table} WHERE {column} IS NOT NULL");
        for bytes in database.all(&select, [], |row| row.bytes(0))? {
            needed.insert(bytes.try_into().map(KeyId).map_err(|_| Fault::Unreadable { column })?);
        }
    }
    Ok(needed)
}

fn reseal(database: &Database, vault: &Vault, most: u32) -> Result<Resealed, Fault> {
    let active = vault.sealer.get().active();
    let mut came_to = Resealed::default();
    for column in &COLUMNS {
        let mut room = u64::from(most).saturating_sub(came_to.done);
        let mut last = String::new();
        while room > 0 {
            let page = page(database, column, active, (&last, room))?;
            let Some((row, ..)) = page.last() else { break };
            last.clone_from(row);
            for (row, owner, sealed) in page {
                let place = place(column.table, column.column, &row, &owner);
                match vault.open(&place, &sealed) {
                    Ok(plain) => {
                        let Column { table, column, row: name, .. } = column;
                        let update = format!("UPDATE {table} SET {column} = ?2 WHERE {name} = ?1 AND {column} = ?3");
                        database.execute(&update, params![row, vault.seal(&place, plain.expose()), sealed])?;
                        came_to.done += 1;
                        room -= 1;
                    }
                    Err(DoesNotOpen) => came_to.unreadable += 1,
                }
            }
        }
        came_to.left += older(database, column, active)?;
    }
    Ok(came_to)
}

type Row = (String, String, Vec<u8>);

/// Some of the rows after `last` whose value is under an older key.
fn page(database: &Database, of: &Column, active: KeyId, (last, room): (&str, u64)) -> Result<Vec<Row>, Fault> {
    let Column { table, column, row, owner } = of;
    let select = format!(
        "SELECT {row}, {owner}, {column} FROM {table}
         WHERE {column} IS NOT NULL AND substr({column}, 2, 4) <> ?1 AND {row} > ?2 ORDER BY {row} LIMIT ?3"
    );
    let read = |row: &Record<'_>| Ok((row.text(0)?, row.text(1)?, row.bytes(2)?));
    database.all(&select, params![active.0, last, i64::try_from(room).unwrap_or(i64::MAX)], read)
}

fn older(database: &Database, of: &Column, active: KeyId) -> Result<u64, Fault> {
    let Column { table, column, .. } = of;
    let select = format!("SELECT count(*) FROM {table} WHERE {column} IS NOT NULL AND substr({column}, 2, 4) <> ?1");
    Ok(database.one(&select, params![active.0], |row| row.count(0))?.unwrap_or(0))
}

/// Reads a key that is kept sealed in the database, under `name`.
pub(super) fn read_secret(database: &Database, vault: &Vault, name: &str) -> Result<Secret<[u8; 32]>, Fault> {
    let sealed = database.one("SELECT sealed FROM secret WHERE name = ?1", params![name], |row| row.bytes(0))?;
    let sealed = sealed.ok_or(Fault::Unreadable { column: "secret" })?;
    let plain = vault.open(&place("secret", "sealed", name, ""), &sealed)?;
    plain.expose().as_slice().try_into().map(Secret::new).map_err(|_| Fault::Unreadable { column: "secret.sealed" })
}

/// Keeps a key sealed in the database, under `name`.
pub(super) fn write_secret(database: &Database, vault: &Vault, name: &str, key: &[u8; 32]) -> Result<(), Fault> {
    let sealed = vault.seal(&place("secret", "sealed", name, ""), key);
    database.execute("INSERT INTO secret (name, sealed) VALUES (?1, ?2)", params![name, sealed]).map(|_| ())
}

/// A fresh key, kept sealed under `name`.
pub(super) fn draw_secret(database: &Database, vault: &Vault, name: &str, entropy: Entropy) -> Result<(), Fault> {
    let key = Secret::new(entropy.bytes::<32>());
    write_secret(database, vault, name, key.expose())
}

#[cfg(test)]
mod tests;
