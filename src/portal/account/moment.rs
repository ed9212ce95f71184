//! Moments as people read them.

use std::time::Duration;

use time::OffsetDateTime;

use crate::base::clock::Timestamp;
use crate::base::units::in_words;
use crate::web::security;

const A_DAY: Duration = Duration::from_secs(86_400);

/// How long ago it was, and from a day on the day itself.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.since(at) {
        span if span < Duration::from_secs(5) => security::NOW.to_owned(),
        span if span < A_DAY => security::ago(&in_words(span)),
        _ => exactly(at),
    }
}

/// "22 November 2026, 12:52 UTC": the server knows nobody's time zone.
pub fn exactly(at: Timestamp) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at.secs()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!("{} {} {}, {:02}:{:02} UTC", at.day(), at.month(), at.year(), at.hour(), at.minute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_told_by_its_distance() {
        let now = Timestamp::from_secs(1_800_000_000);
        let before = |seconds: i64| ago(Timestamp::from_secs(now.secs() - seconds), now);
        assert_eq!([before(0), before(40), before(86_399)], ["just now", "40 seconds ago", "24 hours ago"]);
        assert_eq!(before(86_400), "14 January 2027, 08:00 UTC");
    }
}
