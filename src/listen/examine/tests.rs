//! The stream as a whole: every cut gives the same verdict, nothing panics, and the smuggling corpus.

use proptest::prelude::*;

use super::*;

/// What became of a stream: messages as (head, body) bytes, and how it stopped.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    messages: Vec<(Vec<u8>, Vec<u8>)>,
    place: Option<Place>,
    violation: Option<Violation>,
}

/// Shows the stream in pieces, as a network would bring it.
fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (mut examiner, mut waiting, mut outcome) = (Examiner::default(), Vec::new(), Outcome::default());
    'pieces: for piece in pieces {
        waiting.extend_from_slice(piece);
        loop {
            match examiner.examine(&waiting) {
                Finding::Head(length) => outcome.messages.push((waiting.drain(..length).collect(), Vec::new())),
                Finding::Body(length) => {
                    assert!(length > 0);
                    let (_, body) = outcome.messages.last_mut().expect("a body has a head");
                    body.extend(waiting.drain(..length));
                }
                Finding::More | Finding::Hold => break,
                Finding::Tunnel => unreachable!("nobody opened"),
                Finding::Refuse(violation) => {
                    outcome.violation = Some(violation);
                    break 'pieces;
                }
            }
        }
    }
    outcome.place = Some(examiner.place());
    outcome
}

/// Bytes that are nearly HTTP.
fn nearly_http() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "POST /x HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.0\r\n", "\r\n", "\r\n\r\n",
            "Content-Length: 5\r\n", "Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n", "0\r\n\r\n", "3;x=y\r\nabc\r\n",
            "0\r\nDigest: a\r\n\r\n", "0\r\nHost: a\r\n\r\n", "Upgrade: websocket\r\n\r\n", "Host: b\r\n", " fold\r\n", "\n",
            "\r", ":", " ", "\0", "A: b\r\n", "A : b\r\n", "CONNECT a:1 HTTP/1.1\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// The attack: bytes cut so that a check sees only half of what it looks for.
    #[test]
    fn the_verdict_does_not_depend_on_the_cuts(bytes in nearly_http(), cuts in prop::collection::vec(1..40usize, 1..20)) {
        let whole = run([&bytes[..]]);
        prop_assert_eq!(&run(bytes.chunks(1)), &whole);
        for cut in 0..=bytes.len() {
            prop_assert_eq!(&run([&bytes[..cut], &bytes[cut..]]), &whole);
        }
        let (mut pieces, mut rest) = (Vec::new(), &bytes[..]);
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(&run(pieces), &whole);
    }

    #[test]
    fn what_passes_is_what_came(bytes in nearly_http()) {
        let passed: Vec<u8> = run([&bytes[..]]).messages.into_iter().flat_map(|(head, body)| [head, body].concat()).collect();
        prop_assert!(bytes.starts_with(&passed));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        run([&bytes[..]]);
        run(bytes.chunks(7));
    }
}

/// The attack: a request hidden behind a fake upgrade reaches the upstream before anybody answered 101.
#[test]
fn nothing_passes_behind_an_upgrade_until_it_is_opened() {
    let mut examiner = Examiner::default();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(examiner.examine(head), Finding::Head(head.len()));
    assert_eq!(examiner.examine(b"GET /admin HTTP/1.1\r\n\r\n"), Finding::Hold);
    assert_eq!(examiner.examine(b""), Finding::Hold);
    examiner.open();
    assert_eq!(examiner.examine(b"\x81\x00"), Finding::Tunnel);
}

#[test]
fn opening_what_asked_for_no_upgrade_changes_nothing() {
    let mut examiner = Examiner::default();
    examiner.open();
    assert_eq!(examiner.examine(b"\0\r\n"), Finding::Refuse(Violation::RequestLine));
}

#[test]
fn a_refusal_is_for_good() {
    let mut examiner = Examiner::default();
    assert_eq!(examiner.examine(b"x\n"), Finding::Refuse(Violation::BareLf));
    assert_eq!(examiner.examine(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Finding::Refuse(Violation::BareLf));
    assert_eq!(examiner.place(), Place::Refused);
}

struct Case {
    name: String,
    verdict: String,
    bytes: Vec<u8>,
}

/// Reads `tests/data/smuggling-h1.txt`; its own first lines explain the format.
fn corpus() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("../../../tests/data/smuggling-h1.txt").lines() {
        if let Some(name) = line.strip_prefix("case: ") {
            cases.push(Case { name: name.to_owned(), verdict: String::new(), bytes: Vec::new() });
        } else if let (Some(case), Some(verdict)) = (cases.last_mut(), line.strip_prefix("verdict: ")) {
            verdict.clone_into(&mut case.verdict);
        } else if let (Some(case), Some(text)) = (cases.last_mut(), line.strip_prefix("| ")) {
            case.bytes.extend(unescape(text));
        }
    }
    cases
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        (bytes, rest) = match (first, after) {
            (b'\\', [b'r', after @ ..]) => ([bytes, vec![b'\r']].concat(), after),
            (b'\\', [b'n', after @ ..]) => ([bytes, vec![b'\n']].concat(), after),
            (b'\\', [b't', after @ ..]) => ([bytes, vec![b'\t']].concat(), after),
            (b'\\', [b'\\', after @ ..]) => ([bytes, vec![b'\\']].concat(), after),
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).expect("two hexadecimal digits");
                ([bytes, vec![u8::from_str_radix(digits, 16).expect("two hexadecimal digits")]].concat(), after)
            }
            _ => ([bytes, vec![*first]].concat(), after),
        };
    }
    bytes
}

/// The attack: every known way to make two programs disagree about where a request ends.
#[test]
fn the_smuggling_corpus_is_judged_as_written() {
    let cases = corpus();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for Case { name, verdict, bytes } in cases {
        let outcome = run([&bytes[..]]);
        let seen = match outcome.violation {
            Some(violation) => format!("{} {}", violation.status().as_str(), violation.name()),
            None => format!("pass {}", outcome.messages.len()),
        };
        assert_eq!(seen, verdict, "{name}: {}", bytes.escape_ascii());
        assert_eq!(run(bytes.chunks(1)), outcome, "{name}, byte by byte");
    }
}
