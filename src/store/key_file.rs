//! The file that holds the master key. Made once, with the database; never made anew for a database that exists.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::base::entropy::Entropy;
use crate::base::seal::MasterKey;
use crate::base::secret::Secret;
use crate::store::fault::Fault;
use crate::store::open::DATABASE;

/// The file below the data directory.
pub const KEY: &str = "keys/master.key";

/// The master key of the installation in `data_dir`; drawn and written if there is no data yet.
///
/// # Errors
/// A [`Fault`] that says what to do when the key is missing, exposed to other users, or no key.
pub fn read_or_create(data_dir: &Path, entropy: Entropy) -> Result<MasterKey, Fault> {
    let (key, database) = (data_dir.join(KEY), data_dir.join(DATABASE));
    match File::open(&key) {
        Ok(file) => read(&key, &file),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // An empty database file is one whose making was interrupted: nothing is sealed in it.
            if database.metadata().is_ok_and(|file| file.len() > 0) {
                return Err(Fault::KeyMissing { key, database });
            }
            let drawn = MasterKey::draw(entropy);
            create(&key, &drawn).map_err(Fault::at(&key))?;
            Ok(drawn)
        }
        Err(error) => Err(Fault::at(&key)(error)),
    }
}

fn read(path: &Path, file: &File) -> Result<MasterKey, Fault> {
    let mode = file.metadata().map_err(Fault::at(path))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(Fault::KeyExposed { path: path.to_owned() });
    }
    let mut bytes = Vec::with_capacity(MasterKey::LENGTH + 1);
    file.take(MasterKey::LENGTH as u64 + 1).read_to_end(&mut bytes).map_err(Fault::at(path))?;
    let bytes = Secret::new(bytes);
    let length = file.metadata().map_err(Fault::at(path))?.len();
    MasterKey::from_bytes(bytes.expose())
        .ok_or_else(|| Fault::KeyLength { path: path.to_owned(), length: usize::try_from(length).unwrap_or(usize::MAX) })
}

/// Writes the key beside its place and links it there: after a crash there is a whole key or none, and one that came into
/// being meanwhile is not overwritten.
fn create(path: &Path, key: &MasterKey) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    if !dir.is_dir() {
        DirBuilder::new().mode(0o700).create(dir)?;
    }
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(key.expose())?;
    file.sync_all()?;
    fs::hard_link(&draft, path)?;
    fs::remove_file(&draft)?;
    File::open(dir)?.sync_all()?;
    File::open(dir.parent().unwrap_or(dir))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_key_is_made_once_and_read_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let first = read_or_create(dir.path(), Entropy).unwrap();
        let path = dir.path().join(KEY);
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft is left");
        fs::write(dir.path().join(DATABASE), "data").unwrap();
        assert_eq!(read_or_create(dir.path(), Entropy).unwrap().expose(), first.expose());
    }

    #[test]
    fn a_crash_while_it_was_made_is_got_over() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("keys")).unwrap();
        fs::write(dir.path().join("keys/master.new"), "half").unwrap();
        File::create(dir.path().join(DATABASE)).unwrap();
        read_or_create(dir.path(), Entropy).unwrap();
    }

    /// The attack (by mishap): a new key beside old data would make every authenticator useless without a word.
    #[test]
    fn no_new_key_is_made_for_old_data() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(DATABASE), "data").unwrap();
        let fault = read_or_create(dir.path(), Entropy).unwrap_err();
        assert!(matches!(fault, Fault::KeyMissing { .. }), "{fault:?}");
        assert!(fault.to_string().contains("master.key is missing"), "{fault}");
        assert!(!dir.path().join(KEY).exists());
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        read_or_create(dir.path(), Entropy).unwrap();
        let path = dir.path().join(KEY);
        for open in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let fault = read_or_create(dir.path(), Entropy).unwrap_err();
            assert!(fault.to_string().ends_with(&format!("run `chmod 600 {}`", path.display())), "{fault}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        for length in [0, 31, 33, 5000] {
            fs::write(&path, vec![1; length]).unwrap();
            let fault = read_or_create(dir.path(), Entropy).unwrap_err();
            assert!(matches!(fault, Fault::KeyLength { length: told, .. } if told == length), "{fault:?}");
        }
    }
}
