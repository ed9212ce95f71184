//! How long things took, sorted into the bounds that OpenTelemetry and Prometheus use for HTTP.

use std::array;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in milliseconds, as numbers and as they are written, in seconds.
const BOUNDS: [(u64, &str); 11] = [
    (5, "0.005"),
    (10, "0.01"),
    (25, "0.025"),
    (50, "0.05"),
    (100, "0.1"),
    (250, "0.25"),
    (500, "0.5"),
    (1_000, "1"),
    (2_500, "2.5"),
    (5_000, "5"),
    (10_000, "10"),
];

/// Durations counted by size.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One for each bound, and one for what is above them all.
    counts: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// What a histogram held at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    counts: [u64; BOUNDS.len() + 1],
    micros: u64,
}

impl Histogram {
    /// Counts one duration. Never waits.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.iter().position(|(bound, _)| micros <= bound * 1_000).unwrap_or(BOUNDS.len());
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What it holds now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            counts: array::from_fn(|at| self.counts[at].load(Ordering::Relaxed)),
            micros: self.micros.load(Ordering::Relaxed),
        }
    }
}

impl Snapshot {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            counts: array::from_fn(|at| self.counts[at].wrapping_add(other.counts[at])),
            micros: self.micros.wrapping_add(other.micros),
        }
    }

    /// Upper bounds in seconds, each with how many durations were no longer; the last is all of them.
    pub fn cumulative(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let bounds = BOUNDS.iter().map(|(_, written)| *written).chain(["+Inf"]);
        bounds.zip(self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        }))
    }

    /// How many durations there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together, in seconds.
    pub fn seconds(&self) -> f64 {
        self.micros as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_every_bound_that_it_does_not_exceed() {
        let histogram = Histogram::default();
        for millis in [0, 5, 6, 10_000, 10_001] {
            histogram.observe(Duration::from_millis(millis));
        }
        let snapshot = histogram.snapshot();
        let counts: Vec<(&str, u64)> = snapshot.cumulative().collect();
        assert_eq!((counts[0], counts[1], counts[10], counts[11]), (("0.005", 2), ("0.01", 3), ("10", 4), ("+Inf", 5)));
        assert_eq!((snapshot.count(), snapshot.seconds()), (5, 20.012));
        assert_eq!(snapshot.plus(snapshot).count(), 10);
        histogram.observe(Duration::MAX);
        assert_eq!(histogram.snapshot().count(), 6);
    }
}
