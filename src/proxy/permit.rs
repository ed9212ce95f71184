//! What a stream holds on to while it lives: the session that permitted it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::model::session::Session;
use crate::policy::decide::Grant;

/// How often a waiting stream looks whether its session still counts. A session that ends stops its streams within this.
pub const TICK: Duration = Duration::from_secs(1);

/// The session a stream lives by, or none for a public rule.
#[derive(Clone, Debug)]
pub struct Permit {
    session: Option<Arc<Session>>,
    clock: Clock,
}

impl Permit {
    /// The permit a grant gives. A public rule lets the stream live on whatever becomes of the visitor's session.
    pub fn of(grant: &Grant, clock: Clock) -> Self {
        Self { session: if grant.is_public() { None } else { grant.identity().session().cloned() }, clock }
    }

    /// Whether there is a session to watch at all.
    pub fn is_bound(&self) -> bool {
        self.session.is_some()
    }

    /// Whether the session has ended, by whatever way.
    pub fn has_ended(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.check(self.clock.now()).is_err())
    }

    /// Notes that the client sent something: a stream in use keeps its session from idling.
    pub fn seen(&self) {
        if let Some(session) = &self.session {
            session.seen(self.clock.now());
        }
    }

    /// Waits until the session ends: at once when it is revoked, within [`TICK`] when its time is over.
    pub async fn ended(&self) {
        let Some(session) = &self.session else { return pending().await };
        while !self.has_ended() {
            let _: Result<(), _> = tokio::time::timeout(TICK, session.lifeline.severed()).await;
        }
    }
}
