//! When an authority itself wants a certificate renewed (RFC 9773): what it said last, and when to ask it again. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::clock::Timestamp;
use crate::tls::acme::schedule::Chance;

/// It is asked no more often than this, whatever it says…
const LEAST: Duration = Duration::from_secs(6 * 3_600);
/// …and no less often (RFC 9773 section 4.3.2 lets a longer pause be taken for a day).
const MOST: Duration = Duration::from_secs(86_400);

/// What an authority said of a certificate, or that it said nothing. Outlives restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Advice {
    /// The certificate, as RFC 9773 section 4.1 names it.
    pub certificate: String,
    /// The directory of the authority that was asked.
    pub directory: String,
    /// When it should be renewed: from then until then, in milliseconds.
    pub window: Option<(i64, i64)>,
    /// The moment in it that fell to us.
    pub at: Option<i64>,
    /// It is not asked again before this moment, in milliseconds.
    pub ask_again: i64,
}

/// What came of asking.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// When the certificate should be renewed; nothing where the authority does not say, or cannot be asked.
    pub window: Option<(Timestamp, Timestamp)>,
    /// How long it does not want to be asked again.
    pub retry_after: Option<Duration>,
}

impl Advice {
    /// Whether it is time to ask the authority with this `directory` about a certificate.
    pub fn is_due(known: Option<&Self>, (certificate, directory): (&str, &str), now: Timestamp) -> bool {
        // An answer far ahead is one of a clock that was wrong.
        let rests = |known: &Self| now.millis() < known.ask_again && known.ask_again <= now.plus(MOST).millis();
        known.is_none_or(|known| !known.is_of(certificate, directory) || !rests(known))
    }

    /// Notes what was heard about a certificate. As long as the authority keeps to a window, the moment in it stays; where it can
    /// not be asked, what it said last holds.
    pub fn note(known: Option<Self>, (certificate, directory): (&str, &str), heard: &Heard, now: Timestamp) -> Self {
        let before = known.filter(|known| known.is_of(certificate, directory)).unwrap_or_default();
        // A window that ends before it begins is none (RFC 9773 section 4.2).
        let window = heard.window.filter(|(start, end)| start < end).map(|(start, end)| (start.millis(), end.millis()));
        let at =
            window.map(|window| before.at.filter(|_| before.window == Some(window)).unwrap_or_else(|| draw(certificate, window)));
        Self {
            certificate: certificate.to_owned(),
            directory: directory.to_owned(),
            window: window.or(before.window),
            at: at.or(before.at),
            ask_again: now.plus(heard.retry_after.unwrap_or(LEAST).clamp(LEAST, MOST)).millis(),
        }
    }

    /// Whether it is about that certificate, from that authority.
    pub fn is_of(&self, certificate: &str, directory: &str) -> bool {
        self.certificate == certificate && self.directory == directory
    }

    /// When to renew, if the authority has said so.
    pub fn moment(&self) -> Option<Timestamp> {
        self.at.map(Timestamp::from_millis)
    }
}

/// Somewhere in the window, for each certificate elsewhere, so that not all come at once.
fn draw(certificate: &str, (start, end): (i64, i64)) -> i64 {
    let window = Timestamp::from_millis(end).since(Timestamp::from_millis(start));
    let part = window.mul_f64(Chance::of(certificate).fraction(start ^ end.rotate_left(17)));
    Timestamp::from_millis(start).plus(part).millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);
    const ONE: (&str, &str) = ("aki.serial", "https://ca.example/directory");

    fn heard(from: u32, until: u32, retry_after: Option<Duration>) -> Heard {
        Heard { window: Some((NOW.plus(HOUR * from), NOW.plus(HOUR * until))), retry_after }
    }

    #[test]
    fn a_moment_is_drawn_once_for_each_window() {
        let first = Advice::note(None, ONE, &heard(100, 200, None), NOW);
        let at = first.moment().expect("drawn");
        assert!(at >= NOW.plus(HOUR * 100) && at < NOW.plus(HOUR * 200));
        let stored = serde_json::to_string(&first).expect("numbers");
        let again: Advice = serde_json::from_str(&stored).expect("as written");
        assert_eq!(Advice::note(Some(again), ONE, &heard(100, 200, None), NOW.plus(HOUR)).moment(), Some(at));
        let moved = Advice::note(Some(first.clone()), ONE, &heard(1, 2, None), NOW);
        assert!(moved.moment().expect("drawn") < NOW.plus(HOUR * 2), "a window that moves counts at once");
        let spread = |serial: u32| Advice::note(None, (&serial.to_string(), ONE.1), &heard(100, 200, None), NOW).at;
        assert!((0..20).any(|serial| spread(serial) != first.at));
    }

    #[test]
    fn silence_keeps_what_was_said_and_another_certificate_begins_anew() {
        let first = Advice::note(None, ONE, &heard(100, 200, None), NOW);
        let silent = Advice::note(Some(first.clone()), ONE, &Heard::default(), NOW.plus(HOUR));
        assert_eq!((silent.at, silent.window), (first.at, first.window));
        let turned = Heard { window: Some((NOW.plus(HOUR), NOW)), retry_after: None };
        assert_eq!(Advice::note(Some(first.clone()), ONE, &turned, NOW).at, first.at);
        assert_eq!(Advice::note(Some(first.clone()), ("other", ONE.1), &Heard::default(), NOW).at, None);
        assert_eq!(Advice::note(Some(first), (ONE.0, "https://other.example/"), &Heard::default(), NOW).at, None);
    }

    /// The attack: an authority that has us ask every second, or never again.
    #[test]
    fn it_is_asked_every_six_hours_to_once_a_day() {
        for (said, hours) in [(None, 6), (Some(Duration::ZERO), 6), (Some(HOUR * 9), 9), (Some(Duration::MAX), 24)] {
            let known = Advice::note(None, ONE, &heard(100, 200, said), NOW);
            let due = |at: Timestamp| Advice::is_due(Some(&known), ONE, at);
            assert_eq!([due(NOW), due(NOW.plus(HOUR * hours - HOUR / 60)), due(NOW.plus(HOUR * hours))], [false, false, true]);
            assert!(Advice::is_due(Some(&known), ("other", ONE.1), NOW) && Advice::is_due(None, ONE, NOW));
        }
        let ahead = Advice { ask_again: NOW.plus(HOUR * 1_000).millis(), ..Advice::note(None, ONE, &Heard::default(), NOW) };
        assert!(Advice::is_due(Some(&ahead), ONE, NOW), "noted by a clock that was wrong");
    }
}
