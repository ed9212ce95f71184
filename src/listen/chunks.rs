//! Follows a chunked body (RFC 9112 section 7.1) byte by byte where it steers, and by length where it carries data; and
//! judges the trailers after it.

use crate::listen::lines::{Bounds, FIELDS_MAX, Lines, field};
use crate::listen::violation::Violation;

/// Bytes of chunk extensions in one body, semicolons included.
pub const EXTENSIONS_MAX: usize = 256;
/// Bytes of a trailer section. hyper refuses more than this itself, so a larger bound would be a promise it breaks.
pub const TRAILERS_MAX: usize = 16 * 1024;

const SIZE_DIGITS_MAX: u8 = 16;
const TRAILER_LINE: Bounds = Bounds {
    line: TRAILERS_MAX,
    line_too_long: Violation::TrailersTooLarge,
    section: TRAILERS_MAX - 1,
    section_too_large: Violation::TrailersTooLarge,
};

/// A chunked body before its trailers.
#[derive(Clone, Debug, Default)]
pub struct Chunks {
    at: At,
    extensions: usize,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Size { digits: u8, size: u64 },
    Extension { size: u64, quote: Quote },
    SizeLf { size: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Ended,
}

/// Where in an extension we are: some programs look for the end of the line only behind a closing quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    Outside,
    Inside,
    Escaped,
}

impl Quote {
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Outside, b'"') | (Self::Escaped, _) => Self::Inside,
            (Self::Inside, b'"') => Self::Outside,
            (Self::Inside, b'\\') => Self::Escaped,
            (same, _) => same,
        }
    }
}

impl Default for At {
    fn default() -> Self {
        Self::Size { digits: 0, size: 0 }
    }
}

impl Chunks {
    /// Follows `bytes` up to the end of the last chunk's size line or to a fault; gives how many were good.
    ///
    /// # Errors
    /// The very first byte is a fault.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<usize, Violation> {
        let mut done = 0;
        while done < bytes.len() && !self.ended() {
            if let At::Data { left } = self.at {
                let taken = left.min((bytes.len() - done) as u64);
                done += taken as usize;
                self.at = if taken == left { At::DataCr } else { At::Data { left: left - taken } };
                continue;
            }
            match self.step(bytes[done]) {
                Ok(at) => self.at = at,
                // What was good still passes; the caller comes back with the fault in front.
                Err(_) if done > 0 => break,
                Err(violation) => return Err(violation),
            }
            done += 1;
        }
        Ok(done)
    }

    /// The last chunk has been announced; trailers follow.
    pub fn ended(&self) -> bool {
        matches!(self.at, At::Ended)
    }

    fn step(&mut self, byte: u8) -> Result<At, Violation> {
        match self.at {
            At::Size { digits, size } => self.size_byte(byte, digits, size),
            At::Extension { size, quote } => match byte {
                b'\r' if quote == Quote::Outside => Ok(At::SizeLf { size }),
                b'\t' | b' '..=b'~' => self.extension_byte(size, quote.after(byte)),
                _ => Err(Violation::ChunkExtension),
            },
            At::SizeLf { size } => match (byte, size) {
                (b'\n', 0) => Ok(At::Ended),
                (b'\n', left) => Ok(At::Data { left }),
                _ => Err(Violation::ChunkEnd),
            },
            At::DataCr if byte == b'\r' => Ok(At::DataLf),
            At::DataLf if byte == b'\n' => Ok(At::default()),
            At::DataCr | At::DataLf => Err(Violation::ChunkEnd),
            At::Data { .. } | At::Ended => Ok(self.at),
        }
    }

    fn size_byte(&mut self, byte: u8, digits: u8, size: u64) -> Result<At, Violation> {
        match byte {
            b'\r' if digits > 0 => Ok(At::SizeLf { size }),
            b';' if digits > 0 => self.extension_byte(size, Quote::Outside),
            _ => {
                let digit = char::from(byte).to_digit(16).filter(|_| digits < SIZE_DIGITS_MAX);
                let digit = digit.ok_or(Violation::ChunkSize)?;
                // 16 digits of 4 bits fill a u64 exactly.
                Ok(At::Size { digits: digits + 1, size: size << 4 | u64::from(digit) })
            }
        }
    }

    fn extension_byte(&mut self, size: u64, quote: Quote) -> Result<At, Violation> {
        if self.extensions == EXTENSIONS_MAX {
            return Err(Violation::ChunkExtensionsTooLong);
        }
        self.extensions += 1;
        Ok(At::Extension { size, quote })
    }
}

/// The trailer section behind the last chunk, still arriving.
#[derive(Clone, Debug, Default)]
pub struct Trailers {
    lines: Lines,
    fields: usize,
}

impl Trailers {
    /// Judges as much as is there; gives the section's length when it is whole. `bytes` holds everything from its first
    /// byte on.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Violation> {
        while let Some(line) = self.lines.next(bytes, TRAILER_LINE)? {
            if line.is_empty() {
                return Ok(Some(self.lines.consumed()));
            }
            self.fields += 1;
            if self.fields > FIELDS_MAX {
                return Err(Violation::TrailersTooLarge);
            }
            let (name, _) = field(line)?;
            if FORBIDDEN.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden.as_bytes())) {
                return Err(Violation::ForbiddenTrailer);
            }
        }
        Ok(None)
    }
}

/// Fields that frame, route, authenticate or change a request (RFC 9110 section 6.5.1): a program that merges trailers
/// into headers would see another request than we judged.
const FORBIDDEN: &[&str] = &[
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "max-forwards",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(mut bytes: &[u8]) -> Result<bool, Violation> {
        let mut chunks = Chunks::default();
        while !bytes.is_empty() && !chunks.ended() {
            bytes = &bytes[chunks.follow(bytes)?..];
        }
        Ok(chunks.ended())
    }

    #[test]
    fn chunks_end_with_the_size_line_of_the_last() {
        assert_eq!(follow(b"5\r\nhello\r\nA\r\n0123456789\r\n000\r\n"), Ok(true));
        assert_eq!(follow(b"5;name=\"a b\"\t;x\r\nhello\r\n0;y\r\n"), Ok(true));
        assert_eq!(follow(b"5;a=\"\\\"\"\r\nhello\r\n0\r\n"), Ok(true));
        assert_eq!(follow(b"5\r\nhell"), Ok(false));
        assert_eq!(follow(b"fFfFfFfFfFfFfFfF\r\nx"), Ok(false));
    }

    #[test]
    fn what_was_good_before_a_fault_is_counted() {
        let mut chunks = Chunks::default();
        assert_eq!(chunks.follow(b"2\r\nabX"), Ok(5));
        assert_eq!(chunks.follow(b"X"), Err(Violation::ChunkEnd));
    }

    /// The attack: two programs disagree where a chunk ends (bare LF, spilled data, odd sizes, overflow), and one takes
    /// for data what the other takes for the next request.
    #[test]
    fn chunks_that_can_be_read_in_two_ways_are_refused() {
        for (bytes, expected) in [
            (&b"\r\n"[..], Violation::ChunkSize),
            (b"x\r\n", Violation::ChunkSize),
            (b"0x5\r\n", Violation::ChunkSize),
            (b"+5\r\n", Violation::ChunkSize),
            (b"-1\r\n", Violation::ChunkSize),
            (b" 5\r\n", Violation::ChunkSize),
            (b"5 \r\n", Violation::ChunkSize),
            (b"5 ;a\r\n", Violation::ChunkSize),
            (b"5_0\r\n", Violation::ChunkSize),
            (b";a\r\n", Violation::ChunkSize),
            (b"5\n", Violation::ChunkSize),
            (b"00000000000000005\r\n", Violation::ChunkSize),
            (b"5\rX", Violation::ChunkEnd),
            (b"5;a\n", Violation::ChunkExtension),
            (b"5;a=\"\r\n", Violation::ChunkExtension),
            (b"5;a=\"\\\"\r\n", Violation::ChunkExtension),
            (b"5;\0\r\n", Violation::ChunkExtension),
            (b"5;\x80\r\n", Violation::ChunkExtension),
            (b"5;a\rb\n", Violation::ChunkEnd),
            (b"5\r\nhello!\r\n", Violation::ChunkEnd),
            (b"5\r\nhello\n", Violation::ChunkEnd),
            (b"5\r\nhello\rx", Violation::ChunkEnd),
        ] {
            assert_eq!(follow(bytes), Err(expected), "{}", bytes.escape_ascii());
        }
    }

    /// The attack: a body that is nothing but extensions costs a reader time and memory and gives no data.
    #[test]
    fn extensions_are_counted_over_the_whole_body() {
        let chunk = |length: usize| format!("1;{}\r\na\r\n", "x".repeat(length - 1));
        assert_eq!(follow(format!("{}{}0\r\n", chunk(200), chunk(56)).as_bytes()), Ok(true));
        let long = format!("{}{}0\r\n", chunk(200), chunk(57));
        assert_eq!(follow(long.as_bytes()), Err(Violation::ChunkExtensionsTooLong));
    }

    #[test]
    fn trailers_end_with_an_empty_line() {
        assert_eq!(Trailers::default().read(b"\r\nGET"), Ok(Some(2)));
        assert_eq!(Trailers::default().read(b"Digest: x\r\n\r\n"), Ok(Some(13)));
        assert_eq!(Trailers::default().read(b"Digest: x\r\n\r"), Ok(None));
    }

    /// The attack: a trailer that an upstream merges into the headers changes length, host or identity of the request.
    #[test]
    fn trailers_that_would_change_the_request_are_refused() {
        for name in ["Content-Length", "transfer-encoding", "HOST", "Cookie", "Authorization", "Upgrade", "Trailer", "TE"] {
            let text = format!("{name}: 1\r\n\r\n");
            assert_eq!(Trailers::default().read(text.as_bytes()), Err(Violation::ForbiddenTrailer), "{name}");
        }
        for (text, expected) in [
            (&b"a: b\n\r\n"[..], Violation::BareLf),
            (b"a: b\r\n c\r\n\r\n", Violation::ObsFold),
            (b"a : b\r\n\r\n", Violation::SpaceBeforeColon),
            (b"GET / HTTP/1.1\r\n\r\n", Violation::NoColon),
        ] {
            assert_eq!(Trailers::default().read(text), Err(expected));
        }
    }

    /// The attack: endless trailers after a harmless body.
    #[test]
    fn trailers_are_bounded() {
        let many = "a: b\r\n".repeat(101);
        assert_eq!(Trailers::default().read(many.as_bytes()), Err(Violation::TrailersTooLarge));
        let large = format!("a: {}", "b".repeat(TRAILERS_MAX));
        assert_eq!(Trailers::default().read(large.as_bytes()), Err(Violation::TrailersTooLarge));
    }
}
