//! Brings a database to the version this program knows, step by step, each step in a transaction of its own.

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::base::seal::sha256;
use crate::store::database::Database;
use crate::store::fault::Fault;

/// Steps are never changed once released, only added to.
const STEPS: &[(i64, &str)] = &[(1, include_str!("schema/0001_first.sql"))];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (
    version INTEGER NOT NULL PRIMARY KEY, checksum BLOB NOT NULL, applied_at INTEGER NOT NULL
) STRICT";

/// Applies the steps that are missing.
pub(super) fn migrate(database: &Database, now: Timestamp) -> Result<(), Fault> {
    apply(database, STEPS, now)
}

fn apply(database: &Database, steps: &[(i64, &str)], now: Timestamp) -> Result<(), Fault> {
    database.batch(TABLE)?;
    let read = "SELECT version, checksum FROM migration ORDER BY version";
    let applied = database.all(read, [], |row| Ok((row.integer(0)?, row.bytes(1)?)))?;
    let known = steps.last().map_or(0, |step| step.0);
    if let Some((found, _)) = applied.last().filter(|last| last.0 > known) {
        return Err(Fault::Newer { found: *found, known });
    }
    for (version, sql) in steps {
        match applied.iter().find(|row| row.0 == *version) {
            Some((_, checksum)) if *checksum == sha256(sql.as_bytes()) => {}
            Some(_) => return Err(Fault::Altered { version: *version }),
            None => step(database, *version, sql, now)?,
        }
    }
    Ok(())
}

fn step(database: &Database, version: i64, sql: &str, now: Timestamp) -> Result<(), Fault> {
    database.batch("BEGIN IMMEDIATE")?;
    let insert = "INSERT INTO migration (version, checksum, applied_at) VALUES (?1, ?2, ?3)";
    let applied = database
        .batch(sql)
        .and_then(|()| database.execute(insert, params![version, sha256(sql.as_bytes()), now.millis()]))
        .and_then(|_| database.batch("COMMIT"));
    if applied.is_err() && database.in_transaction() {
        database.batch("ROLLBACK")?;
    }
    applied
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn database(dir: &tempfile::TempDir) -> Database {
        let path = dir.path().join("a.db");
        File::options().create(true).append(true).open(&path).unwrap();
        Database::open(&path).unwrap()
    }

    #[test]
    fn steps_are_applied_once_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let steps = [(1, "CREATE TABLE a (x INTEGER) STRICT"), (2, "INSERT INTO a (x) VALUES (7)")];
        for _ in 0..2 {
            apply(&database(&dir), &steps, NOW).unwrap();
        }
        assert_eq!(database(&dir).all("SELECT x FROM a", [], |row| row.integer(0)).unwrap(), [7]);
        migrate(&database(&tempfile::tempdir().unwrap()), NOW).unwrap();
    }

    #[test]
    fn a_newer_or_altered_database_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        apply(&database(&dir), &[(1, "CREATE TABLE a (x INTEGER) STRICT"), (2, "CREATE TABLE b (x INTEGER) STRICT")], NOW)
            .unwrap();
        let older = apply(&database(&dir), &[(1, "CREATE TABLE a (x INTEGER) STRICT")], NOW);
        assert!(matches!(older, Err(Fault::Newer { found: 2, known: 1 })), "{older:?}");
        let other = apply(&database(&dir), &[(1, "CREATE TABLE z (x INTEGER) STRICT"), (2, "")], NOW);
        assert!(matches!(other, Err(Fault::Altered { version: 1 })), "{other:?}");
    }

    #[test]
    fn a_step_that_fails_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        assert!(apply(&database(&dir), &[(1, "CREATE TABLE a (x INTEGER) STRICT; nonsense")], NOW).is_err());
        apply(&database(&dir), &[(1, "CREATE TABLE a (x INTEGER) STRICT")], NOW).unwrap();
    }

    /// The attack (on ourselves): SQLite binds `$n` by first appearance, so that a statement silently changes nothing.
    #[test]
    fn parameters_are_bound_by_number_whatever_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let database = database(&dir);
        database.batch("CREATE TABLE a (id INTEGER, x TEXT) STRICT; INSERT INTO a VALUES (1, 'old')").unwrap();
        assert_eq!(database.execute("UPDATE a SET x = ?2 WHERE id = ?1", params![1, "new"]).unwrap(), 1);
        assert_eq!(database.one("SELECT x FROM a", [], |row| row.text(0)).unwrap().as_deref(), Some("new"));
    }
}
