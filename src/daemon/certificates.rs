//! Orders certificates when they are due, for several names side by side, and says what came of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use crate::admin::certificates as register;
use crate::admin::certificates::CertificateAnswer;
use crate::base::chain::Chain;
use crate::base::lifeline::Lifeline;
use crate::base::task;
use crate::daemon::renewal;
use crate::gate::services::Services;
use crate::model::audit::{Actor, Deed, Entry, Outcome};
use crate::model::event::Event;
use crate::observe::metrics::Renewal;
use crate::plan::acme::AcmePolicy;
use crate::tls::acme::attempt::Issued;
use crate::tls::acme::folder::{Proof, Told, validity};
use crate::tls::acme::names::{Lease, Names};
use crate::tls::acme::schedule::{Failed, Health, Stage, Step};
use crate::tls::acme::trouble::{self, Trouble};
use crate::tls::acme::ways;
use crate::tls::directory::Directory;
use crate::tls::dns01::record::Zones;

/// Orders at a time. A name that waits for its authority must not hold up the others, and a thousand must not come at once.
const MOST: usize = 8;
/// How often it is looked whether something is due: clocks are set, and machines sleep.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What is answered without asking anybody.
#[derive(Debug)]
pub enum Look {
    /// What there is.
    List,
    /// What is due, which is then ordered.
    Renew {
        /// Which; all if none is named.
        host: Option<String>,
        /// Also where nothing is due.
        force: bool,
    },
}

/// What there is to ask about certificates of the running gateway.
#[derive(Clone, Debug)]
pub struct Register {
    /// Certificates.
    pub directory: Arc<Directory>,
    /// Holds the plan in force.
    pub services: Arc<Services>,
}

impl Register {
    /// Shows certificates, or has them ordered now. Reads files: for a thread that may wait.
    ///
    /// # Errors
    /// What to tell the owner of a name that none is ordered for.
    pub fn answer(&self, ask: &Look) -> Result<CertificateAnswer, String> {
        let (directory, plan, now) = (&self.directory, self.services.plan.get(), self.services.clock.now());
        match ask {
            Look::List => {
                let all = register::list(directory.certificates(), directory.names(), plan.acme.as_ref(), now);
                Ok(CertificateAnswer::List(all))
            }
            Look::Renew { host, force } => {
                let policy = plan.acme.as_ref().ok_or("no certificate is ordered: the configuration has no [acme]")?;
                let wanted = (host.as_deref(), *force);
                let renewing = register::renew(wanted, &directory.ordered(), directory.names(), policy, now)?;
                Ok(CertificateAnswer::Renewing(renewing))
            }
        }
    }
}

/// Orders what is due until `stop` is cut.
pub async fn tend(directory: Arc<Directory>, services: Arc<Services>, stop: Lifeline) {
    let places = Arc::new(Semaphore::new(MOST));
    sweep(&directory, &services);
    loop {
        let pause = look(&directory, &services, &places);
        tokio::select! {
            () = stop.severed() => return,
            () = directory.names().woken() => {}
            () = sleep(pause) => {}
        }
    }
}

/// Removes records of proofs from DNS that a gateway which was killed has left there.
fn sweep(directory: &Directory, services: &Services) {
    let (plan, ground) = (services.plan.get(), directory.names().ground());
    let zones = plan.acme.as_ref().and_then(|policy| Zones::of(policy, &ground.records, &ground.clock));
    if let Some(zones) = zones {
        task::start("left-over records", async move { zones.sweep().await });
    }
}

/// Starts what is due. Gives how long nothing else is.
fn look(directory: &Directory, services: &Arc<Services>, places: &Arc<Semaphore>) -> Duration {
    let plan = services.plan.get();
    let Some(policy) = &plan.acme else { return LOOK_EVERY };
    let (names, now) = (directory.names(), services.clock.now());
    let mut pause = LOOK_EVERY;
    for slot in directory.ordered() {
        let stage = match slot.step(policy, now) {
            Step::Wait(until) => {
                pause = pause.min(until.since(now).max(Duration::from_millis(100)));
                continue;
            }
            Step::Order(stage) => stage,
        };
        // Whoever gives a place back wakes us.
        let Ok(place) = Arc::clone(places).try_acquire_owned() else { break };
        let Some(mut lease) = names.lease(&slot) else { continue };
        lease.prepare(stage, policy);
        let mut order = Order { names: Arc::clone(names), services: Arc::clone(services), policy: policy.clone(), stage, lease };
        task::start("certificate order", async move {
            let has_plain = !order.services.plan.get().listen.http.is_empty();
            order.carry_out(has_plain).await;
            drop(order);
            drop(place);
        });
    }
    renewal::ask(directory, policy, now, places);
    pause
}

/// An order about to be carried out.
struct Order {
    names: Arc<Names>,
    services: Arc<Services>,
    policy: AcmePolicy,
    stage: Stage,
    lease: Lease,
}

impl Order {
    async fn carry_out(&mut self, has_plain: bool) {
        let host = self.lease.host().clone();
        let proof = ways::proof(&self.policy, &host, &self.lease.history, has_plain);
        let began = Instant::now();
        let way = (self.stage, proof);
        let outcome = self.names.ground().attempt(&host, &self.policy, way, &mut self.lease.history).await;
        match outcome {
            Ok(issued) => self.succeeded(issued, proof, began.elapsed()).await,
            Err(trouble) => self.failed(&trouble, proof, has_plain).await,
        }
        if let Err(fault) = self.lease.note() {
            error!(event = Event::CertificateFailing.name(), %host, fault = %Chain(&fault), "what an order came to cannot be written down");
        }
    }

    async fn succeeded(&mut self, issued: Issued, proof: Proof, took: Duration) {
        let host = self.lease.host().clone();
        self.lease.history.challenge = Some(proof);
        let Issued::Certificate(loaded) = issued else {
            self.lease.history.record.tried_out();
            // What it failed for is mended.
            self.lease.history.trouble = None;
            self.lease.goes_on();
            return info!(event = Event::CertificateProgress.name(), %host, "an order was tried out at the staging directory and works; the next one counts");
        };
        self.lease.history.record.succeeded(self.services.clock.now(), self.stage, validity(&loaded));
        self.ended(None);
        let renewed = self.lease.shows();
        let (event, deed) = match renewed {
            true => (Event::CertificateRenewed, Deed::CertificateRenewed),
            false => (Event::CertificateIssued, Deed::CertificateIssued),
        };
        let by = self.lease.history.issued_by.as_ref().unwrap_or(&self.policy.directory);
        let (issuer, took_ms) = (trouble::name(by), u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        let until = loaded.facts.not_after.secs();
        self.lease.show(*loaded);
        self.services.metrics.renewed(Renewal::Used);
        info!(event = event.name(), %host, issuer, until, took_ms, "a certificate was issued; new connections get it");
        self.record(Entry::new(deed, Actor::Gateway).detailed(host.to_string())).await;
    }

    /// The order has ended, well unless something is told.
    fn ended(&mut self, told: Option<Told>) {
        let history = &mut self.lease.history;
        (history.attempts, history.trouble) = (history.attempts.saturating_add(1), told);
    }

    async fn failed(&mut self, trouble: &Trouble, proof: Proof, has_plain: bool) {
        let host = self.lease.host().clone();
        let (now, sentence) = (self.services.clock.now(), trouble.sentence(&host));
        let failed = Failed { stage: self.stage, counts: trouble.counts(), retry_after: trouble.retry_after };
        let history = &mut self.lease.history;
        history.record.failed(now, failed);
        if self.stage == Stage::Staging && !failed.counts {
            self.lease.goes_on();
            return warn!(event = Event::CertificateWarning.name(), %host, "an order could not be tried out first, so the next one counts: {sentence}");
        }
        if let Some(next) = ways::after(&ways::open(&self.policy, &host, has_plain), proof, trouble) {
            history.challenge = Some(next);
        }
        let words = trouble.words.clone();
        self.ended(Some(Told { at: now.secs(), sentence: sentence.clone(), words: words.clone() }));
        self.services.metrics.renewed(Renewal::Refused);
        let words = words.unwrap_or_default();
        let failures = self.lease.history.record.failures;
        warn!(event = Event::CertificateFailing.name(), %host, failures, words, "no new certificate: {sentence}");
        // The first short pauses are told once: an owner who is still setting things up hears of it in the log.
        if failures.is_power_of_two() || self.is_urgent() {
            let entry = Entry::new(Deed::CertificateFailing, Actor::Gateway).came_to(Outcome::Failed);
            self.record(entry.detailed(host.to_string())).await;
        }
    }

    /// Whether so little is left of the certificate that every failure is worth telling.
    fn is_urgent(&self) -> bool {
        let standing = self.names.slot(self.lease.host()).standing();
        standing.shown.is_some_and(|(_, validity)| validity.health(self.services.clock.now()) >= Health::Alarming)
    }

    async fn record(&self, entry: Entry) {
        if let Err(fault) = self.services.store.record(entry).await {
            warn!(event = Event::TrailFailing.name(), fault = %Chain(&fault), "the audit trail could not be written");
        }
    }
}
