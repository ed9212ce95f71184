//! What is counted of one app's requests. Each thread counts in cells of its own, so that workers never write to one place of
//! memory; whoever reads adds them up.

use std::array;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::observe::histogram::{Histogram, Snapshot};
use crate::observe::names::NameCounts;

/// Methods with a label of their own; everything else a client may think of is the last.
pub const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "other"];
/// Statuses by their first digit.
pub const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What was decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It went to the app, with a session.
    Allow,
    /// It went to the app without one: the path is public.
    Bypass,
    /// The path is for nobody.
    Deny,
    /// The visitor has to sign in first.
    Login,
    /// It was sent elsewhere, as the owner wrote.
    Redirect,
}

impl Decision {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Allow, Self::Bypass, Self::Deny, Self::Login, Self::Redirect];

    /// The label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Bypass => "bypass",
            Self::Deny => "deny",
            Self::Login => "login",
            Self::Redirect => "redirect",
        }
    }
}

/// Counts of one thread, on cache lines that no other thread writes to.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cells {
    requests: [[AtomicU64; CLASSES.len()]; METHODS.len()],
    took: Histogram,
    waited: Histogram,
    decisions: [AtomicU64; Decision::ALL.len()],
    open: AtomicI64,
    websockets: AtomicI64,
}

/// What is counted of one app.
#[derive(Debug)]
pub struct Tally {
    threads: Box<[OnceLock<Box<Cells>>]>,
    errors: NameCounts<16>,
    reached: AtomicU8,
    failure: Mutex<Option<Failure>>,
}

/// The last time that an app did not answer as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// The refusal's name.
    pub refusal: &'static str,
}

/// A request that is being answered, counted as open until it is dropped.
#[derive(Debug)]
pub struct Open(Arc<Tally>);

/// A WebSocket, counted until it is dropped.
#[derive(Debug)]
pub struct OpenWebSocket(Arc<Tally>);

/// Everything that was counted, added up.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// By method and class.
    pub requests: [[u64; CLASSES.len()]; METHODS.len()],
    /// From the head of the request to the end of the answer.
    pub took: Snapshot,
    /// From the head of the request to the head of the app's answer.
    pub waited: Snapshot,
    /// By decision.
    pub decisions: [u64; Decision::ALL.len()],
    /// Requests being answered.
    pub open: u64,
    /// Open WebSockets.
    pub websockets: u64,
}

impl Default for Tally {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from).clamp(1, 64) * 2;
        Self {
            threads: (0..threads).map(|_| OnceLock::new()).collect(),
            errors: NameCounts::default(),
            reached: AtomicU8::new(UNKNOWN),
            failure: Mutex::default(),
        }
    }
}

const UNKNOWN: u8 = 0;
const DOWN: u8 = 1;
const UP: u8 = 2;

impl Tally {
    /// Counts a request in.
    pub fn begin(self: &Arc<Self>) -> Open {
        self.cells().open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    /// Counts a WebSocket in.
    pub fn open_websocket(self: &Arc<Self>) -> OpenWebSocket {
        self.cells().websockets.fetch_add(1, Ordering::Relaxed);
        OpenWebSocket(Arc::clone(self))
    }

    /// Counts what was decided.
    pub fn decided(&self, decision: Decision) {
        self.cells().decisions[decision as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer of the app, and how long it was waited for.
    pub fn answered(&self, waited: Duration) {
        self.cells().waited.observe(waited);
        self.reach(UP);
    }

    /// Counts an app that did not answer as it should; `unreachable` if it could not even be connected to.
    pub fn failed(&self, failure: Failure, unreachable: bool) {
        self.errors.add(failure.refusal.strip_prefix("upstream-").unwrap_or(failure.refusal));
        self.reach(if unreachable { DOWN } else { UP });
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    }

    /// Whether the app's server could be connected to when that was last tried; `None` if it never was.
    pub fn is_up(&self) -> Option<bool> {
        match self.reached.load(Ordering::Relaxed) {
            UNKNOWN => None,
            reached => Some(reached == UP),
        }
    }

    /// The last failure.
    pub fn last_failure(&self) -> Option<Failure> {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Failures by kind.
    pub fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.errors.all()
    }

    /// What all threads have counted.
    pub fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        let (mut open, mut websockets) = (0, 0);
        for cells in self.threads.iter().filter_map(OnceLock::get) {
            let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
            sum.requests = array::from_fn(|method| {
                array::from_fn(|class| sum.requests[method][class] + load(&cells.requests[method][class]))
            });
            sum.decisions = array::from_fn(|at| sum.decisions[at] + load(&cells.decisions[at]));
            sum.took = sum.took.plus(cells.took.snapshot());
            sum.waited = sum.waited.plus(cells.waited.snapshot());
            open += cells.open.load(Ordering::Relaxed);
            websockets += cells.websockets.load(Ordering::Relaxed);
        }
        // What begins in one thread and ends in another is below zero in the latter.
        (sum.open, sum.websockets) = (u64::try_from(open).unwrap_or(0), u64::try_from(websockets).unwrap_or(0));
        sum
    }

    fn reach(&self, state: u8) {
        // Written when it changes only: it is shared by all threads.
        if self.reached.load(Ordering::Relaxed) != state {
            self.reached.store(state, Ordering::Relaxed);
        }
    }

    /// The cells of this thread, made when it first counts something here.
    fn cells(&self) -> &Cells {
        let at = NUMBER.with(|number| *number) % self.threads.len();
        self.threads[at].get_or_init(Box::default)
    }
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Threads are numbered in the order in which they first count something. Two that get the same cells still count right.
    static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
}

impl Open {
    /// What the request counts for.
    pub fn tally(&self) -> &Tally {
        &self.0
    }

    /// Counts the request as answered.
    pub fn finish(self, method: &str, status: u16, took: Duration) {
        let cells = self.0.cells();
        let method = METHODS.iter().position(|known| *known == method).unwrap_or(METHODS.len() - 1);
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        cells.requests[method][class].fetch_add(1, Ordering::Relaxed);
        cells.took.observe(took);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.cells().open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for OpenWebSocket {
    fn drop(&mut self) {
        self.0.cells().websockets.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_count_adds_up() {
        let tally = Arc::new(Tally::default());
        let begun: Vec<Open> = (0..8).map(|_| tally.begin()).collect();
        let threads = begun.into_iter().map(|open| {
            thread::spawn(move || {
                for _ in 0..100 {
                    open.tally().decided(Decision::Deny);
                }
                open.finish("GET", 404, Duration::from_millis(1));
            })
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().expect("no panic"));
        let sum = tally.sum();
        assert_eq!((sum.requests[0][3], sum.decisions[Decision::Deny as usize], sum.took.count(), sum.open), (8, 800, 8, 0));
    }

    /// The attack: ever new methods and statuses, for ever more series.
    #[test]
    fn methods_and_statuses_fold_into_a_few_labels() {
        let tally = Arc::new(Tally::default());
        for (number, method) in ["get", "PROPFIND", "", "XX"].into_iter().enumerate() {
            tally.begin().finish(method, [0, 99, 600, u16::MAX][number], Duration::ZERO);
        }
        let sum = tally.sum();
        assert_eq!(sum.requests[METHODS.len() - 1], [2, 0, 0, 0, 2]);
        assert_eq!(sum.requests.iter().flatten().sum::<u64>(), 4);
    }

    #[test]
    fn whether_an_app_can_be_reached_is_what_the_last_try_said() {
        let tally = Tally::default();
        assert_eq!((tally.is_up(), tally.last_failure()), (None, None));
        let failure = |refusal| Failure { at: Timestamp::from_secs(7), refusal };
        tally.failed(failure("upstream-unreachable"), true);
        assert_eq!(tally.is_up(), Some(false));
        tally.failed(failure("upstream-timeout"), false);
        tally.answered(Duration::ZERO);
        assert_eq!((tally.is_up(), tally.last_failure()), (Some(true), Some(failure("upstream-timeout"))));
        let mut errors: Vec<_> = tally.errors().collect();
        errors.sort_unstable();
        assert_eq!(errors, [("timeout", 1), ("unreachable", 1)]);
    }
}
