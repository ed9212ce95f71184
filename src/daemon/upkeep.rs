//! What has to be done now and then: remember when sessions were last seen, clear away what has ended, notice new
//! certificate files, tell of certificates that need their owner.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::admin::trail;
use crate::base::chain::Chain;
use crate::base::clock::{Clock, Timestamp};
use crate::base::lifeline::Lifeline;
use crate::gate::services::Services;
use crate::model::audit::{Actor, Deed, Entry, Outcome};
use crate::model::event::Event;
use crate::observe::metrics::Renewal;
use crate::store::fault::Fault;
use crate::store::vault::BATCH;
use crate::tls::directory::Directory;
use crate::tls::files::LOOK_EVERY;
use crate::tls::warning::Telling;

/// How often session times are written and ended things cleared away.
const SWEEP: Duration = Duration::from_secs(30);

/// Records taken away in one go, and batches sealed anew, before others have a turn.
const PRUNED: u32 = 1_000;
const RESEALED: usize = 20;

/// How often it is looked what is wrong with certificates: often enough for the last tenth of one that lives for hours.
const JUDGED: Duration = Duration::from_secs(5 * 60);

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

/// Until `stop` is cut: writes down what was counted of failures, takes away records that are old enough, goes on sealing anew
/// where a change of keys was interrupted, and says in the log, at the start and once a day, where the trail ends: noted
/// there, it shows if somebody sets the whole database back.
pub async fn tend_trail(services: Arc<Services>, stop: Lifeline) {
    let day = AtomicI64::new(i64::MIN);
    every(SWEEP, stop, || async {
        if let Err(fault) = tend_trail_once(&services, &day).await {
            warn!(event = Event::TrailFailing.name(), fault = %Chain(&fault), "the audit trail could not be tended; trying again");
        }
    })
    .await;
}

async fn tend_trail_once(services: &Services, day: &AtomicI64) -> Result<(), Fault> {
    let (store, now) = (&services.store, services.clock.now());
    store.record_flood().await?;
    let retention = i64::try_from(services.plan.get().telling.retention.as_millis()).unwrap_or(i64::MAX);
    store.prune_audit(Timestamp::from_millis(now.millis().saturating_sub(retention)), PRUNED).await?;
    for _ in 0..RESEALED {
        let resealed = store.reseal(BATCH).await?;
        if resealed.done == 0 {
            break;
        }
        info!(
            event = Event::KeyResealed.name(),
            done = resealed.done,
            left = resealed.left,
            "sealed anew with the newest master key"
        );
    }
    let today = now.secs().div_euclid(86_400);
    if day.swap(today, Ordering::Relaxed) != today
        && let Some(head) = store.audit_head().await?
    {
        info!(event = Event::TrailEnds.name(), head = trail::in_words(&head), records = head.last, "the audit trail ends here");
    }
    Ok(())
}

/// Tells what the owner should know of the certificates in use: at start, when something is new, and once a day while it lasts.
pub async fn tell_of_certificates(directory: Arc<Directory>, clock: Clock, stop: Lifeline) {
    let mut telling = Telling::default();
    every(JUDGED, stop, || {
        let now = clock.now();
        for warning in telling.due(directory.warnings(now), now) {
            warn!(event = Event::CertificateWarning.name(), "{warning}");
        }
        ready(())
    })
    .await;
}

/// Takes up certificate files that changed on disk. A bad new file changes nothing and is reported once.
pub async fn watch_certificates(directory: Arc<Directory>, services: Arc<Services>, stop: Lifeline) {
    every(LOOK_EVERY, stop, || async {
        for (files, result) in directory.reread_changed_files() {
            let file = files.certificate.display();
            services.metrics.renewed(if result.is_ok() { Renewal::Used } else { Renewal::Refused });
            match result {
                Ok(()) => info!(event = Event::CertificateChanged.name(), %file, "a certificate file changed; new connections get the new one"),
                Err(fault) => {
                    warn!(event = Event::CertificateFailing.name(), %file, fault = %Chain(&fault), "the new certificate is not used, the old one stays");
                    let entry = Entry::new(Deed::CertificateFailing, Actor::Gateway).came_to(Outcome::Failed);
                    if let Err(fault) = services.store.record(entry.detailed(file.to_string())).await {
                        warn!(event = Event::TrailFailing.name(), fault = %Chain(&fault), "the audit trail could not be written");
                    }
                }
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
