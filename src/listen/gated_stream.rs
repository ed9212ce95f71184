//! The gate in front of hyper's HTTP/1 server: a stream that gives hyper only what `examine` lets pass.
//!
//! One read gives bytes of one message only. Together with hyper's half-close setting, under which hyper reads only when
//! it wants a head or a body, a read between messages therefore means that every earlier answer is complete. The idle
//! time, the moment of a refusal and the watch for clients that leave all rest on that: see `hyper_settings`.
//!
//! Bytes are read straight into hyper's buffer and judged there; only what may not pass yet is copied out. An idle
//! connection holds no buffer of ours.

use std::io;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use hyper::server::conn::http1;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::entropy::Entropy;
use crate::base::id::Id;
use crate::listen::ending::Ending;
use crate::listen::examine::{Examiner, Finding, Place};
use crate::listen::lines::SECTION_MAX;
use crate::listen::patience::{Patience, Timer, Wait};
use crate::listen::valve::{Refusal, Valve};
use crate::listen::violation::Violation;

/// Bytes read at once while hyper asks for none.
const SIP: usize = 512;

/// A stream whose reads are judged. Writes pass untouched.
#[derive(Debug)]
pub struct GatedStream<T> {
    stream: T,
    examiner: Examiner,
    valve: Valve,
    timer: Timer,
    /// Read from the client and not yet given to hyper.
    kept: BytesMut,
    /// How many of `kept` may pass.
    passed: usize,
    /// hyper waits for a head, so all earlier answers are written.
    asked: bool,
    /// Something was written since the last head passed.
    answered: bool,
    /// No more bytes will come.
    closed: bool,
    ending: Ending,
}

/// hyper's HTTP/1 server as it must be set up over a `GatedStream`.
///
/// Half-close: else hyper reads ahead during an answer, and idle time would run while a client waits for us. Clients that
/// leave meanwhile are noticed by the gate. No head timeout: `Patience` has it. The buffer holds one whole head.
pub fn hyper_settings() -> http1::Builder {
    let mut settings = http1::Builder::new();
    settings.half_close(true).header_read_timeout(None).max_buf_size(2 * SECTION_MAX);
    settings
}

impl<T> GatedStream<T> {
    /// Gates `stream`, from its first byte on.
    pub fn new(stream: T, patience: Patience) -> Self {
        Self {
            stream,
            examiner: Examiner::default(),
            valve: Valve::default(),
            timer: Timer::new(patience),
            kept: BytesMut::new(),
            passed: 0,
            asked: false,
            answered: false,
            closed: false,
            ending: Ending::default(),
        }
    }

    /// The hold on this connection, for upgrades and for the log.
    pub fn valve(&self) -> Valve {
        self.valve.clone()
    }

    /// How many of `bytes` may pass now: never more than to the end of one message.
    fn judge(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        loop {
            match self.examiner.examine(&bytes[passed..]) {
                Finding::Head(length) => {
                    passed += length;
                    self.head_passes();
                }
                Finding::Body(length) => passed += length,
                Finding::More | Finding::Hold => return passed,
                Finding::Tunnel => return bytes.len(),
                Finding::Refuse(violation) => {
                    self.refuse(violation);
                    return passed;
                }
            }
            if self.examiner.place() != Place::Body {
                return passed;
            }
        }
    }

    fn head_passes(&mut self) {
        self.asked = false;
        self.answered = false;
        self.timer.message_begins();
        if self.examiner.place() == Place::Held {
            self.valve.close();
        }
    }

    fn refuse(&mut self, violation: Violation) {
        // hyper asks for a head only after its last answer, so a refused head is always ours to answer. In a body hyper
        // tells the service, which may answer.
        let refusal = Refusal { violation, id: Id::draw(Entropy) };
        self.ending.owe(refusal, self.asked);
        self.valve.note(refusal);
        self.close();
    }

    fn close(&mut self) {
        self.closed = true;
        self.kept = BytesMut::new();
        self.passed = 0;
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let length = self.passed.min(buf.remaining());
        buf.put_slice(&self.kept[..length]);
        self.kept.advance(length);
        self.passed -= length;
        self.drop_empty();
    }

    fn drop_empty(&mut self) {
        if self.kept.is_empty() {
            self.kept = BytesMut::new();
        }
    }

    /// Judges what is kept. True if hyper can be given something: bytes or the end.
    fn judge_kept(&mut self) -> bool {
        let kept = std::mem::take(&mut self.kept);
        let passed = self.judge(&kept);
        if !self.closed {
            self.kept = kept;
            self.passed = passed;
        } else if passed > 0 {
            // Good bytes before the violation: a body's, since a message's end is always a stop of its own.
            self.kept = kept;
            self.kept.truncate(passed);
            self.passed = passed;
        }
        self.passed > 0 || self.closed
    }

    /// Judges what was just read into `buf` behind `start`, takes back what may not pass, and keeps it unless refused.
    fn judge_read(&mut self, buf: &mut ReadBuf<'_>, start: usize) {
        let passed = if self.kept.is_empty() { self.judge(&buf.filled()[start..]) } else { 0 };
        if !self.closed {
            self.kept.extend_from_slice(&buf.filled()[start + passed..]);
        }
        buf.set_filled(start + passed);
    }
}

impl<T: AsyncRead + Unpin> GatedStream<T> {
    /// Reads from the client into hyper's buffer. Ready with the number of bytes; zero is the end or the end of patience.
    fn poll_client(&mut self, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        let start = buf.filled().len();
        let Poll::Ready(outcome) = Pin::new(&mut self.stream).poll_read(context, buf) else {
            ready!(self.poll_impatient(context));
            return Poll::Ready(Ok(0));
        };
        outcome?;
        let length = buf.filled().len() - start;
        self.timer.bytes_came(length);
        if length == 0 {
            // A message cut short is not ours to answer: its sender has left or will see the connection close.
            self.close();
        }
        Poll::Ready(Ok(length))
    }

    /// Ready, and closed, when the client has taken too long.
    fn poll_impatient(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let wait = match self.examiner.place() {
            Place::Head if self.examiner.has_begun(&self.kept) => Wait::Head,
            Place::Head | Place::Held | Place::Refused => Wait::Idle,
            Place::Body => Wait::Body,
            Place::Tunnel => return Poll::Pending,
        };
        ready!(self.timer.poll_expired(context, wait));
        match wait {
            // Nobody is owed an answer. What the client sends at this very moment it must send again (RFC 9112 9.3.1).
            Wait::Idle => self.close(),
            Wait::Head => self.refuse(Violation::HeadTimeout),
            Wait::Body => self.refuse(Violation::BodyTimeout),
        }
        Poll::Ready(())
    }

    /// Notices, while hyper reads nothing, that the client has left. What it sends instead is kept, and then we look no
    /// more: nothing a client sends early may grow our memory.
    fn watch(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let busy = match self.examiner.place() {
            Place::Head => !self.asked,
            Place::Held => !self.valve.is_open(),
            Place::Body | Place::Tunnel | Place::Refused => false,
        };
        if !busy || self.closed || !self.kept.is_empty() {
            return Ok(());
        }
        let mut space = [MaybeUninit::uninit(); SIP];
        let mut sip = ReadBuf::uninit(&mut space);
        match Pin::new(&mut self.stream).poll_read(context, &mut sip) {
            Poll::Pending => Ok(()),
            Poll::Ready(Err(fault)) => Err(fault),
            Poll::Ready(Ok(())) if sip.filled().is_empty() => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Ready(Ok(())) => {
                self.kept.extend_from_slice(sip.filled());
                Ok(())
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for GatedStream<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        let start = buf.filled().len();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if gate.examiner.place() == Place::Head && gate.passed == 0 {
            gate.asked = true;
        }
        loop {
            if gate.passed > 0 {
                gate.give(buf);
            }
            if buf.filled().len() > start || gate.closed {
                return Poll::Ready(Ok(()));
            }
            if gate.examiner.place() == Place::Held {
                if gate.valve.poll_open(context).is_pending() {
                    ready!(gate.poll_impatient(context));
                    continue;
                }
                gate.examiner.open();
            }
            if !gate.kept.is_empty() && gate.judge_kept() {
                continue;
            }
            let before = buf.filled().len();
            if ready!(gate.poll_client(context, buf))? > 0 {
                gate.judge_read(buf, before);
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for GatedStream<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        gate.answered = true;
        Pin::new(&mut gate.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let gate = self.get_mut();
        gate.answered = true;
        Pin::new(&mut gate.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        ready!(Pin::new(&mut gate.stream).poll_flush(context))?;
        // hyper flushes whenever it is woken, so this is the one place that runs while an answer is being made.
        Poll::Ready(gate.watch(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        if gate.examiner.place() == Place::Tunnel {
            // One direction of a tunnel ends; the other goes on.
            return Pin::new(&mut gate.stream).poll_shutdown(context);
        }
        if gate.answered {
            gate.ending.answered();
        }
        if !gate.closed && (gate.examiner.place() == Place::Body || !gate.kept.is_empty()) {
            gate.ending.linger();
        }
        gate.close();
        gate.ending.poll(&mut gate.stream, &mut gate.timer, context)
    }
}

#[cfg(test)]
mod tests;
