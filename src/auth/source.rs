//! How much one network may get wrong, over all accounts: what tells a flood or a spray of guesses from people who mistype.
//!
//! Windows slide exactly: the moments themselves are kept, no more than the longest limit counts.

use std::time::Duration;

use crate::base::clock::Timestamp;

const MINUTE: u64 = 60;
const HOUR: Duration = Duration::from_secs(60 * MINUTE);
/// So many failures within so long, over all names.
const RATES: [(usize, Duration); 2] = [(20, Duration::from_secs(10 * MINUTE)), (100, Duration::from_secs(24 * 60 * MINUTE))];
/// So many different names within an hour; more of them is spraying.
pub const MOST_NAMES: usize = 10;
/// How long a name counts.
pub const NAME_COUNTS: Duration = HOUR;
/// Moments that are kept.
pub const MOST_MOMENTS: usize = RATES[1].0;
/// So many tries within an hour after it was told to wait bar a network.
pub const STRIKES: u32 = 10;

/// What a network got wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// When, oldest first; at most [`MOST_MOMENTS`].
    pub moments: Vec<Timestamp>,
    /// How often it went on when told to wait, without an hour of peace in between.
    pub strikes: u32,
    /// When last.
    pub struck_at: Timestamp,
}

impl Failures {
    /// Whether the network may try once more at `now`. `names` are the moments of the latest tries at *other* names than the
    /// one that is wanted.
    ///
    /// # Errors
    /// How long to wait.
    pub fn judge(&self, names: &[Timestamp], now: Timestamp) -> Result<(), Duration> {
        let of_rates = RATES.iter().filter_map(|(most, span)| left(&self.moments, *most, *span, now));
        let of_names = left(names, MOST_NAMES, NAME_COUNTS, now);
        of_rates.chain(of_names).max().map_or(Ok(()), Err)
    }

    /// With one more try at `now`.
    #[must_use]
    pub fn counted(mut self, now: Timestamp) -> Self {
        self.moments.push(now);
        let beyond = self.moments.len().saturating_sub(MOST_MOMENTS);
        self.moments.drain(..beyond);
        self
    }

    /// Without the latest: it was right.
    #[must_use]
    pub fn taken_back(mut self) -> Self {
        self.moments.pop();
        self
    }

    /// With one more try that was refused at `now`, and whether that was one too many.
    #[must_use]
    pub fn struck(mut self, now: Timestamp) -> (Self, bool) {
        self.strikes = if now.since(self.struck_at) < HOUR { self.strikes.saturating_add(1) } else { 1 };
        self.struck_at = now;
        let too_many = self.strikes >= STRIKES;
        if too_many {
            self.strikes = 0;
        }
        (self, too_many)
    }
}

/// How long until fewer than `most` of the `moments` lie within `span`.
fn left(moments: &[Timestamp], most: usize, span: Duration, now: Timestamp) -> Option<Duration> {
    let mut latest = moments.to_vec();
    latest.sort_unstable();
    let first = *latest.iter().rev().nth(most - 1)?;
    // A moment that a clock set back left in the future counts as now.
    span.checked_sub(now.since(first)).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn after(secs: u64) -> Timestamp {
        START.plus(Duration::from_secs(secs))
    }

    #[test]
    fn twenty_in_ten_minutes_a_hundred_in_a_day() {
        let mut failures = Failures::default();
        for n in 0..20 {
            assert_eq!(failures.judge(&[], after(n)), Ok(()));
            failures = failures.counted(after(n));
        }
        assert_eq!(failures.judge(&[], after(20)), Err(Duration::from_secs(580)));
        assert_eq!(failures.judge(&[], after(600)), Ok(()), "the first has left the window");
        let slowly = (0..100).fold(Failures::default(), |failures, n| failures.counted(after(n * 60)));
        assert_eq!(slowly.judge(&[], after(6_000)), Err(Duration::from_secs(86_400 - 6_000)));
    }

    #[test]
    fn ten_names_in_an_hour() {
        let names: Vec<Timestamp> = (0..10).map(after).collect();
        assert_eq!(Failures::default().judge(&names[..9], after(10)), Ok(()));
        assert_eq!(Failures::default().judge(&names, after(10)), Err(Duration::from_secs(3_590)));
        assert_eq!(Failures::default().judge(&names, after(3_600)), Ok(()));
    }

    #[test]
    fn who_does_not_wait_is_barred_and_who_comes_back_after_an_hour_is_not() {
        let strike = |(failures, _): (Failures, bool), n| failures.struck(after(n));
        let fast = (0..9).fold((Failures::default(), false), |at, n| strike(at, n * 60));
        assert!(!fast.1);
        assert!(strike(fast.clone(), 600).1);
        assert!(!strike(fast, 8 * 60 + 3_600).1);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// The attack: choosing the moments of tries so that they straddle the borders of the windows.
        #[test]
        fn no_choice_of_moments_gains_tries(gaps in prop::collection::vec(0u64..700, 1..400)) {
            let (mut now, mut failures, mut passed) = (START, Failures::default(), vec![]);
            for gap in gaps {
                now = now.plus(Duration::from_secs(gap));
                if failures.judge(&[], now).is_ok() {
                    failures = failures.counted(now);
                    passed.push(now);
                }
            }
            for (most, span) in RATES {
                let within = |from: &Timestamp| passed.iter().filter(|at| *at >= from && at.since(*from) < span).count();
                prop_assert!(passed.iter().map(within).max().unwrap_or(0) <= most);
            }
            prop_assert!(failures.moments.len() <= MOST_MOMENTS);
        }
    }
}
