//! Taking over what other programs had issued: what is offered, and what became of it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::chain::Chain;
use crate::base::clock::Timestamp;
use crate::plan::app::CertificateFiles;
use crate::policy::host::Host;
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::names::Names;
use crate::tls::acme::takeover::{self, Became, Left, Usable};
use crate::tls::acme::trouble;
use crate::tls::files;
use crate::tls::local_ca::day;

/// What is offered: read by whoever may read it, which need not be the gateway.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// Certificates.
    pub certificates: Vec<OfferedCertificate>,
    /// Accounts.
    pub accounts: Vec<OfferedAccount>,
    /// The only name that is meant.
    pub name: Option<String>,
    /// Also in the place of one that ends later.
    pub force: bool,
}

/// A certificate and its key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferedCertificate {
    /// Where the chain comes from.
    pub certificate: PathBuf,
    /// Where the key comes from.
    pub private_key: PathBuf,
    /// PEM.
    pub chain: String,
    /// PEM.
    pub key: String,
}

/// The key of an account.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferedAccount {
    /// Where it comes from.
    pub file: PathBuf,
    /// The authority's directory.
    pub directory: String,
    /// JWK or PEM.
    pub key: String,
}

impl fmt::Debug for OfferedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OfferedCertificate({})", self.certificate.display())
    }
}

impl fmt::Debug for OfferedAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OfferedAccount({})", self.file.display())
    }
}

/// What became of one file, for one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The file.
    pub from: PathBuf,
    /// The name, if it came so far.
    pub host: Option<String>,
    /// What became of it.
    pub result: Fate,
    /// In words.
    pub sentence: String,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is used from now on.
    Taken,
    /// What is there stays.
    Kept,
    /// It cannot be used.
    Refused,
}

impl Outcome {
    /// One that came to no name.
    pub fn of(from: PathBuf, result: Fate, sentence: impl Into<String>) -> Self {
        Self { from, host: None, result, sentence: sentence.into() }
    }
}

/// Takes over what is offered. `served` are the names that get their certificates by ACME; where no configuration says which those
/// are, each certificate is kept for the names that it holds itself.
pub fn take_over(offer: Offer, names: &Arc<Names>, served: Option<&[Host]>, now: Timestamp) -> Vec<Outcome> {
    let only = offer.name.as_deref().map(Host::parse);
    if let Some(Err(fault)) = &only {
        let sentence = format!("`{}` is no host: {fault}", offer.name.as_deref().unwrap_or_default());
        return vec![Outcome::of(PathBuf::new(), Fate::Refused, sentence)];
    }
    let only = only.and_then(Result::ok);
    let mut outcomes = Vec::new();
    for offered in offer.certificates {
        let OfferedCertificate { certificate, private_key, chain, key } = offered;
        let files = CertificateFiles { certificate: certificate.clone(), private_key };
        match takeover::judge(&files, (chain.as_bytes(), key.as_bytes()), now, &names.ground().provider) {
            Err(unfit) => outcomes.push(Outcome::of(certificate, Fate::Refused, Chain(&unfit).to_string())),
            Ok(usable) => {
                let meant = meant(&usable, served, only.as_ref());
                if meant.is_empty() && only.is_none() {
                    outcomes.push(Outcome::of(certificate.clone(), Fate::Refused, not_served(&usable, served)));
                }
                let taken = meant.iter().map(|host| take(names, host, (&usable, &certificate), offer.force));
                outcomes.extend(taken);
            }
        }
    }
    if let (Some(host), true) = (&only, outcomes.iter().all(|outcome| outcome.host.is_none())) {
        let sentence = format!("there is no usable certificate for {host}, or it does not get its certificate by ACME here");
        outcomes.push(Outcome { host: Some(host.to_string()), ..Outcome::of(PathBuf::new(), Fate::Refused, sentence) });
    }
    outcomes.extend(offer.accounts.into_iter().map(|offered| take_account(names, offered)));
    outcomes
}

fn meant(usable: &Usable, served: Option<&[Host]>, only: Option<&Host>) -> Vec<Host> {
    let covered = |host: &&Host| files::covers(&usable.loaded.key, host);
    let hosts: Vec<Host> = match served {
        Some(served) => served.iter().filter(covered).cloned().collect(),
        None => usable.hosts.clone(),
    };
    hosts.into_iter().filter(|host| only.is_none_or(|only| only == host)).collect()
}

fn not_served(usable: &Usable, served: Option<&[Host]>) -> String {
    let names: Vec<&str> = usable.hosts.iter().map(Host::as_str).collect();
    let names = if names.is_empty() { "no public host".to_owned() } else { names.join(", ") };
    match served {
        Some([]) => {
            format!("it is for {names}, and no name of this configuration gets its certificate by ACME: is there an [acme]?")
        }
        Some(_) | None => format!("it is for {names}, and none of the names that get their certificates by ACME here"),
    }
}

fn take(names: &Arc<Names>, host: &Host, (usable, from): (&Usable, &PathBuf), force: bool) -> Outcome {
    let facts = &usable.loaded.facts;
    let (result, sentence) = match takeover::take(names, &names.slot(&HostPattern::Exact(host.clone())), usable, force) {
        Ok(Became::Taken) => (Fate::Taken, format!("by {}, until {}", facts.issuer, day(facts.not_after))),
        Ok(Became::Same) => (Fate::Kept, "it is there already".to_owned()),
        Ok(Became::Better(until)) => {
            let own = day(facts.not_after);
            (
                Fate::Kept,
                format!("the one that is there lasts until {until}, this one until {own}; --force takes it all the same"),
            )
        }
        Ok(Became::Busy) => (Fate::Refused, "an order for it runs just now; import again when that is over".to_owned()),
        Err(fault) => (Fate::Refused, Chain(&fault).to_string()),
    };
    Outcome { host: Some(host.to_string()), ..Outcome::of(from.clone(), result, sentence) }
}

fn take_account(names: &Names, offered: OfferedAccount) -> Outcome {
    let authority = trouble::name(&offered.directory);
    let (result, sentence) = match takeover::take_account(names, &offered.directory, &offered.key) {
        Ok(()) => (Fate::Taken, format!("the account at {authority} is used from now on")),
        Err(left @ (Left::There | Left::Unusable(_))) => (Fate::Kept, format!("{authority}: {left}")),
        Err(Left::Fault(fault)) => (Fate::Refused, Chain(&fault).to_string()),
    };
    Outcome::of(offered.file, result, sentence)
}
