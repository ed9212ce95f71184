//! The collections of hostile input in `tests/data`.

/// One line of `path-bypass.tsv`: what is said of it with `deny = ["/admin/"]`, and the target's bytes.
pub struct Bypass {
    pub verdict: &'static str,
    pub target: Vec<u8>,
}

/// One stream of `smuggling-h1.txt`.
pub struct Stream {
    pub name: &'static str,
    pub verdict: &'static str,
    pub bytes: Vec<u8>,
}

pub fn bypasses() -> Vec<Bypass> {
    let lines = include_str!("../../data/path-bypass.tsv").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let columns = lines.map(|line| line.split('\t').collect::<Vec<_>>());
    columns.map(|columns| Bypass { verdict: columns[0], target: unescape(columns[1]) }).collect()
}

pub fn streams() -> Vec<Stream> {
    let mut streams: Vec<Stream> = Vec::new();
    for line in include_str!("../../data/smuggling-h1.txt").lines() {
        if let Some(name) = line.strip_prefix("case: ") {
            streams.push(Stream { name, verdict: "", bytes: Vec::new() });
        } else if let (Some(stream), Some(verdict)) = (streams.last_mut(), line.strip_prefix("verdict: ")) {
            stream.verdict = verdict;
        } else if let (Some(stream), Some(text)) = (streams.last_mut(), line.strip_prefix("| ")) {
            stream.bytes.extend(unescape(text));
        }
    }
    streams
}

fn unescape(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let (byte, used) = match (first, after.first()) {
            (b'\\', Some(b'r')) => (b'\r', 1),
            (b'\\', Some(b'n')) => (b'\n', 1),
            (b'\\', Some(b't')) => (b'\t', 1),
            (b'\\', Some(b'\\')) => (b'\\', 1),
            (b'\\', Some(b'x')) => {
                let digits = std::str::from_utf8(&after[1..3]).expect("ASCII");
                (u8::from_str_radix(digits, 16).expect("hexadecimal"), 3)
            }
            (other, _) => (*other, 0),
        };
        bytes.push(byte);
        rest = &after[used..];
    }
    bytes
}

/// One request of `smuggling-h2.txt`.
#[derive(Default)]
pub struct Framed {
    pub name: &'static str,
    pub verdict: &'static str,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Option<Vec<u8>>,
    pub trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

pub fn framed() -> Vec<Framed> {
    let field = |text: &str| {
        let (name, value) = text.split_once(" =>").expect("a field");
        (unescape(name), unescape(value.strip_prefix(' ').unwrap_or(value)))
    };
    let mut all: Vec<Framed> = Vec::new();
    for line in include_str!("../../data/smuggling-h2.txt").lines() {
        if let Some(name) = line.strip_prefix("case: ") {
            all.push(Framed { name, ..Framed::default() });
        }
        let Some(last) = all.last_mut() else { continue };
        if let Some(verdict) = line.strip_prefix("verdict: ") {
            last.verdict = verdict;
        } else if let Some(text) = line.strip_prefix("| ") {
            last.fields.push(field(text));
        } else if let Some(text) = line.strip_prefix("body: ") {
            last.body = Some(unescape(text));
        } else if let Some(text) = line.strip_prefix("trailer: ") {
            last.trailers.push(field(text));
        }
    }
    all
}
