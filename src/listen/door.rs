//! What one worker needs to serve connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::base::lifeline::Lifeline;
use crate::gate::services::Services;
use crate::listen::limit::Slots;
use crate::proxy::pool::Pool;
use crate::tls::directory::Directory;

/// What one worker needs to serve connections. Each worker has its own pool and tracker, the rest is shared.
#[derive(Debug)]
pub struct Door {
    /// What outlives a request.
    pub services: Arc<Services>,
    /// Certificates by name.
    pub directory: Arc<Directory>,
    /// This worker's connections to apps.
    pub pool: Pool,
    /// Places for connections.
    pub slots: Slots,
    /// Places for those who ask for metrics.
    pub scrapes: Arc<Semaphore>,
    /// This worker's open connections.
    pub open: TaskTracker,
    /// Cut to take no more connections and finish what is open.
    pub drain: Lifeline,
    /// Cut to end what is still open.
    pub stop: Lifeline,
}

impl Door {
    /// How long handshakes and heads may take.
    pub fn header_timeout(&self) -> Duration {
        self.services.plan.get().listen.header_timeout
    }
}
