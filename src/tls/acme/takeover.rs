//! Certificates that other programs had issued, taken over: judged first, then kept and shown like those that were issued here.

use std::sync::{Arc, PoisonError};

use rustls::crypto::CryptoProvider;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use data_encoding::BASE64;

use crate::base::clock::Timestamp;
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

/// What became of a certificate for one name.
#[derive(Debug)]
pub enum Became {
    /// It is shown from now on.
    Taken,
    /// The one that is there is the same.
    Same,
    /// The one that is there ends as late or later, on this day.
    Better(String),
    /// An order of the name runs.
    Busy,
}

/// Keeps a certificate for a name and shows it from now on, unless the one that is there is as good. `force` takes it all the same.
///
/// # Errors
/// [`Fault`] when it cannot be written; nothing has changed then.
pub fn take(names: &Arc<Names>, slot: &Arc<Slot>, usable: &Usable, force: bool) -> Result<Became, Fault> {
    if slot.key().is_some_and(|shown| shown.cert.first() == usable.loaded.key.cert.first()) {
        return Ok(Became::Same);
    }
    if let (Some((_, validity)), false) = (slot.standing().shown, force)
        && validity.until >= usable.loaded.facts.not_after
    {
        return Ok(Became::Better(day(validity.until)));
    }
    let Some(mut lease) = names.lease(slot) else { return Ok(Became::Busy) };
    let ground = names.ground();
    ground.folder.make()?;
    let loaded = ground.folder.keep(slot.host(), &usable.pem, &ground.provider)?;
    // What earlier orders came to says nothing about this one; an order that is open may still be gone on with.
    let before = std::mem::take(&mut lease.history);
    lease.history = History { order: before.order, challenge: before.challenge, ..History::default() };
    lease.show(loaded);
    lease.note()?;
    Ok(Became::Taken)
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
