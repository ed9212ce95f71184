//! The parsers of the judgement against whatever comes: they never panic, do a bounded amount of work, and what they accept they
//! give back as it came.
//!
//! The same functions run in `cargo test` on what proptest makes, on the corpora with a few bytes changed, and, ignored, for as long
//! as `DOORWARD_TEST_FUZZ_SECONDS` says, each: `cargo test --test judgement -- --ignored minutes --nocapture`.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::trials::{TRIALS, readings, seeds, target};

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
#[ignore = "needs time: DOORWARD_TEST_FUZZ_SECONDS for each parser, 5 unless said"]
#[expect(clippy::disallowed_methods, reason = "how long is asked of the test run, not of the product")]
fn minutes() {
    let seconds = std::env::var("DOORWARD_TEST_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
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
