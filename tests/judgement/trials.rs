//! The parsers of the judgement under fire, each with what has to hold of whatever it is given, and the inputs to begin with.
//!
//! They run in `cargo test` (`hostile.rs`) and, guided by coverage, under libFuzzer (`tests/fuzz`).

use std::ops::ControlFlow;

use doorward::listen::examine::{Examiner, Finding};
use doorward::policy::host::{Authority, Host};
use doorward::policy::pattern::{Pattern, Root};
use doorward::policy::target::{Own, Target};

use crate::corpus;

/// Readings that any target may have; what is more is refused as too many.
const MOST_READINGS: usize = 300_000;

/// A parser under fire; it panics if what has to hold does not.
pub type Trial = fn(&[u8]);

pub const TRIALS: &[(&str, Trial)] =
    &[("target", target), ("host", host), ("pattern", pattern), ("readings", readings), ("gate", gate)];

pub fn target(bytes: &[u8]) {
    let Ok(parsed) = Target::parse_bytes(bytes) else { return };
    assert_eq!(parsed.as_str().as_bytes(), bytes, "kept byte for byte");
    assert_eq!(Target::parse(parsed.as_str()), Ok(parsed.clone()), "once more is the same");
    let whole = parsed.query().map_or_else(|| parsed.path().to_owned(), |query| format!("{}?{query}", parsed.path()));
    assert_eq!(whole, parsed.as_str());
    assert!(bytes.starts_with(b"/") && bytes.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') && bytes.len() <= 8192);
    if let Own::Page(page) = parsed.own() {
        assert_eq!(format!("/.doorward/{page}"), parsed.path());
    }
    let own = Authority::parse("a.example").expect("a host");
    let absolute = format!("https://a.example{}", parsed.as_str());
    match Target::parse_absolute(&absolute, &own) {
        Ok(again) => assert_eq!(again, parsed),
        Err(unreadable) => assert!(unreadable.too_long(), "{unreadable:?}"),
    }
}

pub fn host(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(host) = Host::parse(&text) {
        assert_eq!(Host::parse(host.as_str()), Ok(host.clone()), "canonical");
        assert!(host.as_str().len() <= 253 && !host.as_str().is_empty());
        assert!(host.as_str().bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\%".contains(&byte)), "{host}");
        assert_eq!(host.as_str(), host.as_str().to_ascii_lowercase());
    }
    if let Ok(authority) = Authority::parse(&text) {
        assert_eq!(Authority::parse(&authority.to_string()), Ok(authority));
    }
}

pub fn pattern(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for parsed in [Pattern::parse(&text), Pattern::regex(&text)].into_iter().flatten() {
        assert_eq!(parsed.to_string(), text, "shown as written");
        for target in ["/", "/admin/x", "/A%2fdmin.json;x//y", "//a/%EF%BC%8Fb/"] {
            let target = Target::parse(target).expect("readable");
            let _all = target.each_reading(&mut |reading| {
                let _ = parsed.covers(reading, Root::Everything) | parsed.covers(reading, Root::Alone);
                ControlFlow::Continue(())
            });
        }
    }
    // A pattern without stars covers the very path it spells.
    let plain = !text.contains(['*', '?']) && text.is_ascii() && !text.contains(['%', ' ', '[', ']']);
    if let (true, Ok(parsed), Ok(target)) = (plain, Pattern::parse(&text), Target::parse(&text)) {
        let mut covered = false;
        let _first = target.each_reading(&mut |reading| {
            covered = parsed.covers(reading, Root::Everything);
            ControlFlow::Break(())
        });
        assert!(covered, "{text}");
    }
}

pub fn readings(bytes: &[u8]) {
    let Ok(parsed) = Target::parse_bytes(bytes) else { return };
    let (mut count, mut weight) = (0_usize, 0_usize);
    let _all = parsed.each_reading(&mut |reading| {
        count += 1;
        weight += reading.segments().map(str::len).sum::<usize>();
        assert!(reading.segments().clone().all(|segment| !segment.contains('/')));
        ControlFlow::Continue(())
    });
    assert!((1..MOST_READINGS).contains(&count) && weight < 1 << 20, "{count} readings of {weight} bytes");
    // What is only a letter of a plain name may as well be escaped: all the old readings are still there.
    let path = parsed.path();
    if let Some(at) = path.bytes().rposition(|byte| byte.is_ascii_lowercase()).filter(|_| !path.contains('%') && path.len() < 200)
    {
        let escaped = format!("{}%{:02X}{}", &path[..at], path.as_bytes()[at], &path[at + 1..]);
        if let Ok(escaped) = Target::parse(&escaped) {
            let plain = Target::parse(path).expect("it was");
            let after = escaped.readings();
            assert!(plain.readings().iter().all(|reading| after.contains(reading)), "{path}");
        }
    }
}

pub fn gate(bytes: &[u8]) {
    let run = |step: usize| {
        let (mut examiner, mut passed, mut shown, mut heads) = (Examiner::default(), 0, 0, 0);
        loop {
            shown = bytes.len().min(shown.max(passed) + step);
            let outcome = loop {
                match examiner.examine(&bytes[passed..shown]) {
                    Finding::Head(length) => {
                        assert!(length > 0);
                        (passed, heads) = (passed + length, heads + 1);
                    }
                    Finding::Body(length) => {
                        assert!(length > 0);
                        passed += length;
                    }
                    other => break other,
                }
            };
            assert!(passed <= shown);
            if outcome != Finding::More || shown == bytes.len() {
                return (outcome, heads);
            }
        }
    };
    // The verdict does not depend on how the network cut the bytes.
    let whole = run(usize::MAX >> 1);
    assert_eq!(run(1), whole, "{}", bytes.escape_ascii());
    assert_eq!(run(7), whole, "{}", bytes.escape_ascii());
}

/// What the corpora hold, of every kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = corpus::targets().into_iter().map(String::into_bytes).collect();
    let streams = include_str!("../data/smuggling-h1.txt");
    let spelt_out = |text: &str| text.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t").replace("\\x00", "\0");
    seeds.extend(streams.split("\n\n").map(|case| {
        let lines = case.lines().filter_map(|line| line.strip_prefix("| "));
        spelt_out(&lines.collect::<String>()).into_bytes()
    }));
    let words = include_str!("../data/hostile-words.txt").lines().filter(|line| !line.starts_with("# "));
    seeds.extend(words.map(|line| line.as_bytes().to_vec()));
    seeds.extend(include_str!("../data/fuzz-inputs.txt").lines().map(unescaped));
    seeds
}

/// What `escape_ascii` made into text, as bytes again.
fn unescaped(line: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), line.as_bytes());
    while let [first, behind @ ..] = rest {
        let (byte, length) = match (first, behind) {
            (b'\\', [b'x', digits @ ..]) => {
                let digits = digits.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).expect("two digits");
                (u8::from_str_radix(digits, 16).expect("hexadecimal"), 4)
            }
            (b'\\', [b't', ..]) => (b'\t', 2),
            (b'\\', [b'r', ..]) => (b'\r', 2),
            (b'\\', [b'n', ..]) => (b'\n', 2),
            (b'\\', [itself, ..]) => (*itself, 2),
            _ => (*first, 1),
        };
        bytes.push(byte);
        rest = &rest[length..];
    }
    bytes
}

#[test]
fn what_is_kept_as_text_comes_back_as_bytes() {
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(unescaped(&all.escape_ascii().to_string()), all);
}
