//! Where the master keys are kept: a file below the data folder, unless the owner gives them by a systemd credential, a
//! variable or another file. Made once, with the database; never made anew for a database that exists.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::base::clock::Timestamp;
use crate::base::durable;
use crate::base::entropy::Entropy;
use crate::base::key_ring::{self, KeyRing};
use crate::base::seal::MasterKey;
use crate::base::secret::Secret;
use crate::store::fault::Fault;
use crate::store::open::DATABASE;

/// The file below the data directory.
pub const KEY: &str = "keys/master.key";
/// For its owner alone.
const MODE: u32 = 0o600;

/// Keys that the owner keeps elsewhere.
#[derive(Clone, Debug)]
pub enum Given {
    /// In this file, which we may write: a new key goes there too.
    File(PathBuf),
    /// In this file that systemd made; it is the owner's to change.
    Credential(PathBuf),
    /// In a variable; it is the owner's to change.
    Variable(Secret<String>),
}

/// The keys of an installation, and the way to change them.
#[derive(Clone, Debug)]
pub struct KeyHolder {
    ring: KeyRing,
    kept: Kept,
}

/// Where the ring comes from.
#[derive(Clone, Debug)]
enum Kept {
    File(PathBuf),
    Elsewhere(&'static str),
    /// Nowhere: it lasts as long as the process.
    Nowhere,
}

impl From<&MasterKey> for KeyHolder {
    /// One key that is kept nowhere.
    fn from(key: &MasterKey) -> Self {
        Self { ring: KeyRing::of(key.clone(), None), kept: Kept::Nowhere }
    }
}

impl KeyHolder {
    /// The keys of the installation in `data_dir`; drawn and written if there is no data yet.
    ///
    /// # Errors
    /// A [`Fault`] that says what to do when keys are missing, there twice, exposed to other users, or no keys.
    pub fn open(data_dir: &Path, given: Option<&Given>, entropy: Entropy, now: Timestamp) -> Result<Self, Fault> {
        let (own, database) = (data_dir.join(KEY), data_dir.join(DATABASE));
        if let Some(place) = given.map(Given::place)
            && own.exists()
            && !matches!(given, Some(Given::File(path)) if is_same(path, &own))
        {
            return Err(Fault::KeyTwice { place, path: own });
        }
        match given {
            Some(Given::Credential(path)) => {
                let file = File::open(path).map_err(Fault::at(path))?;
                Ok(Self { ring: read_ring(path, &file)?, kept: Kept::Elsewhere("a systemd credential") })
            }
            Some(Given::Variable(text)) => {
                let ring = KeyRing::parse(text.expose().as_bytes());
                let ring = ring.map_err(|source| Fault::KeyUnreadable { path: PathBuf::from("DOORWARD_MASTER_KEY"), source })?;
                Ok(Self { ring, kept: Kept::Elsewhere("the variable DOORWARD_MASTER_KEY") })
            }
            Some(Given::File(path)) => Self::of_file(path, &database, entropy, now),
            None => Self::of_file(&own, &database, entropy, now),
        }
    }

    fn of_file(path: &Path, database: &Path, entropy: Entropy, now: Timestamp) -> Result<Self, Fault> {
        let kept = Kept::File(path.to_owned());
        match File::open(path) {
            Ok(file) => Ok(Self { ring: read(path, &file)?, kept }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // An empty database file is one whose making was interrupted: nothing is sealed in it.
                if database.metadata().is_ok_and(|file| file.len() > 0) {
                    return Err(Fault::KeyMissing { key: path.to_owned(), database: database.to_owned() });
                }
                let ring = KeyRing::of(MasterKey::draw(entropy), Some(now));
                create(path, &ring).map_err(Fault::at(path))?;
                Ok(Self { ring, kept })
            }
            Err(error) => Err(Fault::at(path)(error)),
        }
    }

    /// The keys.
    pub fn ring(&self) -> &KeyRing {
        &self.ring
    }

    /// Where they are kept, in words, if that is not for us to write.
    pub fn elsewhere(&self) -> Option<&'static str> {
        if let Kept::Elsewhere(place) = &self.kept { Some(place) } else { None }
    }

    /// Keeps `ring` in place of the keys there were: whole, or not at all.
    ///
    /// # Errors
    /// [`Fault::KeysElsewhere`] if that is the owner's to do, [`Fault::Io`] if it cannot be written.
    pub(super) fn keep(&mut self, ring: KeyRing) -> Result<(), Fault> {
        match &self.kept {
            Kept::File(path) => replace(path, &ring).map_err(Fault::at(path))?,
            Kept::Elsewhere(place) => return Err(Fault::KeysElsewhere { place }),
            Kept::Nowhere => {}
        }
        self.ring = ring;
        Ok(())
    }
}

impl Given {
    fn place(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Credential(path) => format!("the credential {}", path.display()),
            Self::Variable(_) => "the variable DOORWARD_MASTER_KEY".to_owned(),
        }
    }
}

/// Puts keys out of a backup into `path`, where there must be none.
///
/// # Errors
/// [`Fault::Io`].
pub fn restore(path: &Path, ring: &KeyRing) -> Result<(), Fault> {
    create(path, ring).map_err(Fault::at(path))
}

/// The keys in the file at `path`, if there is one.
///
/// # Errors
/// As [`KeyHolder::open`].
pub fn look(path: &Path) -> Result<Option<KeyRing>, Fault> {
    match File::open(path) {
        Ok(file) => read(path, &file).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::at(path)(error)),
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn read(path: &Path, file: &File) -> Result<KeyRing, Fault> {
    let mode = file.metadata().map_err(Fault::at(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Fault::KeyExposed { path: path.to_owned() });
    }
    read_ring(path, file)
}

fn read_ring(path: &Path, file: &File) -> Result<KeyRing, Fault> {
    let most = key_ring::LONGEST + 1;
    let mut bytes = Vec::with_capacity(most);
    file.take(most as u64).read_to_end(&mut bytes).map_err(Fault::at(path))?;
    let bytes = Secret::new(bytes);
    KeyRing::parse(bytes.expose()).map_err(|source| Fault::KeyUnreadable { path: path.to_owned(), source })
}

/// Writes the keys where there must be none yet, and their folder if that is missing.
fn create(path: &Path, ring: &KeyRing) -> io::Result<()> {
    let dir = durable::folder(path);
    if !dir.is_dir() {
        DirBuilder::new().mode(0o700).create(dir)?;
    }
    durable::create(path, &draft(path), ring.to_text().expose().as_bytes(), MODE)?;
    durable::sync(dir.parent().unwrap_or(dir))
}

fn replace(path: &Path, ring: &KeyRing) -> io::Result<()> {
    durable::replace(path, &draft(path), ring.to_text().expose().as_bytes(), MODE)
}

fn draft(path: &Path) -> PathBuf {
    path.with_extension("new")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn open(dir: &Path, given: Option<&Given>) -> Result<KeyHolder, Fault> {
        KeyHolder::open(dir, given, Entropy, NOW)
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_key_is_made_once_and_read_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), None).unwrap();
        let path = dir.path().join(KEY);
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
        fs::write(dir.path().join(DATABASE), "data").unwrap();
        assert_eq!(open(dir.path(), None).unwrap().ring().active().id, first.ring().active().id);
    }

    #[test]
    fn a_bare_key_of_an_older_version_is_taken_and_becomes_a_ring_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(KEY);
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, [7; 32]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut holder = open(dir.path(), None).unwrap();
        let ring = holder.ring().rotated(Entropy, NOW).unwrap();
        holder.keep(ring.clone()).unwrap();
        assert_eq!((mode(&path), fs::read_dir(path.parent().unwrap()).unwrap().count()), (0o600, 1));
        let read = open(dir.path(), None).unwrap();
        assert_eq!(read.ring().active().id, ring.active().id);
        assert_eq!(read.ring().keys()[1].key.expose(), &[7; 32]);
    }

    #[test]
    fn a_crash_while_it_was_made_is_got_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("keys")).unwrap();
        fs::write(dir.path().join("keys/master.new"), "half").unwrap();
        File::create(dir.path().join(DATABASE)).unwrap();
        open(dir.path(), None).unwrap();
    }

    /// The attack (by mishap): a new key beside old data would make every authenticator useless without a word.
    #[test]
    fn no_new_key_is_made_for_old_data() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(DATABASE), "data").unwrap();
        let fault = open(dir.path(), None).unwrap_err();
        assert!(matches!(fault, Fault::KeyMissing { .. }), "{fault:?}");
        assert!(fault.to_string().contains("master.key is missing"), "{fault}");
        assert!(!dir.path().join(KEY).exists());
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), None).unwrap();
        let path = dir.path().join(KEY);
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let fault = open(dir.path(), None).unwrap_err();
            assert!(fault.to_string().ends_with(&format!("run `chmod 600 {}`", path.display())), "{fault}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for length in [0, 31, 33, 5000, 50_000] {
            fs::write(&path, vec![1; length]).unwrap();
            let fault = open(dir.path(), None).unwrap_err();
            assert!(matches!(fault, Fault::KeyUnreadable { .. }), "{fault:?}");
        }
    }

    #[test]
    fn keys_that_are_given_are_taken_and_not_ours_to_change() {
        let dir = tempfile::tempdir().unwrap();
        let ring = KeyRing::of(MasterKey::draw(Entropy), Some(NOW));
        let credential = dir.path().join("credential");
        fs::write(&credential, ring.to_text().expose()).unwrap();
        let text = Secret::new(ring.to_text().expose().clone());
        for given in [Given::Credential(credential.clone()), Given::Variable(text)] {
            let mut holder = open(dir.path(), Some(&given)).unwrap();
            assert_eq!(holder.ring().active().id, ring.active().id);
            let refused = holder.keep(ring.rotated(Entropy, NOW).unwrap());
            assert!(matches!(refused, Err(Fault::KeysElsewhere { .. })), "{refused:?}");
        }
        assert!(!dir.path().join(KEY).exists());
        let mut holder = open(dir.path(), Some(&Given::File(dir.path().join("else/where.key")))).unwrap();
        holder.keep(holder.ring().rotated(Entropy, NOW).unwrap()).unwrap();
        // Two keys, and nobody can know which is meant.
        open(dir.path(), None).unwrap();
        let refused = open(dir.path(), Some(&Given::Credential(credential)));
        assert!(matches!(refused, Err(Fault::KeyTwice { .. })), "{refused:?}");
    }
}
