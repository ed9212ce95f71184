//! What a stream holds on to while it lives: the session that permitted it, and the app it leads to.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::lifeline::Lifeline;
use crate::model::session::{Session, Stream};
use crate::plan::app::App;
use crate::policy::decide::Grant;
use crate::proxy::fault::Fault;
use crate::wire::body::Fault as BodyFault;

/// How often a waiting stream looks whether its session still counts. A session that ends stops its streams within this.
pub const TICK: Duration = Duration::from_secs(1);

/// The session a stream lives by, or none for a public rule; and the app as it was configured then.
#[derive(Clone, Debug)]
pub struct Permit {
    session: Option<Arc<Held>>,
    app: Lifeline,
    clock: Clock,
}

/// A session, and that there is one more stream under it: clones of a permit are one stream.
#[derive(Debug)]
struct Held {
    session: Arc<Session>,
    _counted: Stream,
}

/// Why a stream has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The session ended, by whatever way.
    Session,
    /// The app is no longer served as it was.
    App,
}

impl Permit {
    /// The permit a grant gives. A public rule lets the stream live on whatever becomes of the visitor's session.
    pub fn of(grant: &Grant, app: &App, clock: Clock) -> Self {
        let session = if grant.is_public() { None } else { grant.identity().session() };
        let held = session.map(|session| Arc::new(Held { session: Arc::clone(session), _counted: session.begin_stream() }));
        Self { session: held, app: app.lifeline.clone(), clock }
    }

    /// Why the stream has to end, if it has to.
    pub fn over(&self) -> Option<Over> {
        if self.session.as_ref().is_some_and(|held| held.session.check(self.clock.now()).is_err()) {
            return Some(Over::Session);
        }
        self.app.is_cut().then_some(Over::App)
    }

    /// Notes that the client sent something: a stream in use keeps its session from idling.
    pub fn seen(&self) {
        if let Some(Held { session, .. }) = self.session.as_deref() {
            session.seen(self.clock.now());
        }
    }

    /// Waits until the stream has to end: at once when its session is revoked or its app withdrawn, within [`TICK`] when the
    /// session's time is over.
    pub async fn ended(&self) -> Over {
        tokio::select! {
            () = self.session_ended() => Over::Session,
            () = self.app.severed() => Over::App,
        }
    }

    async fn session_ended(&self) {
        let Some(Held { session, .. }) = self.session.as_deref() else { return pending().await };
        while session.check(self.clock.now()).is_ok() {
            let _: Result<(), _> = tokio::time::timeout(TICK, session.lifeline.severed()).await;
        }
    }
}

impl From<Over> for Fault {
    fn from(over: Over) -> Self {
        match over {
            Over::Session => Self::SessionEnded,
            Over::App => Self::AppChanged,
        }
    }
}

impl From<Over> for BodyFault {
    fn from(over: Over) -> Self {
        match over {
            Over::Session => Self::SessionEnded,
            Over::App => Self::AppChanged,
        }
    }
}
