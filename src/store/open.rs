//! Opens and closes the store.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::base::clock::Clock;
use crate::base::current::Current;
use crate::base::durable;
use crate::base::entropy::Entropy;
use crate::base::seal::Authenticator;
use crate::model::audit::Entry;
use crate::store::bans;
use crate::store::database::Database;
use crate::store::devices;
use crate::store::fault::Fault;
use crate::store::flood::Flood;
use crate::store::key_file::KeyHolder;
use crate::store::live::Live;
use crate::store::migrate::migrate;
use crate::store::passkeys::{self, Site};
use crate::store::recognise::{recognise, tell_restored};
use crate::store::sessions;
use crate::store::vault::{self, Vault};
use crate::store::writer::Writer;

/// The database below the data directory.
pub const DATABASE: &str = "doorward.db";

/// What survives a restart. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {
    pub(super) live: Arc<Live>,
    pub(super) keys: Arc<Keys>,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    /// What is to be written down with the next change.
    pub(super) entries: Arc<Vec<Entry>>,
    /// Bounds what strangers have written down.
    pub(super) flood: Arc<Flood>,
    /// What passkeys are made for.
    pub(super) site: Arc<Current<Site>>,
    writer: Writer,
}

/// The keys the store works with. Those that are not the master key are kept sealed by it, so that they outlive it.
#[derive(Debug)]
pub(super) struct Keys {
    /// Seals what is secret.
    pub(super) vault: Vault,
    /// Hashes the names that are tried.
    pub(super) attempts: Authenticator,
    /// Chains the audit trail.
    pub(super) trail: Authenticator,
    /// Hashes browsers and networks.
    pub(super) devices: Authenticator,
    /// Wakes whoever waits for the next record.
    pub(super) wake: Notify,
}

impl Keys {
    fn read(database: &Database, vault: Vault) -> Result<Self, Fault> {
        let read = |name| vault::read_secret(database, &vault, name).map(|key| Authenticator::with(key.expose()));
        let (attempts, trail, devices) = (read(ATTEMPT_KEY)?, read(TRAIL_KEY)?, read(DEVICE_KEY)?);
        Ok(Self { vault, attempts, trail, devices, wake: Notify::new() })
    }
}

/// The name under which the key that hashes tried names is kept.
pub(super) const ATTEMPT_KEY: &str = "attempt key";
/// The name under which the key of the audit trail is kept.
pub(super) const TRAIL_KEY: &str = "audit key";
/// The name under which the key that hashes devices is kept.
pub(super) const DEVICE_KEY: &str = "device key";

impl Store {
    /// Opens the store in `data_dir`, makes it if there is none, and loads the sessions that still count. Waits for the
    /// disk: not for a worker thread. The caller holds the [`Lock`](crate::store::lock::Lock) of the directory.
    ///
    /// # Errors
    /// A [`Fault`] that says what stands in the way.
    pub fn open(data_dir: &Path, keys: impl Into<KeyHolder>, clock: Clock, entropy: Entropy) -> Result<Self, Fault> {
        let path = data_dir.join(DATABASE);
        protect(data_dir, &path)?;
        let database = Database::open(&path)?;
        let now = clock.now();
        migrate(&database, now)?;
        let holder = keys.into();
        let ring = holder.ring().clone();
        let vault = Vault::new(holder);
        recognise(&database, &ring, &vault, (now, entropy))?;
        let keys = Arc::new(Keys::read(&database, vault)?);
        tell_restored(&database, &keys, now)?;
        let live = Arc::new(Live::default());
        sessions::load(&database, &live, now)?;
        let site = Arc::new(Current::new(passkeys::read_site(&database)?));
        devices::load(&database, &live)?;
        bans::load(&database, &live)?;
        let writer = Writer::start(database).map_err(Fault::at(&path))?;
        let (entries, flood) = (Arc::default(), Arc::default());
        Ok(Self { live, keys, clock, entropy, entries, flood, site, writer })
    }

    /// Writes what is still unwritten, then ends the store: it answers nothing from here on.
    ///
    /// # Errors
    /// [`Fault`] when that could not be written, or the store had ended already. It has ended in any case.
    pub async fn close(&self) -> Result<(), Fault> {
        let flushed = self.flush(Duration::from_millis(1)).await;
        self.writer.close().await.and(flushed)
    }

    /// Whether the store can answer nothing any more, until the process starts anew.
    pub fn is_broken(&self) -> bool {
        self.writer.is_broken()
    }

    /// Does `work` in a transaction.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.run(work, |_, outcome| outcome).await
    }

    /// Does `work` in a transaction, then brings memory in line with what became of it.
    pub(super) async fn run<T: 'static, R: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Fault> + Send + 'static,
        settle: impl FnOnce(&Live, Result<T, Fault>) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Fault> {
        self.writer.run(Arc::clone(&self.live), work, settle).await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("broken", &self.is_broken()).finish_non_exhaustive()
    }
}

/// Sees to it that the database exists and that only its owner can read it. SQLite gives the files it makes beside it
/// (`-wal`, `-shm`) the same mode.
fn protect(dir: &Path, path: &Path) -> Result<(), Fault> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all().map_err(Fault::at(path))?;
            durable::sync(dir).map_err(Fault::at(dir))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(Fault::at(path))
        }
        Err(error) => Err(Fault::at(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seal::MasterKey;
    use crate::store::kit::{Kit, name, open};

    #[tokio::test]
    async fn only_the_owner_can_read_the_files() {
        let kit = Kit::new();
        kit.store.add_user(&name("alice")).await.unwrap();
        fs::set_permissions(kit.dir.path().join(DATABASE), fs::Permissions::from_mode(0o644)).unwrap();
        let kit = kit.reopened().await;
        kit.store.add_user(&name("bob")).await.unwrap();
        let mut names = vec![];
        for file in fs::read_dir(kit.dir.path()).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.file_name());
            names.push(file.file_name().into_string().unwrap());
        }
        names.sort();
        assert_eq!(names, ["doorward.db", "doorward.db-shm", "doorward.db-wal"]);
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_in_a_copy_made_at_that_moment() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        kit.store.open_session(new.clone()).await.unwrap().unwrap();
        let ended = kit.session(alice.id);
        let gone = kit.store.open_session(ended.clone()).await.unwrap().unwrap();
        assert!(kit.store.end_session(gone.id).await.unwrap());
        assert!(kit.store.burn_step(totp.id, 7).await.unwrap());
        let copy = tempfile::tempdir().unwrap();
        for file in [DATABASE, "doorward.db-wal"] {
            fs::copy(kit.dir.path().join(file), copy.path().join(file)).unwrap();
        }
        let store = open(&copy, &kit.clock).unwrap();
        assert!(store.session(&new.token, "a.example").unwrap().is_some());
        assert!(store.session(&ended.token, "a.example").unwrap().is_none());
        assert!(!store.burn_step(totp.id, 7).await.unwrap());
    }

    #[tokio::test]
    async fn another_key_is_refused() {
        let kit = Kit::new();
        kit.store.close().await.unwrap();
        let key = MasterKey::from_bytes(&[8; 32]).unwrap();
        let refused = Store::open(kit.dir.path(), &key, kit.clock.clone(), Entropy);
        assert!(matches!(refused, Err(Fault::KeyWrong)), "{refused:?}");
    }

    #[tokio::test]
    async fn a_database_of_a_newer_version_or_no_database_is_refused() {
        let kit = Kit::new();
        kit.store.close().await.unwrap();
        kit.raw().execute("INSERT INTO migration (version, checksum, applied_at) VALUES (99, x'00', 0)", []).unwrap();
        assert!(matches!(open(&kit.dir, &kit.clock), Err(Fault::Newer { found: 99, .. })));
        fs::write(kit.dir.path().join(DATABASE), "x".repeat(8192)).unwrap();
        assert!(matches!(open(&kit.dir, &kit.clock), Err(Fault::Sqlite(_))));
        let nowhere = kit.dir.path().join("nowhere");
        let key = MasterKey::from_bytes(&[7; 32]).unwrap();
        assert!(matches!(Store::open(&nowhere, &key, kit.clock.clone(), Entropy), Err(Fault::Io { .. })));
    }

    #[test]
    fn the_engine_is_set_to_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(DATABASE);
        protect(dir.path(), &path).unwrap();
        let database = Database::open(&path).unwrap();
        for (pragma, value) in [("synchronous", 2), ("foreign_keys", 1), ("secure_delete", 1), ("trusted_schema", 0)] {
            let read = database.one(&format!("PRAGMA {pragma}"), [], |row| row.integer(0)).unwrap();
            assert_eq!(read, Some(value), "{pragma}");
        }
        assert_eq!(database.one("PRAGMA journal_mode", [], |row| row.text(0)).unwrap().as_deref(), Some("wal"));
    }
}
