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
/// Failures in a row before another authority is thought of at all.
const REPEATED: u32 = 3;
/// How long nothing may have worked before another authority is asked, where the certificate is not in need of it sooner.
const PATIENCE: Duration = Duration::from_secs(86_400);
/// A certificate younger than this, or than a sixth of its life, is not replaced because the authority says so: one that says it of
/// each that it issues would have us order without end.
const YOUNG: Duration = Duration::from_secs(86_400);
/// Certificates of one name in a day, or in a life that is shorter. What is over as soon as it is issued, because the authority's clock
/// or ours is wrong, and an owner's loop would else burn limits that last for a week.
pub const MOST_A_DAY: usize = 5;
/// After one was issued, none is ordered for a sixth of its life, and no longer than an hour; but for so long at least.
const REST: Duration = Duration::from_secs(60);

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

    /// From when on it is late.
    fn late(self) -> Timestamp {
        self.from.plus(self.until.since(self.from) * 3 / 4)
    }

    /// When it should be renewed: at two thirds of its life, or up to a twentieth of it earlier, so that the names of a machine,
    /// and the machines of an hour, do not all come at once.
    pub fn renewal(self, chance: Chance) -> Timestamp {
        let life = self.until.since(self.from);
        let early = (life / 20).mul_f64(chance.fraction(self.until.millis()));
        self.from.plus((life * 2 / 3).saturating_sub(early))
    }
}

/// A certificate that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// When it is valid.
    pub validity: Validity,
    /// When its authority wants it renewed (RFC 9773), as far as is known.
    pub advised: Option<Timestamp>,
}

impl Held {
    /// When it should be renewed: when its authority says so, but not in its first day, and not so late that it is late.
    pub fn renewal(self, chance: Chance) -> Timestamp {
        let Some(at) = self.advised else { return self.validity.renewal(chance) };
        let life = self.validity.until.since(self.validity.from);
        at.max(self.validity.from.plus(YOUNG.min(life / 6))).min(self.validity.late())
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
    pub fn fraction(self, salt: i64) -> f64 {
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
    /// At the authority that stands in for the first.
    Fallback,
}

/// Ways that are open to an order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ways {
    /// It can be tried out.
    pub staging: bool,
    /// There is a second authority.
    pub fallback: bool,
    /// The owner wants one now: that shortens no limit of an authority's.
    pub wished: bool,
}

/// What keeps an order from going that is wished for. Nobody may shorten any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Ours for certificates of a name in a day.
    Certificates,
    /// Ours for failures of a name in an hour.
    Failures,
    /// The pause that the authority asked for.
    Authority,
}

impl Limit {
    /// For people.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Certificates => "no name gets more than five certificates in a day from here",
            Self::Failures => "five orders for it have failed within an hour, and no more are made from here",
            Self::Authority => "its authority asked to be left alone until then",
        }
    }
}

/// What came of an attempt that failed.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// Where it went.
    pub stage: Stage,
    /// Whether the authority took it up, so that it counts there. One that was tried out, and does not count, says nothing about
    /// the name.
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
    /// The same of the second one.
    pub fallback_not_before: Option<i64>,
    /// The first of the failures in a row, in milliseconds.
    pub since: Option<i64>,
    /// Where the last of them went.
    pub last: Option<Stage>,
    /// Moments of the last certificates in milliseconds, the latest last.
    pub issued: Vec<i64>,
    /// How long the latest of them lives, in milliseconds.
    pub life: u64,
    /// The directory of the first authority, of which this is told.
    pub first: Option<String>,
    /// The directory of the second one.
    pub second: Option<String>,
    /// The directory where orders are tried out.
    pub trial: Option<String>,
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
    /// What to do now for a name that holds such a certificate.
    pub fn next(&self, held: Option<Held>, chance: Chance, now: Timestamp, ways: Ways) -> Step {
        self.as_of(now).judged(held, chance, now, ways)
    }

    fn judged(&self, held: Option<Held>, chance: Chance, now: Timestamp, ways: Ways) -> Step {
        let beginning = Timestamp::from_millis(i64::MIN);
        let limit = |moment: Option<Timestamp>| moment.unwrap_or(beginning);
        let mut due = limit(self.hourly()).max(limit(self.daily()));
        if !ways.wished {
            // For a name that has none it would be a rest at its visitors' cost; the limit for a day holds.
            due = due.max(limit(self.rested().filter(|_| held.is_some())));
            let renewal = held.map_or(beginning, |held| held.renewal(chance));
            due = due.max(renewal).max(self.after_pause(held, chance).unwrap_or(beginning));
        }
        let free = |not_before: Option<i64>| due.max(not_before.map_or(beginning, Timestamp::from_millis));
        let first = free(self.not_before);
        let turn = self.second_turn(held).filter(|_| ways.fallback);
        let second = turn.map(|turn| turn.max(free(self.fallback_not_before)));
        let second_may = second.is_some_and(|second| second <= now);
        // In turns, so that neither authority gets more than its share of what fails.
        if second_may && (first > now || self.last != Some(Stage::Fallback)) {
            return Step::Order(Stage::Fallback);
        }
        if first > now {
            return Step::Wait(second.map_or(first, |second| first.min(second)));
        }
        let try_out = ways.staging && self.refused >= REFUSALS && !self.rehearsed;
        Step::Order(if try_out { Stage::Staging } else { Stage::Production })
    }

    /// The same without what a clock noted that was ahead: it would hold for as long as the clock was wrong.
    fn as_of(&self, now: Timestamp) -> Self {
        let past = |moments: &[i64]| moments.iter().copied().filter(|at| *at <= now.millis()).collect();
        let not_before = |at: Option<i64>| at.filter(|at| *at <= now.plus(LONGEST_PAUSE).millis());
        Self {
            recent: past(&self.recent),
            issued: past(&self.issued),
            since: self.since.filter(|at| *at <= now.millis()),
            not_before: not_before(self.not_before),
            fallback_not_before: not_before(self.fallback_not_before),
            ..self.clone()
        }
    }

    /// Makes it one about the authorities with these directories. What another one refused, or how long it wanted its peace, says
    /// nothing about them.
    pub fn turn_to(&mut self, first: &str, trial: Option<&str>, second: Option<&str>) {
        let is_other = |known: &Option<String>, now: Option<&str>| known.is_some() && known.as_deref() != now;
        if is_other(&self.second, second) {
            self.fallback_not_before = None;
        }
        if is_other(&self.first, Some(first)) {
            *self = Self { not_before: None, ..self.limits() };
        } else if self.trial.as_deref() != trial && self.last == Some(Stage::Staging) {
            // Also where it is not known which it was: earlier versions noted its Retry-After here.
            (self.failures, self.not_before) = (0, None);
        }
        (self.first, self.second) = (Some(first.to_owned()), second.map(str::to_owned));
        self.trial = trial.map(str::to_owned);
    }

    /// What authorities hold against a name, whatever became of its orders since.
    pub fn limits(&self) -> Self {
        let known = self.clone();
        Self { failures: 0, refused: 0, rehearsed: false, since: None, last: None, ..known }
    }

    /// From when on the second authority is asked too: after a day in which nothing worked, or when the certificate is late.
    fn second_turn(&self, held: Option<Held>) -> Option<Timestamp> {
        let since = Timestamp::from_millis(self.since?);
        let usual = since.plus(PATIENCE);
        let turn = held.map_or(usual, |held| usual.min(held.validity.late().max(since)));
        // One that wants its peace for days is not asked often enough to fail repeatedly.
        let is_away = self.not_before.is_some_and(|at| Timestamp::from_millis(at) > turn);
        (self.failures >= REPEATED || is_away).then_some(turn)
    }

    /// Notes a failure.
    pub fn failed(&mut self, now: Timestamp, failed: Failed) {
        *self = self.as_of(now);
        // A place that is out of order, or does not serve us, must not keep a name from the one that counts.
        if failed.stage == Stage::Staging && !failed.counts {
            return self.tried_out();
        }
        self.failures = self.failures.saturating_add(1);
        if failed.stage == Stage::Production && failed.counts {
            self.refused = self.refused.saturating_add(1);
        }
        // It lets one order go at once, not each from then on.
        self.rehearsed &= failed.stage == Stage::Staging;
        self.recent.push(now.millis());
        let surplus = self.recent.len().saturating_sub(MOST_AN_HOUR);
        self.recent.drain(..surplus);
        let not_before = failed.retry_after.map(|pause| now.plus(pause.min(LONGEST_PAUSE)).millis());
        match failed.stage {
            Stage::Fallback => self.fallback_not_before = not_before,
            Stage::Production => self.not_before = not_before,
            // How long that place wants its peace says nothing of the one that counts.
            Stage::Staging => {}
        }
        self.since.get_or_insert(now.millis());
        self.last = Some(failed.stage);
    }

    /// Notes that trying it out has worked, or cannot be done.
    pub fn tried_out(&mut self) {
        self.rehearsed = true;
    }

    /// Notes that a certificate was issued. What the first authority asked for holds although the second has issued.
    pub fn succeeded(&mut self, now: Timestamp, stage: Stage, validity: Validity) {
        let mut known = self.as_of(now);
        known.issued.push(now.millis());
        let surplus = known.issued.len().saturating_sub(MOST_A_DAY);
        known.issued.drain(..surplus);
        let not_before = known.not_before.filter(|_| stage == Stage::Fallback);
        let life = u64::try_from(validity.until.since(validity.from).as_millis()).unwrap_or(u64::MAX);
        *self = Self { fallback_not_before: None, not_before, life, ..known.limits() };
    }

    /// When the limit for certificates in a day, which nobody may shorten, lets another be ordered.
    fn daily(&self) -> Option<Timestamp> {
        let first = self.issued.len().checked_sub(MOST_A_DAY).and_then(|at| self.issued.get(at));
        first.map(|at| Timestamp::from_millis(*at).plus(Duration::from_millis(self.life).clamp(HOUR, YOUNG)))
    }

    /// When the limit for certificates in a day lets another be ordered, if it stands in the way now.
    pub fn spent(&self, now: Timestamp) -> Option<Timestamp> {
        self.as_of(now).daily().filter(|again| *again > now)
    }

    /// What keeps an order that is wished for from going before `until`.
    pub fn limit(&self, until: Timestamp, now: Timestamp) -> Option<Limit> {
        let known = self.as_of(now);
        let not_before = [known.not_before, known.fallback_not_before].map(|at| at.map(Timestamp::from_millis));
        if known.daily() == Some(until) {
            Some(Limit::Certificates)
        } else if known.hourly() == Some(until) {
            Some(Limit::Failures)
        } else {
            not_before.contains(&Some(until)).then_some(Limit::Authority)
        }
    }

    /// When the rest after the last certificate is over.
    fn rested(&self) -> Option<Timestamp> {
        let rest = (Duration::from_millis(self.life) / 6).clamp(REST, HOUR);
        self.issued.last().map(|at| Timestamp::from_millis(*at).plus(rest))
    }

    /// When the limit for failures in an hour, which nobody may shorten, lets another attempt be made.
    fn hourly(&self) -> Option<Timestamp> {
        let first = self.recent.len().checked_sub(MOST_AN_HOUR).and_then(|at| self.recent.get(at));
        first.map(|at| Timestamp::from_millis(*at).plus(HOUR))
    }

    /// When the pause after the last failure is over.
    fn after_pause(&self, held: Option<Held>, chance: Chance) -> Option<Timestamp> {
        let last = Timestamp::from_millis(*self.recent.last()?);
        // What failed has worked since, or trying it out has: it counts now.
        if self.failures == 0 || self.rehearsed {
            return None;
        }
        let nth = usize::try_from(self.failures).unwrap_or(usize::MAX).clamp(1, PAUSES.len());
        let mut pause = PAUSES[nth - 1];
        // While there is a certificate to lose, there are always some tries left before its end.
        let left = held.map(|held| held.validity.until.since(last)).filter(|left| !left.is_zero());
        if let Some(left) = left {
            pause = pause.min((left / 4).max(LEAST));
        }
        // Never longer for chance's sake: the bounds above hold.
        Some(last.plus(pause - (pause / 5).mul_f64(chance.fraction(last.millis()))))
    }
}

#[cfg(test)]
mod tests;
