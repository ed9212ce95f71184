//! Whether a password is little more than what everybody tries: well-known passwords, names at hand, runs and repeats.
//!
//! The text is read from left to right in the longest known pieces. A well-known word counts as two characters, any other
//! known piece as one, the rest as they are; what counts fewer than six is guessable. So `P@ssw0rd2024!` falls, and four
//! ordinary words pass even if one of them stands in the list.

use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

/// What most of a guessable password consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// Well-known passwords.
    Word,
    /// One character or group over and over.
    Repeat,
    /// A run along the alphabet, the digits, the keyboard or the calendar.
    Sequence,
    /// Words that came with the context.
    Context,
}

const ENOUGH: usize = 6;
const SHORTEST_CONTEXT: usize = 3;
const SHORTEST_RUN: usize = 3;
const LONGEST_GROUP: usize = 5;
/// Rows of keys, read in both directions.
const ROWS: &[&str] =
    &["qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop", "qsdfghjklm", "wxcvbn", "1qaz2wsx3edc4rfv"];
/// What is written for a letter.
const DISGUISES: &[(char, char)] = &[
    ('@', 'a'),
    ('4', 'a'),
    ('8', 'b'),
    ('3', 'e'),
    ('6', 'g'),
    ('9', 'g'),
    ('1', 'i'),
    ('!', 'i'),
    ('1', 'l'),
    ('0', 'o'),
    ('$', 's'),
    ('5', 's'),
    ('7', 't'),
    ('2', 'z'),
];

static COMMON: LazyLock<Vec<Vec<char>>> =
    LazyLock::new(|| include_str!("common_passwords.txt").split_whitespace().map(|word| word.chars().collect()).collect());

/// What `password` mostly is, if that makes it guessable. At most some hundred characters are looked at.
pub fn guess(password: &str, context: &[&str]) -> Option<Guess> {
    let text = folded(password);
    if is_a_group_repeated(&text) {
        return Some(Guess::Repeat);
    }
    let names: Vec<Vec<char>> = context.iter().flat_map(|name| words_of(name)).collect();
    let (mut at, mut counted) = (0, 0);
    let mut covered: Vec<(Guess, usize)> = vec![];
    while at < text.len() {
        match longest_piece(&text[at..], &names) {
            Some((kind, length)) => {
                counted += if kind == Guess::Word { 2 } else { 1 };
                covered.push((kind, length));
                at += length;
            }
            None => {
                counted += 1;
                at += 1;
            }
        }
        if counted >= ENOUGH {
            return None;
        }
    }
    let share = |kind: Guess| covered.iter().filter(|piece| piece.0 == kind).map(|piece| piece.1).sum::<usize>();
    covered.iter().map(|piece| piece.0).max_by_key(|kind| share(*kind))
}

fn folded(text: &str) -> Vec<char> {
    text.nfkc().flat_map(char::to_lowercase).collect()
}

/// A name whole and in its words: `paperless.example.com` also stands for `paperless` and `example`.
fn words_of(name: &str) -> Vec<Vec<char>> {
    let name = folded(name);
    let words = name.split(|c| !c.is_alphanumeric()).map(<[char]>::to_vec);
    words.chain([name.clone()]).filter(|word| word.len() >= SHORTEST_CONTEXT).collect()
}

fn longest_piece(text: &[char], names: &[Vec<char>]) -> Option<(Guess, usize)> {
    let begins =
        |word: &&Vec<char>| text.len() >= word.len() && word.iter().zip(text).all(|(meant, typed)| stands_for(*typed, *meant));
    let longest = |words: &[Vec<char>]| words.iter().filter(begins).map(Vec::len).max().unwrap_or(0);
    let pieces = [
        (Guess::Word, longest(&COMMON)),
        (Guess::Sequence, run(text).max(keys(text)).max(year(text))),
        (Guess::Repeat, repeat(text)),
        (Guess::Context, longest(names)),
    ];
    pieces.into_iter().filter(|piece| piece.1 > 0).max_by_key(|piece| piece.1)
}

fn stands_for(typed: char, meant: char) -> bool {
    typed == meant || DISGUISES.contains(&(typed, meant))
}

/// Length of the run of one character at the beginning, if it is long enough to count.
fn repeat(text: &[char]) -> usize {
    at_least(text.iter().take_while(|c| **c == text[0]).count(), SHORTEST_RUN)
}

/// Length of the run up or down the alphabet or the digits (`0` follows `9`).
fn run(text: &[char]) -> usize {
    let along = |step: fn(char, char) -> bool| {
        let steps = text.windows(2).take_while(|pair| pair.iter().all(char::is_ascii_alphanumeric) && step(pair[0], pair[1]));
        steps.count() + 1
    };
    let follows = |a: char, b: char| a as u32 + 1 == b as u32 || (a == '9' && b == '0');
    at_least(along(follows).max(along(|a, b| b as u32 + 1 == a as u32 || (b == '9' && a == '0'))), SHORTEST_RUN)
}

/// Length of the run along a row of keys.
fn keys(text: &[char]) -> usize {
    let along = |row: Vec<char>| {
        let from = row.iter().position(|key| *key == text[0])?;
        Some(row[from..].iter().zip(text).take_while(|(key, typed)| key == typed).count())
    };
    let both = ROWS.iter().flat_map(|row| [row.chars().collect(), row.chars().rev().collect()]);
    at_least(both.filter_map(along).max().unwrap_or(0), SHORTEST_RUN)
}

/// Four digits that read as a year people live in.
fn year(text: &[char]) -> usize {
    match text {
        ['1', '9', c, d, ..] | ['2', '0', c, d, ..] if c.is_ascii_digit() && d.is_ascii_digit() => 4,
        _ => 0,
    }
}

fn is_a_group_repeated(text: &[char]) -> bool {
    (1..=LONGEST_GROUP).any(|group| text.len() >= group * 2 && text.iter().zip(&text[group..]).all(|(a, b)| a == b))
}

const fn at_least(length: usize, least: usize) -> usize {
    if length >= least { length } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: &[&str] = &["alice", "paperless.example.com", "Doorward"];

    #[test]
    fn the_first_that_everybody_tries_are_known() {
        for (text, what) in [
            ("password1234", Guess::Word),
            ("P@ssw0rd2024!", Guess::Word),
            ("PASSWORDpassword", Guess::Word),
            ("ｐａｓｓｗｏｒｄ１２", Guess::Word),
            ("Summer2025!!", Guess::Word),
            ("iloveyou1234", Guess::Word),
            ("qwertyuiop12", Guess::Sequence),
            ("1qaz2wsx3edc", Guess::Sequence),
            ("abcdefghijkl", Guess::Sequence),
            ("987654321098", Guess::Sequence),
            ("20242025abcd", Guess::Sequence),
            ("aaaaaaaaaaaaaa", Guess::Repeat),
            ("xk9xk9xk9xk9xk9", Guess::Repeat),
            ("            ", Guess::Repeat),
            ("aaaabbbbcccc", Guess::Repeat),
            ("alicealice12", Guess::Context),
            ("4l1c3-d00rw4rd", Guess::Context),
            ("paperless.example.com", Guess::Context),
            ("Doorward-2026", Guess::Context),
        ] {
            assert_eq!(guess(text, CONTEXT), Some(what), "{text}");
        }
    }

    #[test]
    fn passwords_of_worth_pass() {
        for text in [
            "correct horse battery staple",
            "monkey sees dragon at summer",
            "vK3#pq9Zt!mL",
            "alice likes tea at four",
            "kräuterbütte",
            "ты сюда не ходи",
            "秘密の合言葉は海",
            "x7-Tq",
            "",
        ] {
            assert_eq!(guess(text, CONTEXT), None, "{text}");
        }
    }

    #[test]
    fn the_list_is_in_order() {
        let words: Vec<&str> = include_str!("common_passwords.txt").split_whitespace().collect();
        assert!(words.len() >= 300, "{}", words.len());
        assert!(words.is_sorted_by(|a, b| a < b), "sorted, each once");
        assert!(words.iter().all(|word| word.len() >= 4 && folded(word).iter().collect::<String>() == **word));
    }

    #[test]
    fn no_text_breaks_it() {
        proptest::proptest!(|(text in "\\PC{0,300}", name in "\\PC{0,30}")| {
            guess(&text, &[&name]);
        });
    }
}
