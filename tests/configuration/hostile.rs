//! Ten thousand broken configurations: nothing panics, and every complaint points into the text.

use std::fs;

use doorward::config::complaint::Complaint;
use doorward::config::report::Report;
use doorward::config::source::Source;
use doorward::plan::compile;

const ROUNDS: u64 = 10_000;

/// SplitMix64: the same texts in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.roll() % bound.max(1) as u64).expect("below a usize")
    }
}

fn seeds() -> Vec<String> {
    let mut paths = vec![std::path::PathBuf::from("gateway.toml")];
    for folder in ["examples", "tests/golden"] {
        paths.extend(fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()));
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut seeds: Vec<String> =
        paths.iter().map(|path| String::from_utf8_lossy(&fs::read(path).expect("readable")).into_owned()).collect();
    let on: Vec<&str> = seeds[0].lines().map(|line| line.trim_start_matches("#:").trim_start_matches('#')).collect();
    let on = on.join("\n");
    seeds.push(on);
    seeds
}

/// Pieces that mean something to the parser or to us.
const PIECES: &[&str] = &[
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "\n",
    "\r\n",
    "\\",
    "\\u0000",
    "\u{feff}",
    "ä",
    "🚪",
    "\u{202e}",
    "\u{0}",
    "0",
    "-1",
    "1e400",
    "99999999999999999999",
    "0x7fffffffffffffffff",
    "1979-05-27",
    "true",
    "[app]",
    "[[app]]",
    "[[app.rule]]",
    "[app.rule]",
    "[listen]",
    "a.b.c = 1\n",
    "host = \"a\"\n",
    "path = \"/**\"\n",
    "\"/\"",
    "/0",
    "http://",
    "[::]",
    "path_regex = \"(((a{9}){9}){9}){9}\"\n",
    "redirect = [{from=\"/\",to=\"/\"}]\n",
    "stand_in_0",
    "[[[[[[[[[[[[[[[[",
];

fn mutated(dice: &mut Dice, seeds: &[String]) -> String {
    let mut text: Vec<char> = seeds[dice.below(seeds.len())].chars().collect();
    for _ in 0..=dice.below(4) {
        let (from, to) = (dice.below(text.len() + 1), dice.below(text.len() + 1));
        let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 40));
        let piece: Vec<char> = PIECES[dice.below(PIECES.len())].chars().collect();
        match dice.below(5) {
            0 => drop(text.drain(from..to)),
            1 => drop(text.splice(from..to, piece)),
            2 => drop(text.splice(from..from, piece)),
            3 => {
                let copy: Vec<char> = text[from..to].to_vec();
                let at = dice.below(text.len() + 1);
                text.splice(at..at, copy);
            }
            _ => text.truncate(to),
        }
    }
    text.into_iter().collect()
}

fn check(text: &str) -> Vec<Complaint> {
    match compile::compile_text(text) {
        Ok(compiled) => compiled.warnings,
        Err(complaints) => {
            assert!(complaints.iter().any(Complaint::is_error), "refused without an error:\n{text}");
            complaints
        }
    }
}

/// The attack: a configuration written by somebody else, or by accident, that stops the gateway instead of being refused.
#[test]
fn no_text_makes_us_stumble_and_every_complaint_points_into_it() {
    let (seeds, mut dice) = (seeds(), Dice(1));
    let mut complained = 0;
    for round in 0..ROUNDS {
        let text = mutated(&mut dice, &seeds);
        let complaints = check(&text);
        complained += usize::from(!complaints.is_empty());
        for complaint in &complaints {
            let place = complaint.place.clone().unwrap_or_else(|| panic!("round {round}: no place: {complaint:?}\n{text}"));
            let inside = place.start <= place.end && place.end <= text.len();
            assert!(inside && text.get(place.clone()).is_some(), "round {round}: {complaint:?}\n{text}");
            for (place, _) in &complaint.also {
                assert!(text.get(place.clone()).is_some(), "round {round}: {complaint:?}\n{text}");
            }
        }
        if round % 10 == 0 {
            let report = Report::new(Source::unnamed("mutated.toml", text), complaints);
            assert!(!report.human(false).contains('\u{1b}'));
            assert_eq!(report.json()["ok"], report.complaints.iter().all(|complaint| !complaint.is_error()));
        }
    }
    assert!(complained > 5_000, "the mutations are too tame: {complained}");
}

#[test]
fn depth_and_length_are_bounded() {
    for text in [
        "[".repeat(100_000),
        format!("a = {}1{}", "[".repeat(50_000), "]".repeat(50_000)),
        format!("a = {}", "{ b = ".repeat(20_000)),
        format!("{} = 1", vec!["a"; 50_000].join(".")),
        format!("[{}]", vec!["a"; 20_000].join(".")),
        "x = 1\n".repeat(20_000),
        (0..20_000).map(|n| format!("x{n} = 1\n")).collect(),
    ] {
        let complaints = check(&text);
        assert!(!complaints.is_empty());
        assert!(Report::new(Source::unnamed("x", text), complaints).human(false).contains("; nothing was applied\n"));
    }
}
