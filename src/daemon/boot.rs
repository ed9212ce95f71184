//! From a plan to a running gateway.

use std::net::SocketAddr;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder as RuntimeBuilder;
use tracing::warn;

use crate::admin::perform::Desk;
use crate::base::chain::Chain;
use crate::base::clock::Clock;
use crate::base::current::Current;
use crate::base::entropy::Entropy;
use crate::base::lifeline::Lifeline;
use crate::base::task;
use crate::daemon::bind::{Bound, bind};
use crate::daemon::control;
use crate::daemon::fault::Fault;
use crate::daemon::place::Place;
use crate::daemon::upkeep;
use crate::daemon::worker::{self, Worker};
use crate::gate::services::Services;
use crate::listen::accept::Kind;
use crate::listen::door::Door;
use crate::listen::limit::Slots;
use crate::observe::access::{AccessLog, Writer};
use crate::plan::whole::Plan;
use crate::portal::service::Portal;
use crate::proxy::pool::{Pool, Tunnels};
use crate::store::key_file;
use crate::store::lock::Lock;
use crate::store::open::Store;
use crate::tls::directory::{Directory, Wanted};
use crate::tls::local_ca::LocalCa;

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
    workers: Vec<Worker>,
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
    let Start { plan, place, clock, entropy, workers } = start;
    place.prepare()?;
    let lock = Lock::take(&place.data)?;
    let master = key_file::read_or_create(&place.data, entropy)?;
    let store = Store::open(&place.data, &master, clock.clone(), entropy)?;
    let ca = Arc::new(LocalCa::open_or_create(&place.certs, &clock, entropy).map_err(|fault| Fault::Tls(vec![fault]))?);
    let directory =
        Directory::new(Arc::clone(&ca), clock.clone(), Wanted::by(&plan), plan.tls.min_version).map_err(Fault::Tls)?;
    let https = bind_all(&plan.listen.https, workers)?;
    let http = bind_all(&plan.listen.http, workers)?;
    let https_port = https.first().ok_or(Fault::Nowhere)?.address.port();
    let control = control::listen(&place.control).map_err(|source| Fault::Control { path: place.control.clone(), source })?;
    let (access, log) = open_log(&plan)?;
    place.remember_origin(&plan.origin(https_port), http.first().map(|bound| bound.address.port()))?;
    let portal = Portal::new(store.clone(), &master, &clock, entropy, https_port);
    let desk = Arc::new(desk(&plan, https_port, &store, &clock, entropy));
    let services = Arc::new(Services {
        store,
        portal,
        access,
        clock,
        entropy,
        https_port,
        local_ca: ca.certificate_pem().to_owned().into(),
        plan: Current::new(plan),
    });
    let mut gateway = Gateway {
        https: addresses(&https),
        http: addresses(&http),
        ca_file: ca.certificate_path().to_owned(),
        desk,
        services,
        workers: Vec::new(),
        keeper: None,
        log,
        drain: Lifeline::new(),
        stop: Lifeline::new(),
        _lock: lock,
    };
    gateway.start(Arc::new(directory), control, https, http)?;
    Ok(gateway)
}

impl Gateway {
    /// What outlives a request.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    fn start(
        &mut self,
        directory: Arc<Directory>,
        control: UnixListener,
        https: Vec<Bound>,
        http: Vec<Bound>,
    ) -> Result<(), Fault> {
        let plan = self.services.plan.get();
        let slots = Slots::new(plan.listen.max_connections, plan.listen.max_connections_per_network);
        let tunnels = Tunnels::default();
        for (number, sockets) in deal(https, http).into_iter().enumerate() {
            let door = Door {
                services: Arc::clone(&self.services),
                directory: Arc::clone(&directory),
                pool: Pool::new(self.services.clock.clone(), self.services.entropy, tunnels.clone()),
                slots: slots.clone(),
                open: tokio_util::task::TaskTracker::new(),
                header_timeout: plan.listen.header_timeout,
                drain: self.drain.clone(),
                stop: self.stop.clone(),
            };
            let worker = worker::start(number, door, sockets, plan.listen.drain_timeout).map_err(Fault::Thread)?;
            self.workers.push(worker);
        }
        self.keeper = Some(self.keep(directory, control)?);
        Ok(())
    }

    /// A thread for everything that is not a request.
    fn keep(&self, directory: Arc<Directory>, control: UnixListener) -> Result<JoinHandle<()>, Fault> {
        let runtime = RuntimeBuilder::new_current_thread().enable_all().build().map_err(Fault::Thread)?;
        let (services, desk, stop) = (Arc::clone(&self.services), Arc::clone(&self.desk), self.stop.clone());
        let work = move || {
            runtime.block_on(async {
                let clock = services.clock.clone();
                task::start("certificate files", upkeep::watch_certificates(Arc::clone(&directory), stop.clone()));
                task::start("certificate warnings", upkeep::tell_of_certificates(directory, clock, stop.clone()));
                task::start("sweep", upkeep::sweep(services, stop.clone()));
                control::serve(control, desk, stop).await;
            });
        };
        thread::Builder::new().name("keeper".to_owned()).spawn(work).map_err(Fault::Thread)
    }

    /// Takes no more connections and lets open requests finish, at most for `listen.drain_timeout`.
    pub fn drain(&self) {
        self.drain.cut();
    }

    /// Waits until every worker has ended, after [`Gateway::drain`] or [`Gateway::stop`].
    pub async fn drained(&self) {
        for worker in &self.workers {
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
        for worker in self.workers.drain(..) {
            worker.join();
        }
        self.stop.cut();
        if self.keeper.take().is_some_and(|keeper| keeper.join().is_err()) {
            warn!("the keeper had panicked before it ended");
        }
        let Self { services, desk, log, .. } = self;
        if let Err(fault) = close(&services.store) {
            warn!(fault = %Chain(&fault), "the store could not be closed tidily; nothing acknowledged is lost");
        }
        drop((services, desk));
        if let Some(log) = log {
            log.finish();
        }
    }
}

fn close(store: &Store) -> Result<(), Fault> {
    let runtime = RuntimeBuilder::new_current_thread().build().map_err(Fault::Thread)?;
    Ok(runtime.block_on(store.close())?)
}

fn bind_all(addresses: &[SocketAddr], workers: usize) -> Result<Vec<Bound>, Fault> {
    addresses.iter().map(|address| bind(*address, workers)).collect()
}

fn addresses(bound: &[Bound]) -> Vec<SocketAddr> {
    bound.iter().map(|bound| bound.address).collect()
}

/// One socket of every address for each worker.
fn deal(https: Vec<Bound>, http: Vec<Bound>) -> Vec<Vec<(TcpListener, Kind)>> {
    let mut hands: Vec<Vec<(TcpListener, Kind)>> = Vec::new();
    let all = https.into_iter().map(|bound| (bound, Kind::Https)).chain(http.into_iter().map(|bound| (bound, Kind::Http)));
    for (bound, kind) in all {
        for (number, socket) in bound.sockets.into_iter().enumerate() {
            if hands.len() <= number {
                hands.push(Vec::new());
            }
            hands[number].push((socket, kind));
        }
    }
    hands
}

fn open_log(plan: &Plan) -> Result<(AccessLog, Option<Writer>), Fault> {
    if !plan.log.access {
        return Ok((AccessLog::off(), None));
    }
    let file = plan.log.file.as_deref();
    let opened = AccessLog::open(file).map_err(|source| Fault::Io { path: file.map(Into::into).unwrap_or_default(), source })?;
    Ok((opened.0, Some(opened.1)))
}

fn desk(plan: &Plan, https_port: u16, store: &Store, clock: &Clock, entropy: Entropy) -> Desk {
    Desk {
        store: store.clone(),
        clock: clock.clone(),
        entropy,
        origin: plan.origin(https_port),
        issuer: plan.auth.totp_issuer.clone(),
        recipe: plan.auth.totp,
    }
}
