//! A request as one line of the formats "combined" and "common", as nginx writes it.
//!
//! What a client wrote is escaped as nginx does it: `"`, `\`, every byte below 0x20 and from 0x7f up become `\xXX`. Apache's way
//! (`\"`, `\n`) leaves a quote in the field, which simple readers take for its end; nginx's leaves none.

use std::io::Write;

use time::OffsetDateTime;

use crate::observe::record::Record;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Appends the line in the format "combined", its end included.
pub fn write_combined(line: &mut Vec<u8>, record: &Record) {
    put_clf(line, record);
    for field in [&record.referer, &record.agent] {
        line.extend_from_slice(b" \"");
        put_escaped(line, field.as_deref().filter(|field| !field.is_empty()).unwrap_or(b"-"));
        line.push(b'"');
    }
    line.push(b'\n');
}

/// Appends the line in the format "common", its end included.
pub fn write_clf(line: &mut Vec<u8>, record: &Record) {
    put_clf(line, record);
    line.push(b'\n');
}

fn put_clf(line: &mut Vec<u8>, record: &Record) {
    // Into memory: nothing of it can fail.
    drop(write!(line, "{} - ", record.client));
    put_escaped(line, record.user.as_deref().unwrap_or("-").as_bytes());
    line.extend_from_slice(b" [");
    put_time(line, record.received.secs());
    line.extend_from_slice(b"] \"");
    if &*record.method == "-" {
        // Refused before it could be read.
        line.push(b'-');
    } else {
        put_escaped(line, record.method.as_bytes());
        line.push(b' ');
        put_escaped(line, record.uri.as_bytes());
        drop(write!(line, " {}", record.protocol));
    }
    drop(write!(line, "\" {} {}", record.status, record.sent));
}

/// `22/Nov/2026:09:37:32 +0000`
fn put_time(line: &mut Vec<u8>, seconds: i64) {
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = MONTHS[usize::from(u8::from(at.month()) - 1)];
    let (day, year, hour, minute, second) = (at.day(), at.year(), at.hour(), at.minute(), at.second());
    drop(write!(line, "{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000"));
}

fn put_escaped(line: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\' {
            line.push(byte);
        } else {
            line.extend_from_slice(&[b'\\', b'x', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::sample::record;

    fn line(write: fn(&mut Vec<u8>, &Record), record: &Record) -> String {
        let mut line = Vec::new();
        write(&mut line, record);
        String::from_utf8(line).expect("ASCII")
    }

    #[test]
    fn lines_look_as_nginx_writes_them() {
        let mut request = record();
        request.uri = "/a?b=1".into();
        (request.user, request.sent, request.status) = (Some("alice".into()), 364, 200);
        request.agent = Some((*b"Mozilla/5.0 (X11)").into());
        assert_eq!(line(write_clf, &request), "192.0.2.7 - alice [14/Nov/2023:22:13:20 +0000] \"GET /a?b=1 HTTP/2.0\" 200 364\n");
        assert_eq!(
            line(write_combined, &request),
            "192.0.2.7 - alice [14/Nov/2023:22:13:20 +0000] \"GET /a?b=1 HTTP/2.0\" 200 364 \"-\" \"Mozilla/5.0 (X11)\"\n"
        );
        (request.method, request.uri, request.user, request.agent) = ("-".into(), "-".into(), None, None);
        assert_eq!(line(write_combined, &request), "192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] \"-\" 200 364 \"-\" \"-\"\n");
    }

    /// The attack: line ends, quotes, escape sequences of a terminal and an escape of the escape, to forge a line or a field.
    #[test]
    fn no_byte_of_a_client_ends_a_field_or_a_line() {
        let every: Vec<u8> = (0..=255).collect();
        let forged = b"x\" 200 1 \"-\" \"y\"\r\n127.0.0.1 - root [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1".to_vec();
        for hostile in [every, forged, b"\\x22\\".to_vec(), b"\x1b[2J\x9b31m\x7f\xff".to_vec()] {
            let mut request = record();
            let text: String = hostile.iter().map(|byte| char::from(*byte)).collect();
            (request.uri, request.user) = (text.clone().into(), Some(text.into()));
            (request.agent, request.referer) = (Some(hostile.clone().into()), Some(hostile.into()));
            let line = line(write_combined, &request);
            let text = line.strip_suffix('\n').expect("ends its line");
            assert!(text.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text}");
            assert_eq!(text.matches('"').count(), 6, "{text}");
            // Every backslash begins an escape of ours.
            assert!(text.split('\\').skip(1).all(|rest| rest.starts_with('x') && rest.len() >= 3), "{text}");
        }
    }

    #[test]
    fn bytes_are_escaped_exactly_as_nginx_does() {
        let mut line = Vec::new();
        put_escaped(&mut line, b"a\"b\\c\td\r\n\x00\x1f\x7e\x7f\x80\xff \xc3\xa9");
        assert_eq!(line, br"a\x22b\x5Cc\x09d\x0D\x0A\x00\x1F~\x7F\x80\xFF \xC3\xA9");
    }
}
