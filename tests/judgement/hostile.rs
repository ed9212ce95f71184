//! The parsers of the judgement against whatever comes: they never panic, do a bounded amount of work, and what they accept they
//! give back as it came.
//!
//! The same functions run in `cargo test` on what proptest makes, on the corpora with a few bytes changed, and, ignored, for as long
//! as `DOORWARD_FUZZ_SECONDS` says, each: `cargo test --test judgement -- --ignored minutes --nocapture`.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use doorward::listen::examine::{Examiner, Finding};
use doorward::policy::host::{Authority, Host};
use doorward::policy::pattern::{Pattern, Root};
use doorward::policy::target::{Own, Target};
use proptest::prelude::*;

use crate::corpus;

/// Readings that any target may have; what is more is refused as too many.
const MOST_READINGS: usize = 300_000;

/// A parser under fire: bytes, and bytes that belong to it.
type Trial = fn(&[u8]);

const TRIALS: &[(&str, Trial)] =
    &[("target", target), ("host", host), ("pattern", pattern), ("readings", readings), ("gate", gate)];

fn target(bytes: &[u8]) {
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

fn host(bytes: &[u8]) {
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

fn pattern(bytes: &[u8]) {
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

fn readings(bytes: &[u8]) {
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

fn gate(bytes: &[u8]) {
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

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = corpus::targets().into_iter().map(String::into_bytes).collect();
    let streams = include_str!("../data/smuggling-h1.txt");
    let unescaped = |text: &str| text.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t").replace("\\x00", "\0");
    seeds.extend(streams.split("\n\n").map(|case| {
        let lines = case.lines().filter_map(|line| line.strip_prefix("| "));
        unescaped(&lines.collect::<String>()).into_bytes()
    }));
    let words = include_str!("../data/hostile-words.txt").lines().filter(|line| !line.starts_with("# "));
    seeds.extend(words.map(|line| line.as_bytes().to_vec()));
    seeds
}

/// Bytes at which parsers turn.
const SPARKS: &[u8] = b"/%.;?#\\ \r\n\t:*-+~(){}[]\0\x7f\x80\xff,=\"";

/// SplitMix64: the same bytes in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound.max(1) as u64).expect("below a usize")
    }

    /// A seed with some of it cut, doubled, replaced, or crossed with another.
    fn mutant(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, u8::try_from(self.below(256)).expect("a byte")),
                2 if at < bytes.len() => bytes[at] = SPARKS[self.below(SPARKS.len())],
                3 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[from..]);
                }
                4 => {
                    let piece = bytes[at..].iter().take(16).copied().collect::<Vec<_>>().repeat(1 + self.below(40));
                    bytes.splice(at..at, piece);
                }
                _ if at < bytes.len() => drop(bytes.remove(at)),
                _ => {}
            }
        }
        bytes
    }
}

#[test]
fn what_is_kept_and_what_is_almost_that_is_taken_without_harm() {
    let (seeds, mut dice) = (seeds(), Dice(4));
    for (_, trial) in TRIALS {
        seeds.iter().for_each(|seed| trial(seed));
        (0..1_500).for_each(|_| trial(&dice.mutant(&seeds)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn noise_is_taken_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[/%.;?#a-c0-9A-F*:\\\\ -]{0,80}") {
        for (_, trial) in TRIALS {
            trial(&bytes);
            trial(text.as_bytes());
            trial(format!("/{text}").as_bytes());
        }
    }

    #[test]
    fn targets_of_the_grammar_are_taken_without_harm(text in crate::grammar::target()) {
        target(text.as_bytes());
        readings(text.as_bytes());
    }
}

#[test]
#[ignore = "needs time: DOORWARD_FUZZ_SECONDS for each parser, 5 unless said"]
#[expect(clippy::disallowed_methods, reason = "how long is asked of the test run, not of the product")]
fn minutes() {
    let seconds = std::env::var("DOORWARD_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let seeds = seeds();
    for (name, trial) in TRIALS {
        let seed = std::process::id().into();
        let (mut dice, mut count, start) = (Dice(seed), 0_u64, Instant::now());
        while start.elapsed() < Duration::from_secs(seconds) {
            let bytes = dice.mutant(&seeds);
            if std::panic::catch_unwind(|| trial(&bytes)).is_err() {
                panic!("{name}: {}", bytes.escape_ascii());
            }
            count += 1;
        }
        println!("{name}: {count} inputs in {seconds} s without a finding");
    }
}
