//! Where an installation keeps things.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{self, Path, PathBuf};

use crate::config::environment::Environment;
use crate::daemon::fault::Fault;
use crate::plan::whole::origin_of;
use crate::policy::host::Authority;
use crate::store::key_file::Given;
use crate::tls::durable;

/// Below the data folder: where browsers reach this installation, as its gateway last knew it.
const ORIGIN: &str = "origin";

/// Begins the line that holds the plain port.
const PLAIN: &str = "http port ";

/// The folders of an installation.
#[derive(Clone, Debug)]
pub struct Place {
    /// Store, keys and the lock.
    pub data: PathBuf,
    /// Certificates.
    pub certs: PathBuf,
    /// The control socket.
    pub control: PathBuf,
    /// The configuration file, if there is one; absolute.
    pub config: Option<PathBuf>,
    /// The master keys, if the owner keeps them elsewhere than in `data`.
    pub keys: Option<Given>,
    /// The environment it was started in.
    pub environment: Environment,
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
            keys: None,
            environment: Environment::default(),
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

    /// Keeps where browsers reach us, for commands that have nothing else to make links from: `origin` for HTTPS, and the
    /// port for plain HTTP if there is one. The ports are the real ones.
    ///
    /// # Errors
    /// [`Fault::Tls`] with the file that cannot be written.
    pub fn remember_origin(&self, origin: &str, plain: Option<u16>) -> Result<(), Fault> {
        let plain = plain.map(|port| format!("{PLAIN}{port}\n")).unwrap_or_default();
        let text = format!("{origin}\n{plain}");
        durable::write(&self.data.join(ORIGIN), text.as_bytes(), 0o600).map_err(|fault| Fault::Tls(vec![fault]))
    }

    /// Where browsers reached the gateway that last ran here; `None` if none did, or the file says something else.
    pub fn origin(&self) -> Option<String> {
        let text = self.remembered()?;
        let line = text.lines().next()?;
        let authority = Authority::parse(line.strip_prefix("https://")?).ok()?;
        let origin = origin_of(&authority.host, authority.port.unwrap_or(443));
        (origin == line).then_some(origin)
    }

    /// The port for plain HTTP of the gateway that last ran here.
    pub fn plain_port(&self) -> Option<u16> {
        self.remembered()?.lines().nth(1)?.strip_prefix(PLAIN)?.parse().ok()
    }

    fn remembered(&self) -> Option<String> {
        let bytes = durable::read(&self.data.join(ORIGIN)).ok()??;
        String::from_utf8(bytes.to_vec()).ok()
    }
}

fn make(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|fault| match fault.kind() {
        // "File exists" would be true and of no use.
        io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(),
        _ => fault,
    })
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
    fn an_origin_is_remembered_and_nothing_else_is_taken_for_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = Place::new(dir.path(), None, None);
        assert_eq!((place.origin(), place.plain_port()), (None, None));
        for (origin, port) in
            [("https://a.localhost:8443", Some(8080)), ("https://a.example", None), ("https://[::1]:8443", Some(1))]
        {
            place.remember_origin(origin, port).expect("written");
            assert_eq!((place.origin().as_deref(), place.plain_port()), (Some(origin), port));
        }
        for text in [
            "",
            "http://a\n",
            "https://a/b\n",
            "https://u@a\n",
            "https://A.example\n",
            "https://a\u{1b}[31m\n",
            "https://a:443\n",
        ] {
            fs::write(dir.path().join(ORIGIN), text).expect("written");
            assert_eq!(place.origin(), None, "{text:?}");
        }
    }

    #[test]
    fn folders_are_closed_to_others() {
        let dir = tempfile::tempdir().expect("a directory");
        let place = Place::new(&dir.path().join("data"), None, None);
        place.prepare().expect("made");
        assert_eq!(fs::metadata(&place.data).expect("made").permissions().mode() & 0o777, 0o700);
    }
}
