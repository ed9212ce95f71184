//! What an owner has an authority take back: a certificate, or the key of our account.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::admin::certificates::{self, CertificateAnswer, Reason, Revoked, RolledOver};
use crate::admin::wish::RefusedKind;
use crate::base::chain::Chain;
use crate::daemon::certificates::Register;
use crate::model::audit::{Actor, Deed, Entry};
use crate::model::event::Event;
use crate::plan::acme::AcmePolicy;
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::attempt;
use crate::tls::acme::names::{Lease, Slot};
use crate::tls::acme::revocation::Taken;
use crate::tls::acme::trouble;
use crate::tls::durable;

/// What to tell the owner where nothing was done.
pub type Refusal = (RefusedKind, String);

/// How long a question may take to end.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(50);

const UNCONFIGURED: &str = "the configuration has no [acme], which says whom to ask: put it back for as long as this takes";

impl Register {
    /// Revokes the certificate of a host, and has a new one ordered if it is still configured.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has changed then.
    pub async fn revoke(&self, host: &str, reason: Reason) -> Result<CertificateAnswer, Refusal> {
        let unfit = |told: String| (RefusedKind::Unfit, told);
        let host = HostPattern::parse(host).map_err(|fault| unfit(format!("`{host}` is no host: {fault}")))?;
        let policy = self.policy()?;
        let names = self.directory.names();
        let slot = names.slot(&host);
        let busy = || unfit(format!("an order for {host} runs; try again when it has ended"));
        let mut lease = self.alone(&slot).await.ok_or_else(busy)?;
        // Not before we are alone: another may have been taken over meanwhile.
        let Some(leaf) = slot.key().and_then(|key| key.cert.first().cloned()) else {
            return Err((
                RefusedKind::NotFound,
                format!("there is no certificate of {host} that an authority has issued by ACME"),
            ));
        };
        if slot.standing().revoked {
            return Err(unfit(format!("the certificate of {host} is revoked already")));
        }
        let directory = lease.history.issued_by.clone().unwrap_or_else(|| policy.directory.clone());
        let pem = durable::read(&names.ground().folder.certificate(&host)).ok().flatten();
        let taken = Taken { certificate: &leaf, pem, reason: reason.code() };
        let revoked = names.ground().revoke(&policy, &directory, taken).await;
        let stage = attempt::stage_at(&policy, &directory);
        revoked
            .map_err(|trouble| (RefusedKind::Failed, trouble.at(stage).refusal(&format!("revoke the certificate of {host}"))))?;
        lease.history.revoked = slot.fingerprint();
        // The key of an open order lies beside the one that is in wrong hands: the next certificate gets another.
        lease.history.order = None;
        names.ground().folder.forget_order_key(&host);
        if let Err(fault) = lease.note() {
            warn!(event = Event::CertificateFailing.name(), %host, fault = %Chain(&fault), "that a certificate was revoked cannot be written down");
        }
        drop(lease);
        let issuer = trouble::name(&directory);
        info!(event = Event::CertificateRevoked.name(), %host, issuer, reason = reason.name(), "a certificate was revoked");
        self.record(Deed::CertificateRevoked, host.to_string()).await;
        Ok(CertificateAnswer::Revoked(self.replaced(&slot)))
    }

    /// Has another one ordered in the place of one that was revoked, if the name is still configured.
    fn replaced(&self, slot: &Arc<Slot>) -> Revoked {
        let host = slot.host();
        let mut revoked = Revoked { host: host.to_string(), ..Revoked::default() };
        let (plan, names) = (self.services.plan.get(), self.directory.names());
        let Some(policy) = plan.acme.as_ref() else { return revoked };
        if self.directory.ordered().iter().any(|slot| slot.host() == host) {
            revoked.patience = certificates::patience(policy).as_secs();
            revoked.held = certificates::wished(slot, names, policy, self.services.clock.now());
            revoked.ordered = revoked.held.is_none();
        }
        revoked
    }

    /// Gives our accounts at all authorities of the configuration another key.
    ///
    /// # Errors
    /// [`Refusal`] where there is no account.
    pub async fn roll_over(&self) -> Result<CertificateAnswer, Refusal> {
        let policy = self.policy()?;
        let fallback = policy.fallback.as_ref().map(|fallback| &fallback.directory);
        let mut done = Vec::new();
        for directory in [Some(&policy.directory), policy.staging.as_ref(), fallback].into_iter().flatten() {
            let outcome = self.directory.names().ground().roll_over(&policy, directory).await;
            let authority = trouble::name(directory);
            let trouble = match outcome {
                Ok(false) => continue,
                Ok(true) => {
                    info!(event = Event::AccountKeyChanged.name(), authority, "our account has another key");
                    self.record(Deed::AccountKeyChanged, authority.clone()).await;
                    None
                }
                Err(trouble) => Some(trouble.at(attempt::stage_at(&policy, directory)).refusal("give our account another key")),
            };
            done.push(RolledOver { authority, directory: directory.clone(), trouble });
        }
        if done.is_empty() {
            let told = "there is no account yet at an authority of this configuration: the first order makes one".to_owned();
            return Err((RefusedKind::NotFound, told));
        }
        Ok(CertificateAnswer::RolledOver(done))
    }

    /// The right to write about a name. A question for when to renew is over in a moment; an order is not waited for.
    async fn alone(&self, slot: &Arc<Slot>) -> Option<Lease> {
        let until = Instant::now() + PATIENCE;
        loop {
            let lease = self.directory.names().hold(slot);
            if lease.is_some() || slot.standing().running.is_some() || Instant::now() > until {
                return lease;
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn policy(&self) -> Result<AcmePolicy, Refusal> {
        self.services.plan.get().acme.clone().ok_or_else(|| (RefusedKind::NotFound, UNCONFIGURED.to_owned()))
    }

    async fn record(&self, deed: Deed, detail: String) {
        if let Err(fault) = self.services.store.record(Entry::new(deed, Actor::Owner).detailed(detail)).await {
            warn!(event = Event::TrailFailing.name(), fault = %Chain(&fault), "the audit trail could not be written");
        }
    }
}
