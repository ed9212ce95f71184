//! The texts a path may stand for: as written, and after each round of percent-decoding that an upstream might do.

use std::borrow::Cow;

use crate::policy::charset::{Charset, Decoder, Unit};
use crate::policy::fold::{fold, fold_names, is_blank};
use crate::policy::refusal::Unreadable;

/// Parts between slashes that a path may have, under whatever decoding; bounds the work of judging.
pub const MAX_SEGMENTS: usize = 256;
/// Bytes that all texts of a path may have together once folded; bounds the work of folding them. Three times the longest target is
/// room for any honest path; U+FDFA alone makes thirty-three bytes out of nine.
pub const MAX_FOLDED: usize = 32 * 1024;
/// Rounds of percent-decoding after which nothing may change any more.
const MAX_ROUNDS: usize = 4;

/// Whether a path has just one text, one fold but for letter case, and nothing to refuse: visible ASCII, no escape, no `;`, no
/// `\`, no empty segment except at the end, no segment that ends with a dot or has a `+` at either end.
///
/// Most requests are plain, and they are judged without allocating.
pub fn is_plain(path: &str) -> bool {
    let mut before = b' ';
    let mut segments = 0;
    for byte in path.bytes() {
        match (before, byte) {
            (_, b'%' | b';' | b'\\' | 0..=b' ' | 0x7f..) | (b'/', b'/' | b'+') | (b'.' | b'+', b'/') => return false,
            (_, b'/') => segments += 1,
            _ => {}
        }
        before = byte;
    }
    !matches!(before, b' ' | b'.' | b'+') && segments <= MAX_SEGMENTS
}

/// A text that a path may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// As it is.
    pub exact: String,
    folded: Option<String>,
    /// Folded name by name, where that differs.
    pub by_name: Option<String>,
}

impl Text {
    /// Folded as a whole.
    pub fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.exact)
    }

    /// Folded once and for all: it is the costliest part of judging a path. What its fold is long is taken from `left`.
    fn new(exact: String, left: &mut usize) -> Result<Self, Unreadable> {
        let folded = match fold(&exact) {
            Cow::Borrowed(_) => None,
            Cow::Owned(folded) => Some(folded),
        };
        let whole = folded.as_deref().unwrap_or(&exact);
        *left = left.checked_sub(whole.len()).ok_or(Unreadable::TooManyReadings)?;
        check_segments(whole)?;
        let by_name = fold_names(&exact, whole);
        Ok(Self { exact, folded, by_name })
    }
}

/// Every text a path may stand for, the one as written first; no two are equal, and at most twenty for each way to decode it.
///
/// # Errors
/// [`Unreadable`] if any of them holds something no honest client sends, or they are too much to judge.
pub fn texts(path: &str, charset: Charset) -> Result<Vec<Text>, Unreadable> {
    let mut texts = Vec::new();
    let strictly = add_texts(path, Decoder::Strict, &mut texts);
    match (charset, strictly) {
        (Charset::Utf8, strictly) => strictly?,
        // To one who takes each byte for a letter, UTF-8 is such bytes as well.
        (Charset::Bytes, Ok(())) if texts.iter().all(|text| text.is_ascii()) => {}
        (Charset::Bytes, Ok(()) | Err(Unreadable::NotUtf8)) => {
            texts.clear();
            for decoder in Decoder::OF_BYTES {
                add_texts(path, decoder, &mut texts)?;
                if texts.iter().map(String::len).sum::<usize>() > MAX_FOLDED {
                    return Err(Unreadable::TooManyReadings);
                }
            }
        }
        (Charset::Bytes, Err(unreadable)) => return Err(unreadable),
    }
    let mut left = MAX_FOLDED;
    texts.into_iter().map(|text| Text::new(text, &mut left)).collect()
}

/// Adds the texts of a path for those who decode it in this way.
fn add_texts(path: &str, decoder: Decoder, texts: &mut Vec<String>) -> Result<(), Unreadable> {
    let layers = layers(path, decoder)?;
    let first = decoded_where(path, has_no_other_spelling, decoder);
    // Many routers decode names but leave `%2F` alone, so that it is part of a name.
    let whole_names =
        layers.iter().filter(|layer| layer.contains('%')).map(|layer| decoded_where(layer, |byte| !is_separator(byte), decoder));
    // Tomcat and Jetty drop parameters before they decode `%2f`, so "drop, then decode" is a text of its own.
    let stripped =
        layers.iter().filter(|layer| layer.contains(';')).map(|layer| decoded_fully(&without_parameters(layer), decoder));
    // Folding makes a separator of everything that looks like one; to URL parsers `\` alone is.
    let bent = layers.iter().filter(|layer| layer.contains('\\') && !layer.is_ascii()).map(|layer| Ok(layer.replace('\\', "/")));
    let decoded = layers.iter().skip(1).map(|layer| Ok(layer.clone()));
    let all = std::iter::once(first).chain(decoded).chain(whole_names).chain(stripped).chain(bent);
    for text in all.chain(widened(&layers, decoder)) {
        let text = text?;
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    Ok(())
}

/// The path, then the path decoded once, twice … until nothing changes.
fn layers(path: &str, decoder: Decoder) -> Result<Vec<String>, Unreadable> {
    check_escapes(path)?;
    let mut layers = vec![path.to_owned()];
    loop {
        let last = layers.last().expect("there is always the path itself");
        let next = decoded(last, decoder)?;
        if next == *last {
            return Ok(layers);
        }
        if layers.len() > MAX_ROUNDS {
            return Err(Unreadable::TooManyLayers);
        }
        layers.push(next);
    }
}

/// Whether a byte can only be sent as an escape: `/caf%C3%A9` is simply how `/café` is written, not a disguise.
fn has_no_other_spelling(byte: u8) -> bool {
    matches!(byte, b' ' | 0x80..)
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// One round of decoding of those bytes only that `chosen` picks.
fn decoded_where(path: &str, chosen: impl Fn(u8) -> bool, decoder: Decoder) -> Result<String, Unreadable> {
    let mut units = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = if *first == b'%' { behind.get(..2).and_then(hex_byte) } else { None };
        let (byte, length) = escaped.filter(|byte| chosen(*byte)).map_or((*first, 1), |byte| (byte, 3));
        let (written, behind) = rest.split_at(length);
        units.push(Unit { byte, written });
        rest = behind;
    }
    decoder.text(&units)
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(digits[0])? * 16 + digit(digits[1])?)
}

/// Every `%` of the path as sent must begin an escape.
fn check_escapes(path: &str) -> Result<(), Unreadable> {
    let broken = |(at, _): (usize, &str)| path.as_bytes().get(at + 1..at + 3).and_then(hex_byte).is_none();
    if path.match_indices('%').any(broken) { Err(Unreadable::BadEscape) } else { Ok(()) }
}

/// One round of decoding. Escapes that are broken by now stay as they are: `100%25` is an honest name.
fn decoded(text: &str, decoder: Decoder) -> Result<String, Unreadable> {
    let text = match text.contains('%') {
        true => decoded_where(text, |_| true, decoder)?,
        false => text.to_owned(),
    };
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(Unreadable::EncodedControl);
    }
    if has_wide_escape(&text) { Err(Unreadable::BadEscape) } else { Ok(text) }
}

/// `%u002f`, which IIS and old Jetty understand.
fn has_wide_escape(text: &str) -> bool {
    let wide = |digits: &[u8]| digits.iter().all(u8::is_ascii_hexdigit);
    text.match_indices("%u").chain(text.match_indices("%U")).any(|(at, _)| text.as_bytes().get(at + 2..at + 6).is_some_and(wide))
}

fn decoded_fully(text: &str, decoder: Decoder) -> Result<String, Unreadable> {
    let mut text = text.to_owned();
    for _ in 0..=MAX_ROUNDS {
        let next = decoded(&text, decoder)?;
        if next == text {
            return Ok(text);
        }
        text = next;
    }
    Err(Unreadable::TooManyLayers)
}

/// Fullwidth `％２ｆ` is an escape for whoever folds and then decodes.
fn widened(layers: &[String], decoder: Decoder) -> Option<Result<String, Unreadable>> {
    let folded = fold(layers.last()?);
    let decoded = decoded_fully(&folded, decoder);
    if decoded.as_deref() == Ok(&*folded) { None } else { Some(decoded) }
}

fn without_parameters(text: &str) -> String {
    let kept: Vec<&str> = text.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
    kept.join("/")
}

/// Refuses dot segments as any upstream might see them, whole and cut at a decoded `?` or `#`, and paths of too many parts.
fn check_segments(folded: &str) -> Result<(), Unreadable> {
    if folded.bytes().filter(|byte| *byte == b'/').count() > MAX_SEGMENTS {
        return Err(Unreadable::TooDeep);
    }
    let cut = folded.split(['?', '#']).next().unwrap_or_default();
    if has_dot_segment(folded) || has_dot_segment(cut) { Err(Unreadable::DotSegment) } else { Ok(()) }
}

fn has_dot_segment(folded: &str) -> bool {
    let mut segments = folded.split('/').peekable();
    while let Some(segment) = segments.next() {
        let name = segment.split(';').next().unwrap_or_default();
        let mut backwards = name.chars().rev().filter(|c| !is_blank(*c));
        let ending = [backwards.next(), backwards.next(), backwards.next()];
        let refused = match ending {
            [Some('.'), None, _] | [Some('.'), Some('.'), None] => true,
            // nginx's `alias` without a slash makes `/static../x` leave its folder.
            [Some('.'), Some('.'), Some(_)] => segments.peek().is_some(),
            _ => false,
        };
        if refused {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str) -> Result<Vec<Text>, Unreadable> {
        super::texts(path, Charset::Utf8)
    }

    fn exact(path: &str) -> Result<Vec<String>, Unreadable> {
        Ok(texts(path)?.into_iter().map(|text| text.exact).collect())
    }

    #[test]
    fn escapes_without_another_spelling_make_no_second_text() {
        for (path, text) in [("/caf%C3%A9", "/café"), ("/a%20b", "/a b"), ("/plain", "/plain")] {
            assert_eq!(exact(path), Ok(vec![text.to_owned()]), "{path}");
        }
    }

    #[test]
    fn every_round_of_decoding_is_a_text_up_to_four() {
        assert_eq!(texts("/a%25252541").map(|texts| texts.len()), Ok(5));
        assert_eq!(texts("/a%2525252541"), Err(Unreadable::TooManyLayers));
        assert_eq!(exact("/100%25.txt"), Ok(vec!["/100%25.txt".to_owned(), "/100%.txt".to_owned()]));
    }

    /// The attack: a router that decodes names but not slashes, so that our `*` and its parameter are not the same.
    #[test]
    fn an_encoded_slash_may_be_part_of_a_name() {
        let texts = exact("/a/x%2Fy/%61dmin").expect("readable");
        assert_eq!(texts, ["/a/x%2Fy/%61dmin", "/a/x/y/admin", "/a/x%2Fy/admin"]);
    }

    /// The attack: Tomcat drops `;…` and then decodes; read the other way round, the slash belongs to the parameter.
    #[test]
    fn parameters_are_also_dropped_before_decoding() {
        let texts = exact("/;a=b%2fx/%2fadmin").expect("readable");
        assert!(texts.iter().any(|text| text == "///admin"), "{texts:?}");
    }

    /// The attack: a parent folder in a spelling that only the upstream recognises.
    #[test]
    fn dot_segments_are_refused_in_every_disguise() {
        for path in [
            "/.",
            "/..",
            "/./a",
            "/a/../b",
            "/%2e%2e/a",
            "/a%2f..%2fb",
            "/..;/a",
            "/..;x",
            "/.%20/a",
            "/%c2%a0../a",
            "/a/.%e2%80%8b./b",
            "/..%5ca",
            "/%252e%252e/a",
            "/%e2%80%a5/a",
            "/%ef%bc%8e%ef%bc%8e/a",
            "/a../b",
            "/a..;x/b",
            "/...%2fb",
            "/..%3fx",
            "/..%23",
            "/a%3b/../b",
            "/;%2f../a",
            "/.%20./a",
            "/..+/a",
            "/+./a",
            "/a/%E3%80%82%E3%80%82",
            "/%EF%BC%852e%EF%BC%852e/a",
            "/.%CC%81/a",
        ] {
            assert_eq!(texts(path), Err(Unreadable::DotSegment), "{path}");
            assert!(!is_plain(path), "{path}");
        }
        for path in ["/a..b/c", "/...a", "/a/..b", "/a/b..", "/a/...", "/.a", "/a./b"] {
            assert!(texts(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_reason() {
        for (path, why) in [
            ("/%", Unreadable::BadEscape),
            ("/%4", Unreadable::BadEscape),
            ("/%zz", Unreadable::BadEscape),
            ("/%u002f", Unreadable::BadEscape),
            ("/%25u002f", Unreadable::BadEscape),
            ("/a%00", Unreadable::EncodedControl),
            ("/a%250a", Unreadable::EncodedControl),
            ("/a%7f", Unreadable::EncodedControl),
            ("/a%E9", Unreadable::NotUtf8),
            ("/a%25E9", Unreadable::NotUtf8),
            ("/a%c0%af", Unreadable::NotUtf8),
            ("/a%ed%a0%80", Unreadable::NotUtf8),
        ] {
            assert_eq!(texts(path), Err(why), "{path}");
        }
        assert_eq!(texts(&"/%61".repeat(257)), Err(Unreadable::TooDeep));
        assert_eq!(texts(&"%2f".repeat(257)), Err(Unreadable::TooDeep));
        // One character of nine bytes as sent folds to thirty-three; every text of the path is folded.
        assert_eq!(texts(&format!("/%2541{}", "%EF%B7%BA".repeat(900))), Err(Unreadable::TooManyReadings));
        assert!(texts(&format!("/{}", "%EF%B7%BA".repeat(300))).is_ok());
        assert!(texts(&"/%61".repeat(256)).is_ok());
        assert!(is_plain(&"/a".repeat(256)) && !is_plain(&"/a".repeat(257)));
    }
}
