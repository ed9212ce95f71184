//! Ends a connection whose client has stopped reading.
//!
//! What we hold for such a client is bounded, but without an end it would hold its place for ever: hyper does not ask a body for
//! more while its write is blocked, so no limit on bodies ever runs out. The limit is long, because a paused video is not an
//! attack.

use std::future::Future;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::listen::limit::Slot;

/// A stream that fails when a write has made no progress for too long.
#[derive(Debug)]
pub struct StallGuard<T> {
    stream: T,
    limit: Duration,
    blocked: Option<Pin<Box<Sleep>>>,
    _slot: Option<Slot>,
}

impl<T> StallGuard<T> {
    /// Guards the writes to `stream`.
    pub fn new(stream: T, limit: Duration) -> Self {
        Self { stream, limit, blocked: None, _slot: None }
    }

    /// Keeps `slot` taken until the stream is dropped. The task that serves a connection ends where a WebSocket begins, and
    /// open WebSockets must count as open connections.
    #[must_use]
    pub fn holding(self, slot: Slot) -> Self {
        Self { _slot: Some(slot), ..self }
    }

    fn watch<R>(&mut self, context: &mut Context<'_>, written: Poll<Result<R>>) -> Poll<Result<R>> {
        if written.is_ready() {
            self.blocked = None;
            return written;
        }
        let limit = self.limit;
        let blocked = self.blocked.get_or_insert_with(|| Box::pin(sleep(limit)));
        match blocked.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(Error::new(ErrorKind::TimedOut, "the client has stopped reading"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for StallGuard<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for StallGuard<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;
    use crate::listen::limit::Slots;
    use crate::wire::client::Network;

    /// The attack: a client asks for a large file and never reads it, on as many connections as it may have.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_stopped_reading_is_ended() {
        let (_client, server) = duplex(16);
        let mut guarded = StallGuard::new(server, Duration::from_secs(600));
        let fault = guarded.write_all(&[0; 64]).await.expect_err("blocked for ever");
        assert_eq!(fault.kind(), ErrorKind::TimedOut);
    }

    /// The attack: more WebSockets than connections are allowed, each begun on a connection that counts no more.
    #[tokio::test]
    async fn a_place_stays_taken_until_the_stream_is_gone() {
        let slots = Slots::new(1, 1);
        let network = Network::of(Ipv4Addr::LOCALHOST.into());
        let (_client, server) = duplex(16);
        let guarded = StallGuard::new(server, Duration::from_secs(600)).holding(slots.take(Some(network)).expect("a place"));
        assert!(slots.take(Some(network)).is_none());
        drop(guarded);
        assert!(slots.take(Some(network)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_is_served_to_the_end() {
        let (mut client, server) = duplex(16);
        let mut guarded = StallGuard::new(server, Duration::from_secs(600));
        let reading = async {
            let mut read = 0;
            while read < 64 {
                tokio::time::sleep(Duration::from_secs(500)).await;
                let mut buffer = [0; 16];
                read += client.read(&mut buffer).await.expect("open");
            }
        };
        let (written, ()) = tokio::join!(guarded.write_all(&[0; 64]), reading);
        written.expect("every pause was shorter than the limit");
    }
}
