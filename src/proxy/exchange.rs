//! One request sent and its answer's head awaited: over a kept connection if there is one, within the app's time, and
//! once more over a fresh connection if the kept one had died unnoticed.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use http::{HeaderMap, Request, Response};
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use crate::plan::app::App;
use crate::proxy::fault::Fault;
use crate::proxy::guard::{Guarded, Progress, Way};
use crate::proxy::permit::{Permit, TICK};
use crate::proxy::pool::{Lease, Pool};
use crate::wire::body::Body;

/// One request on its way to an app.
#[derive(Debug)]
pub struct Exchange<'a> {
    /// The app.
    pub app: &'a Arc<App>,
    /// The connections to it.
    pub pool: &'a Pool,
    /// What it lives by.
    pub permit: Permit,
    /// How far its bodies are.
    pub progress: Arc<Progress>,
}

/// Why an attempt failed, and what is left to try again with.
struct Failure {
    fault: Fault,
    /// The request, if not a byte of it was sent.
    unsent: Option<Request<Body>>,
    /// The connection broke before the upstream said anything.
    unheard: bool,
}

impl<'a> Exchange<'a> {
    /// An exchange for a request with this body, and the body guarded: it may have so many bytes.
    ///
    /// # Errors
    /// [`Fault::TooLarge`] if it announces more.
    pub fn begin(
        (app, pool): (&'a Arc<App>, &'a Pool),
        permit: Permit,
        body: Body,
        left: Option<u64>,
    ) -> Result<(Self, Body), Fault> {
        if body.is_end_stream() {
            return Ok((Self { app, pool, permit, progress: Arc::new(Progress::complete()) }, Body::Empty));
        }
        if left.is_some_and(|limit| body.size_hint().lower() > limit) {
            return Err(Fault::TooLarge);
        }
        let progress = Arc::new(Progress::default());
        let guarded = Guarded::new(body, Way::Up { left }, Arc::clone(&progress), permit.clone(), app.upstream.idle_timeout);
        Ok((Self { app, pool, permit, progress }, Body::wrapped(guarded)))
    }

    /// Sends the request and waits for the head of the answer.
    ///
    /// # Errors
    /// Everything but the faults of handshakes.
    pub async fn send(&self, request: Request<Body>) -> Result<(Response<Incoming>, Lease), Fault> {
        let mut request = request;
        if let Some(lease) = self.pool.take(self.app) {
            let spare = spare(&request);
            match self.attempt(lease, request).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => request = failure.repeatable(spare)?,
            }
        }
        let lease = self.pool.connect(self.app).await?;
        self.attempt(lease, request).await.map_err(|failure| failure.fault)
    }

    async fn attempt(&self, mut lease: Lease, request: Request<Body>) -> Result<(Response<Incoming>, Lease), Box<Failure>> {
        let outcome = self.wait(lease.link.send(request)).await;
        match outcome {
            Ok(Ok(response)) => Ok((response, lease)),
            Ok(Err(mut error)) => Err(Box::new(Failure {
                unsent: error.take_message(),
                unheard: lease.link.heard_nothing() && is_broken(error.error()),
                fault: self.progress.request_fault().unwrap_or_else(|| Fault::closed(error.into_error())),
            })),
            Err(fault) => Err(Box::new(Failure { fault, unsent: None, unheard: false })),
        }
    }

    /// Waits for the answer's head. The time counts anew while the request's body moves: a long upload is no silence.
    async fn wait<T>(&self, sending: impl Future<Output = T>) -> Result<T, Fault> {
        let mut sending = pin!(sending);
        let limit = self.app.upstream.response_timeout;
        let (mut moves, mut since) = (self.progress.moves(), Instant::now());
        loop {
            let tick = limit.map_or(TICK, |limit| limit.saturating_sub(since.elapsed()).min(TICK));
            if let Ok(done) = timeout(tick, sending.as_mut()).await {
                return Ok(done);
            }
            if let Some(over) = self.permit.over() {
                return Err(over.into());
            }
            if self.progress.moves() != moves {
                (moves, since) = (self.progress.moves(), Instant::now());
            } else if limit.is_some_and(|limit| since.elapsed() >= limit) {
                return Err(Fault::Timeout);
            }
        }
    }
}

impl Failure {
    /// The request to send once more, or the fault if it must not be repeated.
    fn repeatable(self, spare: Option<Request<Body>>) -> Result<Request<Body>, Fault> {
        match (self.unsent, spare) {
            (Some(unsent), _) => Ok(unsent),
            (None, Some(spare)) if self.unheard => Ok(spare),
            (None, _) => Err(self.fault),
        }
    }
}

/// A copy of a request that may be repeated without harm: idempotent (RFC 9110 section 9.2.2) and without a body.
fn spare(request: &Request<Body>) -> Option<Request<Body>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(Body::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = HeaderMap::clone(request.headers());
    Some(copy)
}

/// Whether the connection broke, as opposed to carrying something wrong.
fn is_broken(error: &hyper::Error) -> bool {
    let broke = |error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotConnected
                | io::ErrorKind::UnexpectedEof
        )
    };
    error.is_incomplete_message()
        || error.is_canceled()
        || error.is_closed()
        || error.source().and_then(|source| source.downcast_ref()).is_some_and(broke)
}
