//! The connection to an upstream, counting what comes in before an answer's head is complete.
//!
//! hyper skips informational answers (1xx) without counting them; an upstream could send them for ever. The count also
//! tells whether a kept connection was dead already: nothing was heard on it since the request was sent.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::peer::Peer;

/// Most bytes before an answer's head is complete: a head of full size, informational answers, and what hyper reads ahead.
const MOST_BEFORE_HEAD: u64 = 256 * 1024;
const UNCOUNTED: u64 = u64::MAX;

/// How much an upstream has said since the last request.
#[derive(Debug, Default)]
pub struct Heard(AtomicU64);

impl Heard {
    /// A request goes out: counting starts.
    pub fn listen(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The answer's head is here: what follows is bounded by back-pressure.
    pub fn understood(&self) {
        self.0.store(UNCOUNTED, Ordering::Relaxed);
    }

    /// Whether nothing came since the request went out.
    pub fn is_nothing(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
}

/// A connection whose bytes are counted.
#[derive(Debug)]
pub struct Socket {
    stream: Peer,
    heard: Arc<Heard>,
}

impl Socket {
    /// Wraps a connection.
    pub fn new(stream: Peer, heard: Arc<Heard>) -> Self {
        Self { stream, heard }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let heard = this.heard.0.load(Ordering::Relaxed);
        if heard == UNCOUNTED {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        if heard > MOST_BEFORE_HEAD {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "too much before the end of the head")));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(context, buffer);
        let read = (buffer.filled().len() - before) as u64;
        // Exchanged, not stored: the head may be understood on another thread meanwhile, and that must last.
        let _ = this.heard.0.compare_exchange(heard, heard + read, Ordering::Relaxed, Ordering::Relaxed);
        result
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
