//! The hold that the layer above has on one gated connection.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::base::id::Id;
use crate::listen::violation::Violation;

/// Opens a connection for its upgrade, and tells why it was refused. Cheap to clone; all clones hold the same connection.
#[derive(Clone, Default)]
pub struct Valve(Arc<State>);

#[derive(Default)]
struct State {
    open: AtomicBool,
    // Touched only at an upgrade and at a refusal, so it costs ordinary requests nothing.
    rare: Mutex<Rare>,
}

#[derive(Default)]
struct Rare {
    waker: Option<Waker>,
    refusal: Option<Refusal>,
}

/// Why a connection was refused, and the id that its answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was wrong.
    pub violation: Violation,
    /// Names the refusal in the log and in the answer.
    pub id: Id<Violation>,
}

impl Valve {
    /// Lets the client's bytes pass, unread and unjudged, from behind the head that asked for an upgrade.
    ///
    /// To be called when the upstream has answered 101, before that answer is given to hyper. Does nothing on a
    /// connection whose last request asked for no upgrade. Refusing an upgrade needs no call: answer with
    /// `Connection: close`, since nothing that follows the request will ever be read.
    pub fn open(&self) {
        self.0.open.store(true, Ordering::Release);
        let waker = self.lock(|rare| rare.waker.take());
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Why the gate refused this connection, if it did. For the log: the client has its answer already.
    pub fn refusal(&self) -> Option<Refusal> {
        self.lock(|rare| rare.refusal)
    }

    /// Closes it again: an `open` from before this upgrade was asked for must not count.
    pub(super) fn close(&self) {
        self.0.open.store(false, Ordering::Release);
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Acquire)
    }

    pub(super) fn poll_open(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_open() {
            return Poll::Ready(());
        }
        self.lock(|rare| rare.waker = Some(context.waker().clone()));
        // Looked at once more: it may have opened between the look and the registration.
        if self.is_open() { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(super) fn note(&self, refusal: Refusal) {
        self.lock(|rare| rare.refusal = Some(refusal));
    }

    fn lock<T>(&self, change: impl FnOnce(&mut Rare) -> T) -> T {
        change(&mut self.0.rare.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Valve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Valve").field("open", &self.is_open()).field("refusal", &self.refusal()).finish()
    }
}
