//! Orders that somebody waits for: how they come along, and what became of each. What is not known to have ended well is never said
//! to have.

use std::thread;
use std::time::{Duration, Instant};

use crate::admin::certificates::{CertificateState, Held, Trouble};
use crate::base::units::in_words;
use crate::command::cert::look;
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::command::place::Named;
use crate::command::steps::Steps;
use crate::config::report::harmless;
use crate::tls::acme::schedule::Limit;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Orders that were started.
#[derive(Debug)]
pub struct Awaited {
    /// Of these names.
    pub started: Vec<String>,
    /// How all stood before.
    pub before: Vec<CertificateState>,
    /// How long they may take.
    pub patience: Duration,
}

/// What became of one.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate<'a> {
    /// There is another certificate.
    Issued,
    /// There is none.
    Failed(&'a Trouble),
    /// It has not ended, or not begun.
    Runs,
    /// It goes later.
    Held(Held),
    /// Nobody knows of it: another gateway runs than did, or none, or the name is not ordered any more.
    Lost,
}

impl Awaited {
    /// Waits until every order has ended, well or not, or for as long as they may take; how all stand then.
    ///
    /// # Errors
    /// [`Failure`] with the reason.
    pub fn wait(&self, named: &Named, output: Output) -> Result<Vec<CertificateState>, Failure> {
        self.watch(|| look(named), output)
    }

    fn watch(
        &self,
        mut look: impl FnMut() -> Result<Vec<CertificateState>, Failure>,
        output: Output,
    ) -> Result<Vec<CertificateState>, Failure> {
        let (mut steps, began) = (Steps::new(output), Instant::now());
        loop {
            let all = look()?;
            let left = self.started.iter().filter(|host| self.fate(host, &all) == Fate::Runs).count();
            steps.clear();
            if left == 0 || began.elapsed() > self.patience {
                return Ok(all);
            }
            steps.show(&all, &self.started, left);
            thread::sleep(LOOK_EVERY);
        }
    }

    /// What became of the order for a name, as all stand now.
    pub fn fate<'a>(&self, host: &str, now: &'a [CertificateState]) -> Fate<'a> {
        let Some(one) = now.iter().find(|one| one.host == host) else { return Fate::Lost };
        let before = self.before.iter().find(|one| one.host == host).map_or(0, |one| one.attempts);
        let (has_ended, wanted) = (one.attempts != before, one.wished && !one.idle);
        match (one.ordering_since, one.next, &one.trouble) {
            (Some(_), _, _) => Fate::Runs,
            (None, None, _) if wanted => Fate::Runs,
            (None, Some(until), _) if wanted => {
                Fate::Held(Held { host: host.to_owned(), until, limit: one.limit.unwrap_or(Limit::Authority) })
            }
            (None, _, Some(trouble)) if has_ended => Fate::Failed(trouble),
            (None, _, None) if has_ended => Fate::Issued,
            (None, _, _) => Fate::Lost,
        }
    }
}

/// An order that did not end while somebody waited for it.
pub fn runs(one: &CertificateState, now: i64) -> String {
    let host = harmless(&one.host);
    let Some(since) = one.ordering_since else {
        return format!("runs    the order for {host} waits for others to end; `doorward cert list` tells how it ends");
    };
    let at = one.phase.map(|phase| format!(" ({})", phase.in_words())).unwrap_or_default();
    let seconds = u64::try_from(now.saturating_sub(since)).unwrap_or(0);
    let span = in_words(Duration::from_secs(seconds));
    format!("runs    the order for {host} has run for {span} and has not ended{at}; `doorward cert list` tells how it ends")
}

/// An order that goes later.
pub fn held(held: &Held, now: i64) -> String {
    let left = u64::try_from(held.until.saturating_sub(now)).unwrap_or(0);
    let span = in_words(Duration::from_secs(left));
    format!("held    {}: {}; it is ordered in {span}", harmless(&held.host), held.limit.in_words())
}

/// An order of which nobody knows.
pub fn lost(host: &str) -> String {
    format!(
        "lost    nobody knows what became of the order for {}: the gateway has ended, or orders it no more; `doorward cert list` tells \
         how the name stands",
        harmless(host)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::certificates::{Origin, State};
    use crate::tls::acme::phase::Phase;

    fn one(attempts: u64) -> CertificateState {
        let text = serde_json::json!({
            "host": "a.example", "source": Origin::Acme, "issuer": "R11", "state": State::Well, "failures": 0, "attempts": attempts,
            "next": 5_000,
        });
        serde_json::from_value(text).expect("a state")
    }

    fn trouble() -> Option<Trouble> {
        Some(Trouble { at: 0, sentence: "why".to_owned(), words: None })
    }

    #[test]
    fn an_order_has_ended_when_its_gateway_has_counted_it_and_not_when_we_have_waited_long_enough() {
        let awaited = Awaited { started: vec!["a.example".to_owned()], before: vec![one(3)], patience: Duration::ZERO };
        let fate = |one: CertificateState| format!("{:?}", awaited.fate("a.example", &[one]));
        let held = Held { host: "a.example".to_owned(), until: 5_000, limit: Limit::Certificates };
        assert_eq!(fate(CertificateState { ordering_since: Some(1), ..one(3) }), "Runs");
        assert_eq!(fate(CertificateState { ordering_since: Some(1), ..one(4) }), "Runs", "the one before was meant otherwise");
        assert_eq!(fate(CertificateState { wished: true, next: None, ..one(3) }), "Runs", "it waits for a place");
        assert_eq!(
            fate(CertificateState { wished: true, limit: Some(Limit::Certificates), ..one(3) }),
            format!("{:?}", Fate::Held(held))
        );
        assert_eq!(fate(one(4)), "Issued");
        assert!(fate(CertificateState { trouble: trouble(), failures: 1, ..one(4) }).starts_with("Failed"));
        // What was known before says nothing about this order, good or bad.
        assert_eq!(fate(CertificateState { trouble: trouble(), failures: 2, ..one(3) }), "Lost");
        assert_eq!(fate(one(3)), "Lost");
        assert_eq!(fate(CertificateState { idle: true, wished: true, next: None, ..one(3) }), "Lost");
        assert_eq!(awaited.fate("a.example", &[]), Fate::Lost);
    }

    #[test]
    fn whoever_has_waited_long_enough_is_told_that_the_order_runs_still() {
        let output = Output { json: true, github: false };
        let running = CertificateState { ordering_since: Some(1), ..one(3) };
        let looks = |patience: Duration, states: &[CertificateState]| {
            let awaited = Awaited { started: vec!["a.example".to_owned()], before: vec![one(3)], patience };
            let mut left = states.iter().cloned().rev().collect::<Vec<_>>();
            let after = awaited.watch(|| Ok(vec![left.pop().expect("asked no more")]), output).expect("seen");
            (format!("{:?}", awaited.fate("a.example", &after)), left.len())
        };
        assert_eq!(looks(Duration::ZERO, &[running.clone(), one(4)]), ("Runs".to_owned(), 1));
        assert_eq!(looks(Duration::from_secs(60), &[running.clone(), running, one(4), one(5)]), ("Issued".to_owned(), 1));
    }

    #[test]
    fn what_has_not_ended_is_said_with_how_far_it_is_and_for_how_long() {
        let running = CertificateState { ordering_since: Some(100), phase: Some(Phase::Challenge), ..one(0) };
        assert_eq!(
            runs(&running, 400),
            "runs    the order for a.example has run for 5 minutes and has not ended (challenge); `doorward cert list` tells how it ends"
        );
        let limited = Held { host: "a.example".to_owned(), until: 86_400, limit: Limit::Certificates };
        assert_eq!(
            super::held(&limited, 0),
            "held    a.example: no name gets more than five certificates in a day from here; it is ordered in 1 day"
        );
    }
}
