//! The connection and the few ways in which statements run on it. The only file that talks to the engine: a second
//! engine would be a second body of this type, and rewrite `?n` to its own spelling here.

use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, Params, Row, ffi};

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::base::id::Id;
use crate::base::secret::Secret;
use crate::store::fault::Fault;

const PRAGMAS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA foreign_keys = ON;
    PRAGMA secure_delete = ON;
    PRAGMA trusted_schema = OFF;
    PRAGMA temp_store = MEMORY;
    PRAGMA journal_size_limit = 4194304;
";

/// Pages copied in one go.
const PAGES: i32 = 256;
/// Before a page that is locked is tried again.
const PAUSE: Duration = Duration::from_millis(10);
/// Half a minute of them in all.
const MOST_PAUSES: u32 = 3_000;

/// An open database. Parameters are written `?1 ?2 …` and bound by that number: with `$n` SQLite binds by first
/// appearance, and `SET a = $2 WHERE id = $1` silently matches nothing.
#[derive(Debug)]
pub(super) struct Database(Connection);

impl Database {
    /// Opens the existing file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
        connection.execute_batch(PRAGMAS)?;
        Ok(Self(connection))
    }

    /// Runs statements that take no parameters.
    pub(super) fn batch(&self, sql: &str) -> Result<(), Fault> {
        Ok(self.0.execute_batch(sql)?)
    }

    /// Runs one statement and returns the number of rows it changed.
    pub(super) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, Fault> {
        Ok(self.0.prepare_cached(sql)?.execute(params)?)
    }

    /// The first row, read by `read`.
    pub(super) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Record<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(|row| read(&Record(row))).transpose()
    }

    /// All rows, read by `read`.
    pub(super) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl Fn(&Record<'_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut statement = self.0.prepare_cached(sql)?;
        statement.query_and_then(params, |row| read(&Record(row)))?.collect()
    }

    /// Whether a transaction is open. The engine may have ended it on its own (disk full, out of memory).
    pub(super) fn in_transaction(&self) -> bool {
        !self.0.is_autocommit()
    }

    /// Copies everything, as it is at one moment, into the empty file at `path`.
    pub(super) fn copy_to(&self, path: &Path, mut progress: impl FnMut(u64, u64)) -> Result<(), Fault> {
        let mut copy = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        // Reading holds the moment: without it, the copy would begin again whenever somebody else writes.
        self.0.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")?;
        let copied = Backup::new(&self.0, &mut copy).and_then(|backup| {
            let mut pauses = 0;
            loop {
                let step = backup.step(PAGES)?;
                let state = backup.progress();
                let pages = |count: i32| u64::try_from(count).unwrap_or(0);
                progress(pages(state.pagecount - state.remaining), pages(state.pagecount));
                match step {
                    StepResult::Done => return Ok(()),
                    StepResult::More => {}
                    // Somebody holds one of the two files: not for ever.
                    _ => {
                        pauses = once_more(pauses)?;
                        thread::sleep(PAUSE);
                    }
                }
            }
        });
        self.0.execute_batch("COMMIT")?;
        copied?;
        copy.close().map_err(|(_, fault)| fault)?;
        Ok(())
    }

    /// Closes the file; as the last to do so, the engine moves the write-ahead log into it first.
    pub(super) fn close(self) -> Result<(), Fault> {
        self.0.close().map_err(|(_, fault)| fault.into())
    }
}

/// One row; columns are counted from 0.
pub(super) struct Record<'a>(&'a Row<'a>);

impl Record<'_> {
    pub(super) fn text(&self, column: usize) -> Result<String, Fault> {
        Ok(self.0.get(column)?)
    }

    pub(super) fn bytes(&self, column: usize) -> Result<Vec<u8>, Fault> {
        Ok(self.0.get(column)?)
    }

    pub(super) fn integer(&self, column: usize) -> Result<i64, Fault> {
        Ok(self.0.get(column)?)
    }

    pub(super) fn is_null(&self, column: usize) -> Result<bool, Fault> {
        Ok(self.0.get_ref(column)?.data_type() == rusqlite::types::Type::Null)
    }

    /// Reads `column` with `read` unless it is null.
    pub(super) fn optional<T>(
        &self,
        column: usize,
        read: impl FnOnce(&Self, usize) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        if self.is_null(column)? { Ok(None) } else { read(self, column).map(Some) }
    }

    pub(super) fn flag(&self, column: usize) -> Result<bool, Fault> {
        Ok(self.integer(column)? != 0)
    }

    pub(super) fn time(&self, column: usize) -> Result<Timestamp, Fault> {
        self.integer(column).map(Timestamp::from_millis)
    }

    pub(super) fn span(&self, column: usize) -> Result<Duration, Fault> {
        self.count(column).map(Duration::from_millis)
    }

    pub(super) fn count(&self, column: usize) -> Result<u64, Fault> {
        u64::try_from(self.integer(column)?).map_err(|_| Fault::Unreadable { column: "a count" })
    }

    pub(super) fn small(&self, column: usize) -> Result<u32, Fault> {
        u32::try_from(self.integer(column)?).map_err(|_| Fault::Unreadable { column: "a small count" })
    }

    pub(super) fn id<T>(&self, column: usize) -> Result<Id<T>, Fault> {
        self.text(column)?.parse().map_err(|_| Fault::Unreadable { column: "an id" })
    }

    pub(super) fn hash(&self, column: usize) -> Result<TokenHash, Fault> {
        let bytes = self.bytes(column)?;
        bytes.try_into().map(TokenHash::from_bytes).map_err(|_| Fault::Unreadable { column: "a token's hash" })
    }

    pub(super) fn secret(&self, column: usize) -> Result<Secret<String>, Fault> {
        self.text(column).map(Secret::new)
    }
}

/// The stored form of a count that never comes near the end of 63 bits.
pub(super) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The stored form of a duration.
pub(super) fn stored_span(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
/// One more pause after so many, unless that is too long.
fn once_more(pauses: u32) -> rusqlite::Result<u32> {
    if pauses < MOST_PAUSES {
        Ok(pauses + 1)
    } else {
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Somebody holds a file for good: whoever copies gives up and says so.
    #[test]
    fn a_copy_waits_for_half_a_minute_and_no_longer() {
        let pauses = std::iter::successors(Some(0), |pauses| once_more(*pauses).ok()).count();
        assert!(PAUSE * u32::try_from(pauses).expect("few") <= Duration::from_secs(31), "{pauses}");
        assert!(once_more(MOST_PAUSES).is_err());
    }
}
