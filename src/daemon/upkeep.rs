//! What has to be done now and then: remember when sessions were last seen, clear away what has ended, notice new
//! certificate files, tell of certificates that need their owner.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::base::chain::Chain;
use crate::base::clock::Clock;
use crate::base::lifeline::Lifeline;
use crate::gate::services::Services;
use crate::model::event::Event;
use crate::observe::metrics::{Metrics, Renewal};
use crate::tls::directory::Directory;
use crate::tls::files::LOOK_EVERY;

/// How often session times are written and ended things cleared away.
const SWEEP: Duration = Duration::from_secs(30);

/// How often what is wrong with certificates is told.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Sweeps until `stop` is cut.
pub async fn sweep(services: Arc<Services>, stop: Lifeline) {
    every(SWEEP, stop, || async {
        if let Err(fault) = services.store.flush_seen().await {
            warn!(event = Event::StoreFailing.name(), fault = %Chain(&fault), "when sessions were last seen could not be stored; trying again");
        }
        if let Err(fault) = services.store.sweep(services.clock.now()).await {
            warn!(event = Event::StoreFailing.name(), fault = %Chain(&fault), "ended sessions could not be cleared away; trying again");
        }
    })
    .await;
}

/// Tells at start and once a day what the owner should know of the certificates in use.
pub async fn tell_of_certificates(directory: Arc<Directory>, clock: Clock, stop: Lifeline) {
    every(DAY, stop, || async {
        for warning in directory.warnings(clock.now()) {
            warn!(event = Event::CertificateWarning.name(), "{warning}");
        }
    })
    .await;
}

/// Takes up certificate files that changed on disk. A bad new file changes nothing and is reported once.
pub async fn watch_certificates(directory: Arc<Directory>, metrics: Arc<Metrics>, stop: Lifeline) {
    every(LOOK_EVERY, stop, || async {
        for (files, result) in directory.reread_changed_files() {
            let file = files.certificate.display();
            metrics.renewed(if result.is_ok() { Renewal::Used } else { Renewal::Refused });
            match result {
                Ok(()) => info!(event = Event::CertificateChanged.name(), %file, "a certificate file changed; new connections get the new one"),
                Err(fault) => warn!(event = Event::CertificateFailing.name(), %file, fault = %Chain(&fault), "the new certificate is not used, the old one stays"),
            }
        }
    })
    .await;
}

async fn every<F: Future<Output = ()>>(period: Duration, stop: Lifeline, mut work: impl FnMut() -> F) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.severed() => return,
            _ = ticks.tick() => work().await,
        }
    }
}
