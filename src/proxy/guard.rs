//! A body on its way through: limited, timed, tied to the session that permitted it, and telling when it is complete.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::proxy::fault::Fault;
use crate::proxy::hop;
use crate::proxy::permit::{Permit, TICK};
use crate::proxy::pool::Lease;
use crate::wire::body::{Body, Fault as BodyFault};
use crate::wire::identity;

/// What the two bodies of one exchange know of each other.
#[derive(Debug, Default)]
pub struct Progress {
    /// Frames that passed, in either direction.
    moves: AtomicU32,
    request: OnceLock<RequestEnd>,
}

/// How the request's body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestEnd {
    Complete,
    Idle,
    TooLarge,
    SessionEnded,
    AppChanged,
    Peer,
}

impl Progress {
    /// For a request without a body.
    pub fn complete() -> Self {
        Self { moves: AtomicU32::new(0), request: OnceLock::from(RequestEnd::Complete) }
    }

    /// Frames that passed so far, in either direction.
    pub fn moves(&self) -> u32 {
        self.moves.load(Ordering::Relaxed)
    }

    /// What the client did wrong while sending its body, if anything.
    pub fn request_fault(&self) -> Option<Fault> {
        match self.request.get()? {
            RequestEnd::Complete => None,
            RequestEnd::Idle => Some(Fault::Stalled),
            RequestEnd::TooLarge => Some(Fault::TooLarge),
            RequestEnd::SessionEnded => Some(Fault::SessionEnded),
            RequestEnd::AppChanged => Some(Fault::AppChanged),
            RequestEnd::Peer => Some(Fault::ClientGone),
        }
    }

    fn request_is_complete(&self) -> bool {
        self.request.get() == Some(&RequestEnd::Complete)
    }
}

/// Which way a body goes, and what its end means.
#[derive(Debug)]
pub enum Way {
    /// From the client; at most so many bytes more.
    Up {
        /// Bytes it may still have; `None` for any number.
        left: Option<u64>,
    },
    /// From the upstream, over this connection, which is kept when all is complete.
    Down {
        /// The connection.
        lease: Option<Lease>,
    },
}

/// A guarded body.
#[derive(Debug)]
pub struct Guarded {
    inner: Body,
    way: Way,
    progress: Arc<Progress>,
    permit: Permit,
    idle_timeout: Option<Duration>,
    watch: Option<Watch>,
    begun: bool,
    over: bool,
}

/// The timer of a body that has to be waited for. Made at the first wait: most answers never need one. It is not set
/// anew at every frame; when it fires it looks what moved since.
#[derive(Debug)]
struct Watch {
    moves: u32,
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Guarded {
    /// Guards `inner`. `idle_timeout` is the longest silence on it.
    pub fn new(inner: Body, way: Way, progress: Arc<Progress>, permit: Permit, idle_timeout: Option<Duration>) -> Self {
        Self { inner, way, progress, permit, idle_timeout, watch: None, begun: false, over: false }
    }

    fn pass(&mut self, frame: Option<Result<Frame<Bytes>, BodyFault>>) -> Option<Result<Frame<Bytes>, BodyFault>> {
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(fault)) => return Some(Err(self.fail(fault))),
            None => {
                self.complete();
                return None;
            }
        };
        self.progress.moves.fetch_add(1, Ordering::Relaxed);
        // Not at the first frame: the grant is a moment old then, and most bodies have one frame.
        if std::mem::replace(&mut self.begun, true)
            && let Some(over) = self.permit.over()
        {
            return Some(Err(self.fail(over.into())));
        }
        match frame.into_data() {
            Ok(data) => self.pass_data(data),
            Err(frame) => self.pass_trailers(frame.into_trailers().unwrap_or_default()),
        }
    }

    fn pass_data(&mut self, data: Bytes) -> Option<Result<Frame<Bytes>, BodyFault>> {
        if let Way::Up { left } = &mut self.way {
            self.permit.seen();
            match left.map(|left| left.checked_sub(data.len() as u64)) {
                Some(None) => return Some(Err(self.fail(BodyFault::TooLarge))),
                Some(still) => *left = still,
                None => {}
            }
        }
        if self.inner.is_end_stream() {
            self.complete();
        }
        Some(Ok(Frame::data(data)))
    }

    fn pass_trailers(&mut self, mut trailers: HeaderMap) -> Option<Result<Frame<Bytes>, BodyFault>> {
        let up = matches!(self.way, Way::Up { .. });
        let refused: Vec<_> =
            trailers.keys().filter(|name| !hop::may_trail(name) || up && identity::is_ours(name)).cloned().collect();
        for name in refused {
            trailers.remove(name);
        }
        self.complete();
        if trailers.is_empty() { None } else { Some(Ok(Frame::trailers(trailers))) }
    }

    fn complete(&mut self) {
        self.over = true;
        self.watch = None;
        match &mut self.way {
            Way::Up { .. } => {
                let _ = self.progress.request.set(RequestEnd::Complete);
            }
            Way::Down { lease } => {
                if let Some(lease) = lease.take() {
                    settle(lease, &self.progress);
                }
            }
        }
    }

    fn fail(&mut self, fault: BodyFault) -> BodyFault {
        self.over = true;
        self.watch = None;
        match &mut self.way {
            Way::Up { .. } => {
                let _ = self.progress.request.set(match fault {
                    BodyFault::Idle => RequestEnd::Idle,
                    BodyFault::TooLarge => RequestEnd::TooLarge,
                    BodyFault::SessionEnded => RequestEnd::SessionEnded,
                    BodyFault::AppChanged => RequestEnd::AppChanged,
                    BodyFault::Peer(_) => RequestEnd::Peer,
                });
            }
            Way::Down { lease } => *lease = None,
        }
        fault
    }

    /// Waits for nothing but trouble: silence for too long, or the end of the session or app.
    fn poll_trouble(&mut self, context: &mut Context<'_>) -> Poll<BodyFault> {
        let tick = self.idle_timeout.map_or(TICK, |idle| idle.min(TICK));
        let moves = self.progress.moves();
        let new = || Watch { moves, since: Instant::now(), timer: Box::pin(sleep(tick)) };
        let mut watch = self.watch.take().unwrap_or_else(new);
        while watch.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if let Some(over) = self.permit.over() {
                return Poll::Ready(over.into());
            }
            if watch.moves != moves {
                (watch.moves, watch.since) = (moves, now);
            } else if self.idle_timeout.is_some_and(|idle| now - watch.since >= idle) {
                return Poll::Ready(BodyFault::Idle);
            }
            watch.timer.as_mut().reset(now + tick);
        }
        self.watch = Some(watch);
        Poll::Pending
    }
}

/// Keeps the connection of an answer that is complete, or closes it if the client's own body did not get through whole:
/// what is left of one request must never be read as the next.
pub fn settle(lease: Lease, progress: &Progress) {
    if progress.request_is_complete() {
        lease.give_back();
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            return Poll::Ready(this.pass(frame));
        }
        let fault = ready!(this.poll_trouble(context));
        Poll::Ready(Some(Err(this.fail(fault))))
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests;
