//! Recovery codes: what opens an account when the phone is gone.
//!
//! A code is 80 random bits, written as `03-XXXX-XXXX-XXXX-XXXX` in Crockford's alphabet. The number in front names the row it
//! stands in, so that a try is held against one hash and not against ten. It is no secret: what is hashed is what follows.

use crate::base::entropy::Entropy;
use crate::base::secret::Secret;

/// The most codes an account can have at a time.
pub const MOST: u8 = 20;
/// So few left are a reason to make new ones.
pub const FEW: usize = 3;

const LENGTH: usize = 16;
const BITS: usize = 5;
/// Crockford's alphabet: no I, L, O and U, so that a code survives being written down by hand.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Longer texts are no codes, however they are spaced.
const LONGEST_TEXT: usize = 100;

/// A recovery code, in the one spelling that is hashed.
#[derive(Clone, Debug)]
pub struct Code {
    row: u8,
    secret: Secret<String>,
}

/// Draws `count` codes, numbered from 1.
pub fn draw(count: u8, entropy: Entropy) -> Vec<Code> {
    (1..=count.min(MOST)).map(|row| Code { row, secret: symbols(entropy.bytes()) }).collect()
}

impl Code {
    /// Reads what somebody typed: dashes, spaces and case do not matter, `O` is 0, `I` and `L` are 1. `None` for what cannot be a
    /// code of anybody.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_TEXT {
            return None;
        }
        let typed: Secret<String> = Secret::new(text.chars().filter(|c| !is_space(*c)).map(canonical).collect::<Option<_>>()?);
        let typed = typed.expose();
        // Without the zero in front of its number, a code is one shorter.
        let digits = typed.len().checked_sub(LENGTH).filter(|digits| matches!(digits, 1 | 2))?;
        let (row, secret) = typed.split_at(digits);
        let row = row.parse().ok().filter(|row| (1..=MOST).contains(row))?;
        Some(Self { row, secret: Secret::new(secret.to_owned()) })
    }

    /// The row it stands in, from 1.
    pub fn row(&self) -> u8 {
        self.row
    }

    /// What is hashed.
    pub fn secret(&self) -> &Secret<String> {
        &self.secret
    }

    /// As it is shown.
    pub fn shown(&self) -> Secret<String> {
        let mut text = format!("{:02}", self.row);
        for (index, symbol) in self.secret.expose().chars().enumerate() {
            if index % 4 == 0 {
                text.push('-');
            }
            text.push(symbol);
        }
        Secret::new(text)
    }
}

/// Eighty bits as sixteen symbols.
fn symbols(bytes: [u8; 10]) -> Secret<String> {
    let bits = bytes.iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let symbol = |index: usize| {
        let five = bits >> (BITS * (LENGTH - 1 - index)) & 0b1_1111;
        char::from(ALPHABET[usize::try_from(five).expect("five bits")])
    };
    Secret::new((0..LENGTH).map(symbol).collect())
}

/// What people, and the programs they keep codes in, put between the groups.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '_' | '.')
}

fn canonical(c: char) -> Option<char> {
    let c = match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    u8::try_from(c).ok().filter(|byte| ALPHABET.contains(byte)).map(char::from)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn codes_are_numbered_and_drawn_apart() {
        let codes = draw(10, Entropy);
        assert_eq!(codes.iter().map(Code::row).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
        assert_eq!(codes.iter().map(|code| code.secret().expose().clone()).collect::<HashSet<_>>().len(), 10);
        let shape = regex::Regex::new("^[0-9]{2}(-[0-9A-HJKMNP-TV-Z]{4}){4}$").expect("a pattern");
        for code in &codes {
            assert!(shape.is_match(code.shown().expose()), "{}", code.shown().expose());
        }
        assert!(!format!("{codes:?}").contains(codes[0].secret().expose()), "never printed by accident");
        assert_eq!((draw(0, Entropy).len(), draw(255, Entropy).len()), (0, 20));
    }

    #[test]
    fn all_eighty_bits_are_in_it() {
        assert_eq!(symbols([0; 10]).expose(), "0000000000000000");
        assert_eq!(symbols([255; 10]).expose(), "ZZZZZZZZZZZZZZZZ");
        assert_eq!(symbols([0, 0, 0, 0, 0, 0, 0, 0, 0, 33]).expose(), "0000000000000011");
        assert_eq!(symbols([0b1000_0000, 0, 0, 0, 0, 0, 0, 0, 0, 0]).expose(), "G000000000000000");
    }

    #[test]
    fn it_is_read_as_people_type_it() {
        let read = |text: &str| Code::parse(text).map(|code| (code.row(), code.secret().expose().clone()));
        let meant = Some((3, "0123456789ABCDE1".to_owned()));
        for text in [
            "03-0123-4567-89AB-CDE1",
            "3-0123-4567-89ab-cdel",
            " 03 O123 4567 89AB CDEI ",
            "o30123456789abcdeL",
            "03–0123–4567–89AB–CDE1",
            "03_0123.4567\u{a0}89AB\tCDE1",
        ] {
            assert_eq!(read(text), meant, "{text}");
        }
        let long = "-".repeat(200) + "030123456789ABCDE1";
        for text in [
            "",
            "03",
            "0123-4567-89AB-CDE1",
            "00-0123-4567-89AB-CDE1",
            "21-0123-4567-89AB-CDE1",
            "AB-0123-4567-89AB-CDE1",
            "003-0123-4567-89AB-CDE1",
            "03-0123-4567-89AB-CDEU",
            "03-0123-4567-89AB-CDE",
            "03-0123-4567-89AB-CDÉ1",
            "03-0123-4567-89AB-CD\u{ff11}1",
            &long,
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(bytes: [u8; 10], row in 1..=MOST) {
            let code = Code { row, secret: symbols(bytes) };
            for text in [code.shown().expose().clone(), code.shown().expose().to_lowercase()] {
                let read = Code::parse(&text).expect("a code");
                prop_assert_eq!((read.row(), read.secret().expose()), (row, code.secret().expose()));
            }
        }

        /// The attack: texts that are no codes.
        #[test]
        fn nothing_typed_makes_it_panic(text in ".*") {
            let _ = Code::parse(&text);
        }
    }
}
