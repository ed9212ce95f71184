//! Judges one request head: the request line, every header line, and what they say together about the body.

use crate::listen::lines::{Bounds, FIELDS_MAX, Lines, SECTION_MAX, field, is_token};
use crate::listen::violation::Violation;

/// Bytes in a request target.
pub const TARGET_MAX: usize = 8192;
/// Bytes in a method.
pub const METHOD_MAX: usize = 32;

/// Method, target, version, two spaces and the CR.
const REQUEST_LINE: Bounds =
    Bounds { line: METHOD_MAX + TARGET_MAX + "  HTTP/1.1\r".len(), line_too_long: Violation::TargetTooLong, ..FIELD_LINE };
const FIELD_LINE: Bounds = Bounds {
    line: SECTION_MAX,
    line_too_long: Violation::HeadTooLarge,
    section: SECTION_MAX,
    section_too_large: Violation::HeadTooLarge,
};

/// A head that is still arriving.
#[derive(Clone, Debug, Default)]
pub struct Head {
    lines: Lines,
    begun: bool,
    blank: bool,
    old_version: bool,
    fields: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
    upgrade: bool,
}

/// A head that has been judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its bytes, an empty line before it included.
    pub bytes: usize,
    /// What follows it.
    pub body: Framing,
    /// It asks to leave HTTP.
    pub upgrade: bool,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After this many bytes; zero is no body.
    Sized(u64),
    /// After the last chunk.
    Chunked,
}

impl Head {
    /// Judges as much as is there. `bytes` holds everything from the head's first byte on.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<Judged>, Violation> {
        while !self.begun {
            let Some(line) = self.lines.next(bytes, REQUEST_LINE)? else { return Ok(None) };
            self.first_line(line)?;
        }
        while let Some(line) = self.lines.next(bytes, FIELD_LINE)? {
            if line.is_empty() {
                return self.finish().map(Some);
            }
            self.field_line(line)?;
        }
        Ok(None)
    }

    /// Whether anything of a request has come: an empty line before it is nothing yet.
    pub fn begun(&self, bytes: &[u8]) -> bool {
        bytes.len() > self.lines.consumed() || self.begun
    }

    fn first_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        if line.is_empty() {
            // RFC 9112 section 2.2: old clients send a CRLF too many after a body. One is tolerated.
            return if std::mem::replace(&mut self.blank, true) { Err(Violation::EmptyLines) } else { Ok(()) };
        }
        self.begun = true;
        let mut words = line.splitn(3, |&byte| byte == b' ');
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(if line.contains(&b'\r') { Violation::BareCr } else { Violation::RequestLine });
        };
        if method.len() > METHOD_MAX || !is_token(method) {
            return Err(Violation::Method);
        }
        self.old_version = judge_version(version)?;
        match method {
            b"CONNECT" => Err(Violation::Connect),
            _ => judge_target(method, target),
        }
    }

    fn field_line(&mut self, line: &[u8]) -> Result<(), Violation> {
        self.fields += 1;
        if self.fields > FIELDS_MAX {
            return Err(Violation::TooManyFields);
        }
        let (name, value) = field(line)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(value),
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.upgrade = true;
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Violation> {
        self.hosts += 1;
        if self.hosts > 1 {
            return Err(Violation::ManyHosts);
        }
        let fine = !value.is_empty() && value.iter().all(|&byte| byte.is_ascii_graphic() && byte != b',');
        if fine { Ok(()) } else { Err(Violation::BadHost) }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Violation> {
        if self.length.is_some() {
            return Err(Violation::ManyLengths);
        }
        // 19 digits always fit into a u64.
        if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
            return Err(Violation::BadLength);
        }
        self.length = Some(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')));
        self.framed_once()
    }

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Violation> {
        if self.old_version {
            return Err(Violation::CodingInOldVersion);
        }
        if self.chunked {
            return Err(Violation::ManyCodings);
        }
        if !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Violation::BadCoding);
        }
        self.chunked = true;
        self.framed_once()
    }

    /// RFC 9112 section 6.1 lets a server take the coding and drop the length. What stood before us may have done the
    /// opposite, so there is nothing to save.
    fn framed_once(&self) -> Result<(), Violation> {
        if self.chunked && self.length.is_some() { Err(Violation::LengthAndCoding) } else { Ok(()) }
    }

    fn finish(&self) -> Result<Judged, Violation> {
        // RFC 9112 section 3.2 asks for Host from HTTP/1.1 only; without one we could not tell whose app is meant.
        if self.hosts == 0 {
            return Err(Violation::NoHost);
        }
        let body = if self.chunked { Framing::Chunked } else { Framing::Sized(self.length.unwrap_or(0)) };
        if self.upgrade && body != Framing::Sized(0) {
            return Err(Violation::UpgradeWithBody);
        }
        Ok(Judged { bytes: self.lines.consumed(), body, upgrade: self.upgrade })
    }
}

/// Whether it is HTTP/1.0.
fn judge_version(version: &[u8]) -> Result<bool, Violation> {
    match version {
        b"HTTP/1.1" => Ok(false),
        b"HTTP/1.0" => Ok(true),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(Violation::Version)
        }
        _ if version.contains(&b'\r') => Err(Violation::BareCr),
        _ => Err(Violation::RequestLine),
    }
}

fn judge_target(method: &[u8], target: &[u8]) -> Result<(), Violation> {
    if target.len() > TARGET_MAX {
        return Err(Violation::TargetTooLong);
    }
    let visible = target.iter().fold(true, |fine, byte| fine & byte.is_ascii_graphic());
    if !visible {
        return Err(if target.contains(&b'\r') { Violation::BareCr } else { Violation::TargetByte });
    }
    if target.contains(&b'#') {
        return Err(Violation::Fragment);
    }
    match target {
        [] => Err(Violation::RequestLine),
        [b'/', ..] => Ok(()),
        b"*" if method == b"OPTIONS" => Ok(()),
        _ if begins_with(target, b"http://") || begins_with(target, b"https://") => Ok(()),
        _ => Err(Violation::TargetForm),
    }
}

fn begins_with(target: &[u8], scheme: &[u8]) -> bool {
    target.len() > scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme)
}

#[cfg(test)]
mod tests;
