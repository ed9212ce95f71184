//! The lock on the data directory: one instance at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use crate::store::fault::Fault;

/// Held for as long as the data directory is in use; the system lets go of it when the process ends, by whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock on `data_dir` without waiting, and leaves the process id in the file for whoever comes second.
    ///
    /// # Errors
    /// [`Fault::Locked`] if somebody has it.
    pub fn take(data_dir: &Path) -> Result<Self, Fault> {
        let path = data_dir.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // What stands in the file is overwritten: it has to be ours, and not what a link leads to.
        options.custom_flags(OFlag::O_NOFOLLOW.bits());
        let file = options.open(&path).map_err(Fault::at(&path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                written.map_err(Fault::at(&path))?;
                Ok(Self { _file: file })
            }
            Err((file, Errno::EWOULDBLOCK)) => Err(Fault::Locked { dir: data_dir.to_owned(), pid: holder(&file) }),
            Err((_, errno)) => Err(Fault::at(&path)(errno.into())),
        }
    }
}

fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_came_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::take(dir.path()).unwrap();
        let second = Lock::take(dir.path());
        assert!(matches!(second, Err(Fault::Locked { pid: Some(pid), .. }) if pid == std::process::id()), "{second:?}");
        drop(first);
        Lock::take(dir.path()).unwrap();
    }

    /// The attack: in a data folder that was anybody's to write in before it became ours, a lock that is a link to another file.
    #[test]
    fn a_link_is_no_lock_and_its_target_is_kept() {
        let dir = tempfile::tempdir().expect("a folder");
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "kept").expect("written");
        std::os::unix::fs::symlink(&victim, dir.path().join("lock")).expect("a link");
        assert!(Lock::take(dir.path()).is_err());
        assert_eq!(std::fs::read(&victim).expect("read"), b"kept");
    }
}
