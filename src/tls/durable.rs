//! Files of certificates and keys: written so that they are whole or absent, read up to a sane size.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::base::durable;
use crate::tls::fault::Fault;

/// More than any chain or key needs; a mistaken path must not fill the memory.
const MAX_BYTES: u64 = 1 << 20;

/// Creates `dir` and its parents for the owner alone, unless it is there.
///
/// # Errors
/// [`Fault::Unwritable`].
pub fn directory(dir: &Path) -> Result<(), Fault> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| Fault::Unwritable { path: dir.into(), source })
}

/// Writes `bytes` to `path` with exactly `mode`: under another name first, synchronised, renamed, and the directory
/// synchronised, so that after a crash there is the whole file, the former one, or none.
///
/// # Errors
/// [`Fault::Unwritable`]; what was at `path` before is untouched then.
pub fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fault> {
    durable::replace(path, &beside(path), bytes, mode).map_err(|source| Fault::Unwritable { path: path.into(), source })
}

/// Always the same name, so that what a crash leaves behind is replaced and does not pile up.
fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

/// Reads the whole of `path`, which may hold a private key; `None` if there is no such file.
///
/// # Errors
/// [`Fault::Unreadable`], [`Fault::NotAFile`], [`Fault::TooLarge`].
pub fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    let fault = |source| Fault::Unreadable { path: path.into(), source };
    match fs::metadata(path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(other) => return Err(fault(other)),
        // Opening a pipe would wait for somebody to write into it.
        Ok(metadata) if !metadata.is_file() => return Err(Fault::NotAFile { path: path.into() }),
        Ok(metadata) if metadata.len() > MAX_BYTES => return Err(Fault::TooLarge { path: path.into() }),
        Ok(_) => {}
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 << 10));
    File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes)).map_err(fault)?;
    Ok(Some(bytes))
}

/// The same of a file that has to be there.
///
/// # Errors
/// As [`read`], and [`Fault::Unreadable`] where there is none.
pub fn require(path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    read(path)?.ok_or_else(|| Fault::Unreadable { path: path.into(), source: io::ErrorKind::NotFound.into() })
}

/// Holds other processes off `dir` until the file is dropped. Best effort: on file systems without locks the caller goes
/// on, since the gateway itself holds the lock of its data directory.
pub fn lock(dir: &Path) -> Option<File> {
    let dir = File::open(dir).ok()?;
    dir.lock().ok()?;
    Some(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_a_sane_size_are_read() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(matches!(read(dir.path()), Err(Fault::NotAFile { .. })));
        assert!(matches!(read(Path::new("/dev/zero")), Err(Fault::NotAFile { .. })));
        assert!(matches!(read(&dir.path().join("none")), Ok(None)));
        assert!(matches!(require(&dir.path().join("none")), Err(Fault::Unreadable { .. })));
        let large = dir.path().join("large");
        File::create(&large).and_then(|file| file.set_len(MAX_BYTES + 1)).expect("made");
        assert!(matches!(read(&large), Err(Fault::TooLarge { .. })));
    }
}
