//! Certificates that other programs had issued, taken over: judged first, then kept and shown like those that were issued here.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::base::clock::Timestamp;
use crate::fetch::roots;
use crate::plan::app::CertificateFiles;
use crate::policy::host::Host;
use crate::tls::acme::account_key;
use crate::tls::acme::account_key::Unusable;
use crate::tls::acme::folder::History;
use crate::tls::acme::names::{Names, Slot};
use crate::tls::certificate;
use crate::tls::durable;
use crate::tls::fault::Fault;
use crate::tls::files::{self, Loaded};
use crate::tls::local_ca::day;

/// Names of one certificate that are looked at.
const MOST_NAMES: usize = 100;

/// A certificate that can be shown.
#[derive(Debug)]
pub struct Usable {
    /// Key and chain, as they are kept.
    pub pem: Zeroizing<String>,
    /// The same, read.
    pub loaded: Loaded,
    /// The hosts it names, without wildcards.
    pub hosts: Vec<Host>,
}

/// Why a certificate cannot be shown. Each is said together with its file.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Its files are no pair.
    #[error("{0}")]
    Files(#[from] Fault),
    /// It is over.
    #[error("it ended on {0}")]
    Ended(String),
    /// It has not begun.
    #[error("it begins on {0} only; is this machine's clock right?")]
    Early(String),
    /// Nobody else has signed it.
    #[error("it is signed by itself, so that nobody trusts it")]
    SelfSigned,
    /// A certificate in the chain did not sign the one before it.
    #[error("its chain is broken: certificate {0} did not sign the one before it")]
    Chain(usize),
}

/// Judges a certificate whose texts were read from `files`. `folder` is where the former gateway kept it, which is only named.
///
/// # Errors
/// [`Unfit`].
pub fn judge(
    files: &CertificateFiles,
    (chain_text, key_text): (&[u8], &[u8]),
    now: Timestamp,
    provider: &CryptoProvider,
) -> Result<Usable, Unfit> {
    let loaded = files::pair(files, chain_text, key_text, provider)?;
    if loaded.facts.not_after <= now {
        return Err(Unfit::Ended(day(loaded.facts.not_after)));
    }
    if now < loaded.facts.not_before {
        return Err(Unfit::Early(day(loaded.facts.not_before)));
    }
    let chain = &loaded.key.cert;
    let bad = |reason: String| Fault::BadCertificate { path: files.certificate.clone(), reason };
    let parsed = chain.iter().map(|der| X509Certificate::from_der(der).map(|(_, parsed)| parsed));
    let parsed: Vec<X509Certificate<'_>> = parsed.collect::<Result<_, _>>().map_err(|fault| bad(fault.to_string()))?;
    if parsed[0].issuer().as_raw() == parsed[0].subject().as_raw() {
        return Err(Unfit::SelfSigned);
    }
    let broken = parsed.windows(2).position(|two| two[0].issuer().as_raw() != two[1].subject().as_raw());
    if let Some(at) = broken {
        return Err(Unfit::Chain(at + 2));
    }
    let hosts = hosts(&parsed[0]);
    let key = certificate::private_key(&files.private_key, key_text)?;
    Ok(Usable { pem: written(&key, chain), hosts, loaded })
}

fn hosts(leaf: &X509Certificate<'_>) -> Vec<Host> {
    let names = leaf.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let host = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Host::parse(name).ok(),
        _ => None,
    };
    names.iter().take(MOST_NAMES).filter_map(host).filter(|host| !host.is_local()).collect()
}

/// As `NAME.pem` is written: the key, then the chain, and nothing else that stood in those files.
fn written(key: &PrivateKeyDer<'_>, chain: &[CertificateDer<'_>]) -> Zeroizing<String> {
    let label = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    let body = Zeroizing::new(BASE64.encode(key.secret_der()));
    let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    let mut text = Zeroizing::new(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")));
    chain.iter().for_each(|der| text.push_str(&certificate::to_pem(der)));
    text
}

/// Whom visitors are likely to believe.
#[derive(Debug)]
pub struct Believed(Option<Arc<WebPkiServerVerifier>>);

impl Believed {
    /// The authorities that this machine believes, and those in `ca_file`. Reads files; nobody where none can be read.
    pub fn here(ca_file: Option<&Path>, provider: &Arc<CryptoProvider>) -> Self {
        let (mut roots, _) = roots::system();
        let text = ca_file.and_then(|path| Some((path, durable::read(path).ok()??)));
        let more = text.and_then(|(path, text)| certificate::authorities(path, &text).ok());
        roots.add_parsable_certificates(more.unwrap_or_default());
        Self(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build().ok())
    }

    /// Whether they vouch for what is shown for `host`.
    pub fn vouch(&self, key: &CertifiedKey, host: &Host, now: Timestamp) -> bool {
        let (Some(verifier), Some((leaf, others)), Ok(name)) =
            (&self.0, key.cert.split_first(), ServerName::try_from(host.as_str()))
        else {
            return false;
        };
        let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.secs()).unwrap_or(0)));
        verifier.verify_server_cert(leaf, others, &name, &[], now).is_ok()
    }
}

/// What became of a certificate for one name.
#[derive(Debug)]
pub enum Became {
    /// It is shown from now on.
    Taken,
    /// The one that is there is the same.
    Same,
    /// The one that is there ends as late or later, on this day.
    Better(String),
    /// The one that is there is believed by visitors, and this one is not.
    Believed,
    /// An order of the name runs.
    Busy,
}

/// How a certificate is taken over.
#[derive(Clone, Copy, Debug)]
pub struct Taking<'a> {
    /// Who tells a good one.
    pub believed: &'a Believed,
    /// Also in the place of a better one.
    pub force: bool,
}

/// Keeps a certificate for a name and shows it from now on, unless the one that is there is as good.
///
/// # Errors
/// [`Fault`] when it cannot be written; nothing has changed then.
pub fn take(names: &Arc<Names>, slot: &Arc<Slot>, usable: &Usable, take: Taking<'_>) -> Result<Became, Fault> {
    // No order runs: what is there stays until we are done.
    let Some(mut lease) = names.hold(slot) else { return Ok(Became::Busy) };
    if let Some(stays) = stays(names, slot, usable, take) {
        return Ok(stays);
    }
    let ground = names.ground();
    ground.folder.make()?;
    let revoked = lease.history.revoked.as_deref();
    let loaded = ground.folder.keep(slot.host(), (&usable.pem, revoked), &ground.provider)?;
    // What earlier orders came to says nothing about this one, but their authority still counts them; and one that is open may be gone
    // on with.
    let History { record, order, challenge, attempts, .. } = std::mem::take(&mut lease.history);
    lease.history = History { record: record.limits(), order, challenge, attempts, ..History::default() };
    lease.show(loaded);
    lease.note()?;
    Ok(Became::Taken)
}

/// What there is instead, if that is as good.
fn stays(names: &Names, slot: &Slot, usable: &Usable, take: Taking<'_>) -> Option<Became> {
    let shown = slot.key()?;
    if shown.cert.first() == usable.loaded.key.cert.first() {
        return Some(Became::Same);
    }
    let (standing, now) = (slot.standing(), names.ground().clock.now());
    let until = standing.shown.map(|(_, validity)| validity.until)?;
    if take.force || standing.revoked || until <= now {
        return None;
    }
    let is_believed = |key: &CertifiedKey| take.believed.vouch(key, &slot.host().example(), now);
    match (is_believed(&shown), is_believed(&usable.loaded.key)) {
        (true, false) => Some(Became::Believed),
        (false, true) => None,
        (true, true) | (false, false) => (until >= usable.loaded.facts.not_after).then(|| Became::Better(day(until))),
    }
}

/// Why an account was not taken over.
#[derive(Debug, thiserror::Error)]
pub enum Left {
    /// There is one already.
    #[error("an account at this authority is there already")]
    There,
    /// Its key is of no use.
    #[error("{0}")]
    Unusable(#[from] Unusable),
    /// It cannot be written.
    #[error("{0}")]
    Fault(#[from] Fault),
}

/// Keeps the key of an account at `directory`, so that orders go on in its name.
///
/// # Errors
/// [`Left`]; nothing has changed then.
pub fn take_account(names: &Names, directory: &str, text: &str) -> Result<(), Left> {
    let pem = account_key::read(text)?;
    let ground = names.ground();
    let _one_at_a_time = ground.accounts.lock().unwrap_or_else(PoisonError::into_inner);
    if durable::read(&ground.folder.account_file(directory))?.is_some() {
        return Err(Left::There);
    }
    Ok(ground.folder.write_account(directory, &pem)?)
}

#[cfg(test)]
mod tests;
