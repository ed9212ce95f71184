//! Makes sure that the keys are those this database was made with, before anything is sealed under others; brings what an
//! older version sealed into today's form; writes down that the data came out of a backup.

use std::sync::Arc;

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::base::entropy::Entropy;
use crate::base::key_ring::KeyRing;
use crate::base::seal::{MasterKey, RecordSealer};
use crate::model::audit::{Actor, Deed, Entry};
use crate::store::audit::{self, Head, Told};
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::open::{ATTEMPT_KEY, DEVICE_KEY, Keys, TRAIL_KEY};
use crate::store::vault::{self, Vault};

const CHECK: &[u8] = b"doorward";

/// Opens the database's check value with one of the keys; makes one where there is none.
///
/// # Errors
/// [`Fault::KeyWrong`] if none of the keys belongs to this database, [`Fault::KeyGone`] if one is missing that something is
/// still sealed with.
pub(super) fn recognise(
    database: &Database,
    ring: &KeyRing,
    vault: &Vault,
    (now, entropy): (Timestamp, Entropy),
) -> Result<(), Fault> {
    match database.one("SELECT key_check FROM installation WHERE id = 1", [], |row| row.bytes(0))? {
        Some(sealed) => match RecordSealer::key_of(&sealed) {
            Some(_) => {
                vault.open(&place(), &sealed).map_err(|_| Fault::KeyWrong)?;
                vault::check_all_known(database, vault)
            }
            None => together(database, || upgrade(database, ring, vault, (&sealed, entropy))),
        },
        None => together(database, || {
            let insert = "INSERT INTO installation (id, key_check, created_at) VALUES (1, ?1, ?2)";
            database.execute(insert, params![vault.seal(&place(), CHECK), now.millis()])?;
            vault::draw_secret(database, vault, ATTEMPT_KEY, entropy)?;
            draw(database, vault, entropy)
        }),
    }
}

fn place() -> String {
    vault::place("installation", "key_check", "1", "")
}

/// The keys that no version before drew, and the ends of an empty trail.
fn draw(database: &Database, vault: &Vault, entropy: Entropy) -> Result<(), Fault> {
    vault::draw_secret(database, vault, TRAIL_KEY, entropy)?;
    vault::draw_secret(database, vault, DEVICE_KEY, entropy)?;
    audit::keep_first_head(database, vault, &Head::default())
}

/// Seals anew what the first version sealed, where a value was bound to its row and not to its owner.
fn upgrade(database: &Database, ring: &KeyRing, vault: &Vault, (check, entropy): (&[u8], Entropy)) -> Result<(), Fault> {
    let opens = |key: &MasterKey| key.sealer("key check").open("installation|key_check|1", check).is_ok();
    let key = ring.keys().iter().map(|key| &key.key).find(|key| opens(key)).ok_or(Fault::KeyWrong)?;
    // An old check value in a database that has been used since was put there by somebody.
    for table in ["secret", "audit", "audit_head"] {
        let select = format!("SELECT count(*) FROM {table}");
        if database.one(&select, [], |row| row.count(0))? != Some(0) {
            return Err(Fault::KeyWrong);
        }
    }
    let old = key.sealer("totp seed");
    let read = |row: &Record<'_>| Ok((row.text(0)?, row.text(1)?, row.bytes(2)?));
    for (id, owner, sealed) in database.all("SELECT id, account_id, seed FROM totp", [], read)? {
        let seed = old.open(&format!("totp|seed|{id}"), &sealed)?;
        let sealed = vault.seal(&vault::place("totp", "seed", &id, &owner), seed.expose());
        database.execute("UPDATE totp SET seed = ?2 WHERE id = ?1", params![id, sealed])?;
    }
    let pending = "SELECT lower(hex(token)), account_id, totp_seed FROM link WHERE totp_seed IS NOT NULL";
    for (token, owner, sealed) in database.all(pending, [], read)? {
        let seed = old.open(&format!("link|totp_seed|{token}"), &sealed)?;
        let sealed = vault.seal(&vault::place("link", "totp_seed", &token, &owner), seed.expose());
        database.execute("UPDATE link SET totp_seed = ?2 WHERE lower(hex(token)) = ?1", params![token, sealed])?;
    }
    // Failures that are counted must not be forgotten.
    vault::write_secret(database, vault, ATTEMPT_KEY, key.derived("attempt key").expose())?;
    draw(database, vault, entropy)?;
    let update = "UPDATE installation SET key_check = ?1 WHERE id = 1";
    database.execute(update, params![vault.seal(&place(), CHECK)]).map(|_| ())
}

/// Writes down once that the data came out of a backup.
pub(super) fn tell_restored(database: &Database, keys: &Arc<Keys>, now: Timestamp) -> Result<(), Fault> {
    let select = "SELECT restored_at FROM installation WHERE id = 1 AND restored_at IS NOT NULL";
    if database.one(select, [], |_| Ok(()))?.is_none() {
        return Ok(());
    }
    together(database, || {
        let entry = Entry::new(Deed::BackupRestored, Actor::Owner);
        Told::new(vec![entry], Arc::clone(keys), now).tell(database, None)?;
        database.execute("UPDATE installation SET restored_at = NULL", []).map(|_| ())
    })
}

/// All of `work` or nothing of it.
fn together(database: &Database, work: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
    database.batch("BEGIN IMMEDIATE")?;
    let done = work().and_then(|()| database.batch("COMMIT"));
    if done.is_err() && database.in_transaction() {
        database.batch("ROLLBACK")?;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::kit::{Kit, name, open};

    /// As the first version wrote it.
    fn made_by_the_first_version(kit: &Kit, seeds: &[(&str, &[u8])]) {
        let raw = kit.raw();
        let key = MasterKey::from_bytes(&[7; 32]).unwrap();
        let check = key.sealer("key check").seal("installation|key_check|1", CHECK);
        raw.execute("UPDATE installation SET key_check = ?1", params![check]).unwrap();
        for (id, seed) in seeds {
            let sealed = key.sealer("totp seed").seal(&format!("totp|seed|{id}"), seed);
            raw.execute("UPDATE totp SET seed = ?2 WHERE id = ?1", params![id, sealed]).unwrap();
        }
        for table in ["secret", "audit", "audit_head"] {
            raw.execute(&format!("DELETE FROM {table}"), []).unwrap();
        }
    }

    #[tokio::test]
    async fn what_the_first_version_sealed_opens_after_the_upgrade_and_failures_still_count() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        kit.store.close().await.unwrap();
        made_by_the_first_version(&kit, &[(totp.id.as_str(), totp.seed.expose())]);
        let key = MasterKey::from_bytes(&[7; 32]).unwrap();
        let hash = key.authenticator("attempt key").tag(b"alice");
        let insert = "INSERT INTO attempt (name, factor, account_id, consecutive, in_window, in_day, last_at)
                      VALUES (?1, 'code', ?2, 100, 1, 1, 0)";
        kit.raw().execute(insert, params![hash, alice.id.as_str()]).unwrap();
        let store = open(&kit.dir, &kit.clock).unwrap();
        let facts = store.sign_in_facts(&alice.name).await.unwrap().unwrap();
        assert!(facts.totps[0].seed.same_as(totp.seed.expose()));
        let attempt = kit.attempt(&name("alice"), crate::model::attempt::Factor::Code);
        assert!(store.try_factor(attempt).await.unwrap().is_err());
    }

    /// The attack: a seed out of an old copy of the database, sealed as the first version did, is put into another's row. For
    /// that the check value of that time would have to count again.
    #[tokio::test]
    async fn an_old_check_value_does_not_count_again() {
        let kit = Kit::new();
        let (_, totp) = kit.enrolled("alice").await;
        kit.store.close().await.unwrap();
        let raw = kit.raw();
        raw.execute("CREATE TABLE kept AS SELECT * FROM secret", []).unwrap();
        made_by_the_first_version(&kit, &[(totp.id.as_str(), totp.seed.expose())]);
        raw.execute("INSERT INTO secret SELECT * FROM kept", []).unwrap();
        assert!(matches!(open(&kit.dir, &kit.clock), Err(Fault::KeyWrong)));
    }
}
