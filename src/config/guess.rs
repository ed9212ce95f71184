//! What somebody meant who wrote a duration or a size as other programs take it: `"1 hour"`, `"1.5h"`, `"10MB"`.

/// Units as written elsewhere, what we call them, and how many of ours they are.
const UNITS: &[(&[&str], &str, u64)] = &[
    (&["msec", "msecs", "millis", "milliseconds", "millisecond"], "ms", 1),
    (&["sec", "secs", "second", "seconds"], "s", 1),
    (&["min", "mins", "minute", "minutes"], "m", 1),
    (&["hr", "hrs", "hour", "hours"], "h", 1),
    (&["day", "days"], "d", 1),
    (&["w", "week", "weeks"], "d", 7),
    (&["month", "months", "mon"], "d", 30),
    (&["y", "year", "years"], "d", 365),
    (&["byte", "bytes"], "B", 1),
    (&["k", "kb", "kib"], "KiB", 1),
    (&["mb", "mib"], "MiB", 1),
    (&["g", "gb", "gib"], "GiB", 1),
    (&["t", "tb", "tib"], "TiB", 1),
];
/// Units whose half is a whole number of the next smaller one.
const PARTS: &[(&str, &str, u64)] =
    &[("d", "h", 24), ("h", "m", 60), ("m", "s", 60), ("s", "ms", 1_000), ("GiB", "MiB", 1_024), ("MiB", "KiB", 1_024)];

/// What was probably meant; whether it can be read is for the caller to try.
pub fn quantity(written: &str) -> Option<String> {
    let text = written.trim();
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?);
    let (unit, factor) = ours(unit.trim())?;
    match number.split_once('.') {
        None => Some(format!("{}{unit}", number.parse::<u64>().ok()?.checked_mul(factor)?)),
        Some((whole, "5")) if factor == 1 => {
            let (_, part, parts) = PARTS.iter().find(|(name, _, _)| *name == unit)?;
            let whole: u64 = whole.parse().ok()?;
            Some(format!("{}{part}", whole.checked_mul(*parts)?.checked_add(parts / 2)?))
        }
        Some(_) => None,
    }
}

fn ours(unit: &str) -> Option<(&'static str, u64)> {
    let known = ["ms", "s", "m", "h", "d", "B", "KiB", "MiB", "GiB", "TiB"];
    if let Some(unit) = known.iter().find(|known| **known == unit) {
        return Some((unit, 1));
    }
    let lower = unit.to_ascii_lowercase();
    // Upper case of what is ours only in lower case is hardly anything else; "M" might be minutes, months or mebibytes.
    let folded = known.iter().find(|known| known.to_ascii_lowercase() == lower && unit != "M");
    let other = UNITS.iter().find(|(names, _, _)| names.contains(&lower.as_str()));
    folded.map(|unit| (*unit, 1)).or_else(|| other.map(|(_, unit, factor)| (*unit, *factor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_programs_take_is_understood() {
        for (written, meant) in [
            ("1 hour", Some("1h")),
            ("90 sec", Some("90s")),
            ("2w", Some("14d")),
            ("1.5h", Some("90m")),
            ("1.5 GiB", Some("1536MiB")),
            ("10MB", Some("10MiB")),
            ("10H", Some("10h")),
            ("5M", None),
            ("1.25h", None),
            ("soon", None),
            ("", None),
            ("99999999999999999999w", None),
        ] {
            assert_eq!(quantity(written).as_deref(), meant, "{written}");
        }
    }
}
