//! Request heads: what is refused and why, and what must pass.

use super::*;

fn judge(text: &[u8]) -> Result<Option<Judged>, Violation> {
    Head::default().read(text)
}

/// A head around `lines`, which bring their own line ends.
fn with(lines: &str) -> Result<Judged, Violation> {
    let text = format!("POST / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n");
    judge(text.as_bytes()).map(|judged| judged.expect("a whole head"))
}

fn line(first: &str) -> Result<Judged, Violation> {
    judge(format!("{first}\r\nHost: a.example\r\n\r\n").as_bytes()).map(|judged| judged.expect("a whole head"))
}

#[test]
fn honest_heads_pass() {
    for first in [
        "GET / HTTP/1.1",
        "GET / HTTP/1.0",
        "OPTIONS * HTTP/1.1",
        "GET http://a.example/x HTTP/1.1",
        "GET HTTPS://a.example/x HTTP/1.1",
        "PROPFIND /dav/%20;v=1?q=[a]&b={c}|\"'<>^`\\ HTTP/1.1",
        "TRACE / HTTP/1.1",
        "M-SEARCH /~user//.. HTTP/1.1",
    ] {
        assert!(line(first).is_ok(), "{first}");
    }
    for lines in [
        "Accept:\r\n",
        "X:\t a b \t\r\n",
        "X: caf\u{e9}\r\n",
        "x!#$%&'*+-.^_`|~: 1\r\n",
        "Content-Length: 0\r\nUpgrade: websocket\r\n",
    ] {
        assert!(with(lines).is_ok(), "{lines}");
    }
}

#[test]
fn what_follows_a_head_is_told() {
    let body = |lines| with(lines).expect("honest").body;
    assert_eq!(body(""), Framing::Sized(0));
    assert_eq!(body("content-LENGTH: 0042\r\n"), Framing::Sized(42));
    assert_eq!(body("Content-Length: 9999999999999999999\r\n"), Framing::Sized(9_999_999_999_999_999_999));
    assert_eq!(body("Transfer-Encoding: \tChunked \r\n"), Framing::Chunked);
    assert!(with("UPGRADE: websocket\r\n").expect("honest").upgrade);
    assert!(!with("Connection: upgrade\r\n").expect("honest").upgrade);
}

#[test]
fn one_empty_line_before_a_request_is_tolerated() {
    let judged = judge(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET").expect("honest").expect("whole");
    assert_eq!(judged.bytes, 29);
    assert_eq!(judge(b"\r\n\r\nGET / HTTP/1.1\r\n"), Err(Violation::EmptyLines));
    assert_eq!(judge(b"\nGET / HTTP/1.1\r\n"), Err(Violation::BareLf));
    assert!(!Head::default().begun(b""));
    let mut head = Head::default();
    assert_eq!(head.read(b"\r\n"), Ok(None));
    assert!(!head.begun(b"\r\n") && head.begun(b"\r\nG"));
}

/// The attack: a request line that two programs split differently names two methods, targets or versions.
#[test]
fn request_lines_that_can_be_read_in_two_ways_are_refused() {
    for (first, expected) in [
        ("GET", Violation::RequestLine),
        ("GET /", Violation::RequestLine),
        ("GET  / HTTP/1.1", Violation::RequestLine),
        ("GET /  HTTP/1.1", Violation::RequestLine),
        ("GET / HTTP/1.1 ", Violation::RequestLine),
        ("GET / x HTTP/1.1", Violation::RequestLine),
        ("GET / http/1.1", Violation::RequestLine),
        ("GET / HTTP/1.10", Violation::RequestLine),
        ("GET / HTTP/1,1", Violation::RequestLine),
        ("GET / HTTPS/1.1", Violation::RequestLine),
        ("GET\t/ HTTP/1.1", Violation::RequestLine),
        (" GET / HTTP/1.1", Violation::Method),
        ("G(T / HTTP/1.1", Violation::Method),
        ("G\u{e9}T / HTTP/1.1", Violation::Method),
        ("G\0T / HTTP/1.1", Violation::Method),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1", Violation::Method),
        ("GET / HTTP/0.9", Violation::Version),
        ("GET / HTTP/1.2", Violation::Version),
        ("GET / HTTP/3.0", Violation::Version),
        ("PRI * HTTP/2.0", Violation::Version),
        ("CONNECT a.example:443 HTTP/1.1", Violation::Connect),
        ("GET /\r HTTP/1.1", Violation::BareCr),
        ("GET / HTTP/1.1\r", Violation::BareCr),
    ] {
        assert_eq!(line(first), Err(expected), "{}", first.escape_default());
    }
}

/// The attack: a target that only some programs cut short, decode or take for a host.
#[test]
fn targets_that_are_no_path_are_refused() {
    for (target, expected) in [
        ("/a#b", Violation::Fragment),
        ("/#", Violation::Fragment),
        ("/caf\u{e9}", Violation::TargetByte),
        ("/a\0", Violation::TargetByte),
        ("/a\tb", Violation::TargetByte),
        ("/a\u{7f}", Violation::TargetByte),
        ("!", Violation::TargetForm),
        ("*", Violation::TargetForm),
        ("admin", Violation::TargetForm),
        ("a.example:443", Violation::TargetForm),
        ("@b.example/", Violation::TargetForm),
        ("\\\\b.example\\", Violation::TargetForm),
        ("ftp://a.example/", Violation::TargetForm),
        ("http:/a.example/", Violation::TargetForm),
        ("http://", Violation::TargetForm),
        ("?q", Violation::TargetForm),
    ] {
        assert_eq!(line(&format!("GET {target} HTTP/1.1")), Err(expected), "{}", target.escape_default());
    }
}

/// The attack: a header line that one program drops, joins or renames and another does not.
#[test]
fn header_lines_that_can_be_read_in_two_ways_are_refused() {
    for (lines, expected) in [
        ("A: b\n", Violation::BareLf),
        ("A: b\r\r\n", Violation::BareCr),
        ("A: b\rC: d\r\n", Violation::BareCr),
        ("A\r: b\r\n", Violation::BareCr),
        ("A\r\n", Violation::NoColon),
        ("A: b\r\n c\r\n", Violation::ObsFold),
        ("A: b\r\n\tc\r\n", Violation::ObsFold),
        (": b\r\n", Violation::EmptyName),
        ("A : b\r\n", Violation::SpaceBeforeColon),
        ("A\t: b\r\n", Violation::SpaceBeforeColon),
        ("A B: b\r\n", Violation::BadName),
        ("A\0: b\r\n", Violation::BadName),
        ("\u{e9}: b\r\n", Violation::BadName),
        ("\"A\": b\r\n", Violation::BadName),
        ("A: b\0\r\n", Violation::Control),
        ("A: \u{1}\r\n", Violation::Control),
        ("A: b\u{b}\r\n", Violation::Control),
        ("A: b\u{7f}\r\n", Violation::Control),
    ] {
        assert_eq!(with(lines), Err(expected), "{}", lines.escape_default());
    }
    let folded = b"GET / HTTP/1.1\r\n Host: a\r\n\r\n";
    assert_eq!(judge(folded), Err(Violation::ObsFold));
}

/// The attack: CL.TE, TE.CL, TE.TE and lengths that two programs read as two numbers.
#[test]
fn two_ways_to_find_the_end_are_refused() {
    for (lines, expected) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Violation::LengthAndCoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Violation::LengthAndCoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", Violation::LengthAndCoding),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Violation::ManyLengths),
        ("Content-Length: 5\r\ncontent-length: 6\r\n", Violation::ManyLengths),
        ("Content-Length: 5, 5\r\n", Violation::BadLength),
        ("Content-Length:\r\n", Violation::BadLength),
        ("Content-Length: +5\r\n", Violation::BadLength),
        ("Content-Length: -5\r\n", Violation::BadLength),
        ("Content-Length: 0x5\r\n", Violation::BadLength),
        ("Content-Length: 5.0\r\n", Violation::BadLength),
        ("Content-Length: 1e1\r\n", Violation::BadLength),
        ("Content-Length: 5 5\r\n", Violation::BadLength),
        ("Content-Length: \"5\"\r\n", Violation::BadLength),
        ("Content-Length: \u{663}\r\n", Violation::BadLength),
        ("Content-Length: 00000000000000000005\r\n", Violation::BadLength),
        ("Content-Length: 18446744073709551616\r\n", Violation::BadLength),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Violation::ManyCodings),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Violation::ManyCodings),
        ("Transfer-Encoding: identity\r\n", Violation::BadCoding),
        ("Transfer-Encoding:\r\n", Violation::BadCoding),
        ("Transfer-Encoding: gzip, chunked\r\n", Violation::BadCoding),
        ("Transfer-Encoding: chunked, chunked\r\n", Violation::BadCoding),
        ("Transfer-Encoding: ,chunked\r\n", Violation::BadCoding),
        ("Transfer-Encoding: chunked;q=1\r\n", Violation::BadCoding),
        ("Transfer-Encoding: \"chunked\"\r\n", Violation::BadCoding),
        ("Transfer-Encoding: xchunked\r\n", Violation::BadCoding),
        ("Transfer-Encoding: chun\u{212a}ed\r\n", Violation::BadCoding),
        ("Transfer-Encoding: \u{b}chunked\r\n", Violation::Control),
        ("Upgrade: websocket\r\nContent-Length: 1\r\n", Violation::UpgradeWithBody),
        ("Transfer-Encoding: chunked\r\nUpgrade: h2c\r\n", Violation::UpgradeWithBody),
    ] {
        assert_eq!(with(lines), Err(expected), "{}", lines.escape_default());
    }
    let old = b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(judge(old), Err(Violation::CodingInOldVersion));
}

/// The attack: the app is chosen by one Host and served by another.
#[test]
fn exactly_one_plain_host_is_needed() {
    for (lines, expected) in [
        ("", Violation::NoHost),
        ("Host: a\r\nHost: a\r\n", Violation::ManyHosts),
        ("Host: a\r\nhOST: b\r\n", Violation::ManyHosts),
        ("Host:\r\n", Violation::BadHost),
        ("Host: \t\r\n", Violation::BadHost),
        ("Host: a b\r\n", Violation::BadHost),
        ("Host: a,b\r\n", Violation::BadHost),
        ("Host: a\u{e9}\r\n", Violation::BadHost),
    ] {
        for version in ["1.0", "1.1"] {
            let text = format!("GET / HTTP/{version}\r\n{lines}\r\n");
            assert_eq!(judge(text.as_bytes()), Err(expected), "{}", text.escape_default());
        }
    }
}

/// The attack: a head that never ends, or is all fields, fills the memory.
#[test]
fn heads_are_bounded() {
    let target = |length: usize| line(&format!("GET /{} HTTP/1.1", "a".repeat(length - 1)));
    assert!(target(TARGET_MAX).is_ok());
    assert_eq!(target(TARGET_MAX + 1), Err(Violation::TargetTooLong));
    assert_eq!(judge(&[b'a'; 9000]), Err(Violation::TargetTooLong));
    assert!(with(&"A: b\r\n".repeat(FIELDS_MAX - 1)).is_ok());
    assert_eq!(with(&"A: b\r\n".repeat(FIELDS_MAX)), Err(Violation::TooManyFields));
    let around = "POST / HTTP/1.1\r\nHost: a.example\r\nA: \r\n\r\n".len();
    let value = |length: usize| with(&format!("A: {}\r\n", "b".repeat(length)));
    assert_eq!(value(SECTION_MAX - around).expect("just fits").bytes, SECTION_MAX);
    assert_eq!(value(SECTION_MAX - around + 1), Err(Violation::HeadTooLarge));
    let endless = format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(SECTION_MAX));
    assert_eq!(judge(endless.as_bytes()), Err(Violation::HeadTooLarge));
}
