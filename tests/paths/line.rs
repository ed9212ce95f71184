//! A connection that sends targets as they are, byte for byte, and reads the answers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// Longer than any of these servers takes for a page of one word.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST: usize = 1 << 20;

/// An answer, as it came.
#[derive(Debug)]
pub struct Answer {
    /// Zero if there was none that could be read.
    pub status: u16,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn says(&self, marker: &str) -> bool {
        self.bytes.windows(marker.len()).any(|window| window == marker.as_bytes())
    }

    fn header(&self, name: &str) -> Option<String> {
        let head = String::from_utf8_lossy(&self.bytes[..head_length(&self.bytes)?]).into_owned();
        let line = head.lines().find(|line| line.split(':').next().is_some_and(|found| found.eq_ignore_ascii_case(name)))?;
        Some(line.split_once(':')?.1.trim().to_ascii_lowercase())
    }
}

/// Where to and how.
#[derive(Clone)]
pub struct Way {
    pub address: SocketAddr,
    pub host: String,
    /// With TLS if there is one.
    pub tls: Option<Arc<ClientConfig>>,
    /// Whether a connection serves for more than one request.
    pub keeps: bool,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// One client; keeps its connection as long as the server does.
pub struct Line {
    way: Way,
    stream: Option<Stream>,
}

impl Line {
    pub fn to(way: &Way) -> Self {
        Self { way: way.clone(), stream: None }
    }

    /// Asks for a target. A kept connection that was closed meanwhile is replaced once.
    pub fn ask(&mut self, target: &[u8]) -> Answer {
        let mut request = b"GET ".to_vec();
        request.extend(target);
        request.extend(format!(" HTTP/1.1\r\nHost: {}\r\n\r\n", self.way.host).into_bytes());
        let kept = self.stream.is_some();
        match self.exchange(&request) {
            Ok(answer) if kept && answer.bytes.is_empty() => self.exchange(&request),
            Err(_) if kept => self.exchange(&request),
            done => done,
        }
        .unwrap_or(Answer { status: 0, bytes: Vec::new() })
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.way)?,
        };
        stream.write_all(request)?;
        let mut bytes = Vec::new();
        let mut part = [0; 4096];
        let ended = loop {
            if is_whole(&bytes) {
                break false;
            }
            match stream.read(&mut part) {
                Ok(0) => break true,
                Ok(count) => bytes.extend(&part[..count]),
                // Closed in the middle, or without goodbye: what came is what there is.
                Err(fault) if !matches!(fault.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => break true,
                Err(fault) => return Err(fault),
            }
            if bytes.len() > LONGEST {
                break true;
            }
        };
        let answer = Answer { status: status(&bytes), bytes };
        let measured = ["content-length", "transfer-encoding"].iter().any(|name| answer.header(name).is_some());
        if self.way.keeps && !ended && measured && answer.header("connection").as_deref() != Some("close") {
            self.stream = Some(stream);
        }
        Ok(answer)
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

fn connect(way: &Way) -> io::Result<Stream> {
    let stream = TcpStream::connect_timeout(&way.address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let Some(config) = &way.tls else { return Ok(Stream::Plain(stream)) };
    let name = ServerName::try_from(way.host.clone()).expect("a name");
    let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    Ok(Stream::Tls(Box::new(StreamOwned::new(session, stream))))
}

fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn status(bytes: &[u8]) -> u16 {
    let code = bytes.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
    code.and_then(|code| std::str::from_utf8(code).ok()?.parse().ok()).unwrap_or(0)
}

/// Whether an answer is complete; one without a length is so when the connection ends.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = head_length(bytes) else { return false };
    let answer = Answer { status: status(bytes), bytes: bytes[..head].to_vec() };
    if matches!(answer.status, 204 | 304) {
        return true;
    }
    match (answer.header("content-length"), answer.header("transfer-encoding")) {
        (Some(length), _) => length.parse::<usize>().is_ok_and(|length| bytes.len() >= head + length),
        (None, Some(_)) => bytes.ends_with(b"0\r\n\r\n"),
        // Puma refuses without a length and does not always close.
        (None, None) => answer.status >= 400,
    }
}
