//! Brings a database to the version this program knows, step by step, each step in a transaction of its own.

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::base::seal::sha256;
use crate::store::database::Database;
use crate::store::fault::Fault;

/// Steps are never changed once released, only added to.
const STEPS: &[(i64, &str)] = &[
    (1, include_str!("schema/0001_first.sql")),
    (2, include_str!("schema/0002_hosts.sql")),
    (3, include_str!("schema/0003_people.sql")),
    (5, include_str!("schema/0005_secrets.sql")),
    (6, include_str!("schema/0006_passkeys.sql")),
    (7, include_str!("schema/0007_recovery.sql")),
    (8, include_str!("schema/0008_protection.sql")),
    (9, include_str!("schema/0009_authenticators.sql")),
    (10, include_str!("schema/0010_terms.sql")),
    (12, include_str!("schema/0012_known_devices.sql")),
    (13, include_str!("schema/0013_passkey_by_link.sql")),
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (
    version INTEGER NOT NULL PRIMARY KEY, checksum BLOB NOT NULL, applied_at INTEGER NOT NULL
) STRICT";

/// Applies the steps that are missing.
pub(super) fn migrate(database: &Database, now: Timestamp) -> Result<(), Fault> {
    apply(database, STEPS, now)
}

/// Whether this is a database of ours at all, before anything is made of it.
pub(super) fn check(database: &Database) -> Result<(), Fault> {
    let select = "SELECT count(*) FROM sqlite_schema WHERE name IN ('migration', 'installation', 'account')";
    match database.one(select, [], |row| row.count(0))? {
        Some(3) => Ok(()),
        _ => Err(Fault::Unreadable { column: "the schema" }),
    }
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
    use crate::store::database::Record;

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
    fn sessions_from_before_count_as_proven_when_they_began() {
        let dir = tempfile::tempdir().unwrap();
        let database = database(&dir);
        apply(&database, &STEPS[..2], NOW).unwrap();
        database.batch("INSERT INTO account (id, name, disabled, created_at) VALUES ('u', 'alice', 0, 1)").unwrap();
        for (id, strength) in [("a", 1), ("b", 2)] {
            let insert = format!("INSERT INTO session VALUES ('{id}', 'u', {strength}, 7, 9, NULL, '', '', 8)");
            database.batch(&insert).unwrap();
        }
        migrate(&database, NOW).unwrap();
        let read = |row: &Record<'_>| Ok((row.integer(0)?, row.is_null(1)?));
        let proven = database.all("SELECT password_at, code_at FROM session ORDER BY id", [], read).unwrap();
        assert_eq!(proven, [(7, true), (7, false)]);
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

    /// What a database made by the first version holds for its sessions and half-done sign-ins.
    const OF_ONE_HOST: &str = "
        INSERT INTO account VALUES ('0000000000000001', 'alice', 0, 1, NULL);
        INSERT INTO session VALUES ('0000000000000002', zeroblob(32), '0000000000000001', 'a.example', 2, 3, 4, 5, 'n', 'b', 6);
        INSERT INTO session VALUES ('0000000000000003', randomblob(32), '0000000000000001', 'b.example', 1, 7, 8, NULL,
                                    'n', 'b', 9);
        INSERT INTO ceremony VALUES (zeroblob(32), zeroblob(32), '0000000000000001', 'a.example', '/x', 0, 1, 2);";

    #[test]
    fn sessions_of_one_host_keep_their_token_there() {
        let dir = tempfile::tempdir().unwrap();
        apply(&database(&dir), &STEPS[..1], NOW).unwrap();
        database(&dir).batch(OF_ONE_HOST).unwrap();
        let before = database(&dir);
        let read = "SELECT id, token, host, created_at FROM session ORDER BY id";
        let row = |row: &Record<'_>| Ok((row.text(0)?, row.bytes(1)?, row.text(2)?, row.integer(3)?));
        let tokens = before.all(read, [], row).unwrap();
        drop(before);
        migrate(&database(&dir), NOW).unwrap();
        let after = database(&dir);
        let read = "SELECT session_id, token, host, created_at FROM session_token ORDER BY session_id";
        assert_eq!(after.all(read, [], row).unwrap(), tokens);
        let read =
            "SELECT id, account_id, strength, created_at, expires_at, idle_timeout, network, agent, last_seen FROM session";
        let row = |row: &Record<'_>| {
            let numbers = (row.integer(2)?, row.integer(3)?, row.integer(4)?, row.optional(5, Record::integer)?, row.integer(8)?);
            Ok((row.text(0)?, numbers, row.text(6)?, row.text(7)?))
        };
        let (n, b) = ("n".to_owned(), "b".to_owned());
        let kept = [
            ("0000000000000002".to_owned(), (2, 3, 4, Some(5), 6), n.clone(), b.clone()),
            ("0000000000000003".to_owned(), (1, 7, 8, None, 9), n, b),
        ];
        assert_eq!(after.all(read, [], row).unwrap(), kept);
        let read = "SELECT return_to FROM ceremony WHERE return_host IS NULL AND return_visitor IS NULL";
        assert_eq!(after.one(read, [], |row| row.text(0)).unwrap().as_deref(), Some("/x"));
        after.batch("DELETE FROM account").unwrap();
        for table in ["session", "session_token", "ceremony"] {
            assert_eq!(
                after.one(&format!("SELECT count(*) FROM {table}"), [], |row| row.integer(0)).unwrap(),
                Some(0),
                "{table}"
            );
        }
        assert_eq!(after.all("PRAGMA foreign_key_check", [], |row| row.text(0)).unwrap(), Vec::<String>::new());
    }
}
