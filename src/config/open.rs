//! Reads files that a configuration names. Such a file must be a regular one: opening a pipe would wait for somebody to write
//! into it, and a device may have no end.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

/// A file read in one go.
#[derive(Debug)]
pub struct Opened {
    /// What it holds; one byte more than was asked for means that there is more.
    pub bytes: Vec<u8>,
    /// Whose it is, as of the very file that was read.
    pub metadata: Metadata,
}

impl Opened {
    /// Which file it is.
    pub fn identity(&self) -> (u64, u64) {
        identity(&self.metadata)
    }

    /// Whether nobody but its owner may read it.
    pub fn is_private(&self) -> bool {
        is_private(&self.metadata)
    }

    /// Whether everybody on the machine may read it.
    pub fn is_world_readable(&self) -> bool {
        self.metadata.mode() & 0o004 != 0
    }
}

/// Reads a regular file; at most one byte more than `most`.
///
/// # Errors
/// It cannot be opened or read, or is not a regular file.
pub fn regular(path: &Path, most: usize) -> io::Result<Opened> {
    // Without waiting: until the file is open nobody knows what it is, and what it was a moment before says nothing.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    read(OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?, most, true)
}

/// Reads what the command line names, which may be a pipe; at most one byte more than `most`.
///
/// # Errors
/// It cannot be opened or read, or is a folder.
pub fn any(path: &Path, most: usize) -> io::Result<Opened> {
    read(File::open(path)?, most, false)
}

fn read(file: File, most: usize, only_regular: bool) -> io::Result<Opened> {
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if only_regular && !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Opened { bytes, metadata })
}

/// Which file it is, by device and inode.
pub fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Whether nobody but its owner may read it.
pub fn is_private(metadata: &Metadata) -> bool {
    metadata.mode() & 0o077 == 0
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    /// The attack: a pipe or an endless device where a file is expected holds the gateway, or eats its memory.
    #[test]
    fn pipes_and_devices_are_refused_at_once_and_large_files_are_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).expect("a pipe");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).expect("a link");
        for path in [pipe.as_path(), &link, Path::new("/dev/zero"), folder.path()] {
            assert!(regular(path, 10).is_err(), "{}", path.display());
        }
        let file = folder.path().join("file");
        std::fs::write(&file, [b'x'; 100]).expect("written");
        assert_eq!(regular(&file, 10).expect("a file").bytes.len(), 11);
        assert_eq!(any(Path::new("/dev/zero"), 10).expect("bytes").bytes.len(), 11);
    }
}
