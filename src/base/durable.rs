//! Files that are whole or absent, whatever kills us in between: written under another name, synchronised, and only then put
//! in their place.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Puts a file of `bytes` with exactly `mode` at `path`, in place of what is there: after a crash that is the new file or the one
/// before. Until it is whole it is at `draft`, in the same folder, in place of what a crash may have left there.
///
/// # Errors
/// Whatever the file system says; what was at `path` is untouched then, unless only the folder could not be synchronised.
pub fn replace(path: &Path, draft: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write(draft, bytes, mode).and_then(|()| fs::rename(draft, path)).inspect_err(|_| drop(fs::remove_file(draft)))?;
    sync(folder(path))
}

/// As [`replace`], where there must be nothing at `path`: a file that came into being meanwhile is not overwritten.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`], or whatever else the file system says.
pub fn create(path: &Path, draft: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let placed = write(draft, bytes, mode).and_then(|()| fs::hard_link(draft, path));
    // It is at `path` now, or nowhere.
    let removed = fs::remove_file(draft);
    placed.and(removed)?;
    sync(folder(path))
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != ErrorKind::NotFound => return Err(fault),
        Ok(()) | Err(_) => {}
    }
    // Exclusive creation does not follow a link that somebody placed there. The mode is set before anything is written,
    // and set again because the umask may have taken bits away.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The folder that the file at `path` is in.
pub fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Has what `folder` lists survive a crash.
///
/// # Errors
/// Whatever the file system says.
pub fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    /// The attack: a link under the name of the draft, to have us write elsewhere.
    #[test]
    fn what_a_crash_left_behind_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().expect("a directory");
        let (victim, draft, path) = (dir.path().join("victim"), dir.path().join(".new"), dir.path().join("key"));
        fs::write(&victim, "kept").expect("written");
        std::os::unix::fs::symlink(&victim, &draft).expect("linked");
        replace(&path, &draft, b"secret", 0o600).expect("written");
        assert_eq!((fs::read(&victim).expect("read"), fs::read(&path).expect("read")), (b"kept".to_vec(), b"secret".to_vec()));
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 2);
    }

    #[test]
    fn what_is_there_is_overwritten_only_where_that_is_meant() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, draft) = (dir.path().join("key"), dir.path().join(".new"));
        create(&path, &draft, b"one", 0o640).expect("nothing was there");
        let refused = create(&path, &draft, b"two", 0o640).expect_err("it is there");
        assert_eq!((refused.kind(), fs::read(&path).expect("read")), (ErrorKind::AlreadyExists, b"one".to_vec()));
        replace(&path, &draft, b"three", 0o640).expect("replaced");
        assert_eq!((fs::read(&path).expect("read"), mode(&path)), (b"three".to_vec(), 0o640));
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "no draft is left");
    }
}
