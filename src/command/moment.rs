//! Moments as people read and write them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::base::clock::Timestamp;
use crate::base::units;

/// `2026-11-22 10:05:07`, UTC.
pub fn second(at: Timestamp) -> String {
    let at = date(at);
    format!("{} {:02}:{:02}:{:02}", at.date(), at.hour(), at.minute(), at.second())
}

/// `2026-11-22`, UTC.
pub fn day(at: Timestamp) -> String {
    date(at).date().to_string()
}

/// `20261122-100507`, UTC, for the names of files.
pub fn stamp(at: Timestamp) -> String {
    second(at)
        .chars()
        .filter(|letter| !matches!(letter, '-' | ':'))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

/// A moment: so long ago (`24h`, `7d`), a day, or a day and time of day in RFC 3339.
pub fn parse(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(ago) = units::duration(text) {
        let millis = i64::try_from(ago.as_millis()).ok()?;
        return Some(Timestamp::from_millis(now.millis().checked_sub(millis)?));
    }
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let at = OffsetDateTime::parse(&whole, &Rfc3339).ok()?;
    Some(Timestamp::from_secs(at.unix_timestamp()))
}

fn date(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.secs()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written() {
        let now = Timestamp::from_secs(1_800_000_000);
        assert_eq!(second(now), "2027-01-15 08:00:00");
        assert_eq!(stamp(now), "20270115-080000");
        assert_eq!(parse("2027-01-15", now), Some(Timestamp::from_secs(1_800_000_000 - 8 * 3600)));
        assert_eq!(parse("2027-01-15T08:00:00Z", now), Some(now));
        assert_eq!(parse("24h", now), Some(Timestamp::from_secs(1_800_000_000 - 86_400)));
        for text in ["", "yesterday", "2027-13-01", "24"] {
            assert_eq!(parse(text, now), None, "{text}");
        }
    }
}
