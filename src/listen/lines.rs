//! Lines of a head or trailer section, found in a buffer that grows; and the shape of one header line.
//!
//! The verdict must not depend on how the network cut the bytes: every bound below is decided by the place of the line
//! feed alone, so an unfinished line is refused exactly when each possible end of it would be.

use memchr::memchr;

use crate::listen::violation::Violation;

/// Bytes in a whole head, the empty line at its end included.
pub const SECTION_MAX: usize = 32 * 1024;
/// Header lines in a head, and in a trailer section. hyper's own default; it would refuse more.
pub const FIELDS_MAX: usize = 100;

/// A place in a section of lines. Offsets count from the section's first byte.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    start: usize,
    scanned: usize,
}

/// How long a line and its section may be, and what it is called when they are longer.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes in this line, its CR included.
    pub line: usize,
    /// The refusal of a longer line.
    pub line_too_long: Violation,
    /// Bytes in the whole section.
    pub section: usize,
    /// The refusal of a larger section.
    pub section_too_large: Violation,
}

impl Lines {
    /// The next whole line without its CRLF, or `None` until more of the section is there.
    ///
    /// `section` holds everything from the section's first byte on, also what earlier calls have seen.
    pub fn next<'a>(&mut self, section: &'a [u8], bounds: Bounds) -> Result<Option<&'a [u8]>, Violation> {
        let found = memchr(b'\n', &section[self.scanned..]).map(|at| self.scanned + at);
        let reach = found.unwrap_or(section.len());
        if reach - self.start > bounds.line {
            return Err(bounds.line_too_long);
        }
        if reach >= bounds.section {
            return Err(bounds.section_too_large);
        }
        self.scanned = reach;
        let Some(feed) = found else { return Ok(None) };
        let line = &section[self.start..feed];
        self.start = feed + 1;
        self.scanned = self.start;
        line.strip_suffix(b"\r").map(Some).ok_or(Violation::BareLf)
    }

    /// Bytes of the lines given so far.
    pub fn consumed(&self) -> usize {
        self.start
    }
}

/// Splits one header line into name and value, the white space around the value removed (RFC 9112 section 5).
pub fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    if let Some(b' ' | b'\t') = line.first() {
        return Err(Violation::ObsFold);
    }
    let colon = line.iter().position(|&byte| !TOKEN[usize::from(byte)]);
    let Some(colon) = colon.filter(|&at| at > 0 && line[at] == b':') else { return Err(bad_name(line)) };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    if !is_text(value) {
        return Err(if value.contains(&b'\r') { Violation::BareCr } else { Violation::Control });
    }
    Ok((name, trim(value)))
}

/// What is wrong with a line that does not begin with a token and a colon.
fn bad_name(line: &[u8]) -> Violation {
    let Some(colon) = memchr(b':', line) else {
        return if line.contains(&b'\r') { Violation::BareCr } else { Violation::NoColon };
    };
    match line[..colon].last() {
        None => Violation::EmptyName,
        Some(b' ' | b'\t') => Violation::SpaceBeforeColon,
        Some(_) if line[..colon].contains(&b'\r') => Violation::BareCr,
        Some(_) => Violation::BadName,
    }
}

/// Whether `bytes` is a token (RFC 9110 section 5.6.2).
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| TOKEN[usize::from(byte)])
}

/// Whether `bytes` may stand in a field value: no control character but HTAB. Bytes above ASCII are allowed.
fn is_text(bytes: &[u8]) -> bool {
    // No early exit and no bool: the compiler turns this into vector instructions.
    0 == bytes.iter().fold(0, |bad, &byte| bad | u8::from((byte < b' ') & (byte != b'\t')) | u8::from(byte == 0x7f))
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < 256 {
        table[at] = (at as u8).is_ascii_alphanumeric() && at < 128;
        at += 1;
    }
    at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        Bounds { line: 8, line_too_long: Violation::TargetTooLong, section: 12, section_too_large: Violation::HeadTooLarge };

    #[test]
    fn lines_are_found_once_each_as_the_buffer_grows() {
        let mut lines = Lines::default();
        assert_eq!(lines.next(b"ab\r", BOUNDS), Ok(None));
        assert_eq!(lines.next(b"ab\r\n", BOUNDS), Ok(Some(&b"ab"[..])));
        assert_eq!(lines.next(b"ab\r\n\r\nx", BOUNDS), Ok(Some(&b""[..])));
        assert_eq!(lines.consumed(), 6);
        assert_eq!(lines.next(b"ab\r\n\r\nx", BOUNDS), Ok(None));
    }

    #[test]
    fn bounds_hold_for_finished_and_unfinished_lines_alike() {
        assert_eq!(Lines::default().next(b"1234567\r\n", BOUNDS), Ok(Some(&b"1234567"[..])));
        assert_eq!(Lines::default().next(b"12345678\r\n", BOUNDS), Err(Violation::TargetTooLong));
        assert_eq!(Lines::default().next(b"12345678\r", BOUNDS), Err(Violation::TargetTooLong));
        let mut lines = Lines::default();
        assert_eq!(lines.next(b"12345\r\n", BOUNDS), Ok(Some(&b"12345"[..])));
        assert_eq!(lines.clone().next(b"12345\r\n123\r\n", BOUNDS), Ok(Some(&b"123"[..])));
        assert_eq!(lines.clone().next(b"12345\r\n1234\r\n", BOUNDS), Err(Violation::HeadTooLarge));
        assert_eq!(lines.next(b"12345\r\n1234\r", BOUNDS), Err(Violation::HeadTooLarge));
    }

    #[test]
    fn a_field_is_split_and_trimmed() {
        assert_eq!(field(b"Accept: \t*/*\t "), Ok((&b"Accept"[..], &b"*/*"[..])));
        assert_eq!(field(b"A:"), Ok((&b"A"[..], &b""[..])));
        assert_eq!(field(b"A: \xc3\xa9 b:c"), Ok((&b"A"[..], &b"\xc3\xa9 b:c"[..])));
    }

    #[test]
    fn a_token_is_what_rfc_9110_says() {
        for byte in 0..=255u8 {
            let expected = byte.is_ascii_graphic() && !br#""(),/:;<=>?@[\]{}"#.contains(&byte);
            assert_eq!(is_token(&[byte]), expected, "{byte:#x}");
        }
        assert!(!is_token(b""));
    }
}
