//! Carries out `cert import`: by the running gateway, which then shows what it has taken over, or without one, on its files.

use std::sync::Arc;
use tokio::task::spawn_blocking;

use tracing::{info, warn};

use crate::admin::takeover::{self, Fate, Offer, Outcome};
use crate::admin::wish::{Answer, RefusedKind};
use crate::base::chain::Chain;
use crate::base::clock::Clock;
use crate::daemon::certificates::Register;
use crate::daemon::place::Place;
use crate::model::audit::{Actor, Deed, Entry};
use crate::model::event::Event;
use crate::plan::whole::Plan;
use crate::policy::wildcard::HostPattern;
use crate::store::open::Store;
use crate::tls::acme::folder::Folder;
use crate::tls::acme::names::Names;
use crate::tls::acme::takeover::Believed;
use crate::tls::directory::{Source, Wanted};
use crate::tls::server;

impl Register {
    /// Takes over what is offered, for the names of the plan in force. What was taken is shown from then on.
    pub async fn take_over(&self, offer: Offer) -> Answer {
        let plan = self.services.plan.get();
        let names = Arc::clone(self.directory.names());
        carry_out(&self.services.store, names, Some(&plan), (offer, self.services.clock.clone())).await
    }
}

/// Takes over what is offered while no gateway runs. Call with the lock of the data folder.
pub async fn without_gateway(store: &Store, place: &Place, plan: Option<&Plan>, offer: Offer) -> Answer {
    let clock = Clock::system();
    let names = Arc::new(Names::new(Folder::within(&place.certs), server::provider(), clock.clone()));
    carry_out(store, names, plan, (offer, clock)).await
}

/// The names that get their certificates by ACME.
fn served(plan: &Plan) -> Vec<HostPattern> {
    let ordered = Wanted::by(plan).into_iter().filter(|wanted| wanted.source == Source::Acme);
    let mut names: Vec<HostPattern> = ordered.map(|wanted| wanted.host).collect();
    names.sort_by_key(ToString::to_string);
    names
}

async fn carry_out(store: &Store, names: Arc<Names>, plan: Option<&Plan>, (offer, clock): (Offer, Clock)) -> Answer {
    let (served, ca_file) = (plan.map(served), plan.and_then(|plan| plan.acme.as_ref()?.ca_file.clone()));
    // Files are written, and keys tried.
    let work = move || {
        let believed = Believed::here(ca_file.as_deref(), &names.ground().provider);
        takeover::take_over(offer, &names, (served.as_deref(), &believed), clock.now())
    };
    let Ok(outcomes) = spawn_blocking(work).await else {
        let message = "the certificates could not be taken over; the log says why".to_owned();
        return Answer::Refused { kind: RefusedKind::Failed, message };
    };
    for outcome in outcomes.iter().filter(|outcome| outcome.result == Fate::Taken) {
        record(store, outcome).await;
    }
    Answer::Imported { outcomes }
}

async fn record(store: &Store, outcome: &Outcome) {
    let what = outcome.host.clone().unwrap_or_else(|| "account".to_owned());
    info!(event = Event::CertificateImported.name(), host = what, "a certificate or account was taken over from another program");
    let entry = Entry::new(Deed::CertificateImported, Actor::Owner).detailed(what);
    if let Err(fault) = store.record(entry).await {
        warn!(event = Event::TrailFailing.name(), fault = %Chain(&fault), "the audit trail could not be written");
    }
}
