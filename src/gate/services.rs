//! What outlives a request and a configuration.

use std::sync::Arc;

use bytes::Bytes;

use crate::base::clock::Clock;
use crate::base::current::Current;
use crate::base::entropy::Entropy;
use crate::observe::access::AccessLog;
use crate::observe::metrics::Metrics;
use crate::plan::whole::Plan;
use crate::portal::service::Portal;
use crate::store::open::Store;
use crate::tls::acme::challenge::Challenges;

/// What outlives a request. Shared by all workers; the plan inside is replaced whole, everything else stays.
#[derive(Debug)]
pub struct Services {
    /// The configuration in force.
    pub plan: Current<Plan>,
    /// What survives a restart.
    pub store: Store,
    /// Our own pages.
    pub portal: Portal,
    /// Finished requests.
    pub access: AccessLog,
    /// Everything that is counted.
    pub metrics: Arc<Metrics>,
    /// Tells the time.
    pub clock: Clock,
    /// Draws request ids.
    pub entropy: Entropy,
    /// The local authority's certificate (PEM), for phones that are to trust it.
    pub local_ca: Bytes,
    /// What authorities out there are to be shown on port 80 while an order of theirs runs.
    pub challenges: Arc<Challenges>,
}
