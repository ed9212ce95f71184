//! A certificate in the owner's files: read, checked, and read again when it changes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use rustls_pki_types::ServerName;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::base::clock::Timestamp;
use crate::base::current::Current;
use crate::plan::app::CertificateFiles;
use crate::policy::host::Host;
use crate::policy::wildcard::HostPattern;
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

/// What was read from a pair of files, not shown yet.
#[derive(Debug)]
pub struct Reread {
    loaded: Loaded,
    seen: Stamps,
}

/// A pair that belongs together.
#[derive(Debug)]
pub struct Loaded {
    /// Chain and key, as rustls takes them.
    pub key: Arc<CertifiedKey>,
    /// What is known of the first certificate.
    pub facts: Facts,
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

    /// Reads the files anew, changed or not. What is read is shown only once it is given to [`FilePair::adopt`].
    ///
    /// # Errors
    /// [`Fault`] when the files as they are now cannot be used.
    pub fn reread(&self) -> Result<Reread, Fault> {
        let seen = stamps(&self.files);
        load(&self.files, &self.provider).map(|loaded| Reread { loaded, seen })
    }

    /// Shows what was read; connections that are open do not notice.
    pub fn adopt(&self, reread: Reread) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = reread.seen;
        self.current.replace(reread.loaded);
    }

    /// Who signed the certificate that is shown now, and until when it is valid.
    pub fn signed(&self) -> (String, Timestamp) {
        let loaded = self.current.get();
        (loaded.facts.issuer.clone(), loaded.facts.not_after)
    }

    /// From when on that certificate is valid.
    pub fn begins(&self) -> Timestamp {
        self.current.get().facts.not_before
    }

    /// Whether a client that asks for `host` would accept the names in the certificate.
    pub fn covers(&self, host: &Host) -> bool {
        covers(&self.current.get().key, host)
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

/// Whether a client that asks for `host` would accept the names in the certificate.
pub fn covers(key: &CertifiedKey, host: &Host) -> bool {
    let (Some(leaf), Ok(name)) = (key.cert.first(), ServerName::try_from(host.as_str())) else { return false };
    ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, &name).is_ok())
}

/// Whether a certificate is for all of these names: for a wildcard it has that itself.
pub fn covers_all(key: &CertifiedKey, names: &HostPattern) -> bool {
    match names {
        HostPattern::Exact(host) => covers(key, host),
        HostPattern::Under(_) => {
            let parsed = key.cert.first().and_then(|leaf| X509Certificate::from_der(leaf).ok());
            let alternatives = parsed.as_ref().and_then(|(_, leaf)| leaf.subject_alternative_name().ok().flatten());
            let wanted = names.to_string();
            let is_it = |name: &GeneralName<'_>| matches!(name, GeneralName::DNSName(name) if name.eq_ignore_ascii_case(&wanted));
            alternatives.is_some_and(|names| names.value.general_names.iter().any(is_it))
        }
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

/// Reads a pair; both may be in one file.
///
/// # Errors
/// [`Fault`], naming the file: not there, not PEM, not a pair.
pub fn load(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Loaded, Fault> {
    pair(files, &durable::require(&files.certificate)?, &durable::require(&files.private_key)?, provider)
}

/// A pair whose texts have been read from `files`.
///
/// # Errors
/// As [`load`].
pub fn pair(files: &CertificateFiles, chain: &[u8], key: &[u8], provider: &CryptoProvider) -> Result<Loaded, Fault> {
    let chain = certificate::chain(&files.certificate, chain)?;
    let facts = certificate::read(&files.certificate, &chain[0])?;
    let key = certificate::private_key(&files.private_key, key)?;
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

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;
    use time::OffsetDateTime;

    use super::*;
    use crate::tls::server;

    const START: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;

    /// A certificate for `*.example.test` that lives 90 days from `START`, and its key.
    fn ground() -> (TempDir, CertificateFiles) {
        let dir = tempfile::tempdir().expect("a directory");
        let files = CertificateFiles { certificate: dir.path().join("chain.pem"), private_key: dir.path().join("key.pem") };
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["*.example.test".to_owned(), "10.0.0.7".to_owned()]).expect("names");
        params.not_before = OffsetDateTime::from_unix_timestamp(START).expect("a moment");
        params.not_after = OffsetDateTime::from_unix_timestamp(START + 90 * DAY).expect("a moment");
        let chain = params.self_signed(&key).expect("signed").pem();
        durable::write(&files.certificate, format!("a comment\n{chain}{chain}").as_bytes(), 0o644).expect("written");
        durable::write(&files.private_key, key.serialize_pem().as_bytes(), 0o640).expect("written");
        (dir, files)
    }

    fn open(files: &CertificateFiles) -> Result<FilePair, Fault> {
        FilePair::open(files.clone(), server::provider())
    }

    #[test]
    fn names_are_judged_as_clients_judge_them() {
        let (_dir, files) = ground();
        let pair = open(&files).expect("a pair");
        let covers = |name: &str| pair.covers(&Host::parse(name).expect("a host"));
        assert!(covers("shop.example.test") && covers("10.0.0.7"));
        assert!(!covers("example.test") && !covers("a.shop.example.test") && !covers("10.0.0.8") && !covers("shop.example.com"));
        assert_eq!(pair.key().cert.len(), 2, "the whole chain is shown");
    }

    #[test]
    fn the_owner_learns_when_renewal_has_failed() {
        let (_dir, files) = ground();
        let pair = open(&files).expect("a pair");
        let warnings = |days: i64| pair.warnings(Timestamp::from_secs(START + days * DAY));
        let certificate = files.certificate.clone();
        assert_eq!(warnings(1), []);
        assert_eq!(warnings(82), []);
        assert_eq!(warnings(84), [Warning::ExpiresSoon { certificate: certificate.clone(), day: "2027-04-15".into() }]);
        assert_eq!(warnings(91), [Warning::Expired { certificate: certificate.clone(), day: "2027-04-15".into() }]);
        assert_eq!(warnings(-1), [Warning::NotYetValid { certificate, day: "2027-01-15".into() }]);
    }

    #[test]
    fn what_cannot_be_used_is_told_in_plain_words_and_names_the_file() {
        let (dir, files) = ground();
        let [chain, key] = [&files.certificate, &files.private_key].map(|path| fs::read_to_string(path).expect("read"));
        let other = KeyPair::generate().expect("a key").serialize_pem();
        let legacy = key.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1);
        let cases = [
            (&files.certificate, key.as_str(), "there is no certificate in "),
            (&files.certificate, &chain[..200], "cannot be used: the file ends in the middle of a block"),
            (&files.private_key, chain.as_str(), "there is no private key in "),
            (&files.private_key, "", "there is no private key in "),
            (&files.private_key, &key[..60], "cannot be used: the file ends in the middle of a block"),
            (&files.private_key, "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", "the private key in "),
            (&files.private_key, legacy.as_str(), "is protected by a passphrase"),
            (&files.private_key, other.as_str(), "does not belong to the first certificate in "),
        ];
        for (path, text, words) in cases {
            durable::write(path, text.as_bytes(), 0o600).expect("written");
            let told = open(&files).expect_err(words).to_string();
            assert!(told.contains(words) && told.contains(&*dir.path().to_string_lossy()), "{told}");
            durable::write(&files.certificate, chain.as_bytes(), 0o600).expect("written");
            durable::write(&files.private_key, key.as_bytes(), 0o600).expect("written");
        }
        let both = CertificateFiles { certificate: dir.path().join("both.pem"), private_key: dir.path().join("both.pem") };
        durable::write(&both.certificate, format!("{key}{chain}").as_bytes(), 0o600).expect("written");
        open(&both).expect("one file may hold both");
    }

    /// A link that is turned to another directory, as certbot does: neither path changes, nor need size or time.
    #[test]
    fn a_turned_link_is_a_change() {
        let (first, _) = ground();
        let (second, _) = ground();
        let live = tempfile::tempdir().expect("a directory");
        let link = live.path().join("live");
        std::os::unix::fs::symlink(first.path(), &link).expect("linked");
        let files = CertificateFiles { certificate: link.join("chain.pem"), private_key: link.join("key.pem") };
        let pair = open(&files).expect("a pair");
        let before = pair.key();
        assert!(!pair.reread_if_changed().expect("readable"));
        assert!(Arc::ptr_eq(&before, &pair.key()));
        fs::remove_file(&link).and_then(|()| std::os::unix::fs::symlink(second.path(), &link)).expect("turned");
        assert!(pair.reread_if_changed().expect("readable"));
        assert_ne!(before.cert, pair.key().cert);
    }
}
