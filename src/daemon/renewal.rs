//! Asks authorities when they want certificates renewed, as often as `tls/acme/advice.rs` says, and writes down what they say.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tracing::{debug, error, info};

use crate::base::chain::Chain;
use crate::base::clock::Timestamp;
use crate::base::task;
use crate::model::event::Event;
use crate::plan::acme::AcmePolicy;
use crate::tls::acme::advice::{Advice, Heard};
use crate::tls::acme::names::{Lease, Names};
use crate::tls::directory::Directory;

/// Asks about each certificate that is due for it, as far as there are `places`.
pub fn ask(directory: &Directory, policy: &AcmePolicy, now: Timestamp, places: &Arc<Semaphore>) {
    let names = directory.names();
    for slot in directory.ordered() {
        let Some(about) = slot.question(policy, now) else { continue };
        // Whoever gives a place back wakes who called us.
        let Ok(place) = Arc::clone(places).try_acquire_owned() else { return };
        let Some(lease) = names.hold(&slot) else { continue };
        let (names, policy) = (Arc::clone(names), policy.clone());
        task::start("renewal information", async move {
            note(&names, &policy, about, lease).await;
            drop(place);
        });
    }
}

async fn note(names: &Names, policy: &AcmePolicy, (certificate, authority): (String, String), mut lease: Lease) {
    let about = (certificate.as_str(), authority.as_str());
    let (host, now) = (lease.host().clone(), names.ground().clock.now());
    let heard = names.ground().inquire(policy, about).await.unwrap_or_else(|trouble| {
        debug!(%host, %trouble, "the authority does not say when to renew");
        Heard { window: None, retry_after: trouble.retry_after }
    });
    let before = lease.history.advice.take();
    let was_said = before.as_ref().filter(|before| before.is_of(about.0, about.1)).and_then(|before| before.at);
    let advice = Advice::note(before, about, &heard, now);
    if let Some(at) = advice.at.filter(|at| Some(*at) != was_said) {
        let (from, until) = (advice.window.map(|(from, _)| from / 1_000), advice.window.map(|(_, until)| until / 1_000));
        info!(event = Event::CertificateAdvised.name(), %host, at = at / 1_000, from, until, "the authority says when to renew");
    }
    lease.history.advice = Some(advice);
    if let Err(fault) = lease.note() {
        error!(event = Event::CertificateFailing.name(), %host, fault = %Chain(&fault), "when to renew cannot be written down");
    }
}
