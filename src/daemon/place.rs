//! Where an installation keeps things.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{self, Path, PathBuf};

use crate::daemon::fault::Fault;

/// The folders of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Store, keys and the lock.
    pub data: PathBuf,
    /// Certificates.
    pub certs: PathBuf,
    /// The control socket.
    pub control: PathBuf,
    /// The configuration file, if there is one; absolute.
    pub config: Option<PathBuf>,
}

impl Place {
    /// The places that belong to `data`; certificates beside `config` if a folder `certs` is there.
    pub fn new(data: &Path, config: Option<&Path>, runtime: Option<&Path>) -> Self {
        let beside = config.map(|file| file.parent().unwrap_or(Path::new(".")).join("certs")).filter(|certs| certs.is_dir());
        Self {
            data: data.to_owned(),
            certs: beside.unwrap_or_else(|| data.join("certs")),
            control: runtime.unwrap_or(data).join("control.sock"),
            config: config.map(|file| path::absolute(file).unwrap_or_else(|_| file.to_owned())),
        }
    }

    /// Makes the folders that are missing, closed to others.
    ///
    /// # Errors
    /// [`Fault::Io`] with the folder that cannot be made.
    pub fn prepare(&self) -> Result<(), Fault> {
        for dir in [&self.data, &self.certs] {
            make(dir).map_err(|source| Fault::Io { path: dir.clone(), source })?;
        }
        // The data folder may be older than we are, or made by hand with the umask of the day.
        fs::set_permissions(&self.data, Permissions::from_mode(0o700))
            .map_err(|source| Fault::Io { path: self.data.clone(), source })
    }
}

fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_lie_beside_the_configuration_if_the_folder_is_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let (data, config) = (dir.path().join("data"), dir.path().join("gateway.toml"));
        assert_eq!(Place::new(&data, Some(&config), None).certs, data.join("certs"));
        fs::create_dir(dir.path().join("certs")).expect("made");
        assert_eq!(Place::new(&data, Some(&config), None).certs, dir.path().join("certs"));
    }

    #[test]
    fn folders_are_closed_to_others() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = Place::new(&dir.path().join("data"), None, None);
        place.prepare().expect("made");
        assert_eq!(fs::metadata(&place.data).expect("made").permissions().mode() & 0o777, 0o700);
    }
}
