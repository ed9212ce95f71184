//! Certificates as their owner asks about them: where each comes from, how long it lasts, what comes next, and what is wrong.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::plan::acme::AcmePolicy;
use crate::plan::whole::Plan;
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::names::{Names, Slot};
use crate::tls::acme::phase::Phase;
use crate::tls::acme::revocation::KEY_COMPROMISE;
use crate::tls::acme::schedule::{Health, Limit, Step};
use crate::tls::directory::{Certificate, Source, Wanted};
use crate::tls::files::FilePair;
use crate::tls::server;

/// Longest wait for an order, beside what name servers may take to show a record: authorities take seconds, but may take minutes.
const PATIENCE: Duration = Duration::from_secs(240);

/// What an owner wants of certificates.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateWish {
    /// See them all.
    List,
    /// Have some ordered now.
    Renew {
        /// Which; all that are due or failing if none is named.
        host: Option<String>,
        /// Also where nothing is due.
        force: bool,
    },
    /// Have one revoked.
    Revoke {
        /// Whose.
        host: String,
        /// Why.
        reason: Reason,
    },
    /// Have our accounts get other keys.
    RollOver,
}

/// Why a certificate is revoked (RFC 5280 section 5.3.1), as far as its owner may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nobody has to know.
    #[default]
    Unspecified,
    /// Somebody else has, or may have, its key.
    KeyCompromise,
    /// What it says of its owner is no longer so.
    AffiliationChanged,
    /// Another one is there.
    Superseded,
    /// The name is given up.
    CessationOfOperation,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Unspecified, Self::KeyCompromise, Self::AffiliationChanged, Self::Superseded, Self::CessationOfOperation];

    /// As it is written on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
        }
    }

    /// Its number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => KEY_COMPROMISE,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
        }
    }
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateAnswer {
    /// All of them, by name.
    List(Vec<CertificateState>),
    /// What is ordered now.
    Renewing(Renewing),
    /// It is revoked.
    Revoked(Revoked),
    /// What became of our accounts.
    RolledOver(Vec<RolledOver>),
}

/// A certificate that was revoked.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Revoked {
    /// Whose.
    pub host: String,
    /// Whether a new one is ordered now.
    pub ordered: bool,
    /// What keeps a new one from being ordered now.
    #[serde(default)]
    pub held: Option<Held>,
    /// How long the order may take, in seconds.
    #[serde(default)]
    pub patience: u64,
}

/// An account whose key was to be another.
#[derive(Debug, Serialize, Deserialize)]
pub struct RolledOver {
    /// Where, as people know it.
    pub authority: String,
    /// Its directory.
    pub directory: String,
    /// Why it has the old key still.
    pub trouble: Option<String>,
}

/// What is ordered now, and what is not.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Renewing {
    /// Orders that run or are about to.
    pub started: Vec<String>,
    /// Names that a limit keeps from being ordered now.
    pub held: Vec<Held>,
    /// Names that are not due until then.
    pub not_due: Vec<(String, i64)>,
    /// How long an order may take, in seconds.
    #[serde(default)]
    pub patience: u64,
}

/// A name that is ordered later than its owner wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The name.
    pub host: String,
    /// When it is ordered, in seconds since 1970.
    pub until: i64,
    /// Why not before.
    pub limit: Limit,
}

/// One certificate. Moments are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateState {
    /// The name, or the wildcard.
    pub host: String,
    /// Where it comes from.
    pub source: Origin,
    /// Who signed what is shown now.
    pub issuer: String,
    /// How it stands.
    pub state: State,
    /// Its first moment.
    pub from: Option<i64>,
    /// Its last.
    pub until: Option<i64>,
    /// How long it lives, in seconds.
    #[serde(default)]
    pub lifetime: Option<i64>,
    /// When the next order is due, or the next try; nothing where that is now.
    pub next: Option<i64>,
    /// When it is to be renewed, whatever the last order came to.
    #[serde(default)]
    pub renewal: Option<i64>,
    /// Which limit the next order waits for.
    #[serde(default)]
    pub limit: Option<Limit>,
    /// From when until when its authority wants it renewed, if it says so.
    pub window: Option<(i64, i64)>,
    /// Whether the owner wants an order that has not ended yet.
    #[serde(default)]
    pub wished: bool,
    /// Orders that have ended so far, well or not.
    #[serde(default)]
    pub attempts: u64,
    /// Whether no gateway runs that would see to it.
    #[serde(default)]
    pub idle: bool,
    /// Since when an order runs.
    pub ordering_since: Option<i64>,
    /// How far that order has come.
    pub phase: Option<Phase>,
    /// Its SHA-256, in hexadecimal digits.
    pub fingerprint: Option<String>,
    /// Orders in a row that failed.
    pub failures: u32,
    /// Why the last order failed; nothing after a success.
    pub trouble: Option<Trouble>,
    /// Its file.
    pub file: Option<std::path::PathBuf>,
}

/// Why an order failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When.
    pub at: i64,
    /// In plain words, with what to do.
    pub sentence: String,
    /// The authority's own words.
    pub words: Option<String>,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The authority that `[acme]` names.
    Acme,
    /// The owner's files.
    File,
    /// The local authority.
    Local,
}

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing is to be done.
    Well,
    /// The first one has not been issued: the local authority's is shown.
    Waiting,
    /// A quarter of its life is left, or less.
    Late,
    /// A tenth is left, or less.
    Alarming,
    /// It has ended.
    Ended,
    /// It was revoked, and no new one has been issued yet.
    Revoked,
    /// Its files cannot be read.
    Unreadable,
}

/// All certificates of a running gateway.
pub fn list(shown: Vec<Certificate>, names: &Names, policy: Option<&AcmePolicy>, now: Timestamp) -> Vec<CertificateState> {
    shown.into_iter().map(|certificate| state(certificate, names, policy, now)).collect()
}

/// All certificates of a gateway that does not run, as far as files tell.
pub fn kept(plan: &Plan, names: &Names, now: Timestamp) -> Vec<CertificateState> {
    let mut all: Vec<_> = Wanted::by(plan).into_iter().map(|wanted| kept_one(wanted, names, plan, now)).collect();
    all.sort_by(|a, b| a.host.cmp(&b.host));
    all
}

/// Has certificates ordered now.
///
/// # Errors
/// What to tell the owner of a name that none is ordered for.
pub fn renew(
    (host, force): (Option<&str>, bool),
    slots: &[Arc<Slot>],
    names: &Names,
    policy: &AcmePolicy,
    now: Timestamp,
) -> Result<Renewing, String> {
    let host = host.map(|text| HostPattern::parse(text).map_err(|fault| format!("`{text}` is no host: {fault}"))).transpose()?;
    let meant: Vec<&Arc<Slot>> = slots.iter().filter(|slot| host.as_ref().is_none_or(|host| host == slot.host())).collect();
    if let (Some(host), true) = (&host, meant.is_empty()) {
        return Err(format!(
            "no certificate is ordered for {host}: it is not a public name of this configuration, or has files of its own; \
             `doorward cert list` shows all"
        ));
    }
    let mut renewing = Renewing { patience: patience(policy).as_secs(), ..Renewing::default() };
    for slot in meant {
        let name = slot.host().to_string();
        let standing = slot.standing();
        let due = standing.renewal(slot.host(), policy).filter(|due| now < *due && standing.history.trouble.is_none());
        if let (Some(due), false) = (due, force) {
            renewing.not_due.push((name, due.secs()));
            continue;
        }
        match wished(slot, names, policy, now) {
            None => renewing.started.push(name),
            Some(held) => renewing.held.push(held),
        }
    }
    Ok(renewing)
}

/// How long somebody who waits for an order waits at most.
pub fn patience(policy: &AcmePolicy) -> Duration {
    PATIENCE + policy.dns.as_ref().map(|dns| dns.timeout).unwrap_or_default()
}

/// Has a certificate ordered as soon as no limit is in its way; the limit if one is.
pub fn wished(slot: &Slot, names: &Names, policy: &AcmePolicy, now: Timestamp) -> Option<Held> {
    names.wish(slot.host());
    let Step::Wait(until) = slot.step(policy, now) else { return None };
    // Until the second authority's turn it is the first that wants its peace.
    let limit = slot.limit(policy, (until, now)).unwrap_or(Limit::Authority);
    Some(Held { host: slot.host().to_string(), until: until.secs(), limit })
}

fn state(certificate: Certificate, names: &Names, policy: Option<&AcmePolicy>, now: Timestamp) -> CertificateState {
    let Certificate { host, issuer, not_before, not_after, file, source } = certificate;
    let simple = |source, file| CertificateState {
        state: match not_after {
            Some(until) if until <= now => State::Ended,
            Some(_) | None => State::Well,
        },
        from: not_before.map(Timestamp::secs),
        until: not_after.map(Timestamp::secs),
        ..bare(host.to_string(), source, issuer.clone(), file)
    };
    match &source {
        Source::Acme => ordered(&host, issuer, names, policy, now),
        Source::Local => simple(Origin::Local, None),
        Source::Files(_) => simple(Origin::File, file),
    }
}

fn ordered(host: &HostPattern, issuer: String, names: &Names, policy: Option<&AcmePolicy>, now: Timestamp) -> CertificateState {
    let slot = names.slot(host);
    let standing = slot.standing();
    let next = policy.and_then(|policy| match slot.step(policy, now) {
        Step::Wait(until) => Some(until),
        Step::Order(_) => None,
    });
    let renewal = policy.and_then(|policy| standing.renewal(host, policy));
    let limit = policy.zip(next).and_then(|(policy, next)| slot.limit(policy, (next, now)));
    let advice = standing.history.advice.filter(|advice| Some(&advice.certificate) == standing.renewal_id.as_ref());
    let told = standing.history.trouble;
    let validity = standing.shown.as_ref().map(|(_, validity)| *validity);
    CertificateState {
        state: match validity.map(|validity| validity.health(now)) {
            None => State::Waiting,
            Some(_) if standing.revoked => State::Revoked,
            Some(Health::Well) => State::Well,
            Some(Health::Late) => State::Late,
            Some(Health::Alarming) => State::Alarming,
            Some(Health::Ended) => State::Ended,
        },
        from: validity.map(|validity| validity.from.secs()),
        until: validity.map(|validity| validity.until.secs()),
        lifetime: validity.map(|validity| validity.until.secs().saturating_sub(validity.from.secs())),
        next: next.map(Timestamp::secs),
        renewal: renewal.map(Timestamp::secs),
        limit,
        wished: standing.wished,
        attempts: standing.history.attempts,
        window: advice.and_then(|advice| advice.window).map(|(from, until)| (from / 1_000, until / 1_000)),
        ordering_since: standing.running.map(Timestamp::secs),
        phase: standing.running.and_then(|_| names.challenges().phases.of(host)),
        fingerprint: slot.fingerprint(),
        failures: standing.history.record.failures,
        trouble: told.map(|told| Trouble { at: told.at, sentence: told.sentence, words: told.words }),
        ..bare(host.to_string(), Origin::Acme, issuer, validity.map(|_| names.ground().folder.certificate(host)))
    }
}

fn kept_one(wanted: Wanted, names: &Names, plan: &Plan, now: Timestamp) -> CertificateState {
    let host = wanted.host.to_string();
    match &wanted.source {
        Source::Acme => {
            let issuer = names.slot(&wanted.host).standing().shown.map(|(issuer, _)| issuer).unwrap_or_default();
            CertificateState { idle: true, ..ordered(&wanted.host, issuer, names, plan.acme.as_ref(), now) }
        }
        Source::Local => bare(host, Origin::Local, "the local authority".to_owned(), None),
        Source::Files(files) => match FilePair::open(files.clone(), server::provider()) {
            Ok(pair) => {
                let ((issuer, until), not_before) = (pair.signed(), Some(pair.begins()));
                let (not_after, file) = (Some(until), Some(files.certificate.clone()));
                let shown = Certificate { host: wanted.host, issuer, not_before, not_after, file, source: wanted.source };
                state(shown, names, None, now)
            }
            Err(fault) => CertificateState {
                state: State::Unreadable,
                trouble: Some(Trouble { at: now.secs(), sentence: fault.to_string(), words: None }),
                ..bare(host, Origin::File, String::new(), Some(files.certificate.clone()))
            },
        },
    }
}

fn bare(host: String, source: Origin, issuer: String, file: Option<std::path::PathBuf>) -> CertificateState {
    CertificateState {
        host,
        source,
        issuer,
        state: State::Well,
        from: None,
        until: None,
        lifetime: None,
        next: None,
        renewal: None,
        limit: None,
        window: None,
        wished: false,
        attempts: 0,
        idle: false,
        ordering_since: None,
        phase: None,
        fingerprint: None,
        failures: 0,
        trouble: None,
        file,
    }
}
