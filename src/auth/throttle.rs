//! How long to wait after failures. Rates alone let a six-digit code be guessed within a year or two; what protects it is
//! the hard end after a hundred failures in a row.
//!
//! A try is judged, then counted, then verified, and a success takes the count back: tries made at the same moment
//! cannot all pass on the same old count.

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::units::in_words;
use crate::model::attempt::{Factor, Tries};

/// After this many failures in a row the factor is closed until a set-up link reopens it (NIST SP 800-63B).
pub const CLOSED_AT: u32 = 100;
const FREE_PASSWORDS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
const CODES_PER_WINDOW: u32 = 5;
const WINDOW: Duration = Duration::from_secs(15 * 60);
const CODES_PER_DAY: u32 = 20;
const RECOVERIES_PER_WINDOW: u32 = 5;
const RECOVERY_WINDOW: Duration = Duration::from_secs(3600);
/// Recovery codes are closed after this many failures, until somebody signs in by another way.
const RECOVERY_CLOSED_AT: u32 = 20;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Why no try may be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    /// Too many failures lately: the next try may be made after this long.
    #[error("too many failures: wait {}", in_words(*.0))]
    For(Duration),
    /// Too many failures in a row: waiting does not help.
    #[error("too many failures in a row: an administrator has to send a new set-up link")]
    Closed,
}

/// Whether a try at `factor` may be made at `now`.
///
/// # Errors
/// [`Wait`] when it may not.
pub fn judge(tries: &Tries, factor: Factor, now: Timestamp) -> Result<(), Wait> {
    if tries.consecutive >= closed_at(factor) {
        return Err(Wait::Closed);
    }
    let pause = match factor {
        Factor::Password => after_passwords(tries.consecutive),
        Factor::Code => after_codes(tries),
        Factor::Recovery if tries.in_window >= RECOVERIES_PER_WINDOW => RECOVERY_WINDOW,
        Factor::Recovery => Duration::ZERO,
    };
    let waited = now.since(tries.last);
    if waited >= pause { Ok(()) } else { Err(Wait::For(pause - waited)) }
}

/// The count with one more try at `factor` at `now`. After a success the count is forgotten: it begins again at `Tries::default()`.
///
/// A window ends when it has been quiet for its whole length, not when its length has passed since its first try: so
/// *no* quarter of an hour, wherever it begins, holds more than five tries. Windows of fixed length would let ten
/// through around their border.
#[must_use]
pub fn counted(tries: Tries, factor: Factor, now: Timestamp) -> Tries {
    let quiet = now.since(tries.last);
    let still = |length, count: u32| if quiet < length { count.saturating_add(1) } else { 1 };
    Tries {
        consecutive: tries.consecutive.saturating_add(1),
        in_window: still(window(factor), tries.in_window),
        in_day: still(DAY, tries.in_day),
        last: now,
    }
}

fn closed_at(factor: Factor) -> u32 {
    match factor {
        Factor::Password | Factor::Code => CLOSED_AT,
        Factor::Recovery => RECOVERY_CLOSED_AT,
    }
}

fn window(factor: Factor) -> Duration {
    match factor {
        Factor::Password | Factor::Code => WINDOW,
        Factor::Recovery => RECOVERY_WINDOW,
    }
}

fn after_passwords(failures: u32) -> Duration {
    match failures.checked_sub(FREE_PASSWORDS) {
        None => Duration::ZERO,
        Some(beyond) => {
            2u32.checked_pow(beyond).map_or(LONGEST_PAUSE, |factor| FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE))
        }
    }
}

fn after_codes(tries: &Tries) -> Duration {
    if tries.in_day >= CODES_PER_DAY {
        DAY
    } else if tries.in_window >= CODES_PER_WINDOW {
        WINDOW
    } else {
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);

    /// Tries as often as `gaps` (in seconds) let one, and returns the moments of those that were allowed.
    fn allowed(factor: Factor, gaps: &[u64]) -> Vec<Timestamp> {
        let (mut now, mut tries, mut passed) = (START, Tries::default(), vec![]);
        for gap in gaps {
            now = now.plus(Duration::from_secs(*gap));
            if judge(&tries, factor, now).is_ok() {
                tries = counted(tries, factor, now);
                passed.push(now);
            }
        }
        passed
    }

    fn most_within(moments: &[Timestamp], span: Duration) -> usize {
        let held = |from: &Timestamp| moments.iter().filter(|at| *at >= from && at.since(*from) < span).count();
        moments.iter().map(held).max().unwrap_or(0)
    }

    #[test]
    fn five_passwords_are_free_then_the_pause_doubles_up_to_an_hour() {
        let mut tries = Tries::default();
        let mut pauses = vec![];
        while tries.consecutive < CLOSED_AT {
            pauses.push(match judge(&tries, Factor::Password, tries.last) {
                Ok(()) => 0,
                Err(Wait::For(pause)) => pause.as_secs(),
                Err(Wait::Closed) => unreachable!("not before the hundredth"),
            });
            tries = counted(tries, Factor::Password, tries.last);
        }
        assert_eq!(pauses[..8], [0, 0, 0, 0, 0, 2, 4, 8]);
        assert_eq!(pauses[15..18], [2048, 3600, 3600]);
        assert_eq!(judge(&tries, Factor::Password, START.plus(Duration::MAX)), Err(Wait::Closed));
    }

    #[test]
    fn five_codes_in_a_quarter_of_an_hour_twenty_in_a_day() {
        let mut tries = Tries::default();
        let mut now = START;
        for burst in 0..4 {
            for _ in 0..5 {
                assert_eq!(judge(&tries, Factor::Code, now), Ok(()), "burst {burst}");
                tries = counted(tries, Factor::Code, now);
            }
            if burst < 3 {
                assert_eq!(judge(&tries, Factor::Code, now), Err(Wait::For(WINDOW)));
                now = now.plus(WINDOW);
            }
        }
        assert_eq!(judge(&tries, Factor::Code, now), Err(Wait::For(DAY)));
        assert_eq!(judge(&tries, Factor::Code, now.plus(WINDOW)), Err(Wait::For(DAY - WINDOW)));
        assert_eq!(judge(&tries, Factor::Code, now.plus(DAY)), Ok(()));
    }

    /// The attack: guessing for years at the pace that the rates allow.
    #[test]
    fn patience_does_not_help_beyond_a_hundred_failures() {
        let years = vec![60; 3 * 365 * 24 * 60];
        assert_eq!(allowed(Factor::Code, &years).len(), 100);
        assert_eq!(allowed(Factor::Password, &years).len(), 100);
    }

    /// The attack: guessing recovery codes, hour after hour.
    #[test]
    fn five_recovery_codes_in_an_hour_twenty_in_all() {
        let half_minutes = vec![30; 60 * 24 * 365];
        let moments = allowed(Factor::Recovery, &half_minutes);
        assert_eq!((most_within(&moments, RECOVERY_WINDOW), moments.len()), (5, 20));
        let tries = Tries { consecutive: 20, ..Tries::default() };
        assert_eq!(judge(&tries, Factor::Recovery, START.plus(Duration::MAX)), Err(Wait::Closed));
    }

    /// The attack: setting the clock back (or a clock that jumps) to be let try again.
    #[test]
    fn a_clock_set_back_opens_nothing() {
        let mut tries = Tries::default();
        for _ in 0..5 {
            tries = counted(tries, Factor::Code, START);
        }
        let earlier = Timestamp::from_secs(START.secs() - 86_400);
        assert_eq!(judge(&tries, Factor::Code, earlier), Err(Wait::For(WINDOW)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// The attack: choosing the moments of guesses so that they straddle the borders of the windows.
        #[test]
        fn no_choice_of_moments_gains_guesses(gaps in prop::collection::vec(prop::sample::select(
            vec![0u64, 1, 60, 299, 300, 840, 899, 900, 901, 3_600, 43_200, 86_399, 86_400]), 1..400)) {
            let moments = allowed(Factor::Code, &gaps);
            prop_assert!(most_within(&moments, WINDOW) <= 5);
            prop_assert!(most_within(&moments, DAY) <= 20);
            prop_assert!(moments.len() <= 100);

            let moments = allowed(Factor::Recovery, &gaps);
            prop_assert!(most_within(&moments, RECOVERY_WINDOW) <= 5);
            prop_assert!(moments.len() <= 20);

            let moments = allowed(Factor::Password, &gaps);
            prop_assert!(moments.len() <= 100);
            for (n, pair) in moments.windows(2).enumerate().skip(4) {
                prop_assert!(pair[1].since(pair[0]) >= after_passwords(n as u32 + 1));
            }
        }
    }
}
