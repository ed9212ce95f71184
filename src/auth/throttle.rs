//! How long to wait after failures. Rates alone let a six-digit code be guessed within a year or two; what protects it is
//! the hard end after a hundred failures in a row.
//!
//! A try is judged, then counted, then verified, and a success takes the count back: tries made at the same moment
//! cannot all pass on the same old count. Who is counted together decides whom a stranger can keep out: see [`Whose`].

use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::units::in_words;
use crate::model::attempt::{Factor, Tries};

/// After this many failures in a row the factor is closed to unknown devices until a set-up link reopens it (NIST SP 800-63B).
pub const CLOSED_AT: u32 = 100;
/// After this many, a network cannot guess at this account any more: one network alone does not close it to others.
const NETWORK_CLOSED_AT: u32 = 30;
/// After this many, a known device is known no more. A stolen cookie is worth no more than these.
pub const DEVICE_CLOSED_AT: u32 = 20;
/// What unknown devices together may get wrong before any of them waits for the others.
const SHARED_FREE: u32 = 40;
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(HOUR);
/// The pause is a minute long so many failures after the first that costs one.
const DOUBLINGS_TO_A_MINUTE: u32 = 5;
const CODES_PER_WINDOW: u32 = 5;
const CODES_PER_DAY: u32 = 20;
/// Codes of all unknown devices together where a code is all that is asked for.
const LONE_CODES_PER_DAY: u32 = 10;
const LONE_CODES_CLOSED_AT: u32 = 50;
const RECOVERIES_PER_WINDOW: u32 = 5;
/// Recovery codes are closed after this many failures, until somebody signs in by another way.
const RECOVERY_CLOSED_AT: u32 = 20;
const HOUR: u64 = 3_600;
const DAY: Duration = Duration::from_secs(24 * HOUR);

/// What an owner can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Wrong passwords until the wait is a minute long: five less are free.
    pub failures: u32,
    /// The quiet after which codes are counted anew.
    pub window: Duration,
    /// How long a network is barred that does not wait; `None`: never.
    pub ban: Option<Duration>,
    /// Whether a code opens the door all by itself: every stranger may guess at it then, not only who has the password.
    pub code_alone: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let quarter = Duration::from_secs(HOUR / 4);
        Self { failures: 10, window: quarter, ban: Some(quarter), code_alone: false }
    }
}

/// Whose failures are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of all unknown devices at one account.
    Strangers,
    /// Those of one network, without its known devices, at one account.
    Network,
    /// Those of one known device of the account: strangers cannot keep it out.
    Device,
}

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

/// So many, until it has been quiet for so long.
#[derive(Clone, Copy, Debug)]
struct Most(u32, Duration);

/// What holds for one factor.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Failures without a wait; then it begins with two seconds and doubles.
    free: Option<u32>,
    short: Option<Most>,
    long: Option<Most>,
    closed_at: u32,
}

impl Limits {
    /// The table of limits. `None`: these are not counted together for this factor.
    pub fn of(factor: Factor, whose: Whose, settings: Settings) -> Option<Self> {
        let own = settings.failures.saturating_sub(DOUBLINGS_TO_A_MINUTE);
        let curve = |free, closed_at| Some(Self { free: Some(free), short: None, long: None, closed_at });
        let rates = |short, long, closed_at| Some(Self { free: None, short: Some(short), long, closed_at });
        let (codes, a_day) = (Most(CODES_PER_WINDOW, settings.window), Some(Most(CODES_PER_DAY, DAY)));
        match (factor, whose) {
            (Factor::Password, Whose::Network) => curve(own, NETWORK_CLOSED_AT),
            (Factor::Password, Whose::Strangers) => curve(SHARED_FREE, CLOSED_AT),
            (Factor::Password, Whose::Device) => curve(own, DEVICE_CLOSED_AT),
            (Factor::Code, Whose::Strangers) if settings.code_alone => {
                rates(codes, Some(Most(LONE_CODES_PER_DAY, DAY)), LONE_CODES_CLOSED_AT)
            }
            (Factor::Code, Whose::Strangers) => rates(codes, a_day, CLOSED_AT),
            (Factor::Code, Whose::Device) => rates(codes, a_day, DEVICE_CLOSED_AT),
            // Nobody has to know anything to try one there. Were all strangers counted together, any of them could shut the
            // way in for whoever has lost the phone; 80 random bits need no such count.
            (Factor::Recovery, Whose::Strangers) if settings.code_alone => None,
            (Factor::Recovery, Whose::Network) if settings.code_alone => curve(RECOVERIES_PER_WINDOW, RECOVERY_CLOSED_AT),
            (Factor::Recovery, Whose::Strangers | Whose::Device) => {
                rates(Most(RECOVERIES_PER_WINDOW, Duration::from_secs(HOUR)), None, RECOVERY_CLOSED_AT)
            }
            (Factor::Code | Factor::Recovery, Whose::Network) => None,
        }
    }

    /// Whether a try may be made at `now`.
    ///
    /// # Errors
    /// [`Wait`] when it may not.
    pub fn judge(&self, tries: &Tries, now: Timestamp) -> Result<(), Wait> {
        if tries.consecutive >= self.closed_at {
            return Err(Wait::Closed);
        }
        let full = |most: Option<Most>, count: u32| most.filter(|most| count >= most.0).map(|most| most.1);
        let pauses = [
            self.free.map(|free| pause(tries.consecutive, free)),
            full(self.short, tries.in_window),
            full(self.long, tries.in_day),
        ];
        let pause = pauses.into_iter().flatten().max().unwrap_or_default();
        let waited = now.since(tries.last);
        if waited >= pause { Ok(()) } else { Err(Wait::For(pause - waited)) }
    }

    /// The count with one more try at `now`. After a success the count is forgotten: it begins again at `Tries::default()`.
    ///
    /// A window ends when it has been quiet for its whole length, not when its length has passed since its first try: so
    /// *no* quarter of an hour, wherever it begins, holds more than five tries. Windows of fixed length would let ten
    /// through around their border.
    #[must_use]
    pub fn counted(&self, tries: Tries, now: Timestamp) -> Tries {
        let quiet = now.since(tries.last);
        let still = |most: Option<Most>, count: u32| match most {
            Some(most) if quiet < most.1 => count.saturating_add(1),
            Some(_) | None => 1,
        };
        Tries {
            consecutive: tries.consecutive.saturating_add(1),
            in_window: still(self.short, tries.in_window),
            in_day: still(self.long, tries.in_day),
            last: now,
        }
    }

    /// The count after a try of it was right; `None` forgets it.
    ///
    /// Where a code is all that is asked for, the right one is no sign that the wrong ones before it were its owner's: the day's
    /// guesses stay counted, so that signing in on a new device gives strangers none back.
    pub fn after_success(tries: Tries, factor: Factor, settings: Settings) -> Option<Tries> {
        let kept = settings.code_alone && factor == Factor::Code;
        let left = Tries {
            consecutive: 0,
            in_window: tries.in_window.saturating_sub(1),
            in_day: tries.in_day.saturating_sub(1),
            ..tries
        };
        Some(left).filter(|left| kept && left.in_day > 0)
    }
}

fn pause(failures: u32, free: u32) -> Duration {
    match failures.checked_sub(free) {
        None => Duration::ZERO,
        Some(beyond) => {
            2u32.checked_pow(beyond).map_or(LONGEST_PAUSE, |factor| FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop, prop_assert, proptest};

    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_800_000_000);
    const QUARTER: Duration = Duration::from_secs(900);

    fn limits(factor: Factor, whose: Whose) -> Limits {
        Limits::of(factor, whose, Settings::default()).expect("counted")
    }

    /// Tries as often as `gaps` (in seconds) let one, and returns the moments of those that were allowed.
    fn allowed(limits: Limits, gaps: &[u64]) -> Vec<Timestamp> {
        let (mut now, mut tries, mut passed) = (START, Tries::default(), vec![]);
        for gap in gaps {
            now = now.plus(Duration::from_secs(*gap));
            if limits.judge(&tries, now).is_ok() {
                tries = limits.counted(tries, now);
                passed.push(now);
            }
        }
        passed
    }

    fn most_within(moments: &[Timestamp], span: Duration) -> usize {
        let held = |from: &Timestamp| moments.iter().filter(|at| *at >= from && at.since(*from) < span).count();
        moments.iter().map(held).max().unwrap_or(0)
    }

    /// The pause before each try, made as soon as it may be, until there are no more.
    fn pauses(limits: Limits) -> Vec<u64> {
        let (mut tries, mut pauses) = (Tries::default(), vec![]);
        loop {
            match limits.judge(&tries, tries.last) {
                Ok(()) => pauses.push(0),
                Err(Wait::For(pause)) => pauses.push(pause.as_secs()),
                Err(Wait::Closed) => return pauses,
            }
            tries = limits.counted(tries, tries.last);
        }
    }

    #[test]
    fn of_one_network_five_passwords_are_free_then_the_pause_doubles_up_to_an_hour() {
        let pauses = pauses(limits(Factor::Password, Whose::Network));
        assert_eq!(pauses[..8], [0, 0, 0, 0, 0, 2, 4, 8]);
        assert_eq!(pauses[15..18], [2048, 3600, 3600]);
        assert_eq!(pauses.len(), 30);
    }

    #[test]
    fn unknown_devices_together_have_more_until_they_wait_for_each_other() {
        let pauses = pauses(limits(Factor::Password, Whose::Strangers));
        assert!(pauses[..40].iter().all(|pause| *pause == 0));
        assert_eq!(pauses[40..43], [2, 4, 8]);
        assert_eq!((pauses[51], pauses.len()), (3600, 100));
    }

    #[test]
    fn the_owner_says_after_how_many_failures_the_wait_is_a_minute() {
        for failures in [6, 10, 20] {
            let settings = Settings { failures, ..Settings::default() };
            for whose in [Whose::Network, Whose::Device] {
                let pauses = pauses(Limits::of(Factor::Password, whose, settings).expect("counted"));
                if let Some(pause) = pauses.get(failures as usize) {
                    assert!(*pause >= 60, "{failures}: {pauses:?}");
                }
                assert!(pauses[failures as usize - 1] < 60);
            }
        }
    }

    #[test]
    fn five_codes_in_a_quarter_of_an_hour_twenty_in_a_day() {
        let limits = limits(Factor::Code, Whose::Strangers);
        let mut tries = Tries::default();
        let mut now = START;
        for burst in 0..4 {
            for _ in 0..5 {
                assert_eq!(limits.judge(&tries, now), Ok(()), "burst {burst}");
                tries = limits.counted(tries, now);
            }
            if burst < 3 {
                assert_eq!(limits.judge(&tries, now), Err(Wait::For(QUARTER)));
                now = now.plus(QUARTER);
            }
        }
        assert_eq!(limits.judge(&tries, now), Err(Wait::For(DAY)));
        assert_eq!(limits.judge(&tries, now.plus(QUARTER)), Err(Wait::For(DAY - QUARTER)));
        assert_eq!(limits.judge(&tries, now.plus(DAY)), Ok(()));
    }

    /// The attack: guessing for years at the pace that the rates allow; with a stolen cookie as well.
    #[test]
    fn patience_does_not_help_beyond_the_cap() {
        let years = vec![60; 3 * 365 * 24 * 60];
        for factor in Factor::ALL {
            let most = if *factor == Factor::Recovery { RECOVERY_CLOSED_AT } else { CLOSED_AT };
            assert_eq!(allowed(limits(*factor, Whose::Strangers), &years).len(), most as usize);
            assert_eq!(allowed(limits(*factor, Whose::Device), &years).len(), DEVICE_CLOSED_AT as usize);
        }
        assert_eq!(allowed(limits(Factor::Password, Whose::Network), &years).len(), NETWORK_CLOSED_AT as usize);
    }

    /// The attack: one network guesses until nobody else may.
    #[test]
    fn one_network_alone_makes_no_other_wait() {
        let (alone, together) = (limits(Factor::Password, Whose::Network), limits(Factor::Password, Whose::Strangers));
        let most = allowed(alone, &vec![60; 365 * 24 * 60]).len();
        let tries = (0..most).fold(Tries::default(), |tries, _| together.counted(tries, START));
        assert_eq!(together.judge(&tries, START), Ok(()));
    }

    /// The attack: guessing recovery codes, hour after hour.
    #[test]
    fn five_recovery_codes_in_an_hour_twenty_in_all() {
        let half_minutes = vec![30; 60 * 24 * 365];
        for whose in [Whose::Strangers, Whose::Device] {
            let limits = limits(Factor::Recovery, whose);
            let moments = allowed(limits, &half_minutes);
            assert_eq!((most_within(&moments, Duration::from_secs(HOUR)), moments.len()), (5, 20));
            let tries = Tries { consecutive: 20, ..Tries::default() };
            assert_eq!(limits.judge(&tries, START.plus(Duration::MAX)), Err(Wait::Closed));
        }
    }

    /// The attack: guessing at a code that opens the door alone, and riding on its owner's own sign-ins.
    #[test]
    fn ten_lone_codes_in_a_day_and_a_right_one_gives_none_back() {
        let settings = Settings { code_alone: true, ..Settings::default() };
        let of = |factor, whose| Limits::of(factor, whose, settings);
        let limits = of(Factor::Code, Whose::Strangers).expect("counted");
        let moments = allowed(limits, &vec![60; 365 * 24 * 60]);
        assert_eq!((most_within(&moments, QUARTER), most_within(&moments, DAY), moments.len()), (5, 10, 50));
        let ten = Tries { consecutive: 10, in_window: 5, in_day: 10, last: START };
        let left = Limits::after_success(limits.counted(ten, START), Factor::Code, settings).expect("kept");
        assert_eq!((left.consecutive, left.in_window, left.in_day), (0, 5, 10));
        assert_eq!(Limits::after_success(limits.counted(Tries::default(), START), Factor::Code, settings), None);
        assert_eq!(Limits::after_success(ten, Factor::Code, Settings::default()), None);
        assert!(of(Factor::Recovery, Whose::Strangers).is_none(), "no stranger shuts them to all others");
        assert_eq!(pauses(of(Factor::Recovery, Whose::Network).expect("counted")).len(), RECOVERY_CLOSED_AT as usize);
        assert_eq!(
            allowed(of(Factor::Code, Whose::Device).expect("counted"), &vec![60; 90 * 24 * 60]).len(),
            DEVICE_CLOSED_AT as usize
        );
    }

    /// The attack: setting the clock back (or a clock that jumps) to be let try again.
    #[test]
    fn a_clock_set_back_opens_nothing() {
        let limits = limits(Factor::Code, Whose::Strangers);
        let tries = (0..5).fold(Tries::default(), |tries, _| limits.counted(tries, START));
        let earlier = Timestamp::from_secs(START.secs() - 86_400);
        assert_eq!(limits.judge(&tries, earlier), Err(Wait::For(QUARTER)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// The attack: choosing the moments of guesses so that they straddle the borders of the windows.
        #[test]
        fn no_choice_of_moments_gains_guesses(gaps in prop::collection::vec(prop::sample::select(
            vec![0u64, 1, 60, 299, 300, 840, 899, 900, 901, 3_600, 43_200, 86_399, 86_400]), 1..400)) {
            for whose in [Whose::Strangers, Whose::Device] {
                let moments = allowed(limits(Factor::Code, whose), &gaps);
                prop_assert!(most_within(&moments, QUARTER) <= 5);
                prop_assert!(most_within(&moments, DAY) <= 20);
                prop_assert!(moments.len() <= 100);
            }
            for (whose, free) in [(Whose::Strangers, SHARED_FREE), (Whose::Network, 5), (Whose::Device, 5)] {
                let moments = allowed(limits(Factor::Password, whose), &gaps);
                prop_assert!(moments.len() <= 100);
                for (n, pair) in moments.windows(2).enumerate() {
                    prop_assert!(pair[1].since(pair[0]) >= pause(n as u32 + 1, free));
                }
            }
        }
    }
}
