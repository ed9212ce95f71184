//! What the portal needs from one request to the next.

use std::sync::Arc;

use crate::base::clock::Clock;
use crate::base::entropy::Entropy;
use crate::base::seal::{Authenticator, MasterKey};
use crate::observe::metrics::Metrics;
use crate::portal::account::enrolment::Enrolments;
use crate::portal::budget::Budgets;
use crate::portal::hashing::Hasher;
use crate::portal::journey::Journeys;
use crate::portal::round::Rounds;
use crate::portal::ticket::Tickets;
use crate::portal::tries::Tarpit;
use crate::store::open::Store;

/// The portal: made once at the start, shared by all workers.
#[derive(Debug)]
pub struct Portal {
    /// People, credentials, sessions.
    pub store: Store,
    /// Makes and recognises the tokens in our forms.
    pub forms: Authenticator,
    /// Where visitors want to go.
    pub journeys: Journeys,
    /// Sessions on their way to another host.
    pub tickets: Tickets,
    /// Authenticators that are being added.
    pub enrolments: Enrolments,
    /// Who goes round in circles.
    pub rounds: Rounds,
    /// Runs argon2 within bounds.
    pub hasher: Hasher,
    /// What one network may ask of us.
    pub budgets: Budgets,
    /// Slows networks down that do not wait.
    pub tarpit: Tarpit,
    /// What became of tries to sign in.
    pub metrics: Arc<Metrics>,
    /// For tokens, salts and seeds.
    pub entropy: Entropy,
}

impl Portal {
    /// With keys derived from the installation's.
    pub fn new(store: Store, master: &MasterKey, clock: &Clock, entropy: Entropy) -> Self {
        Self {
            store,
            forms: master.authenticator("form token v1"),
            journeys: Journeys::new(),
            tickets: Tickets::new(),
            enrolments: Enrolments::new(),
            rounds: Rounds::new(),
            hasher: Hasher::new(),
            budgets: Budgets::new(clock),
            tarpit: Tarpit::default(),
            metrics: Arc::default(),
            entropy,
        }
    }
}
