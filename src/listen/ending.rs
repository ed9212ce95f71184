//! How a gated connection ends: the refusal if one is owed, the shutdown, and a short wait for a client still sending.
//!
//! A socket closed with unread bytes sends RST, and RST may destroy an answer the client has not read yet. So where a
//! client was cut off in mid-sentence, what it still sends is thrown away for a moment (RFC 9112 section 9.6).

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::listen::patience::Timer;
use crate::listen::valve::Refusal;

/// How long, and how many bytes, a client may still send to nobody.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;
const MOUTHFUL: usize = 2048;

/// What is still to be done before the connection is closed.
#[derive(Debug, Default)]
pub(super) struct Ending {
    answer: Vec<u8>,
    certain: bool,
    written: usize,
    linger: bool,
    shut: Option<Instant>,
    thrown: usize,
}

impl Ending {
    /// The stream was refused and the client is owed this answer; unless it is `certain`, hyper may still give one.
    pub(super) fn owe(&mut self, refusal: Refusal, certain: bool) {
        self.answer = refusal.violation.answer(refusal.id);
        self.certain = certain;
        self.linger = true;
    }

    /// hyper has written something since the last head passed; a second answer would be one to no question.
    pub(super) fn answered(&mut self) {
        if !self.certain {
            self.answer.clear();
        }
    }

    /// The client is still sending.
    pub(super) fn linger(&mut self) {
        self.linger = true;
    }

    /// Runs the ending. Ready when the stream may be dropped.
    pub(super) fn poll<T>(&mut self, stream: &mut T, timer: &mut Timer, context: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        while self.written < self.answer.len() {
            match ready!(Pin::new(&mut *stream).poll_write(context, &self.answer[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        let shut = match self.shut {
            Some(shut) => shut,
            None => {
                ready!(Pin::new(&mut *stream).poll_shutdown(context))?;
                *self.shut.insert(Instant::now())
            }
        };
        if !self.linger || timer.poll_until(context, shut + LINGER).is_ready() {
            return Poll::Ready(Ok(()));
        }
        while self.thrown < LINGER_BYTES {
            let mut space = [MaybeUninit::uninit(); MOUTHFUL];
            let mut mouthful = ReadBuf::uninit(&mut space);
            let outcome = ready!(Pin::new(&mut *stream).poll_read(context, &mut mouthful));
            if outcome.is_err() || mouthful.filled().is_empty() {
                break;
            }
            self.thrown += mouthful.filled().len();
        }
        Poll::Ready(Ok(()))
    }
}
