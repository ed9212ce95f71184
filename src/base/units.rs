//! Durations and sizes as people write and read them: `"90s" "15m" "12h" "30d"`, `"64KiB" "2GiB"`.
//!
//! Our own thirty lines instead of a crate: humantime also takes `"1year 2months"` and bytesize bare numbers and decimal
//! units in any case, and the product promises one plain form without hidden units.

use std::time::Duration;

const DURATIONS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: &[(&str, u64)] = &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Why a text is not a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadQuantity {
    /// Digits only: the unit is missing.
    #[error("has no unit")]
    NoUnit,
    /// Neither a number with a known unit.
    #[error("is not a number with a unit")]
    Malformed,
    /// Larger than can be counted.
    #[error("is too large")]
    TooLarge,
}

/// Reads a duration such as `"90s"`.
///
/// # Errors
/// [`BadQuantity`] when it is not a whole number followed by `ms`, `s`, `m`, `h` or `d`.
pub fn duration(text: &str) -> Result<Duration, BadQuantity> {
    quantity(text, DURATIONS).map(Duration::from_millis)
}

/// Reads a size in bytes such as `"64KiB"`.
///
/// # Errors
/// [`BadQuantity`] when it is not a whole number followed by `B`, `KiB`, `MiB`, `GiB` or `TiB`.
pub fn size(text: &str) -> Result<u64, BadQuantity> {
    quantity(text, SIZES)
}

fn quantity(text: &str, units: &[(&str, u64)]) -> Result<u64, BadQuantity> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(BadQuantity::Malformed);
    }
    let number: u64 = number.parse().map_err(|_| BadQuantity::TooLarge)?;
    if unit.is_empty() {
        return Err(BadQuantity::NoUnit);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start()).ok_or(BadQuantity::Malformed)?;
    number.checked_mul(*factor).ok_or(BadQuantity::TooLarge)
}

/// A duration in words, in its largest whole unit: "12 hours", "1 minute", "40 seconds". Fractions are rounded up,
/// because it is used to say how long to wait.
pub fn in_words(duration: Duration) -> String {
    let seconds = duration.as_millis().div_ceil(1000);
    let (amount, unit) = match seconds {
        s if s >= 172_800 || s == 86_400 => (s.div_ceil(86_400), "day"),
        s if s >= 7_200 || s == 3_600 => (s.div_ceil(3_600), "hour"),
        s if s >= 120 || s == 60 => (s.div_ceil(60), "minute"),
        s => (s, "second"),
    };
    format!("{amount} {unit}{}", if amount == 1 { "" } else { "s" })
}

/// A duration as it is written in gateway.toml, in its largest exact unit: `12h`, `90s`, `1500ms`.
pub fn written(duration: Duration) -> String {
    let millis = duration.as_millis();
    let (unit, factor) = DURATIONS
        .iter()
        .rev()
        .find(|(_, factor)| millis.is_multiple_of(u128::from(*factor)) && millis > 0)
        .unwrap_or(&("s", 1_000));
    format!("{}{unit}", millis / u128::from(*factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_need_a_unit() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("30d"), Ok(Duration::from_secs(2_592_000)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        assert_eq!(duration("30"), Err(BadQuantity::NoUnit));
        assert_eq!(duration("soon"), Err(BadQuantity::Malformed));
        assert_eq!(duration("-1s"), Err(BadQuantity::Malformed));
        assert_eq!(duration("99999999999999999999s"), Err(BadQuantity::TooLarge));
        assert_eq!(duration("999999999999999999d"), Err(BadQuantity::TooLarge));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("2 GiB"), Ok(1 << 31));
        assert_eq!(size("1MB"), Err(BadQuantity::Malformed));
    }

    #[test]
    fn waiting_times_are_told_in_words_and_rounded_up() {
        assert_eq!(in_words(Duration::from_millis(39_100)), "40 seconds");
        assert_eq!(in_words(Duration::from_secs(60)), "1 minute");
        assert_eq!(in_words(Duration::from_secs(43_200)), "12 hours");
        assert_eq!(in_words(Duration::from_secs(604_800)), "7 days");
        assert_eq!(in_words(Duration::from_secs(1)), "1 second");
    }

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["12h", "90s", "1500ms", "30d", "0s"] {
            assert_eq!(written(duration(text).expect("a duration")), text);
        }
    }
}
