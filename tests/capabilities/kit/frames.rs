//! HTTP/2 frame by frame, for heads that no client library would write.

use crate::kit::gateway::Reach;
use crate::kit::wire::Wire;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered(u16),
    /// The stream was reset.
    Reset,
    /// The connection was closed.
    Closed,
}

/// What the gateway lets a client send on one stream before it takes any of it.
const WINDOW: usize = 256 * 1024;

/// How an answer to a request ended whose body was not there yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Ending {
    pub status: u16,
    /// The answer was whole before its stream was reset.
    pub whole: bool,
    /// The code of the reset, if there was one.
    pub reset: Option<u32>,
}

/// What a client does with its body once it has seen the head of the answer.
#[derive(Clone, Copy, Debug)]
pub enum Late {
    /// Sends so many bytes, then ends it.
    Sends(usize),
    /// Sends as much as fits into the window, and no end.
    Floods,
    /// Nothing.
    Waits,
}

/// One request in frames of its own.
#[derive(Clone, Default)]
pub struct Frames {
    block: Vec<u8>,
    body: Option<Vec<u8>>,
    trailers: Vec<u8>,
    pieces: usize,
}

impl Frames {
    /// An empty head.
    pub fn new() -> Self {
        Self { pieces: 1, ..Self::default() }
    }

    /// The usual four fields in front.
    pub fn request(method: &[u8], authority: &[u8], path: &[u8]) -> Self {
        Self::new().field(b":method", method).field(b":scheme", b"https").field(b":authority", authority).field(b":path", path)
    }

    /// One more field, whatever it is.
    pub fn field(mut self, name: &[u8], value: &[u8]) -> Self {
        literal(&mut self.block, name, value);
        self
    }

    /// One more field behind the body.
    pub fn trailer(mut self, name: &[u8], value: &[u8]) -> Self {
        literal(&mut self.trailers, name, value);
        self
    }

    /// With a body.
    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = Some(body.to_vec());
        self
    }

    /// The head cut into so many frames.
    pub fn in_pieces(mut self, pieces: usize) -> Self {
        self.pieces = pieces;
        self
    }

    /// Sends it over a connection of its own.
    pub async fn send(&self, reach: &Reach, name: &str) -> Outcome {
        let mut wire = Wire::over(Wire::shake(reach, name, &[b"h2"]).await.expect("a handshake"));
        let mut bytes = self.head(self.body.is_none() && self.trailers.is_empty());
        if let Some(body) = &self.body {
            bytes.extend(frame(DATA, if self.trailers.is_empty() { END_STREAM } else { 0 }, 1, body));
        }
        if !self.trailers.is_empty() {
            bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 1, &self.trailers));
        }
        if wire.write(bytes).await.is_err() {
            return Outcome::Closed;
        }
        outcome(&mut wire).await
    }

    /// Sends the head, reads the head of the answer, and only then does something about the body.
    pub async fn send_late(&self, reach: &Reach, name: &str, late: Late) -> Ending {
        let mut wire = Wire::over(Wire::shake(reach, name, &[b"h2"]).await.expect("a handshake"));
        wire.write(self.head(false)).await.expect("written");
        let mut ending = Ending { status: 0, whole: false, reset: None };
        let mut asked = false;
        loop {
            let (kind, flags, payload) = next(&mut wire).await.expect("the connection stays");
            match kind {
                HEADERS => {
                    ending.status = status(&payload);
                    let body = match late {
                        Late::Sends(bytes) => pieces(bytes, END_STREAM),
                        Late::Floods => pieces(WINDOW, 0),
                        Late::Waits => Vec::new(),
                    };
                    wire.write(body).await.expect("written");
                }
                RESET => ending.reset = Some(u32::from_be_bytes(payload[..4].try_into().expect("four bytes"))),
                // The window is as wide as said from here on.
                SETTINGS if flags != ACK => wire.write(frame(SETTINGS, ACK, 0, &[])).await.expect("written"),
                // Whatever belongs to the end of the stream has come when this is answered.
                PING if flags == ACK => return ending,
                _ => {}
            }
            if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                ending.whole = ending.reset.is_none();
            }
            if (ending.whole || ending.reset.is_some()) && !std::mem::replace(&mut asked, true) {
                wire.write(frame(PING, 0, 0, &[0; 8])).await.expect("written");
            }
        }
    }

    /// The preface and the head.
    fn head(&self, ends: bool) -> Vec<u8> {
        let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        let size = self.block.len().div_ceil(self.pieces).max(1);
        let last = self.block.len().div_ceil(size).max(1) - 1;
        for (number, piece) in self.block.chunks(size).enumerate() {
            let kind = if number == 0 { HEADERS } else { CONTINUATION };
            let ends_stream = if number == 0 && ends { END_STREAM } else { 0 };
            let ends_head = if number == last { END_HEADERS } else { 0 };
            bytes.extend(frame(kind, ends_stream | ends_head, 1, piece));
        }
        bytes
    }
}

/// A body of so many bytes in frames that anybody takes.
fn pieces(bytes: usize, end: u8) -> Vec<u8> {
    const PIECE: usize = 16 * 1024;
    let full = frame(DATA, 0, 1, &[0; PIECE]).repeat(bytes / PIECE);
    [full, frame(DATA, end, 1, &vec![0; bytes % PIECE])].concat()
}

async fn next(wire: &mut Wire) -> Option<(u8, u8, Vec<u8>)> {
    let head = wire.some(9).await?;
    let size = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    Some((head[3], head[4], wire.some(size).await?))
}

async fn outcome(wire: &mut Wire) -> Outcome {
    loop {
        let Some((kind, _, payload)) = next(wire).await else { return Outcome::Closed };
        match kind {
            HEADERS => return Outcome::Answered(status(&payload)),
            RESET => return Outcome::Reset,
            GO_AWAY if payload[4..8] != [0; 4] => return Outcome::Closed,
            _ => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// RFC 7541 section 6.2.3: a literal, never indexed, with a name of its own.
fn literal(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0x10);
    for text in [name, value] {
        length(block, text.len());
        block.extend_from_slice(text);
    }
}

/// RFC 7541 section 5.1, seven bits.
fn length(block: &mut Vec<u8>, length: usize) {
    if length < 127 {
        block.push(u8::try_from(length).expect("small"));
        return;
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).expect("small") | 0x80);
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("small"));
}

/// The status at the front of the first head on a connection: from the static table, or a literal of three digits.
fn status(block: &[u8]) -> u16 {
    match block {
        [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
        [0x48, 3, digits @ ..] => std::str::from_utf8(&digits[..3]).expect("digits").parse().expect("digits"),
        [0x48, coded, bytes @ ..] => huffman(&bytes[..usize::from(coded & 0x7f)]),
        other => panic!("no status in {other:?}"),
    }
}

/// RFC 7541 appendix B, digits only.
fn huffman(bytes: &[u8]) -> u16 {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let mut take = |count: usize| bits.by_ref().take(count).fold(0_u16, |number, bit| number << 1 | u16::from(bit));
    let mut number = 0;
    for _ in 0..3 {
        let short = take(5);
        let digit = if short < 3 { short } else { (short << 1 | take(1)) - 0b01_0110 };
        number = number * 10 + digit;
    }
    number
}
