//! A certificate in the owner's files: read, checked, and read again when it changes.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use rustls_pki_types::ServerName;

use crate::base::clock::Timestamp;
use crate::base::current::Current;
use crate::plan::app::CertificateFiles;
use crate::policy::host::Host;
use crate::tls::certificate::{self, Facts};
use crate::tls::durable;
use crate::tls::fault::Fault;
use crate::tls::local_ca::day;
use crate::tls::warning::Warning;

/// How often changes are worth looking for. Looking instead of being told (inotify) also works for links that certbot
/// turns, network shares and mounts in containers.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Renewal has failed for weeks when so little is left.
const NOTICE: Duration = Duration::from_secs(7 * 86_400);

/// A pair of files and what was last read from them.
#[derive(Debug)]
pub struct FilePair {
    files: CertificateFiles,
    provider: Arc<CryptoProvider>,
    current: Current<Loaded>,
    seen: Mutex<Stamps>,
}

/// A pair that belongs together.
#[derive(Debug)]
struct Loaded {
    key: Arc<CertifiedKey>,
    facts: Facts,
}

/// What tells that a file is another one, or written to. The time of the inode's change is part of it: a copy that keeps
/// times and sizes still changes that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// `None` where there is no such file, or it cannot be looked at.
type Stamps = [Option<Stamp>; 2];

impl FilePair {
    /// Reads both files.
    ///
    /// # Errors
    /// [`Fault`], naming the file: not there, not PEM, not a pair.
    pub fn open(files: CertificateFiles, provider: Arc<CryptoProvider>) -> Result<Self, Fault> {
        // Before reading: a change in between is then seen as a change later.
        let seen = Mutex::new(stamps(&files));
        let current = Current::new(load(&files, &provider)?);
        Ok(Self { files, provider, current, seen })
    }

    /// Where the files are.
    pub fn files(&self) -> &CertificateFiles {
        &self.files
    }

    /// The chain and key to show now.
    pub fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.get().key)
    }

    /// Reads the files again if either has changed since it was last looked at. True if another certificate is shown from
    /// now on; connections that are open do not notice.
    ///
    /// # Errors
    /// [`Fault`] when the changed files cannot be used: what was read before stays in use. Told once for each change, so
    /// that a file half written (chain before key) costs one line in the log and not one every few seconds.
    pub fn reread_if_changed(&self) -> Result<bool, Fault> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamps(&self.files);
        if *seen == now {
            return Ok(false);
        }
        *seen = now;
        self.current.replace(load(&self.files, &self.provider)?);
        Ok(true)
    }

    /// Whether a client that asks for `host` would accept the names in the certificate.
    pub fn covers(&self, host: &Host) -> bool {
        let loaded = self.current.get();
        let (Some(leaf), Ok(name)) = (loaded.key.cert.first(), ServerName::try_from(host.as_str())) else { return false };
        ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
    }

    /// What the owner should know of the files themselves.
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let facts = &self.current.get().facts;
        let certificate = self.files.certificate.clone();
        let validity = if now < facts.not_before {
            Some(Warning::NotYetValid { certificate, day: day(facts.not_before) })
        } else if facts.not_after < now {
            Some(Warning::Expired { certificate, day: day(facts.not_after) })
        } else if facts.not_after.since(now) < NOTICE.min(facts.not_after.since(facts.not_before) / 4) {
            Some(Warning::ExpiresSoon { certificate, day: day(facts.not_after) })
        } else {
            None
        };
        let path = self.files.private_key.clone();
        // A group may read it: Debian's ssl-cert works that way.
        let open = fs::metadata(&path).is_ok_and(|metadata| metadata.mode() & 0o004 != 0);
        validity.into_iter().chain(open.then_some(Warning::KeyReadable { path })).collect()
    }
}

fn stamps(files: &CertificateFiles) -> Stamps {
    [&files.certificate, &files.private_key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some(Stamp {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    })
}

fn load(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Loaded, Fault> {
    let chain = certificate::chain(&files.certificate, &there(&files.certificate)?)?;
    let facts = certificate::read(&files.certificate, &chain[0])?;
    let key = certificate::private_key(&files.private_key, &there(&files.private_key)?)?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|fault| Fault::BadKey { path: files.private_key.clone(), reason: fault.to_string() })?;
    let key = CertifiedKey::new(chain, key);
    match key.keys_match() {
        Ok(()) => Ok(Loaded { key: Arc::new(key), facts }),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(Fault::Mismatch { certificate: files.certificate.clone(), private_key: files.private_key.clone() })
        }
        Err(fault) => Err(Fault::BadCertificate { path: files.certificate.clone(), reason: fault.to_string() }),
    }
}

fn there(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, Fault> {
    durable::read(path)?.ok_or_else(|| Fault::Unreadable { path: path.into(), source: io::ErrorKind::NotFound.into() })
}
