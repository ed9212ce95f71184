//! How long a client may take, and the one timer that watches it.
//!
//! hyper's `header_read_timeout` cannot do this: it starts when hyper begins to wait for a head and so gives an idle
//! connection and a slow head the same time, and it knows nothing of bodies.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How long a client may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// Between two requests, and before the first.
    pub idle: Duration,
    /// How long a body may stand still at first; bytes that come earn more time, up to three times this at once.
    pub body_grace: Duration,
    /// Bytes per second that a body must bring on average while we wait for it. Never zero.
    pub body_rate: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            body_grace: Duration::from_secs(10),
            body_rate: 1024,
        }
    }
}

/// Thirty years.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// What we wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A request, of which nothing has come.
    Idle,
    /// The rest of a head.
    Head,
    /// More of a body.
    Body,
}

/// Watches one client's patience. Only time in which hyper asks for bytes counts: a slow upstream is not the client's fault.
#[derive(Debug)]
pub(super) struct Timer {
    patience: Patience,
    waiting: Option<Waiting>,
    /// How long the body may still stand still.
    credit: Duration,
    /// Made at the first wait and kept: re-arming is cheaper than a new one. It may be armed too early, never too late.
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    wait: Wait,
    since: Instant,
    until: Instant,
}

impl Timer {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, waiting: None, credit: patience.body_grace, sleep: None }
    }

    /// A head has passed: its body starts with fresh credit.
    pub(super) fn message_begins(&mut self) {
        self.waiting = None;
        self.credit = self.patience.body_grace;
    }

    /// So many bytes have come. Idle and head waits go on: only a whole head ends them.
    pub(super) fn bytes_came(&mut self, bytes: usize) {
        let Some(Waiting { wait: Wait::Body, since, .. }) = self.waiting else { return };
        self.waiting = None;
        let earned = Duration::from_secs(bytes as u64) / self.patience.body_rate.max(1);
        let left = self.credit.saturating_sub(since.elapsed());
        self.credit = left.saturating_add(earned).min(self.patience.body_grace.saturating_mul(3));
    }

    /// Ready when `wait` has lasted too long. Counts from the first call with this `wait`.
    pub(super) fn poll_expired(&mut self, context: &mut Context<'_>, wait: Wait) -> Poll<()> {
        let until = match self.waiting {
            Some(waiting) if waiting.wait == wait => waiting.until,
            _ => {
                let since = Instant::now();
                // An allowance beyond the clock's range means "for ever".
                let until = since.checked_add(self.allowance(wait)).unwrap_or(since + FOR_EVER);
                self.waiting = Some(Waiting { wait, since, until });
                until
            }
        };
        self.poll_until(context, until)
    }

    /// Ready at `until`.
    pub(super) fn poll_until(&mut self, context: &mut Context<'_>, until: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        loop {
            match sleep.as_mut().poll(context) {
                Poll::Ready(()) if sleep.deadline() < until => sleep.as_mut().reset(until),
                outcome => return outcome,
            }
        }
    }

    fn allowance(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Idle => self.patience.idle,
            Wait::Head => self.patience.head,
            Wait::Body => self.credit,
        }
    }
}
