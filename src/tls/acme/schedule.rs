//! When to order a certificate. Pure: moments in, a step out. It has to hold for certificates of ninety days and of six alike, so
//! all but the pauses after failures are fractions of a lifetime.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::base::seal;

/// Pauses after one failure, two, and so on; the last one from then on. The first is short, since most first failures are over in
/// seconds: a name that has only just been pointed here, another way of proving it.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(10),
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(12 * 3_600),
];
const HOUR: Duration = Duration::from_secs(3_600);
/// Failures of one name in an hour. Let's Encrypt bars a name for an hour after as many.
pub const MOST_AN_HOUR: usize = 5;
/// Near the end of a certificate pauses become shorter, but not shorter than this.
const LEAST: Duration = Duration::from_secs(15 * 60);
/// An authority that asks for a longer pause is mistaken: no rate limit lasts longer than a week.
const LONGEST_PAUSE: Duration = Duration::from_secs(8 * 86_400);
/// Production orders that fail in a row before one is tried out first.
const REFUSALS: u32 = 2;

/// From when until when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: Timestamp,
    /// The last.
    pub until: Timestamp,
}

/// How a certificate fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// More than a quarter of its life is left.
    Well,
    /// A quarter or less.
    Late,
    /// A tenth or less.
    Alarming,
    /// Nothing.
    Ended,
}

impl Validity {
    /// How it fares.
    pub fn health(self, now: Timestamp) -> Health {
        let (life, left) = (self.until.since(self.from), self.until.since(now));
        if left.is_zero() {
            Health::Ended
        } else if left <= life / 10 {
            Health::Alarming
        } else if left <= life / 4 {
            Health::Late
        } else {
            Health::Well
        }
    }

    /// When it should be renewed: at two thirds of its life, or up to a twentieth of it earlier, so that the names of a machine,
    /// and the machines of an hour, do not all come at once.
    pub fn renewal(self, chance: Chance) -> Timestamp {
        let life = self.until.since(self.from);
        let early = (life / 20).mul_f64(chance.fraction(self.until.millis()));
        self.from.plus((life * 2 / 3).saturating_sub(early))
    }
}

/// Chance that a name has once and for all: the same after a restart, so that nothing is drawn until it fits.
#[derive(Clone, Copy, Debug)]
pub struct Chance(u64);

impl Chance {
    /// That of a name.
    pub fn of(name: &str) -> Self {
        Self(first(&seal::sha256(name.as_bytes())))
    }

    /// From 0 to 1, another for each `salt`.
    fn fraction(self, salt: i64) -> f64 {
        let mut bytes = self.0.to_be_bytes().to_vec();
        bytes.extend(salt.to_be_bytes());
        let thousandths = u32::try_from(first(&seal::sha256(&bytes)) % 1_000).unwrap_or(0);
        f64::from(thousandths) / 1_000.0
    }
}

fn first(hash: &[u8; 32]) -> u64 {
    hash.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// Where an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Where it is tried out: limits are generous, and nobody trusts what is issued.
    Staging,
    /// Where it counts.
    Production,
}

/// What came of an attempt that failed.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// Where it went.
    pub stage: Stage,
    /// Whether the authority took it up, so that it counts there.
    pub counts: bool,
    /// How long the authority asked not to be asked.
    pub retry_after: Option<Duration>,
}

/// What a name's attempts came to, as far as it matters for the next. Outlives restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Attempts in a row that failed.
    pub failures: u32,
    /// Production orders in a row that failed.
    pub refused: u32,
    /// Whether trying it out has worked since the last of them.
    pub rehearsed: bool,
    /// Moments of the last failures in milliseconds, the latest last.
    pub recent: Vec<i64>,
    /// Before this moment the authority does not want to be asked, in milliseconds.
    pub not_before: Option<i64>,
}

/// What to do about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing before then.
    Wait(Timestamp),
    /// Order.
    Order(Stage),
}

impl Record {
    /// What to do now for a name whose certificate is valid as said. `staging` tells whether orders can be tried out; `wished`
    /// that the owner wants one now: that shortens no limit of the authority's.
    pub fn next(&self, validity: Option<Validity>, chance: Chance, now: Timestamp, (staging, wished): (bool, bool)) -> Step {
        let beginning = Timestamp::from_millis(i64::MIN);
        let due = validity.map_or(beginning, |validity| validity.renewal(chance));
        let mut at = self.allowed().unwrap_or(beginning);
        if !wished {
            at = at.max(due).max(self.after_pause(validity, chance).unwrap_or(beginning));
        }
        if now < at {
            return Step::Wait(at);
        }
        let try_out = staging && self.refused >= REFUSALS && !self.rehearsed;
        Step::Order(if try_out { Stage::Staging } else { Stage::Production })
    }

    /// Notes a failure.
    pub fn failed(&mut self, now: Timestamp, failed: Failed) {
        self.failures = self.failures.saturating_add(1);
        if failed.stage == Stage::Production && failed.counts {
            self.refused = self.refused.saturating_add(1);
            self.rehearsed = false;
        }
        self.recent.push(now.millis());
        let surplus = self.recent.len().saturating_sub(MOST_AN_HOUR);
        self.recent.drain(..surplus);
        self.not_before = failed.retry_after.map(|pause| now.plus(pause.min(LONGEST_PAUSE)).millis());
    }

    /// Notes that it worked.
    pub fn succeeded(&mut self, stage: Stage) {
        match stage {
            Stage::Staging => self.rehearsed = true,
            Stage::Production => *self = Self::default(),
        }
    }

    /// When limits that nobody may shorten let another attempt be made.
    fn allowed(&self) -> Option<Timestamp> {
        let hourly = self.recent.len().checked_sub(MOST_AN_HOUR).and_then(|at| self.recent.get(at));
        let hourly = hourly.map(|at| Timestamp::from_millis(*at).plus(HOUR));
        hourly.max(self.not_before.map(Timestamp::from_millis))
    }

    /// When the pause after the last failure is over.
    fn after_pause(&self, validity: Option<Validity>, chance: Chance) -> Option<Timestamp> {
        let last = Timestamp::from_millis(*self.recent.last()?);
        // Trying it out has worked: it counts now.
        if self.rehearsed {
            return None;
        }
        let nth = usize::try_from(self.failures).unwrap_or(usize::MAX).clamp(1, PAUSES.len());
        let mut pause = PAUSES[nth - 1];
        // While there is a certificate to lose, there are always some tries left before its end.
        let left = validity.map(|validity| validity.until.since(last)).filter(|left| !left.is_zero());
        if let Some(left) = left {
            pause = pause.min((left / 4).max(LEAST));
        }
        // Never longer for chance's sake: the bounds above hold.
        Some(last.plus(pause - (pause / 5).mul_f64(chance.fraction(last.millis()))))
    }
}

#[cfg(test)]
mod tests;
