//! Folding: what a name becomes where letter case, width, accents and invisible characters do not count.
//!
//! Folded text is for comparison only and never leaves the gateway. Both sides of a comparison are folded alike.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The text as the most forgiving upstream would compare it: `/` for everything that looks like one, `.` likewise, letters
/// without case, width and marks, nothing invisible. Blanks and trailing dots of a segment are [`trim`]'s work.
pub fn fold(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        return Cow::Owned(fold_beyond_ascii(text));
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'\\') {
        return Cow::Owned(text.to_ascii_lowercase().replace('\\', "/"));
    }
    Cow::Borrowed(text)
}

/// The text folded name by name, where only a true `/` separates: to some upstreams a `\` or a fullwidth slash is part of a name.
/// `None` if that makes no difference. `folded` is the same text folded as a whole.
pub fn fold_names(text: &str, folded: &str) -> Option<String> {
    let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
    if slashes(folded) == slashes(text) {
        return None;
    }
    let names: Vec<String> = text.split('/').map(|name| fold(name).replace('/', "\\")).collect();
    Some(names.join("/"))
}

fn fold_beyond_ascii(text: &str) -> String {
    text.chars()
        .filter(|c| !is_ignorable(*c))
        .nfkc()
        // Lower, upper, lower is Unicode's full case folding in effect, and turns the dotless i into i on the way.
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkd()
        .filter(|c| !is_combining_mark(*c) && !is_ignorable(*c))
        .map(look_alike)
        .collect()
}

/// Without the blanks around a segment and the dots and blanks at its end, which Windows and others drop from names.
pub fn trim(segment: &str) -> &str {
    let kept = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    if kept(segment.as_bytes().first()) && kept(segment.as_bytes().last()) {
        return segment;
    }
    segment.trim_start_matches(is_blank).trim_end_matches(|c| is_blank(c) || c == '.')
}

/// White space in any script, and the `+` that forms write for it.
pub fn is_blank(c: char) -> bool {
    c == '+' || c.is_whitespace()
}

/// The slash or dot that a character is taken for. Compatibility forms are gone by now; these have none.
fn look_alike(c: char) -> char {
    match c {
        '\\' | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29f5}' | '\u{29f8}' | '\u{ff0f}' | '\u{ff3c}' | '\u{fe68}' => '/',
        '\u{2024}' | '\u{3002}' | '\u{fe52}' | '\u{ff0e}' | '\u{ff61}' => '.',
        other => other,
    }
}

/// Unicode's `Default_Ignorable_Code_Point`: soft hyphen, zero width, direction marks, variation selectors, byte order mark.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_fold_together() {
        for text in [
            "admin",
            "ADMIN",
            "ａｄｍｉｎ",
            "ⓐdmin",
            "adm\u{130}n",
            "adm\u{131}n",
            "àdmín",
            "ad\u{200b}min",
            "ad\u{ad}min\u{feff}",
        ] {
            assert_eq!(fold(text), "admin", "{text:?}");
        }
        assert_eq!(fold("Straße"), fold("STRASSE"));
        assert_eq!(fold("ΣΑΣ"), fold("σας"));
    }

    #[test]
    fn everything_that_looks_like_a_slash_or_a_dot_is_one() {
        for text in ["a\\b", "a\u{2044}b", "a\u{2215}b", "a\u{ff0f}b", "a\u{ff3c}b", "a\u{29f8}b", "a\u{2216}b", "a\u{fe68}b"] {
            assert_eq!(fold(text), "a/b", "{text:?}");
        }
        for text in ["\u{2025}", "\u{2024}\u{2024}", "\u{ff0e}\u{3002}", "\u{ff61}.", "\u{fe52}\u{200b}."] {
            assert_eq!(fold(text), "..", "{text:?}");
        }
    }

    #[test]
    fn blanks_and_trailing_dots_of_a_segment_do_not_count() {
        for segment in ["admin", " admin ", "admin. .", "+admin+", "admin\u{85}", "\u{3000}admin..."] {
            assert_eq!(trim(segment), "admin", "{segment:?}");
        }
        assert_eq!(trim(".git"), ".git");
    }

    #[test]
    fn a_slash_in_disguise_may_be_part_of_a_name() {
        assert_eq!(fold_names("/A\\B/C／D", &fold("/A\\B/C／D")).as_deref(), Some("/a\\b/c\\d"));
        assert_eq!(fold_names("/A/É", &fold("/A/É")), None);
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for text in ["Straße", "ａ／ｂ", "İıſK", "é\u{301}", "/Plain/Path", "ŉ", "ﬃ", "\u{1e9e}"] {
            assert_eq!(fold(&fold(text)), fold(text), "{text:?}");
        }
    }
}
