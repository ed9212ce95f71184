//! The local certificate authority: made once, kept in `certs/`, trusted by the owner's devices.
//!
//! It carries no name constraints. Browsers would honour permitted subtrees, but a public name without a
//! certificate of its own falls back to this authority, and hosts are added to gateway.toml long after devices have
//! trusted it; constraints would have to list every name that will ever be served. What limits it instead: its key is
//! readable by the gateway alone, it signs no other authority (path length 0), and it signs only for configured hosts.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::{HEXLOWER, HEXUPPER};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::base::clock::{Clock, Timestamp};
use crate::base::entropy::Entropy;
use crate::base::seal;
use crate::base::secret::Secret;
use crate::policy::wildcard::HostPattern;
use crate::tls::certificate;
use crate::tls::durable;
use crate::tls::fault::Fault;
use crate::tls::server;
use crate::tls::warning::Warning;

const CERTIFICATE_FILE: &str = "local-ca.pem";
const KEY_FILE: &str = "local-ca.key";
/// How far certificates reach back, in seconds, for devices whose clocks are behind ours.
const LEAF_BACKDATED: i64 = 3_600;
const AUTHORITY_BACKDATED: i64 = 86_400;
/// How long the authority lives.
const AUTHORITY_LIFE: Duration = Duration::from_secs(3_652 * 86_400);
/// Everybody has to trust the next one, so this is told well ahead.
const AUTHORITY_NOTICE: Duration = Duration::from_secs(180 * 86_400);
/// Short, because nothing revokes these and renewing costs a moment of one handshake.
const LEAF_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// Before this the clock has not been set (a board without a battery starts in 1970).
const PLAUSIBLE: Timestamp = Timestamp::from_secs(1_577_836_800);
/// X.520's upper bound of a common name.
const MAX_COMMON_NAME: usize = 64;

/// The authority, ready to sign.
pub struct LocalCa {
    certificate: CertificateDer<'static>,
    pem: String,
    name: String,
    path: PathBuf,
    key: Secret<KeyPair>,
    not_after: Timestamp,
    entropy: Entropy,
}

/// A certificate for one host, with its key.
#[derive(Debug)]
pub struct Leaf {
    key: Arc<CertifiedKey>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Leaf {
    /// The certificate and key as rustls takes them.
    pub fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// The moment it ends.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether less than a third of its life is left, so that it should be made anew.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.not_after.since(now) < self.not_after.since(self.not_before) / 3
    }
}

impl LocalCa {
    /// Opens the authority in `dir`, or creates it where there is neither certificate nor key.
    ///
    /// A key without a certificate is what a crash between the two writes leaves: its certificate is made then. The
    /// subject is derived from the key, so that even if a certificate had been there and was lost, devices that trust it
    /// go on trusting what this key signs.
    ///
    /// # Errors
    /// [`Fault`] where a file cannot be read or written, is damaged, or the two are not a pair. Nothing is made anew then:
    /// people have trusted the old one.
    pub fn open_or_create(dir: &Path, clock: &Clock, entropy: Entropy) -> Result<Self, Fault> {
        durable::directory(dir)?;
        let _held = durable::lock(dir);
        if let Some(found) = Self::open(dir, entropy)? {
            return Ok(found);
        }
        let now = clock.now();
        if now < PLAUSIBLE {
            return Err(Fault::ClockNotSet { year: calendar(now).year() });
        }
        let key = read_key(dir)?.map_or_else(|| create_key(dir), Ok)?;
        let made = authority(&key, now, entropy)?;
        durable::write(&dir.join(CERTIFICATE_FILE), made.pem().as_bytes(), 0o644)?;
        Self::from_parts(dir, made.der().clone(), key, entropy)
    }

    /// Opens the authority in `dir` without ever writing; `None` where it has not been created, or not completely.
    ///
    /// # Errors
    /// As [`LocalCa::open_or_create`].
    pub fn open(dir: &Path, entropy: Entropy) -> Result<Option<Self>, Fault> {
        let path = dir.join(CERTIFICATE_FILE);
        let Some(text) = durable::read(&path)? else { return Ok(None) };
        let certificate = certificate::chain(&path, &text)?.swap_remove(0);
        let Some(key) = read_key(dir)? else {
            return Err(Fault::AuthorityKeyMissing { certificate: path, private_key: dir.join(KEY_FILE) });
        };
        Self::from_parts(dir, certificate, key, entropy).map(Some)
    }

    fn from_parts(
        dir: &Path,
        certificate: CertificateDer<'static>,
        key: Secret<KeyPair>,
        entropy: Entropy,
    ) -> Result<Self, Fault> {
        let (path, private_key) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
        let facts = certificate::read(&path, &certificate)?;
        if !facts.is_authority {
            return Err(Fault::NotAnAuthority { path });
        }
        if facts.public_key != key.expose().subject_public_key_info() {
            return Err(Fault::Mismatch { certificate: path, private_key });
        }
        let pem = certificate::to_pem(&certificate);
        Ok(Self { certificate, pem, name: facts.common_name, path, key, not_after: facts.not_after, entropy })
    }

    /// The certificate that devices are to trust, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The certificate that devices are to trust, DER.
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Where the certificate is kept.
    pub fn certificate_path(&self) -> &Path {
        &self.path
    }

    /// Its common name, as lists of authorities show it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the certificate as people compare it: `AB:CD:…`.
    pub fn fingerprint(&self) -> String {
        let digest = seal::sha256(&self.certificate);
        digest.iter().map(|byte| HEXUPPER.encode(&[*byte])).collect::<Vec<_>>().join(":")
    }

    /// The moment it ends.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// What the owner should know: that it ends, or that others can read its key.
    pub fn warnings(&self, now: Timestamp) -> Vec<Warning> {
        let certificate = self.path.clone();
        let day = day(self.not_after);
        let left = self.not_after.since(now);
        let end = if left.is_zero() {
            Some(Warning::Expired { certificate, day })
        } else if left < AUTHORITY_NOTICE {
            Some(Warning::ExpiresSoon { certificate, day })
        } else {
            None
        };
        let path = self.path.with_file_name(KEY_FILE);
        let open = fs::metadata(&path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0);
        end.into_iter().chain(open.then_some(Warning::KeyReadable { path })).collect()
    }

    /// Makes a certificate for a host, or for a wildcard and nothing else, with a fresh key.
    ///
    /// # Errors
    /// [`Fault::Making`] when the library refuses, which no host in canonical spelling makes it do.
    pub fn issue(&self, host: &HostPattern, now: Timestamp) -> Result<Leaf, Fault> {
        let name = host.to_string();
        let making = |fault: rcgen::Error| Fault::Making { subject: name.as_str().into(), reason: fault.to_string() };
        let (not_before, not_after) =
            (Timestamp::from_secs(now.secs() - LEAF_BACKDATED), Timestamp::from_secs(now.secs()).plus(LEAF_LIFE));
        let mut params = CertificateParams::default();
        params.not_before = calendar(not_before);
        params.not_after = calendar(not_after);
        params.serial_number = Some(serial(self.entropy));
        params.distinguished_name = DistinguishedName::new();
        if name.len() <= MAX_COMMON_NAME {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        params.subject_alt_names = vec![match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into().map_err(making)?),
        }];
        // "Explicit": rcgen writes a subject key identifier only with basic constraints.
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = Zeroizing::new(KeyPair::generate().map_err(making)?);
        let issuer = Issuer::from_ca_cert_der(&self.certificate, self.key.expose()).map_err(making)?;
        let made = params.signed_by(&*key, &issuer).map_err(making)?;
        let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = CertifiedKey::from_der(vec![made.der().clone()], der, &server::provider())
            .map_err(|fault| Fault::Making { subject: name.as_str().into(), reason: fault.to_string() })?;
        Ok(Leaf { key: Arc::new(key), not_before, not_after })
    }
}

impl fmt::Debug for LocalCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCa").field("name", &self.name).finish_non_exhaustive()
    }
}

fn read_key(dir: &Path) -> Result<Option<Secret<KeyPair>>, Fault> {
    let path = dir.join(KEY_FILE);
    let Some(text) = durable::read(&path)? else { return Ok(None) };
    let der = certificate::private_key(&path, &text)?;
    let key = KeyPair::try_from(&der).map_err(|fault| Fault::BadKey { path, reason: fault.to_string() })?;
    Ok(Some(Secret::new(key)))
}

/// The key is on disk before its certificate is: a certificate that somebody trusts always has its key.
fn create_key(dir: &Path) -> Result<Secret<KeyPair>, Fault> {
    let key = KeyPair::generate().map_err(|fault| making_authority(&fault))?;
    let pem = Zeroizing::new(key.serialize_pem());
    durable::write(&dir.join(KEY_FILE), pem.as_bytes(), 0o600)?;
    Ok(Secret::new(key))
}

fn authority(key: &Secret<KeyPair>, now: Timestamp, entropy: Entropy) -> Result<rcgen::Certificate, Fault> {
    // A tag tells several authorities apart in a list. Not the machine's name: every visitor sees the issuer.
    let tag = HEXLOWER.encode(&seal::sha256(&key.expose().subject_public_key_info())[..3]);
    let mut params = CertificateParams::default();
    params.not_before = calendar(Timestamp::from_secs(now.secs() - AUTHORITY_BACKDATED));
    params.not_after = calendar(now.plus(AUTHORITY_LIFE));
    params.serial_number = Some(serial(entropy));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Doorward local CA {tag}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.self_signed(key.expose()).map_err(|fault| making_authority(&fault))
}

fn making_authority(fault: &rcgen::Error) -> Fault {
    Fault::Making { subject: "the local authority".into(), reason: fault.to_string() }
}

/// 16 random bytes, positive and without a leading zero, so that the DER is the shortest (RFC 5280 section 4.1.2.2).
fn serial(entropy: Entropy) -> SerialNumber {
    let mut bytes: [u8; 16] = entropy.bytes();
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}

fn calendar(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.secs()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A day as it is shown: `2026-11-22`.
pub fn day(at: Timestamp) -> String {
    calendar(at).date().to_string()
}

#[cfg(test)]
mod tests {
    use std::thread;

    use x509_parser::extensions::{GeneralName, ParsedExtension};
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn open(dir: &Path) -> Result<LocalCa, Fault> {
        LocalCa::open_or_create(dir, &Clock::manual(START), Entropy)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn the_authority_is_created_once_and_its_key_is_for_the_owner_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let certs = dir.path().join("deep/certs");
        assert!(LocalCa::open(&certs, Entropy).expect("nothing there").is_none());
        let first = open(&certs).expect("created");
        let again = open(&certs).expect("opened");
        assert_eq!(first.fingerprint(), again.fingerprint());
        assert_eq!(first.fingerprint().len(), 95);
        assert_eq!(first.certificate_pem(), fs::read_to_string(first.certificate_path()).expect("read"));
        assert!(first.name().starts_with("Doorward local CA "), "{}", first.name());
        assert_eq!((mode(&certs), mode(&certs.join(KEY_FILE)), mode(&certs.join(CERTIFICATE_FILE))), (0o700, 0o600, 0o644));
        assert_eq!(fs::read_dir(&certs).expect("listed").count(), 2);
        assert!(first.warnings(START).is_empty());
    }

    #[test]
    fn of_many_starts_at_once_all_get_the_same_authority() {
        let dir = tempfile::tempdir().expect("a directory");
        let prints: Vec<_> = thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| open(dir.path()).expect("opened").fingerprint())).collect();
            starts.into_iter().map(|start| start.join().expect("no panic")).collect()
        });
        assert!(prints.iter().all(|print| *print == prints[0]), "{prints:?}");
    }

    /// Killed after the key was written: the next start makes the certificate of that very key, under the same name.
    #[test]
    fn a_start_that_was_killed_half_way_is_completed() {
        let dir = tempfile::tempdir().expect("a directory");
        let before = open(dir.path()).expect("created");
        let key = fs::read(dir.path().join(KEY_FILE)).expect("read");
        fs::remove_file(dir.path().join(CERTIFICATE_FILE)).expect("removed");
        fs::write(dir.path().join(".local-ca.pem.new"), "-----BEGIN CERT").expect("written");
        assert!(LocalCa::open(dir.path(), Entropy).expect("not complete").is_none());
        let after = open(dir.path()).expect("completed");
        assert_eq!(fs::read(dir.path().join(KEY_FILE)).expect("read"), key);
        assert_eq!(before.name(), after.name());
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 2);
    }

    #[test]
    fn nothing_that_people_trust_is_ever_made_anew() {
        let other = tempfile::tempdir().expect("a directory");
        open(other.path()).expect("created");
        let leaf = open(other.path())
            .expect("opened")
            .issue(&HostPattern::parse("a.localhost").expect("a host"), START)
            .expect("issued");
        let leaf = certificate::to_pem(&leaf.key().cert[0]);
        let strange_key = fs::read(other.path().join(KEY_FILE)).expect("read");
        let cases: [(&str, &str, Option<&[u8]>); 7] = [
            ("is missing: put the key back", KEY_FILE, None),
            ("does not belong to the first certificate", KEY_FILE, Some(&strange_key)),
            ("there is no private key", KEY_FILE, Some(b"")),
            ("there is no certificate", CERTIFICATE_FILE, Some(b"")),
            ("cannot be used: ", CERTIFICATE_FILE, Some(b"-----BEGIN CERTIFICATE-----\nMIIB\n")),
            ("cannot be used: ", CERTIFICATE_FILE, Some(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")),
            ("is not one of an authority", CERTIFICATE_FILE, Some(leaf.as_bytes())),
        ];
        for (complaint, file, content) in cases {
            let dir = tempfile::tempdir().expect("a directory");
            open(dir.path()).expect("created");
            let path = dir.path().join(file);
            content.map_or_else(|| fs::remove_file(&path), |content| fs::write(&path, content)).expect("spoilt");
            let fault = open(dir.path()).expect_err(complaint).to_string();
            assert!(fault.contains(complaint), "{fault}");
            assert_eq!(fs::read(&path).ok().as_deref(), content, "{complaint}: left as it was");
        }
    }

    #[test]
    fn a_clock_that_is_not_set_makes_no_authority() {
        let dir = tempfile::tempdir().expect("a directory");
        let fault = LocalCa::open_or_create(dir.path(), &Clock::manual(Timestamp::from_secs(100)), Entropy).expect_err("refused");
        assert!(matches!(fault, Fault::ClockNotSet { year: 1970 }), "{fault}");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 0);
    }

    #[test]
    fn the_owner_learns_of_the_end_and_of_a_key_that_others_can_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let ca = open(dir.path()).expect("created");
        assert!(matches!(&ca.warnings(START.plus(DAY * 3_500))[..], [Warning::ExpiresSoon { day, .. }] if day == "2037-01-14"));
        assert!(matches!(&ca.warnings(START.plus(DAY * 4_000))[..], [Warning::Expired { .. }]));
        fs::set_permissions(dir.path().join(KEY_FILE), fs::Permissions::from_mode(0o640)).expect("set");
        assert!(matches!(&ca.warnings(START)[..], [Warning::KeyReadable { .. }]));
    }

    /// The attack: whoever gets a host's certificate and key out of us signs certificates for other hosts with it.
    #[test]
    fn what_is_issued_serves_one_host_and_signs_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let ca = open(dir.path()).expect("created");
        let (_, root) = X509Certificate::from_der(ca.certificate_der()).expect("parsed");
        let constraints = root.basic_constraints().expect("parsed").expect("there").value;
        assert!(constraints.ca && constraints.path_len_constraint == Some(0));
        let usage = root.key_usage().expect("parsed").expect("there").value;
        assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
        root.verify_signature(None).expect("signed by itself");

        for text in ["app.localhost", "*.apps.example", "127.0.0.1", "::1", &format!("{}.localhost", ["label"; 20].join("."))] {
            let host = HostPattern::parse(text).expect("a host");
            let issued = ca.issue(&host, START).expect("issued");
            let (_, leaf) = X509Certificate::from_der(&issued.key().cert[0]).expect("parsed");
            leaf.verify_signature(Some(root.public_key())).expect("signed by the authority");
            assert!(!leaf.is_ca());
            let usage = leaf.extended_key_usage().expect("parsed").expect("there").value;
            assert!(usage.server_auth && !usage.client_auth && !usage.any);
            assert!(!leaf.key_usage().expect("parsed").expect("there").value.key_cert_sign());
            assert_eq!(leaf.raw_serial().len(), 16);
            let names = &leaf.subject_alternative_name().expect("parsed").expect("there").value.general_names;
            let [name] = &names[..] else { panic!("one name, not {names:?}") };
            match (host.example().ip(), name) {
                (None, GeneralName::DNSName(name)) => assert_eq!(name, &text),
                (Some(std::net::IpAddr::V4(address)), GeneralName::IPAddress(bytes)) => assert_eq!(*bytes, address.octets()),
                (Some(std::net::IpAddr::V6(address)), GeneralName::IPAddress(bytes)) => assert_eq!(*bytes, address.octets()),
                other => panic!("{other:?}"),
            }
            let validity = leaf.validity();
            assert_eq!(validity.not_before.timestamp(), START.secs() - 3_600);
            assert_eq!(validity.not_after.timestamp(), START.plus(DAY * 30).secs());
            assert_eq!(key_identifiers(&leaf).1, key_identifiers(&root).0, "the chain is found by identifiers");
            assert!(key_identifiers(&leaf).0.is_some());
        }
        let host = HostPattern::parse("app.localhost").expect("a host");
        let [one, two] = [(); 2].map(|()| ca.issue(&host, START).expect("issued").key().cert[0].clone());
        assert_ne!(one, two, "a fresh key and serial number each time");
    }

    /// Those of the certificate's own key and of its issuer's.
    fn key_identifiers(certificate: &X509Certificate<'_>) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let mut found = (None, None);
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(id) => found.0 = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => found.1 = id.key_identifier.as_ref().map(|id| id.0.to_vec()),
                _ => {}
            }
        }
        found
    }
}
