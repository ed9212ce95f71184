//! Reading PEM and X.509: the few facts we need of a certificate, and faults that name the file.

use std::path::Path;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use rustls::RootCertStore;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::base::clock::Timestamp;
use crate::tls::durable;
use crate::tls::fault::Fault;

/// No real chain is longer; each certificate costs every visitor a kilobyte.
const MAX_CHAIN: usize = 16;

/// What we need to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The subject's common name, empty if it has none.
    pub common_name: String,
    /// Who signed it, as people know them: the issuer's common name, else its organisation.
    pub issuer: String,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
    /// The SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// Whether it may sign other certificates.
    pub is_authority: bool,
    /// How authorities name it when they say when to renew it (RFC 9773 section 4.1); nothing where it lacks what that is made of.
    pub renewal_id: Option<String>,
}

/// The certificates in PEM `text` read from `path`, in written order, at least one.
///
/// # Errors
/// [`Fault::NoCertificate`], [`Fault::BadCertificate`].
pub fn chain(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let bad = |fault: pem::Error| Fault::BadCertificate { path: path.into(), reason: in_words(&fault) };
    let chain = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>().map_err(bad)?;
    match chain.len() {
        0 => Err(Fault::NoCertificate { path: path.into() }),
        1..=MAX_CHAIN => Ok(chain),
        more => Err(Fault::BadCertificate { path: path.into(), reason: format!("a chain of {more} certificates is too long") }),
    }
}

/// The authorities in PEM `text` read from `path`, at least one; a whole system's bundle has some hundred.
///
/// # Errors
/// [`Fault::NoCertificate`], [`Fault::BadCertificate`].
pub fn authorities(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let bad = |fault: pem::Error| Fault::BadCertificate { path: path.into(), reason: in_words(&fault) };
    let all = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>().map_err(bad)?;
    if all.is_empty() { Err(Fault::NoCertificate { path: path.into() }) } else { Ok(all) }
}

/// Trust in the authorities in the file at `path`, and in nobody else; and the text of the file.
///
/// # Errors
/// As [`authorities`], and those of [`durable::require`].
pub fn trusted(path: &Path) -> Result<(RootCertStore, Zeroizing<Vec<u8>>), Fault> {
    let text = durable::require(path)?;
    let mut roots = RootCertStore::empty();
    for authority in authorities(path, &text)? {
        roots.add(authority).map_err(|fault| Fault::BadCertificate { path: path.into(), reason: fault.to_string() })?;
    }
    Ok((roots, text))
}

/// The private key in PEM `text` read from `path`. No fault quotes anything of the text.
///
/// # Errors
/// [`Fault::NoKey`], [`Fault::EncryptedKey`], [`Fault::BadKey`].
pub fn private_key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, Fault> {
    let path = || path.into();
    // PKCS #8 says it in the label, the older OpenSSL forms in a header that PEM readers skip or stumble over.
    if text.windows(9).any(|window| window == b"ENCRYPTED") {
        return Err(Fault::EncryptedKey { path: path() });
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|fault| match fault {
        pem::Error::NoItemsFound => Fault::NoKey { path: path() },
        other => Fault::BadKey { path: path(), reason: in_words(&other) },
    })
}

fn in_words(fault: &pem::Error) -> String {
    match fault {
        pem::Error::MissingSectionEnd { .. } => "the file ends in the middle of a block",
        pem::Error::IllegalSectionStart { .. } => "a -----BEGIN line is damaged",
        pem::Error::Base64Decode(_) => "a block is not base64",
        _ => "it is not PEM",
    }
    .into()
}

/// The facts of the certificate `der` read from `path`.
///
/// # Errors
/// [`Fault::BadCertificate`].
pub fn read(path: &Path, der: &CertificateDer<'_>) -> Result<Facts, Fault> {
    let bad = |reason: String| Fault::BadCertificate { path: path.into(), reason };
    let (_, parsed) = X509Certificate::from_der(der).map_err(|fault| bad(fault.to_string()))?;
    let signs = parsed.key_usage().map_err(|fault| bad(fault.to_string()))?.is_none_or(|usage| usage.value.key_cert_sign());
    let at = |time: x509_parser::time::ASN1Time| Timestamp::from_secs(time.timestamp());
    let common_name = parsed.subject().iter_common_name().next().and_then(|name| name.as_str().ok()).unwrap_or_default();
    let issuer = parsed.issuer();
    let issuer = issuer.iter_common_name().chain(issuer.iter_organization()).find_map(|name| name.as_str().ok());
    Ok(Facts {
        issuer: issuer.unwrap_or_default().to_owned(),
        common_name: common_name.to_owned(),
        not_before: at(parsed.validity().not_before),
        not_after: at(parsed.validity().not_after),
        public_key: parsed.public_key().raw.to_vec(),
        is_authority: parsed.is_ca() && signs,
        renewal_id: renewal_id(&parsed),
    })
}

fn renewal_id(parsed: &X509Certificate<'_>) -> Option<String> {
    let authority = parsed.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(found) => found.key_identifier.as_ref(),
        _ => None,
    })?;
    Some(format!("{}.{}", BASE64URL_NOPAD.encode(authority.0), BASE64URL_NOPAD.encode(parsed.raw_serial())))
}

/// One certificate as PEM.
pub fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let text = BASE64.encode(certificate);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}
