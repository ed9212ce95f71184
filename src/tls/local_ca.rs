//! The local certificate authority: made once, kept in `certs/`, trusted by the owner's devices.
//!
//! It carries no name constraints. Browsers would honour permitted subtrees, but by ruling a public name without a
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
use crate::policy::host::Host;
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

    /// Makes a certificate for `host`, with a fresh key.
    ///
    /// # Errors
    /// [`Fault::Making`] when the library refuses, which no host in canonical spelling makes it do.
    pub fn issue(&self, host: &Host, now: Timestamp) -> Result<Leaf, Fault> {
        let making = |fault: rcgen::Error| Fault::Making { subject: host.as_str().into(), reason: fault.to_string() };
        let (not_before, not_after) =
            (Timestamp::from_secs(now.secs() - LEAF_BACKDATED), Timestamp::from_secs(now.secs()).plus(LEAF_LIFE));
        let mut params = CertificateParams::default();
        params.not_before = calendar(not_before);
        params.not_after = calendar(not_after);
        params.serial_number = Some(serial(self.entropy));
        params.distinguished_name = DistinguishedName::new();
        if host.as_str().len() <= MAX_COMMON_NAME {
            params.distinguished_name.push(DnType::CommonName, host.as_str());
        }
        params.subject_alt_names = vec![match host.ip() {
            Some(address) => SanType::IpAddress(address),
            None => SanType::DnsName(host.as_str().try_into().map_err(making)?),
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
            .map_err(|fault| Fault::Making { subject: host.as_str().into(), reason: fault.to_string() })?;
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
