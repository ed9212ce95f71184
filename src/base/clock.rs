//! The only reader of wall-clock time.
//!
//! Everything that compares moments takes a `Timestamp` as an argument, so that a test can live through a month in a
//! millisecond. Timers that only wait (a connect timeout) use Tokio's timer instead and never compare with stored time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A moment given in milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// A moment given in whole seconds since the Unix epoch.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The moment `duration` later; far moments saturate instead of wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long from `earlier` to `self`; zero if `earlier` is not earlier.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(at: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
    }
}

/// Tells the time. Cheap to clone; all clones agree.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    /// Wall clock that never runs backwards within one process: a clock set back must not revive an expired session.
    System { latest: Arc<AtomicI64> },
    /// Moved by hand, for tests.
    Manual { now: Arc<AtomicI64> },
}

impl Clock {
    /// The machine's clock, held from running backwards.
    pub fn system() -> Self {
        Self(Source::System { latest: Arc::new(AtomicI64::new(0)) })
    }

    /// A clock that stands still until `advance` is called.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual { now: Arc::new(AtomicI64::new(start.millis())) })
    }

    /// The current moment.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { latest } => {
                let read = read_system();
                Timestamp(latest.fetch_max(read, Ordering::Relaxed).max(read))
            }
            Source::Manual { now } => Timestamp(now.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward. A system clock cannot be moved; the call is ignored there.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual { now } = &self.0 {
            now.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn read_system() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now().millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_by_hand_and_for_every_clone() {
        let clock = Clock::manual(Timestamp::from_secs(100));
        let other = clock.clone();
        clock.advance(Duration::from_secs(5));
        assert_eq!(other.now(), Timestamp::from_secs(105));
    }

    #[test]
    fn the_system_clock_does_not_run_backwards() {
        let clock = Clock::system();
        let Source::System { latest } = &clock.0 else { unreachable!("made above") };
        let far = i64::MAX / 2;
        latest.store(far, Ordering::Relaxed);
        assert_eq!(clock.now().millis(), far);
    }

    #[test]
    fn differences_never_go_below_zero_and_far_moments_saturate() {
        let (early, late) = (Timestamp::from_secs(1), Timestamp::from_secs(3));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.plus(Duration::MAX).millis(), i64::MAX);
    }
}
