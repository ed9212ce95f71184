//! What is kept in `certs/acme`: for each name a file with its key and chain, the one before it, and what its orders came to; for
//! each authority the key of our account there. All PEM and JSON, for the owner alone, and each file whole or absent.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rustls::crypto::CryptoProvider;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::base::clock::Timestamp;
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
    /// Orders that have ended, well or not; those that were tried out only are none.
    pub attempts: u64,
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

/// A key that our account is to have (PEM), and since when it is there as far as the system tells.
pub type NextKey = (Zeroizing<Vec<u8>>, Option<Timestamp>);

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
            match usable(host, &path, provider) {
                Ok(loaded) => return (Some(loaded), faults),
                Err(fault) => faults.push(fault),
            }
        }
        (None, faults)
    }

    /// Keeps what was issued. The one before it stays, if it could be used: a crash at any point leaves one of them. It does not stay if
    /// it is the one that was `revoked`, of which the SHA-256 is given: nobody should be shown that again.
    ///
    /// # Errors
    /// [`Fault`]; what is written is tried first, and nothing changes unless it can be used.
    pub fn keep(
        &self,
        host: &HostPattern,
        (pem, revoked): (&str, Option<&str>),
        provider: &CryptoProvider,
    ) -> Result<Loaded, Fault> {
        let current = self.certificate(host);
        let tried = self.file(host, "_issued.pem");
        durable::write(&tried, pem.as_bytes(), 0o600)?;
        let loaded = usable(host, &tried, provider).inspect_err(|_| drop(fs::remove_file(&tried)))?;
        let stays = |before: Loaded| revoked.is_none() || fingerprint(&before).as_deref() != revoked;
        if usable(host, &current, provider).is_ok_and(stays)
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
    pub fn next_key(&self, directory: &str) -> Result<Option<NextKey>, Fault> {
        let path = self.next_key_file(directory);
        let since = fs::metadata(&path).ok().map(|metadata| Timestamp::from_secs(metadata.mtime()));
        Ok(durable::read(&path)?.map(|key| (key, since)))
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

/// The certificate in a file, if visitors of a host may be shown it.
fn usable(host: &HostPattern, path: &Path, provider: &CryptoProvider) -> Result<Loaded, Fault> {
    let loaded = files::load(&CertificateFiles { certificate: path.into(), private_key: path.into() }, provider)?;
    match files::covers_all(&loaded.key, host) {
        true => Ok(loaded),
        false => Err(Fault::BadCertificate { path: path.into(), reason: "it is for another name".to_owned() }),
    }
}

/// SHA-256 of a certificate, in hexadecimal digits.
pub fn fingerprint(loaded: &Loaded) -> Option<String> {
    loaded.key.cert.first().map(|leaf| HEXLOWER.encode(&seal::sha256(leaf)))
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
        issued_for("a.example")
    }

    fn issued_for(name: &str) -> String {
        let key = KeyPair::generate().expect("a key");
        let made = CertificateParams::new([name.to_owned()]).expect("a name").self_signed(&key).expect("signed");
        format!("{}{}", key.serialize_pem(), made.pem())
    }

    #[test]
    fn the_one_before_is_kept_and_taken_where_the_newest_is_torn() {
        let (_dir, folder, host) = ground();
        let provider = server::provider();
        assert!(matches!(folder.load(&host, &provider), (None, faults) if faults.is_empty()));
        let first = folder.keep(&host, (&issued(), None), &provider).expect("kept");
        let second = folder.keep(&host, (&issued(), None), &provider).expect("kept");
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
        let third = folder.keep(&host, (&issued(), None), &provider).expect("kept");
        assert_eq!(shown(&folder), third.key.cert);
        fs::remove_file(&path).expect("removed");
        assert_eq!(shown(&folder), first.key.cert);
    }

    #[test]
    fn what_cannot_be_used_is_not_kept() {
        let (_dir, folder, host) = ground();
        let provider = server::provider();
        let first = folder.keep(&host, (&issued(), None), &provider).expect("kept");
        let key = KeyPair::generate().expect("a key").serialize_pem();
        let chain = issued().split_once("-----BEGIN CERTIFICATE").map(|(_, chain)| format!("-----BEGIN CERTIFICATE{chain}"));
        for wrong in [String::new(), key.clone(), format!("{key}{}", chain.expect("a chain"))] {
            folder.keep(&host, (&wrong, None), &provider).expect_err("not usable");
            assert_eq!(folder.load(&host, &provider).0.expect("the first").key.cert, first.key.cert);
        }
        assert_eq!(fs::read_dir(folder.certificate(&host).parent().expect("a folder")).expect("listed").count(), 1);
    }

    /// The attack: an authority that issues for another name takes from visitors the certificate that works.
    #[test]
    fn one_for_another_name_is_neither_kept_nor_shown() {
        let (_dir, folder, host) = ground();
        let provider = server::provider();
        let first = folder.keep(&host, (&issued(), None), &provider).expect("kept");
        let other = HostPattern::parse("b.example").expect("a host");
        assert!(matches!(folder.keep(&other, (&issued(), None), &provider), Err(Fault::BadCertificate { .. })));
        fs::write(folder.certificate(&other), issued()).expect("written");
        assert!(matches!(folder.load(&other, &provider), (None, faults) if faults.len() == 1));
        assert_eq!(folder.load(&host, &provider).0.expect("one").key.cert, first.key.cert);
        let all = HostPattern::parse("*.b.example").expect("a wildcard");
        folder
            .keep(&all, (&issued_for("a.b.example"), None), &provider)
            .expect_err("a name under a wildcard is not the wildcard");
        folder.keep(&all, (&issued_for("*.B.example"), None), &provider).expect("kept");
        assert!(folder.load(&all, &provider).0.is_some());
    }

    /// The attack: a key in wrong hands comes back as the certificate before, when the file with the new one is torn.
    #[test]
    fn one_that_was_revoked_does_not_stay() {
        let (_dir, folder, host) = ground();
        let provider = server::provider();
        let bad = folder.keep(&host, (&issued(), None), &provider).expect("kept");
        folder.keep(&host, (&issued(), fingerprint(&bad).as_deref()), &provider).expect("kept");
        fs::write(folder.certificate(&host), "torn").expect("written");
        assert!(folder.load(&host, &provider).0.is_none());
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
