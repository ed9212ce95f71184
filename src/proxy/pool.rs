//! Connections kept for the next request, per app. One pool per worker, so its lock is never waited for.

use std::collections::HashMap;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::base::clock::Clock;
use crate::base::entropy::Entropy;
use crate::base::task;
use crate::observe::metrics::Metrics;
use crate::observe::tally::OpenWebSocket;
use crate::plan::app::App;
use crate::proxy::fault::Fault;
use crate::proxy::link::Link;

/// Most idle connections kept per app.
const MOST_IDLE: usize = 64;
/// How long an unused connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Counts the open tunnels of every app, over all workers.
#[derive(Clone, Debug, Default)]
pub struct Tunnels {
    metrics: Arc<Metrics>,
    open: Arc<AtomicUsize>,
}

/// One open tunnel; counted until it is dropped.
#[derive(Debug)]
pub struct OpenTunnel {
    open: Arc<AtomicUsize>,
    _of_its_app: OpenWebSocket,
}

impl Tunnels {
    /// Counted in `metrics`, for each app apart.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, open: Arc::default() }
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts one more of the app of that name, until what is returned is dropped.
    pub fn enter(&self, app: &str) -> OpenTunnel {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenTunnel { open: Arc::clone(&self.open), _of_its_app: self.metrics.open_websocket(app) }
    }
}

impl Drop for OpenTunnel {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The upstream connections of one worker, and what forwarding needs besides. Clones are the same pool.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    shelves: Mutex<Shelves>,
    clock: Clock,
    entropy: Entropy,
    tunnels: Tunnels,
}

#[derive(Debug, Default)]
struct Shelves {
    /// By the address of the `App`; each shelf holds its app, so an address is not used again while it is a key here.
    by_app: HashMap<usize, Arc<Shelf>>,
    sweeping: bool,
}

/// The idle connections of one app, the one used last on top: the others may then grow old and be closed.
#[derive(Debug)]
pub struct Shelf {
    app: Arc<App>,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    link: Link,
    since: Instant,
}

/// A connection in use. Dropping it closes the connection; [`Lease::give_back`] keeps it.
#[derive(Debug)]
pub struct Lease {
    /// The connection.
    pub link: Link,
    shelf: Arc<Shelf>,
}

impl Pool {
    /// An empty pool.
    pub fn new(clock: Clock, entropy: Entropy, tunnels: Tunnels) -> Self {
        Self(Arc::new(Shared { shelves: Mutex::default(), clock, entropy, tunnels }))
    }

    /// The clock that sessions are judged by.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Where handshake keys come from.
    pub fn entropy(&self) -> Entropy {
        self.0.entropy
    }

    /// The count of open tunnels.
    pub fn tunnels(&self) -> &Tunnels {
        &self.0.tunnels
    }

    /// A kept connection that is fit for use, if there is one.
    pub fn take(&self, app: &Arc<App>) -> Option<Lease> {
        let shelf = self.shelf(app);
        let link = shelf.take()?;
        Some(Lease { link, shelf })
    }

    /// A fresh connection.
    ///
    /// # Errors
    /// Those of [`Link::connect`].
    pub async fn connect(&self, app: &Arc<App>) -> Result<Lease, Fault> {
        let link = Link::connect(app).await?;
        Ok(Lease { link, shelf: self.shelf(app) })
    }

    /// Closes the idle connections of apps that `keep` does not name. Those in use end with their answers. May be called from
    /// another thread than the worker's.
    pub fn retain(&self, keep: impl Fn(&Arc<App>) -> bool) {
        locked(&self.0.shelves).by_app.retain(|_, shelf| keep(&shelf.app));
    }

    fn shelf(&self, app: &Arc<App>) -> Arc<Shelf> {
        let mut shelves = locked(&self.0.shelves);
        if !mem::replace(&mut shelves.sweeping, true) {
            task::start("upstream connection sweeper", sweep(Arc::downgrade(&self.0)));
        }
        let new = || Arc::new(Shelf { app: Arc::clone(app), idle: Mutex::default() });
        Arc::clone(shelves.by_app.entry(Arc::as_ptr(app).addr()).or_insert_with(new))
    }
}

impl Lease {
    /// Keeps the connection for another request. Only for one whose last request and answer were both complete.
    pub fn give_back(self) {
        if self.link.is_closed() {
            return;
        }
        let mut idle = locked(&self.shelf.idle);
        if idle.len() < MOST_IDLE {
            idle.push(Idle { link: self.link, since: Instant::now() });
        }
    }
}

impl Shelf {
    fn take(&self) -> Option<Link> {
        let mut idle = locked(&self.idle);
        idle.retain(|kept| !kept.link.is_closed() && kept.link.proves_enough(&self.app));
        // A connection given back a moment ago may still be finishing; the one below it will do.
        let at = idle.iter().rposition(|kept| kept.link.is_ready() && kept.since.elapsed() < IDLE_TIMEOUT)?;
        Some(idle.remove(at).link)
    }

    fn sweep(&self) {
        locked(&self.idle).retain(|kept| kept.since.elapsed() < IDLE_TIMEOUT && !kept.link.is_closed());
    }

    fn is_empty(&self) -> bool {
        locked(&self.idle).is_empty()
    }
}

/// Closes old connections and forgets apps that are gone, until nothing is left to look after.
async fn sweep(shared: Weak<Shared>) {
    loop {
        sleep(IDLE_TIMEOUT / 2).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut shelves = locked(&shared.shelves);
        shelves.by_app.retain(|_, shelf| {
            shelf.sweep();
            !shelf.is_empty() || Arc::strong_count(shelf) > 1
        });
        if shelves.by_app.is_empty() {
            shelves.sweeping = false;
            return;
        }
    }
}

/// A panic elsewhere leaves these collections whole: every change to them is one call.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
