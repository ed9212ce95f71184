//! From one configuration to the next while running: read, compile, load certificates, bind what is new, swap, drain the old.
//! Everything that can fail comes before the swap, so a configuration that cannot be had changes nothing.

use std::mem;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use crate::admin::perform::{Desk, Enrolment};
use crate::admin::status::{self, AccessLogState, Configuration, Listening, RefusedReload, Status};
use crate::base::clock::Timestamp;
use crate::base::lifeline::Lifeline;
use crate::base::units::in_words;
use crate::config::complaint::Complaint;
use crate::config::report::Report;
use crate::config::source::{Consulted, Source};
use crate::daemon::accounts;
use crate::daemon::configuration::{self, Loaded};
use crate::daemon::fault::Fault;
use crate::daemon::listeners::{self, Listeners, Move, Wanted as Address};
use crate::daemon::place::Place;
use crate::daemon::worker::Worker;
use crate::gate::services::Services;
use crate::listen::accept::Kind;
use crate::listen::limit::Slots;
use crate::model::audit::{Actor, Deed, Entry};
use crate::model::event::Event;
use crate::observe::logging;
use crate::observe::metrics::Reload;
use crate::observe::process::Process;
use crate::plan::app::App;
use crate::plan::changed_settings;
use crate::plan::difference::{self, Change};
use crate::plan::passkeys;
use crate::plan::succession;
use crate::plan::whole::Plan;
use crate::proxy::pool::Pool;
use crate::tls::directory::{Directory, Prepared, State as Certificates, Wanted};
use crate::tls::upstream::Proofs;

/// Replaces the configuration of a running gateway.
#[derive(Debug)]
pub struct Reloader {
    place: Place,
    /// What cannot be changed any more was decided by this.
    started: Arc<Plan>,
    reach: Reach,
    state: Mutex<State>,
    /// Something is due at another time than before.
    due: Notify,
}

/// What a configuration reaches into.
#[derive(Debug)]
pub struct Reach {
    /// Holds the plan in force.
    pub services: Arc<Services>,
    /// Certificates.
    pub directory: Arc<Directory>,
    /// Enrols people.
    pub desk: Arc<Desk>,
    /// Bounds connections.
    pub slots: Slots,
    /// Upstream connections, one pool per worker.
    pub pools: Vec<Pool>,
    /// Those who listen.
    pub workers: Arc<[Worker]>,
}

#[derive(Debug)]
struct State {
    listeners: Listeners,
    /// What the configuration that was last read names, in force or refused.
    consulted: Consulted,
    trial: Option<Trial>,
    leaving: Vec<Leaving>,
    loaded: Timestamp,
    refused: Option<RefusedReload>,
    warnings: Vec<String>,
}

/// A configuration that has to be confirmed.
#[derive(Debug)]
struct Trial {
    before: Before,
    until: Instant,
}

/// All of a former configuration.
#[derive(Debug)]
struct Before {
    plan: Arc<Plan>,
    certificates: Certificates,
    proofs: Proofs,
    addresses: Vec<Address>,
    warnings: Vec<String>,
}

/// What was read from files for a configuration.
#[derive(Debug)]
struct Files {
    certificates: Prepared,
    proofs: Proofs,
}

/// Apps whose open streams have some time left.
#[derive(Debug)]
struct Leaving {
    apps: Vec<Arc<App>>,
    until: Instant,
}

/// What a reload did.
#[derive(Debug)]
pub struct Done {
    /// The version now in force.
    pub version: u64,
    /// The file it was read from.
    pub file: PathBuf,
    /// What changed.
    pub changes: Vec<Change>,
    /// Warnings about the file.
    pub report: Report,
    /// Keys that take effect with a restart only.
    pub needs_restart: Vec<&'static str>,
    /// TLS addresses with their real ports.
    pub https: Vec<SocketAddr>,
    /// Plain addresses with their real ports.
    pub http: Vec<SocketAddr>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The gateway runs from the command line.
    #[error("this gateway runs from its command line and has no file to read again; start it with `doorward run` to reload it")]
    NoFile,
    /// Another file was meant.
    #[error("this gateway runs from {}; name that file, or none", .0.display())]
    OtherFile(PathBuf),
    /// A configuration waits for its confirmation.
    #[error(
        "the configuration in force is on trial for another {}: `doorward reload --keep` keeps it; when the time is over the one \
         before it comes back, and then this works again",
        in_words(*.0)
    )]
    OnTrial(Duration),
    /// There is nothing to confirm.
    #[error("no configuration is on trial: the one in force stays anyway")]
    NoTrial,
    /// The file has errors.
    #[error("{}", .0.summary())]
    Complaints(Box<Report>),
    /// Certificates or addresses cannot be had.
    #[error("{}", list(.0))]
    Faults(Vec<Fault>),
}

impl Reloader {
    /// For a gateway that was started with the plan in force, listening on `listeners`.
    pub fn new(place: Place, reach: Reach, listeners: Listeners) -> Self {
        let (started, loaded) = (reach.services.plan.get(), reach.services.clock.now());
        let state = State {
            listeners,
            consulted: started.consulted.clone(),
            trial: None,
            leaving: Vec::new(),
            loaded,
            refused: None,
            warnings: Vec::new(),
        };
        Self { place, started, reach, state: Mutex::new(state), due: Notify::new() }
    }

    /// The configuration file, if the gateway runs from one.
    pub fn file(&self) -> Option<&Path> {
        self.place.config.as_deref()
    }

    /// Files that the configuration named when it was last read, whether it came into force or was refused.
    pub fn consulted(&self) -> Consulted {
        self.state().consulted.clone()
    }

    /// The plan in force.
    pub fn plan(&self) -> Arc<Plan> {
        self.reach.services.plan.get()
    }

    /// Remembers what is to be said about the configuration of the start.
    pub fn note_warnings(&self, report: &Report) {
        self.state().warnings = warnings(report);
    }

    /// What there is to see of the gateway; whoever can count sessions and accounts adds them. Reads files of the kernel's: for a
    /// thread that may wait.
    pub fn status(&self) -> Status {
        let reach = &self.reach;
        let (services, plan) = (&reach.services, self.plan());
        let now = services.clock.now();
        let state = self.state();
        let of = |kind| state.listeners.addresses(kind);
        let certificates = reach.directory.warnings(now).into_iter().map(|warning| warning.to_string());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            now: now.secs(),
            since: services.metrics.started_at(),
            configuration: Configuration {
                version: plan.version,
                file: self.place.config.clone(),
                loaded: state.loaded.secs(),
                refused: state.refused.clone(),
                trial_secs: state.trial.as_ref().map(|trial| trial.until.saturating_duration_since(Instant::now()).as_secs()),
            },
            listeners: Listening { https: of(Kind::Https), http: of(Kind::Http), metrics: of(Kind::Metrics) },
            apps: status::apps(&plan, &services.metrics),
            certificates: status::certificates(&reach.directory),
            sessions: None,
            users: None,
            bans: services.store.bans().len(),
            store_ok: !services.store.is_broken(),
            access_log: AccessLogState {
                format: self.started.log.access.name().to_owned(),
                failing: services.access.is_failing(),
                lost: services.access.lost(),
            },
            connections: reach.slots.open(),
            memory_bytes: Process::look().resident,
            warnings: state.warnings.iter().cloned().chain(certificates).collect(),
            data_dir: self.place.data.clone(),
        }
    }

    /// Whether a configuration waits for its confirmation.
    pub fn is_on_trial(&self) -> bool {
        self.state().trial.is_some()
    }

    /// Reads the file again and puts it into force. With `confirm`, the configuration before it comes back after that time
    /// unless [`Reloader::keep`] is called. Reads files and binds sockets: for a thread that may wait.
    ///
    /// # Errors
    /// [`Refused`]; the old configuration is in force as if nothing had been asked.
    pub fn reload(&self, confirm: Option<Duration>) -> Result<Done, Refused> {
        let mut state = self.state();
        let outcome = self.attempt(&mut state, confirm);
        let now = self.reach.services.clock.now();
        let metrics = &self.reach.services.metrics;
        match &outcome {
            Ok(_) => metrics.reloaded(Reload::Applied, now),
            Err(refused @ (Refused::Complaints(_) | Refused::Faults(_))) => {
                metrics.reloaded(Reload::Refused, now);
                state.refused = Some(RefusedReload { at: now.secs(), why: refused.in_a_line() });
            }
            // These say nothing about a configuration.
            Err(Refused::NoFile | Refused::OtherFile(_) | Refused::OnTrial(_) | Refused::NoTrial) => {}
        }
        outcome
    }

    fn attempt(&self, state: &mut State, confirm: Option<Duration>) -> Result<Done, Refused> {
        let file = self.place.config.clone().ok_or(Refused::NoFile)?;
        if let Some(trial) = &state.trial {
            return Err(Refused::OnTrial(trial.until.saturating_duration_since(Instant::now())));
        }
        let loaded = configuration::load(&file, &self.place.environment);
        state.consulted = match &loaded {
            Ok(loaded) => loaded.plan.consulted.clone(),
            Err(report) => report.consulted.clone(),
        };
        let Loaded { plan, report, .. } = loaded.map_err(Refused::Complaints)?;
        let report = self.held_against_store(&plan, report)?;
        let plan = self.at_real_port(plan);
        let (files, addresses) = self.prepare(&plan, state)?;
        let changes = difference::difference(&self.plan(), &plan);
        let needs_restart = changed_settings::needing_restart(&self.started, &plan);
        let before = self.swap(state, plan, files, addresses);
        state.warnings = warnings(&report);
        state.trial = confirm.map(|time| Trial { before, until: Instant::now() + time });
        self.due.notify_one();
        let (https, http) = (state.listeners.addresses(Kind::Https), state.listeners.addresses(Kind::Http));
        Ok(Done { version: self.plan().version, file, changes, report, needs_restart, https, http })
    }

    /// Keeps the configuration that is on trial; its version.
    ///
    /// # Errors
    /// [`Refused::NoTrial`].
    pub fn keep(&self) -> Result<u64, Refused> {
        let trial = self.state().trial.take();
        self.due.notify_one();
        trial.map(|_| self.plan().version).ok_or(Refused::NoTrial)
    }

    /// What another configuration would change; nothing is applied.
    ///
    /// # Errors
    /// [`Refused::Complaints`] if it does not compile.
    pub fn compare(&self, source: Source) -> Result<(Vec<Change>, Report), Refused> {
        let loaded = configuration::compiled(source, &self.place.environment);
        let Loaded { plan, report, .. } = loaded.map_err(Refused::Complaints)?;
        let report = self.held_against_store(&plan, report)?;
        Ok((difference::difference(&self.plan(), &self.at_real_port(plan)), report))
    }

    /// The report with what accounts have to say, unless passkeys that exist would open nothing under `plan`, or it is for one account
    /// and there are several.
    fn held_against_store(&self, plan: &Plan, mut report: Report) -> Result<Report, Refused> {
        let site = self.reach.services.store.site();
        report.complaints.extend(site.id.as_deref().and_then(|id| passkeys::orphaned(plan, (id, site.passkeys))));
        let accounts = accounts::held_against(plan, &self.reach.services.store).map_err(|fault| Refused::Faults(vec![fault]))?;
        report.complaints.extend(accounts);
        match report.complaints.iter().any(Complaint::is_error) {
            false => Ok(report),
            true => Err(Refused::Complaints(Box::new(report))),
        }
    }

    /// Does what falls due until `stop` is cut: ends the streams of apps that left, goes back from a trial.
    pub async fn tend(&self, stop: Lifeline) {
        let mut known = self.plan().version;
        loop {
            let version = self.plan().version;
            if version != known {
                let entry = Entry::new(Deed::Reloaded, Actor::Owner).detailed(format!("configuration {version}"));
                if let Err(fault) = self.reach.desk.store.record(entry).await {
                    warn!(event = Event::TrailFailing.name(), %fault, "the audit trail could not be written");
                }
                known = version;
            }
            let next = self.next_due();
            let waited = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.severed() => return,
                () = self.due.notified() => {}
                () = waited => self.carry_out_due(Instant::now()),
            }
        }
    }

    /// Where the system chose the port, links name the one that it chose.
    fn at_real_port(&self, plan: Plan) -> Plan {
        let https_port = if plan.https_port == 0 { self.plan().https_port } else { plan.https_port };
        Plan { https_port, ..plan }
    }

    fn prepare(&self, plan: &Plan, state: &State) -> Result<(Files, Move), Refused> {
        let certificates = self.reach.directory.prepare(Wanted::by(plan), plan.tls.min_version);
        let proofs = Proofs::read(plan, &self.reach.services.clock);
        let (certificates, proofs) = match (certificates, proofs) {
            (Ok(certificates), Ok(proofs)) => (certificates, proofs),
            (certificates, proofs) => {
                let faults = [certificates.err(), proofs.err()].into_iter().flatten().flatten().collect();
                return Err(Refused::Faults(vec![Fault::Tls(faults)]));
            }
        };
        let (addresses, faults) = state.listeners.prepare(&listeners::wanted(&plan.listen), self.reach.workers.len());
        if faults.is_empty() { Ok((Files { certificates, proofs }, addresses)) } else { Err(Refused::Faults(faults)) }
    }

    /// Puts a plan into force. Nothing in here can fail.
    fn swap(&self, state: &mut State, plan: Plan, files: Files, addresses: Move) -> Before {
        let reach = &self.reach;
        let current = self.plan();
        let mut next = succession::succeed(&plan, &current);
        next.version = current.version + 1;
        next.https_port = addresses.https().first().map_or(next.https_port, SocketAddr::port);
        let next = Arc::new(next);
        let before = Before {
            // Certificates first: a host that is new can be greeted a moment before it is served, and never the other way round.
            certificates: reach.directory.adopt(files.certificates),
            proofs: Proofs::of(&current),
            addresses: state.listeners.all(),
            warnings: mem::take(&mut state.warnings),
            plan: Arc::clone(&current),
        };
        (state.loaded, state.refused) = (reach.services.clock.now(), None);
        reach.services.metrics.serve(next.apps.iter().map(|app| app.name.as_str()));
        // Before they are served, and for those that stay as they are too: what their files hold may be new.
        files.proofs.adopt(&next.apps);
        reach.services.plan.put(Arc::clone(&next));
        if current.auth.mode != next.auth.mode
            && let Err(fault) = accounts::end_foreign(&next, &reach.services.store)
        {
            error!(event = Event::ReloadIncomplete.name(), %fault, "sessions from before `auth.mode` changed may still be open");
        }
        state.listeners.adopt(addresses, &reach.workers);
        reach.slots.limit(next.listen.max_connections, next.listen.max_connections_per_network);
        reach.desk.enrolment.replace(Enrolment::by(&next));
        let plain = state.listeners.addresses(Kind::Http).first().map(SocketAddr::port);
        if let Err(fault) = self.place.remember_origin(&next.origin(), plain) {
            warn!(event = Event::GatewayFailed.name(), %fault, "commands will not know where browsers reach us while no gateway runs");
        }
        logging::set_level(&next.log.level);
        let is_ours = |app: &Arc<App>| succession::is_kept(app, &next);
        reach.pools.iter().for_each(|pool| pool.retain(is_ours));
        let apps = succession::departed(&current, &next);
        if !apps.is_empty() {
            state.leaving.push(Leaving { apps, until: Instant::now() + next.listen.drain_timeout });
        }
        before
    }

    fn next_due(&self) -> Option<Instant> {
        let state = self.state();
        state.leaving.iter().map(|leaving| leaving.until).chain(state.trial.as_ref().map(|trial| trial.until)).min()
    }

    fn carry_out_due(&self, now: Instant) {
        let mut state = self.state();
        if state.trial.as_ref().is_some_and(|trial| trial.until <= now)
            && let Some(trial) = state.trial.take()
        {
            self.go_back(&mut state, trial.before);
        }
        let plan = self.plan();
        let (over, still) = mem::take(&mut state.leaving).into_iter().partition(|leaving| leaving.until <= now);
        state.leaving = still;
        let over: Vec<Leaving> = over;
        // An app that came back meanwhile keeps its streams.
        let gone = over.iter().flat_map(|leaving| &leaving.apps).filter(|app| !succession::is_served(app, &plan));
        gone.for_each(|app| app.lifeline.cut());
    }

    /// Puts a former configuration back into force, as far as its addresses can still be had.
    fn go_back(&self, state: &mut State, before: Before) {
        let (addresses, faults) = state.listeners.prepare(&before.addresses, self.reach.workers.len());
        let files = Files { certificates: before.certificates.into(), proofs: before.proofs };
        self.swap(state, Plan::clone(&before.plan), files, addresses);
        state.warnings = before.warnings;
        self.reach.services.metrics.reloaded(Reload::Back, self.reach.services.clock.now());
        for fault in faults {
            error!(event = Event::ReloadIncomplete.name(), %fault, "an address of the former configuration is not served any more");
        }
        let version = self.plan().version;
        warn!(
            event = Event::ReloadedBack.name(),
            version, "the configuration on trial was not confirmed; the one before it is back"
        );
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic may leave behind is a step not taken, never half a plan.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says in the log what became of a reload that nobody waits for.
pub fn report(outcome: &Result<Done, Refused>) {
    match outcome {
        Ok(done) => {
            let (version, file) = (done.version, done.file.display());
            let summary = difference::summary(&done.changes);
            info!(event = Event::Reloaded.name(), version, %file, "another configuration is in force; it {summary}");
            for key in &done.needs_restart {
                warn!(event = Event::Reloaded.name(), key, "a changed key takes effect with the next restart only");
            }
        }
        Err(Refused::Complaints(report)) => {
            for line in report.lines() {
                error!(event = Event::ReloadRefused.name(), "{line}");
            }
            error!(event = Event::ReloadRefused.name(), "{}; the old configuration stays", report.summary());
        }
        Err(refused) => error!(event = Event::ReloadRefused.name(), "{refused}; the old configuration stays"),
    }
}

impl Refused {
    /// The cause that comes first, for whoever sees only one.
    fn in_a_line(&self) -> String {
        let text = match self {
            Self::Complaints(report) => report.lines().into_iter().next().unwrap_or_else(|| report.summary()),
            other => other.to_string(),
        };
        text.lines().next().unwrap_or_default().to_owned()
    }
}

fn warnings(report: &Report) -> Vec<String> {
    report.lines()
}

fn list(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
