//! What escaped bytes stand for that are no UTF-8.
//!
//! Apps from before UTF-8 use one byte for each letter, and nobody tells us which letter. So such bytes are read in every way in which
//! servers make text of them: as letters of Western charsets, left as they are, dropped, replaced, and by decoders that do not look
//! closely. Overlong UTF-8 and surrogates are no letters of anybody and stay refused.

use crate::policy::refusal::Unreadable;

/// What the paths of an app are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// UTF-8; anything else is refused.
    #[default]
    Utf8,
    /// Any bytes.
    Bytes,
}

/// A way in which servers make text of escaped bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// UTF-8 and nothing else.
    Strict,
    /// What is not UTF-8 stays an escape.
    Kept,
    /// ISO 8859-1.
    Latin1,
    /// Windows-1252.
    Windows,
    /// What is not UTF-8 is dropped.
    Dropped,
    /// What is not ASCII is dropped.
    Bare,
    /// What is not UTF-8 becomes `?`.
    Replaced,
    /// What is not ASCII becomes `?`.
    Questioned,
    /// The highest bit is dropped.
    Masked,
    /// UTF-8 by its first bytes, whatever the others are.
    Careless,
}

/// A byte of a path after one round of decoding, and what was written for it: itself or an escape.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    /// The byte.
    pub byte: u8,
    /// As it stood in the path.
    pub written: &'a [u8],
}

/// 0x80 to 0x9F in Windows-1252; what has no letter there is what it is in ISO 8859-1.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’', '“', '”',
    '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

impl Decoder {
    /// Every way to read paths of an app that is not held to UTF-8; the most literal first.
    pub const OF_BYTES: [Self; 9] = [
        Self::Kept,
        Self::Latin1,
        Self::Windows,
        Self::Dropped,
        Self::Bare,
        Self::Replaced,
        Self::Questioned,
        Self::Masked,
        Self::Careless,
    ];

    /// The text of these bytes.
    ///
    /// # Errors
    /// [`Unreadable::NotUtf8`] for what is none to this decoder, and for what is overlong to any.
    pub fn text(self, units: &[Unit<'_>]) -> Result<String, Unreadable> {
        let mut text = Vec::with_capacity(units.len());
        if self != Self::Strict && (0..units.len()).any(|at| is_overlong(&units[at..])) {
            return Err(Unreadable::NotUtf8);
        }
        let mut rest = units;
        while let Some(first) = rest.first() {
            let escaped = rest.iter().take_while(|unit| unit.is_escaped()).count();
            let taken = if escaped == 0 {
                text.push(first.byte);
                1
            } else if self == Self::Careless {
                careless(rest, &mut text)
            } else {
                self.run(&rest[..escaped], &mut text);
                escaped
            };
            rest = &rest[taken..];
        }
        String::from_utf8(text).map_err(|_| Unreadable::NotUtf8)
    }

    /// Some escapes behind each other.
    fn run(self, units: &[Unit<'_>], text: &mut Vec<u8>) {
        let bytes: Vec<u8> = units.iter().map(|unit| unit.byte).collect();
        let mut at = 0;
        for chunk in bytes.utf8_chunks() {
            let (valid, invalid) = (chunk.valid().len(), chunk.invalid().len());
            let (head, tail) = units[at..at + valid + invalid].split_at(valid);
            if matches!(self, Self::Strict | Self::Kept | Self::Dropped | Self::Replaced) {
                text.extend(head.iter().map(|unit| unit.byte));
                tail.iter().for_each(|unit| self.stray(*unit, text));
            } else {
                head.iter().chain(tail).filter_map(|unit| self.letter(unit.byte)).for_each(|letter| push(letter, text));
            }
            at += valid + invalid;
        }
    }

    /// A byte that is no UTF-8, for those who read UTF-8.
    fn stray(self, unit: Unit<'_>, text: &mut Vec<u8>) {
        match self {
            Self::Kept => text.extend(unit.written),
            Self::Dropped | Self::Bare => {}
            Self::Replaced | Self::Questioned => text.push(b'?'),
            // Which makes no text of it.
            Self::Strict | Self::Latin1 | Self::Windows | Self::Masked | Self::Careless => text.push(unit.byte),
        }
    }

    /// The letter of one byte, for those to whom each byte is one.
    fn letter(self, byte: u8) -> Option<char> {
        if byte.is_ascii() {
            return Some(char::from(byte));
        }
        match self {
            Self::Windows => Some(WINDOWS.get(usize::from(byte - 0x80)).copied().unwrap_or(char::from(byte))),
            Self::Dropped | Self::Bare => None,
            Self::Replaced | Self::Questioned => Some('?'),
            Self::Masked => Some(visible(char::from(byte & 0x7f))),
            Self::Strict | Self::Kept | Self::Latin1 | Self::Careless => Some(char::from(byte)),
        }
    }
}

impl Unit<'_> {
    fn is_escaped(&self) -> bool {
        self.written.len() > 1
    }
}

/// A control character that a sloppy decoder makes of two honest letters ends the name for some, so it has to look like an end.
fn visible(letter: char) -> char {
    if letter.is_ascii_control() { char::REPLACEMENT_CHARACTER } else { letter }
}

fn push(letter: char, text: &mut Vec<u8>) {
    text.extend(letter.encode_utf8(&mut [0; 4]).as_bytes());
}

/// How many bytes follow one that begins a sequence, in the oldest definition of UTF-8, which had up to six.
fn followers(byte: u8) -> usize {
    match byte {
        0xc0..=0xdf => 1,
        0xe0..=0xef => 2,
        0xf0..=0xf7 => 3,
        0xf8..=0xfb => 4,
        0xfc..=0xfd => 5,
        _ => 0,
    }
}

/// What a sequence comes to if its later bytes are not looked at closely: old IIS took `%c1%1c` for a `\`.
fn sequence(units: &[Unit<'_>]) -> u32 {
    let first = u32::from(units[0].byte) & (0x3f_u32 >> followers(units[0].byte));
    units[1..].iter().fold(first, |code, unit| (code << 6) | u32::from(unit.byte & 0x3f))
}

/// Writes the letter that the units begin with, and says how many it took.
fn careless(units: &[Unit<'_>], text: &mut Vec<u8>) -> usize {
    let length = 1 + followers(units[0].byte);
    if units[0].byte.is_ascii() {
        text.push(units[0].byte);
        return 1;
    }
    // A letter that is decoded already belongs to no sequence.
    let whole = units.get(..length).filter(|units| units.iter().all(|unit| unit.is_escaped() || unit.byte.is_ascii()));
    match whole.filter(|_| length > 1) {
        Some(units) => {
            push(char::from_u32(sequence(units)).map_or(char::REPLACEMENT_CHARACTER, visible), text);
            length
        }
        None => {
            push(char::REPLACEMENT_CHARACTER, text);
            1
        }
    }
}

/// Whether the units begin with a longer form of a letter than there has to be, or with half of a UTF-16 pair.
fn is_overlong(units: &[Unit<'_>]) -> bool {
    let length = 1 + units.first().map_or(0, |unit| followers(unit.byte));
    let Some(units) = units.get(..length).filter(|_| length > 1) else { return false };
    let whole = units[0].is_escaped() && units[1..].iter().all(|unit| unit.is_escaped() && unit.byte & 0xc0 == 0x80);
    let least = [0x80, 0x800, 0x1_0000, 0x20_0000, 0x400_0000];
    let code = sequence(units);
    whole && (code < least[length - 2] || (0xd800..0xe000).contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<Unit<'_>> {
        let (mut units, mut rest) = (Vec::new(), text.as_bytes());
        while let Some(first) = rest.first() {
            let length = if *first == b'%' { 3 } else { 1 };
            let (written, behind) = rest.split_at(length);
            let byte = if length == 1 {
                *first
            } else {
                u8::from_str_radix(&text[text.len() - rest.len() + 1..][..2], 16).expect("hex")
            };
            units.push(Unit { byte, written });
            rest = behind;
        }
        units
    }

    #[test]
    fn each_decoder_reads_a_byte_in_its_own_way() {
        for (text, readings) in [
            ("caf%e9!", ["caf%e9!", "café!", "café!", "caf!", "caf!", "caf?!", "caf?!", "cafi!", "caf\u{fffd}!"]),
            ("%93a%94", ["%93a%94", "\u{93}a\u{94}", "“a”", "a", "a", "?a?", "?a?", "\u{fffd}a\u{fffd}", "\u{fffd}a\u{fffd}"]),
            ("%C3%A9", ["é", "Ã©", "Ã©", "é", "", "é", "??", "C)", "é"]),
            ("é%2f%ef", ["é/%ef", "é/ï", "é/ï", "é/", "é/", "é/?", "é/?", "é/o", "é/\u{fffd}"]),
        ] {
            let read: Vec<String> = Decoder::OF_BYTES.iter().map(|decoder| decoder.text(&units(text)).expect(text)).collect();
            assert_eq!(read, readings, "{text}");
        }
        assert_eq!(Decoder::Strict.text(&units("%C3%A9/")).as_deref(), Ok("é/"));
        assert_eq!(Decoder::Strict.text(&units("%e9")), Err(Unreadable::NotUtf8));
    }

    /// The attack: decoders that take `%c0%2f` or `%c1%1c` for a separator.
    #[test]
    fn careless_decoders_are_read_along() {
        for (text, read) in [
            ("a%c0/b", "a/b"),
            ("a%c0%ef", "a/"),
            ("%c1%2e", "n"),
            ("%e0%40%2f", "/"),
            ("%c0@x", "\u{fffd}x"),
            ("x%c0", "x\u{fffd}"),
        ] {
            assert_eq!(Decoder::Careless.text(&units(text)).as_deref(), Ok(read), "{text}");
        }
    }

    /// The attack: a slash or a dot in more bytes than it has.
    #[test]
    fn overlong_forms_and_surrogates_are_refused_by_all() {
        for text in
            ["%c0%af", "%c1%81", "%e0%80%af", "%e0%9f%bf", "%f0%80%80%af", "%f8%80%80%80%af", "%fc%80%80%80%80%ae", "%ed%a0%80"]
        {
            for decoder in Decoder::OF_BYTES {
                assert_eq!(decoder.text(&units(&format!("a{text}b"))), Err(Unreadable::NotUtf8), "{text} {decoder:?}");
            }
        }
        for text in ["%c0%ed%ed%e0", "%e0%e4", "%c3%a9", "%ef%bf%bd", "%f0%9f%98%80", "%c0"] {
            assert!(Decoder::OF_BYTES.iter().all(|decoder| decoder.text(&units(text)).is_ok()), "{text}");
        }
    }
}
