//! Copies of the whole database: one consistent moment of it, whatever is written meanwhile; and what has to be done to a
//! copy before it is put to work again.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::base::key_ring::KeyId;
use crate::store::database::Database;
use crate::store::fault::Fault;
use crate::store::migrate;
use crate::store::open::DATABASE;
use crate::store::vault;

/// Copies the database in `data_dir`, which may be in use, to the file `to`, which must be there and empty. `progress` is told
/// the pages copied and the pages in all.
///
/// # Errors
/// Any [`Fault`].
pub fn take(data_dir: &Path, to: &Path, progress: impl FnMut(u64, u64)) -> Result<(), Fault> {
    Database::open(&data_dir.join(DATABASE))?.copy_to(to, progress)
}

/// The keys that something in the database at `path` is sealed with.
///
/// # Errors
/// Any [`Fault`].
pub fn keys_needed(path: &Path) -> Result<BTreeSet<KeyId>, Fault> {
    vault::keys_needed(&Database::open(path)?)
}

/// Makes a copy fit to be put to work: whole, of a version we know, and with nothing in it that was over since. Sessions,
/// half-done sign-ins and set-up links of that time may have been ended or used afterwards, and codes seen, so none of
/// them counts.
///
/// # Errors
/// Any [`Fault`]; the copy is of no use then.
pub fn make_fit(path: &Path, now: Timestamp) -> Result<(), Fault> {
    let database = Database::open(path)?;
    if database.one("PRAGMA integrity_check", [], |row| row.text(0))?.as_deref() != Some("ok") {
        return Err(Fault::Unreadable { column: "a page of the copy" });
    }
    migrate::check(&database)?;
    migrate::migrate(&database, now)?;
    database.batch("BEGIN IMMEDIATE; DELETE FROM session; DELETE FROM ceremony; DELETE FROM link")?;
    let burn = "UPDATE totp SET last_step = max(last_step, ?1 / period - 1)";
    database.execute(burn, params![now.secs()])?;
    database.execute("UPDATE installation SET restored_at = ?1", params![now.millis()])?;
    database.batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")?;
    database.close()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::base::task;
    use crate::store::kit::{Kit, hash, name, open, password};

    #[tokio::test]
    async fn a_copy_is_of_one_moment_and_opens_without_the_sessions_of_that_time() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        kit.store.open_session(new.clone()).await.unwrap().unwrap();
        kit.store.issue_link(alice.id, hash(), kit.in_an_hour()).await.unwrap();
        let store = kit.store.clone();
        let busy = task::start("busy", async move {
            for n in 0..200 {
                store.add_user(&name(&format!("user{n}"))).await.unwrap();
            }
        });
        let copy = tempfile::tempdir().unwrap();
        let to = copy.path().join(DATABASE);
        File::create(&to).unwrap();
        let from = kit.dir.path().to_owned();
        let target = to.clone();
        tokio::task::spawn_blocking(move || take(&from, &target, |_, _| ())).await.unwrap().unwrap();
        busy.await.unwrap();
        assert_eq!(keys_needed(&to).unwrap().len(), 1);
        make_fit(&to, kit.clock.now()).unwrap();
        let store = open(&copy, &kit.clock).unwrap();
        assert!(store.session(&new.token, "a.example").unwrap().is_none());
        let facts = store.sign_in_facts(&alice.name).await.unwrap().unwrap();
        assert!(facts.totps[0].seed.same_as(totp.seed.expose()));
        let step = u64::try_from(kit.clock.now().secs()).unwrap() / 30;
        assert!(!store.burn_step(totp.id, step - 1).await.unwrap(), "a code of before counts no more");
        assert!(store.burn_step(totp.id, step).await.unwrap());
        let told = store.audit(crate::store::audit::Wanted { most: 10, ..Default::default() }).await.unwrap();
        assert_eq!(told.last().unwrap().event, "backup.restored");
        store.close().await.unwrap();
        let store = open(&copy, &kit.clock).unwrap();
        assert_eq!(store.audit(crate::store::audit::Wanted { most: 10, ..Default::default() }).await.unwrap().len(), told.len());
        drop((store, password("")));
    }

    #[test]
    fn what_is_no_database_of_ours_is_not_fit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        for bytes in [&b""[..], b"nonsense, and a good deal of it, so that it is longer than a head"] {
            fs::write(&path, bytes).unwrap();
            assert!(make_fit(&path, Timestamp::from_secs(1_800_000_000)).is_err());
        }
    }
}
