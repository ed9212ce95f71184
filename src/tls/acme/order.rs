//! One order at an authority: from a name to a chain.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeStatus, ChallengeType, Error, Identifier, KeyAuthorization,
    NewOrder, Order, OrderStatus, Problem,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use tokio::time::{Instant, sleep};

use crate::base::clock::Clock;
use crate::fetch::fault::Fault as FetchFault;
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::api;
use crate::tls::acme::challenge::{Challenges, Shown};
use crate::tls::acme::folder::Proof;
use crate::tls::acme::phase::Phase;
use crate::tls::acme::trouble::{Kind, Trouble};
use crate::tls::dns01::record::{Record, Zones};
use crate::tls::fault::Fault;

/// How often a step is repeated whose nonce the authority did not take. The library tries three times by itself.
const NONCES: usize = 6;
/// How long an authority may take to look at a proof, and to issue.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often it is asked whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LOOK_SELDOM: Duration = Duration::from_secs(4);

/// A name's way to its certificate.
#[derive(Debug)]
pub struct Way<'a> {
    /// The name.
    pub host: &'a HostPattern,
    /// The authority's directory, to be named in trouble.
    pub directory: &'a str,
    /// How it is proven.
    pub proof: Proof,
    /// Where proofs are shown.
    pub challenges: &'a Arc<Challenges>,
    /// Who shows them in DNS, if somebody does.
    pub zones: Option<&'a Zones>,
    /// Tells the time.
    pub clock: &'a Clock,
    /// Which kind of certificate; the authority's usual one if none is named.
    pub profile: Option<&'a str>,
    /// The certificate that the new one is for (RFC 9773 section 5), where the authority knows it.
    pub replaces: Option<&'a str>,
}

/// A proof that is shown.
enum Proven<'a> {
    /// By us, until this is dropped.
    Here { _shown: Shown },
    /// In DNS, until it is removed.
    There(Record<'a>),
}

impl Proven<'_> {
    async fn end(self) {
        match self {
            Self::Here { .. } => {}
            Self::There(record) => record.remove().await,
        }
    }
}

/// Has a step repeated that failed for its nonce alone: that says nothing about the order, and never counts as a failed one.
/// Not a function that takes the step: futures of async closures are not `Send` for every lifetime.
#[derive(Debug, Default)]
pub struct Patience {
    tries: usize,
}

impl Patience {
    /// What the step came to; `None` if it is to be repeated.
    pub fn with<T>(&mut self, outcome: Result<T, Error>) -> Option<Result<T, Error>> {
        match &outcome {
            Err(Error::Api(problem)) if api::is(problem, "badNonce") && self.tries < NONCES => {
                self.tries += 1;
                None
            }
            Ok(_) | Err(_) => Some(outcome),
        }
    }
}

/// Whether an order may have come to nothing because of the certificate it was to replace: authorities have many words for that. What
/// else it is, it is without that too.
fn is_about_the_former(error: &Error) -> bool {
    match error {
        Error::Api(problem) => !["rateLimited", "badNonce"].iter().any(|kind| api::is(problem, kind)),
        Error::Other(other) => !other.is::<FetchFault>(),
        // It answered the order without taking note of it.
        other => matches!(other, Error::Json(_) | Error::Unsupported(_)),
    }
}

impl Way<'_> {
    /// A new order.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn begin(&self, account: &Account) -> Result<Order, Trouble> {
        let mut done = self.ordered(account, self.replaces).await;
        if self.replaces.is_some() && done.as_ref().is_err_and(is_about_the_former) {
            done = self.ordered(account, None).await;
        }
        // Nothing has been proven yet: what is said here is about the name or us, not about ports.
        done.map_err(|error| Trouble::of(&error, self.directory).ordering(self.host))
    }

    async fn ordered(&self, account: &Account, replaces: Option<&str>) -> Result<Order, Error> {
        let names = [self.host.ip().map_or_else(|| Identifier::Dns(self.host.to_string()), Identifier::Ip)];
        let mut order = NewOrder::new(&names);
        if let Some(profile) = self.profile {
            order = order.profile(profile);
        }
        if let Some((authority, serial)) = replaces.and_then(|id| id.split_once('.')) {
            let former = CertificateIdentifier { authority_key_identifier: authority.into(), serial: serial.into() };
            order = order.replaces(former);
        }
        let mut patience = Patience::default();
        loop {
            if let Some(done) = patience.with(account.new_order(&order).await) {
                return done;
            }
        }
    }

    /// An order that was begun before a crash; `None` if nothing can come of it any more.
    pub async fn resume(&self, account: &Account, url: &str) -> Option<Order> {
        let mut patience = Patience::default();
        let done = loop {
            if let Some(done) = patience.with(account.order(url.to_owned()).await) {
                break done;
            }
        };
        let mut order = done.ok()?;
        let usable = match order.state().status {
            OrderStatus::Pending | OrderStatus::Ready | OrderStatus::Processing | OrderStatus::Valid => true,
            OrderStatus::Invalid => false,
        };
        usable.then_some(order)
    }

    /// Takes an order to its end: proves the name, has the key certified, fetches the chain (PEM).
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn finish(&self, order: &mut Order, key: &KeyPair) -> Result<String, Trouble> {
        let mut until = Instant::now() + PATIENCE;
        let reached = |phase| self.challenges.phases.reached(self.host, phase);
        if order.state().status == OrderStatus::Pending {
            reached(Phase::Challenge);
            let shown = self.show(order).await?;
            reached(Phase::Waiting);
            // In DNS that may have taken long.
            until = Instant::now() + PATIENCE;
            let waited = self.wait(order, until, OrderStatus::Pending).await;
            if let Some(shown) = shown {
                shown.end().await;
            }
            waited?;
        }
        reached(Phase::Finalising);
        if order.state().status == OrderStatus::Ready {
            let csr = self.csr(key).map_err(|fault| Trouble::local(&fault, self.directory))?;
            let mut patience = Patience::default();
            while patience.with(order.finalize_csr(&csr).await).transpose().map_err(|error| self.trouble(&error))?.is_none() {}
            self.wait(order, until, OrderStatus::Processing).await?;
        }
        if order.state().status == OrderStatus::Processing {
            self.wait(order, until, OrderStatus::Processing).await?;
        }
        let mut patience = Patience::default();
        let done = loop {
            if let Some(done) = patience.with(order.certificate().await) {
                break done;
            }
        };
        done.map_err(|error| self.trouble(&error))?.ok_or_else(|| Trouble::bare(Kind::Slow, self.directory))
    }

    /// Shows the proof and asks the authority to look at it. Nothing is shown where the authority still remembers an earlier one.
    async fn show(&self, order: &mut Order) -> Result<Option<Proven<'_>>, Trouble> {
        let wanted = match self.proof {
            Proof::Http01 => ChallengeType::Http01,
            Proof::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Proof::Dns01 => ChallengeType::Dns01,
        };
        // Fetched here, with patience: where this one knows them, the next one asks nobody.
        let mut patience = Patience::default();
        loop {
            let fetched = order.authorizations().next().await.transpose().map(drop);
            if patience.with(fetched).transpose().map_err(|error| self.trouble(&error))?.is_some() {
                break;
            }
        }
        let mut all = order.authorizations();
        let Some(Ok(mut authorization)) = all.next().await else {
            return Err(Trouble::bare(Kind::Other, self.directory));
        };
        if authorization.status == AuthorizationStatus::Valid {
            return Ok(None);
        }
        let offered = authorization.challenge(wanted);
        let mut challenge = offered.ok_or_else(|| Trouble::bare(Kind::NoWay, self.directory).proving(self.proof))?;
        let shown = self.present(&challenge.token, &challenge.key_authorization()).await?;
        if challenge.status == ChallengeStatus::Pending {
            let mut patience = Patience::default();
            loop {
                match patience.with(challenge.set_ready().await) {
                    None => {}
                    Some(Ok(())) => break,
                    Some(Err(error)) => {
                        shown.end().await;
                        return Err(self.trouble(&error));
                    }
                }
            }
        }
        Ok(Some(shown))
    }

    async fn present(&self, token: &str, answer: &KeyAuthorization) -> Result<Proven<'_>, Trouble> {
        let no_way = || Trouble::bare(Kind::NoWay, self.directory).proving(self.proof);
        let shown = match (self.proof, self.host) {
            (Proof::Http01, HostPattern::Exact(host)) => self.challenges.answer_token(host, token, answer.as_str()),
            (Proof::TlsAlpn01, HostPattern::Exact(host)) => {
                let shown = self.challenges.show_certificate(host, answer.digest().as_ref(), self.clock);
                shown.map_err(|fault| Trouble::local(&fault, self.directory))?
            }
            (Proof::Http01 | Proof::TlsAlpn01, HostPattern::Under(_)) => return Err(no_way()),
            (Proof::Dns01, names) => {
                let shown = self.zones.ok_or_else(no_way)?.show(names, &answer.dns_value()).await;
                return shown.map(Proven::There).map_err(|fault| Trouble::record(&fault, self.directory));
            }
        };
        Ok(Proven::Here { _shown: shown })
    }

    /// Waits until the order is no longer `as_is`.
    async fn wait(&self, order: &mut Order, until: Instant, as_is: OrderStatus) -> Result<(), Trouble> {
        let (mut pause, mut patience) = (LOOK_EVERY, Patience::default());
        loop {
            let seen = patience.with(order.refresh().await.map(|state| (state.status, state.error.clone())));
            let Some((status, error)) = seen.transpose().map_err(|error| self.trouble(&error))? else { continue };
            if status == OrderStatus::Invalid {
                return Err(self.why(order, error).await);
            }
            if status != as_is && !(as_is == OrderStatus::Processing && status == OrderStatus::Ready) {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(Trouble::bare(Kind::Slow, self.directory).proving(self.proof));
            }
            sleep(pause).await;
            patience = Patience::default();
            pause = (pause * 3 / 2).min(LOOK_SELDOM);
        }
    }

    /// Why an order has become invalid: the challenge knows more than the order.
    async fn why(&self, order: &mut Order, error: Option<Problem>) -> Trouble {
        let mut all = order.authorizations();
        if let Some(Ok(mut authorization)) = all.next().await {
            let mut patience = Patience::default();
            while patience.with(authorization.refresh().await.map(drop)).is_none() {}
            if let Some(problem) = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
                return Trouble::said(problem, self.directory).proving(self.proof);
            }
        }
        let trouble = error.map(|problem| Trouble::said(&problem, self.directory));
        trouble.unwrap_or_else(|| Trouble::bare(Kind::Other, self.directory)).proving(self.proof)
    }

    fn csr(&self, key: &KeyPair) -> Result<Vec<u8>, Fault> {
        let making = |fault: rcgen::Error| Fault::Making { subject: self.host.to_string(), reason: fault.to_string() };
        let mut params = CertificateParams::new([self.host.to_string()]).map_err(making)?;
        // No common name: names longer than 64 letters have none, and nobody reads it.
        params.distinguished_name = DistinguishedName::new();
        Ok(params.serialize_request(key).map_err(making)?.der().to_vec())
    }

    fn trouble(&self, error: &Error) -> Trouble {
        Trouble::of(error, self.directory).proving(self.proof)
    }
}
