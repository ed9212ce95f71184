//! What is kept in `certs/acme`: for each name a file with its key and chain, the one before it, and what its orders came to; for
//! each authority the key of our account there. All PEM and JSON, for the owner alone, and each file whole or absent.

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rustls::crypto::CryptoProvider;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::base::seal;
use crate::plan::app::CertificateFiles;
use crate::policy::host::Host;
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::advice::Advice;
use crate::tls::acme::schedule::{Record, Validity};
use crate::tls::durable;
use crate::tls::fault::Fault;
use crate::tls::files::{self, Loaded};

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// What a name's orders came to. Outlives restarts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// For the schedule.
    pub record: Record,
    /// The order that runs, or ran when the gateway ended.
    pub order: Option<OpenOrder>,
    /// How the name was proven when it last worked, or how to try next.
    pub challenge: Option<Proof>,
    /// The directory of the authority that issued the newest certificate.
    pub issued_by: Option<String>,
    /// Why it failed last; nothing after a success.
    pub trouble: Option<Told>,
    /// When the authority wants the certificate renewed.
    pub advice: Option<Advice>,
    /// The SHA-256 of a certificate that was revoked, in hexadecimal digits.
    pub revoked: Option<String>,
}

/// How a name is proven to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof {
    /// On port 80.
    #[serde(rename = "http-01")]
    Http01,
    /// On port 443.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// By a record in DNS.
    #[serde(rename = "dns-01")]
    Dns01,
}

/// An order at an authority, to go on with after a crash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOrder {
    /// The authority.
    pub directory: String,
    /// The order.
    pub url: String,
}

/// Why something failed, for the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When, in seconds since 1970.
    pub at: i64,
    /// In plain words, with what to do.
    pub sentence: String,
    /// The authority's own words, if there are any.
    pub words: Option<String>,
}

impl Folder {
    /// The folder within the one for certificates.
    pub fn within(certs: &Path) -> Self {
        Self(certs.join("acme"))
    }

    /// Makes it if it is missing.
    ///
    /// # Errors
    /// [`Fault::Unwritable`].
    pub fn make(&self) -> Result<(), Fault> {
        durable::directory(&self.0)
    }

    /// The file with key and chain of a host.
    pub fn certificate(&self, host: &HostPattern) -> PathBuf {
        self.file(host, ".pem")
    }

    /// The newest usable certificate of a host, and what is wrong with newer ones.
    pub fn load(&self, host: &HostPattern, provider: &CryptoProvider) -> (Option<Loaded>, Vec<Fault>) {
        let mut faults = Vec::new();
        for path in [self.certificate(host), self.file(host, "_previous.pem")] {
            if matches!(fs::exists(&path), Ok(false)) {
                continue;
            }
            match files::load(&CertificateFiles { certificate: path.clone(), private_key: path }, provider) {
                Ok(loaded) => return (Some(loaded), faults),
                Err(fault) => faults.push(fault),
            }
        }
        (None, faults)
    }

    /// Keeps what was issued. The one before it stays, if it could be used: a crash at any point leaves one of them.
    ///
    /// # Errors
    /// [`Fault`]; what is written is tried first, and nothing changes unless it can be used.
    pub fn keep(&self, host: &HostPattern, pem: &str, provider: &CryptoProvider) -> Result<Loaded, Fault> {
        let current = self.certificate(host);
        let tried = self.file(host, "_issued.pem");
        durable::write(&tried, pem.as_bytes(), 0o600)?;
        let loaded = files::load(&CertificateFiles { certificate: tried.clone(), private_key: tried.clone() }, provider);
        let loaded = loaded.inspect_err(|_| drop(fs::remove_file(&tried)))?;
        let before = CertificateFiles { certificate: current.clone(), private_key: current.clone() };
        if files::load(&before, provider).is_ok()
            && let Some(text) = durable::read(&current)?
        {
            durable::write(&self.file(host, "_previous.pem"), &text, 0o600)?;
        }
        durable::write(&current, pem.as_bytes(), 0o600)?;
        // Its content is in the other file now.
        drop(fs::remove_file(&tried));
        Ok(loaded)
    }

    /// What a host's orders came to; nothing where it cannot be read, since losing it costs one order at most.
    pub fn history(&self, host: &HostPattern) -> History {
        let text = durable::read(&self.file(host, ".json")).ok().flatten();
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// Keeps what a host's orders came to.
    ///
    /// # Errors
    /// [`Fault::Unwritable`].
    pub fn write_history(&self, host: &HostPattern, history: &History) -> Result<(), Fault> {
        let text = serde_json::to_vec_pretty(history).expect("names and numbers");
        durable::write(&self.file(host, ".json"), &text, 0o600)
    }

    /// The key of an order that is open, if there is one.
    ///
    /// # Errors
    /// [`Fault`] when it is there and cannot be read.
    pub fn order_key(&self, host: &HostPattern) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        durable::read(&self.file(host, "_order.key"))
    }

    /// Keeps the key of an order before the authority sees anything of it.
    ///
    /// # Errors
    /// [`Fault::Unwritable`].
    pub fn write_order_key(&self, host: &HostPattern, pem: &str) -> Result<(), Fault> {
        durable::write(&self.file(host, "_order.key"), pem.as_bytes(), 0o600)
    }

    /// Forgets the key of an order that is over: it is in the certificate's file, or of no use.
    pub fn forget_order_key(&self, host: &HostPattern) {
        drop(fs::remove_file(self.file(host, "_order.key")));
    }

    /// The text with the key of our account at an authority.
    ///
    /// # Errors
    /// [`Fault`] when it is there and cannot be read.
    pub fn account(&self, directory: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        durable::read(&self.account_file(directory))
    }

    /// Keeps that text.
    ///
    /// # Errors
    /// [`Fault::Unwritable`].
    pub fn write_account(&self, directory: &str, text: &str) -> Result<(), Fault> {
        self.make()?;
        durable::write(&self.account_file(directory), text.as_bytes(), 0o600)
    }

    /// The key that our account is to have from now on, where it is not known whether the authority has taken it.
    ///
    /// # Errors
    /// [`Fault`] when it is there and cannot be read.
    pub fn next_key(&self, directory: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        durable::read(&self.next_key_file(directory))
    }

    /// Keeps it before the authority hears of it.
    ///
    /// # Errors
    /// [`Fault::Unwritable`].
    pub fn write_next_key(&self, directory: &str, pem: &str) -> Result<(), Fault> {
        durable::write(&self.next_key_file(directory), pem.as_bytes(), 0o600)
    }

    /// Forgets it: it is the account's now, or never will be.
    pub fn forget_next_key(&self, directory: &str) {
        drop(fs::remove_file(self.next_key_file(directory)));
    }

    fn next_key_file(&self, directory: &str) -> PathBuf {
        self.account_file(directory).with_extension("next")
    }

    /// Where it is, to be named in faults.
    pub fn account_file(&self, directory: &str) -> PathBuf {
        let tag = HEXLOWER.encode(&seal::sha256(directory.as_bytes())[..4]);
        let uri = directory.parse::<http::Uri>().ok();
        let host = uri.as_ref().and_then(|uri| uri.host()).and_then(|host| Host::parse(host).ok());
        let name = host.map_or_else(|| "authority".to_owned(), |host| host.as_str().replace(':', "-"));
        self.0.join(format!("account_{name}_{tag}.pem"))
    }

    /// The file that says which records in DNS are to be removed.
    pub fn records(&self) -> PathBuf {
        self.0.join("dns_records.json")
    }

    /// A host in canonical spelling has no slash and no underscore: what belongs to one is never taken for another's. For the star
    /// of a wildcard, which shells take for any name, stands an underscore, as lego writes it.
    fn file(&self, host: &HostPattern, suffix: &str) -> PathBuf {
        self.0.join(match host {
            HostPattern::Exact(host) => format!("{host}{suffix}"),
            HostPattern::Under(wildcard) => format!("_.{}{suffix}", wildcard.parent()),
        })
    }
}

/// From when until when a certificate is valid.
pub fn validity(loaded: &Loaded) -> Validity {
    Validity { from: loaded.facts.not_before, until: loaded.facts.not_after }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rcgen::{CertificateParams, KeyPair};
    use tempfile::TempDir;

    use super::*;
    use crate::tls::server;

    fn ground() -> (TempDir, Folder, HostPattern) {
        let dir = tempfile::tempdir().expect("a directory");
        let folder = Folder::within(dir.path());
        folder.make().expect("made");
        (dir, folder, HostPattern::parse("a.example").expect("a host"))
    }

    fn issued() -> String {
        let key = KeyPair::generate().expect("a key");
        let made = CertificateParams::new(["a.example".to_owned()]).expect("a name").self_signed(&key).expect("signed");
        format!("{}{}", key.serialize_pem(), made.pem())
    }

    #[test]
    fn the_one_before_is_kept_and_taken_where_the_newest_is_torn() {
        let (_dir, folder, host) = ground();
        let provider = server::provider();
        assert!(matches!(folder.load(&host, &provider), (None, faults) if faults.is_empty()));
        let first = folder.keep(&host, &issued(), &provider).expect("kept");
        let second = folder.keep(&host, &issued(), &provider).expect("kept");
        let shown = |folder: &Folder| folder.load(&host, &provider).0.expect("one").key.cert.clone();
        assert_eq!(shown(&folder), second.key.cert);
        let path = folder.certificate(&host);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        for torn in [&b""[..], b"\0\0\0\0", b"-----BEGIN PRIVATE KEY-----\nMIIB"] {
            fs::write(&path, torn).expect("written");
            let (loaded, faults) = folder.load(&host, &provider);
            assert_eq!((loaded.expect("the one before").key.cert.clone(), faults.len()), (first.key.cert.clone(), 1));
        }
        // A torn one never takes the place of the one before.
        let third = folder.keep(&host, &issued(), &provider).expect("kept");
        assert_eq!(shown(&folder), third.key.cert);
        fs::remove_file(&path).expect("removed");
        assert_eq!(shown(&folder), first.key.cert);
    }

    #[test]
    fn what_cannot_be_used_is_not_kept() {
        let (_dir, folder, host) = ground();
        let provider = server::provider();
        let first = folder.keep(&host, &issued(), &provider).expect("kept");
        let key = KeyPair::generate().expect("a key").serialize_pem();
        let chain = issued().split_once("-----BEGIN CERTIFICATE").map(|(_, chain)| format!("-----BEGIN CERTIFICATE{chain}"));
        for wrong in [String::new(), key.clone(), format!("{key}{}", chain.expect("a chain"))] {
            folder.keep(&host, &wrong, &provider).expect_err("not usable");
            assert_eq!(folder.load(&host, &provider).0.expect("the first").key.cert, first.key.cert);
        }
        assert_eq!(fs::read_dir(folder.certificate(&host).parent().expect("a folder")).expect("listed").count(), 1);
    }

    #[test]
    fn history_that_cannot_be_read_is_forgotten() {
        let (_dir, folder, host) = ground();
        let history = History { challenge: Some(Proof::TlsAlpn01), ..History::default() };
        folder.write_history(&host, &history).expect("written");
        assert_eq!(folder.history(&host).challenge, Some(Proof::TlsAlpn01));
        fs::write(folder.file(&host, ".json"), "{\"rec").expect("written");
        assert_eq!(folder.history(&host).challenge, None);
    }

    #[test]
    fn each_directory_has_an_account_of_its_own() {
        let (_dir, folder, _) = ground();
        let [one, other] = ["https://ca.example/a", "https://ca.example/b"].map(|directory| folder.account_file(directory));
        assert_ne!(one, other);
        assert!(one.file_name().is_some_and(|name| name.to_string_lossy().starts_with("account_ca.example_")));
    }
}
