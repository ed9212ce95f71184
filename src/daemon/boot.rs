//! From a plan to a running gateway.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder as RuntimeBuilder;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::admin::perform::{Desk, Enrolment};
use crate::base::chain::Chain;
use crate::base::clock::Clock;
use crate::base::current::Current;
use crate::base::entropy::Entropy;
use crate::base::lifeline::Lifeline;
use crate::base::task;
use crate::daemon::accounts;
use crate::daemon::certificates::{self, Register};
use crate::daemon::control;
use crate::daemon::counter::Counter;
use crate::daemon::fault::Fault;
use crate::daemon::listeners::{self, Listeners};
use crate::daemon::notify;
use crate::daemon::place::Place;
use crate::daemon::reload::{Reach, Reloader};
use crate::daemon::upkeep;
use crate::daemon::worker::{self, Worker};
use crate::gate::services::Services;
use crate::listen::accept::Kind;
use crate::listen::door::Door;
use crate::listen::limit::Slots;
use crate::listen::metrics;
use crate::model::event::Event;
use crate::observe::access::{AccessLog, Form, Writer};
use crate::plan::passkeys;
use crate::plan::policy::AccessFormat;
use crate::plan::whole::Plan;
use crate::portal::service::Portal;
use crate::proxy::pool::{Pool, Tunnels};
use crate::store::key_file::KeyHolder;
use crate::store::lock::Lock;
use crate::store::open::Store;
use crate::tls::directory::{Directory, Wanted};
use crate::tls::local_ca::LocalCa;
use crate::tls::upstream::Proofs;

/// What a gateway starts from.
#[derive(Debug)]
pub struct Start {
    /// The configuration.
    pub plan: Plan,
    /// Where things are kept.
    pub place: Place,
    /// Tells the time.
    pub clock: Clock,
    /// Draws keys and tokens.
    pub entropy: Entropy,
    /// Threads that serve; one per core is right.
    pub workers: usize,
}

/// A running gateway. It runs until [`Gateway::drain`], which lets what is open finish, or [`Gateway::stop`]; dropping it stops
/// nothing.
#[derive(Debug)]
pub struct Gateway {
    /// TLS addresses with their real ports.
    pub https: Vec<SocketAddr>,
    /// Plain addresses with their real ports.
    pub http: Vec<SocketAddr>,
    /// The local authority's certificate file.
    pub ca_file: PathBuf,
    /// Carries out wishes; the control socket uses the same.
    pub desk: Arc<Desk>,
    services: Arc<Services>,
    directory: Arc<Directory>,
    reloader: Arc<Reloader>,
    workers: Arc<[Worker]>,
    keeper: Option<JoinHandle<()>>,
    log: Option<Writer>,
    drain: Lifeline,
    stop: Lifeline,
    // Held for as long as we run: no second gateway or command may open the store.
    _lock: Lock,
}

/// Opens store and certificates, binds every address, then starts the workers: what can fail fails before anything listens.
///
/// # Errors
/// [`Fault`] with the reason and what to do.
pub fn boot(start: Start) -> Result<Gateway, Fault> {
    let Start { mut plan, place, clock, entropy, workers } = start;
    place.prepare()?;
    let lock = Lock::take(&place.data)?;
    let keys = KeyHolder::open(&place.data, place.keys.as_ref(), entropy, clock.now())?;
    let master = keys.ring().active().key.clone();
    let store = Store::open(&place.data, keys, clock.clone(), entropy)?;
    let site = store.site();
    let orphaned = site.id.as_deref().and_then(|id| passkeys::orphaned(&plan, (id, site.passkeys)));
    orphaned.map_or(Ok(()), |complaint| Err(Fault::Orphaned(complaint.in_a_line())))?;
    for complaint in accounts::held_against(&plan, &store)? {
        if complaint.is_error() {
            return Err(Fault::SeveralAccounts(complaint.in_a_line()));
        }
        warn!(event = Event::AccountStuck.name(), "{}", complaint.in_a_line());
    }
    accounts::end_foreign(&plan, &store)?;
    let ca = Arc::new(LocalCa::open_or_create(&place.certs, &clock, entropy).map_err(|fault| Fault::Tls(vec![fault]))?);
    let directory =
        Directory::new(Arc::clone(&ca), clock.clone(), Wanted::by(&plan), plan.tls.min_version).map_err(Fault::Tls)?;
    Proofs::read(&plan, &clock).map_err(Fault::Tls)?.adopt(&plan.apps);
    let (addresses, faults) = Listeners::default().prepare(&listeners::wanted(&plan.listen), workers);
    faults.into_iter().next().map_or(Ok(()), Err)?;
    plan.version = 1;
    plan.https_port = addresses.https().first().ok_or(Fault::Nowhere)?.port();
    let control = control::listen(&place.control).map_err(|source| Fault::Control { path: place.control.clone(), source })?;
    let (access, log) = open_log(&plan)?;
    let portal = Portal::new(store.clone(), &master, &clock, entropy);
    let metrics = Arc::clone(&portal.metrics);
    metrics.serve(plan.apps.iter().map(|app| app.name.as_str()));
    metrics.started(clock.now());
    let enrolment = Current::new(Enrolment::by(&plan));
    let desk = Desk { store: store.clone(), clock: clock.clone(), entropy, enrolment, metrics: Arc::clone(&metrics) };
    let desk = Arc::new(desk);
    let local_ca = ca.certificate_pem().to_owned().into();
    let plan = Current::new(plan);
    let challenges = Arc::clone(directory.names().challenges());
    let hall = Hall {
        services: Arc::new(Services { store, portal, access, metrics, clock, entropy, local_ca, challenges, plan }),
        directory: Arc::new(directory),
        desk,
        drain: Lifeline::new(),
        stop: Lifeline::new(),
    };
    let reach = hall.open(workers)?;
    let mut listeners = Listeners::default();
    listeners.adopt(addresses, &reach.workers);
    let (https, http) = (listeners.addresses(Kind::Https), listeners.addresses(Kind::Http));
    place.remember_origin(&hall.services.plan.get().origin(), http.first().map(SocketAddr::port))?;
    let workers = Arc::clone(&reach.workers);
    let reloader = Arc::new(Reloader::new(place, reach, listeners));
    let keeper = Some(hall.keep(Arc::clone(&reloader), control)?);
    let Hall { services, directory, desk, drain, stop } = hall;
    let ca_file = ca.certificate_path().to_owned();
    Ok(Gateway { https, http, ca_file, desk, services, directory, reloader, workers, keeper, log, drain, stop, _lock: lock })
}

/// What the threads of a gateway share.
struct Hall {
    services: Arc<Services>,
    directory: Arc<Directory>,
    desk: Arc<Desk>,
    drain: Lifeline,
    stop: Lifeline,
}

impl Hall {
    /// Starts the workers; they listen on nothing yet.
    fn open(&self, workers: usize) -> Result<Reach, Fault> {
        let services = &self.services;
        let listen = services.plan.get().listen.clone();
        let slots = Slots::new(listen.max_connections, listen.max_connections_per_network);
        let tunnels = Tunnels::new(Arc::clone(&services.metrics));
        let scrapes = Arc::new(Semaphore::new(metrics::MOST));
        let pool = || Pool::new(services.clock.clone(), services.entropy, tunnels.clone());
        let pools: Vec<Pool> = (0..workers).map(|_| pool()).collect();
        let start = |(number, pool): (usize, &Pool)| {
            let door = Door {
                services: Arc::clone(services),
                directory: Arc::clone(&self.directory),
                pool: pool.clone(),
                slots: slots.clone(),
                scrapes: Arc::clone(&scrapes),
                open: TaskTracker::new(),
                drain: self.drain.clone(),
                stop: self.stop.clone(),
            };
            worker::start(number, door).map_err(Fault::Thread)
        };
        let workers = pools.iter().enumerate().map(start).collect::<Result<Arc<[Worker]>, Fault>>()?;
        let (services, directory, desk) = (Arc::clone(services), Arc::clone(&self.directory), Arc::clone(&self.desk));
        Ok(Reach { services, directory, desk, slots, pools, workers })
    }

    /// A thread for everything that is not a request.
    fn keep(&self, reloader: Arc<Reloader>, control: UnixListener) -> Result<JoinHandle<()>, Fault> {
        let runtime = RuntimeBuilder::new_current_thread().enable_all().build().map_err(Fault::Thread)?;
        let (services, directory, stop) = (Arc::clone(&self.services), Arc::clone(&self.directory), self.stop.clone());
        let register = Register { directory: Arc::clone(&directory), services: Arc::clone(&services) };
        let counter = Counter::new(Arc::clone(&self.desk), Arc::clone(&reloader), register);
        let (clock, told) = (services.clock.clone(), Arc::clone(&services));
        let work = move || {
            runtime.block_on(async {
                task::start("sweep", upkeep::sweep(services, stop.clone()));
                task::start("notify", notify::tell(Arc::clone(&told), stop.clone()));
                task::start("trail", upkeep::tend_trail(Arc::clone(&told), stop.clone()));
                task::start("certificates", certificates::tend(Arc::clone(&directory), Arc::clone(&told), stop.clone()));
                task::start("certificate files", upkeep::watch_certificates(Arc::clone(&directory), told, stop.clone()));
                task::start("certificate warnings", upkeep::tell_of_certificates(directory, clock, stop.clone()));
                let tended = stop.clone();
                task::start("reload", async move { reloader.tend(tended).await });
                control::serve(control, counter, stop).await;
            });
        };
        thread::Builder::new().name("keeper".to_owned()).spawn(work).map_err(Fault::Thread)
    }
}

impl Gateway {
    /// What outlives a request.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Certificates.
    pub fn certificates(&self) -> &Directory {
        &self.directory
    }

    /// Has the file of the access log opened anew, after it was moved away.
    pub fn reopen_log(&self) {
        self.services.access.reopen();
    }

    /// Replaces the configuration.
    pub fn reloader(&self) -> &Reloader {
        &self.reloader
    }

    /// Takes no more connections and lets open requests finish, at most for `listen.drain_timeout`.
    pub fn drain(&self) {
        self.drain.cut();
    }

    /// Waits until every worker has ended, after [`Gateway::drain`] or [`Gateway::stop`].
    pub async fn drained(&self) {
        for worker in self.workers.iter() {
            worker.ended().await;
        }
    }

    /// Ends what is still open.
    pub fn stop(&self) {
        self.drain.cut();
        self.stop.cut();
    }

    /// Waits until everything has ended, then writes what is still to be written.
    pub fn join(mut self) {
        for worker in self.workers.iter() {
            worker.join();
        }
        self.stop.cut();
        if self.keeper.take().is_some_and(|keeper| keeper.join().is_err()) {
            warn!(event = Event::GatewayFailed.name(), "the keeper had panicked before it ended");
        }
        let Self { services, desk, reloader, log, .. } = self;
        if let Err(fault) = close(&services.store) {
            warn!(event = Event::StoreFailing.name(), fault = %Chain(&fault), "the store could not be closed tidily; nothing acknowledged is lost");
        }
        drop((services, desk, reloader));
        if let Some(log) = log {
            log.finish();
        }
    }
}

fn close(store: &Store) -> Result<(), Fault> {
    let runtime = RuntimeBuilder::new_current_thread().build().map_err(Fault::Thread)?;
    Ok(runtime.block_on(store.close())?)
}

fn open_log(plan: &Plan) -> Result<(AccessLog, Option<Writer>), Fault> {
    let form = match plan.log.access {
        AccessFormat::Json => Form::Json,
        AccessFormat::Combined => Form::Combined,
        AccessFormat::Common => Form::Common,
        AccessFormat::Off => return Ok((AccessLog::off(), None)),
    };
    let file = plan.log.file.as_deref();
    let opened =
        AccessLog::open(file, form).map_err(|source| Fault::Io { path: file.map(Into::into).unwrap_or_default(), source })?;
    Ok((opened.0, Some(opened.1)))
}
