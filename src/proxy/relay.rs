//! An open tunnel: bytes both ways, until one side is done, the session ends or a limit is reached. Nothing is read or
//! changed in between.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::select;
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use crate::base::task;
use crate::plan::websocket::WebSockets;
use crate::proxy::permit::Permit;
use crate::proxy::pool::OpenTunnel;

/// Longest wait for both connections to be handed over once the app has agreed.
const HAND_OVER: Duration = Duration::from_secs(30);

/// Both ends of a tunnel, as soon as hyper lets go of their connections.
#[derive(Debug)]
pub struct Ends {
    /// The client's connection or stream.
    pub client: OnUpgrade,
    /// The app's connection.
    pub upstream: OnUpgrade,
}

/// What a tunnel lives by, and for how long.
#[derive(Clone, Debug)]
pub struct Limits {
    permit: Permit,
    lifetime: Option<Duration>,
    silence: Option<Duration>,
}

impl Limits {
    /// The limits of an app's WebSockets under this permit.
    pub fn of(rules: &WebSockets, permit: Permit) -> Self {
        Self { permit, lifetime: rules.max_lifetime, silence: rules.idle_timeout }
    }

    /// Waits until one of them is reached and says which.
    async fn reached(&self, pulse: &Pulse) -> &'static str {
        select! {
            _over = self.permit.ended() => "what permitted it has ended",
            () = passed(self.lifetime) => "it lived as long as it may",
            () = pulse.silent_for(self.silence) => "it was silent for too long",
        }
    }
}

async fn passed(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => pending().await,
    }
}

/// When bytes last passed.
#[derive(Debug)]
struct Pulse {
    since: Instant,
    /// Milliseconds from then to the last byte.
    last: AtomicU64,
}

impl Pulse {
    fn start() -> Self {
        Self { since: Instant::now(), last: AtomicU64::new(0) }
    }

    fn beat(&self) {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    async fn silent_for(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return pending().await };
        loop {
            let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
            let left = limit.saturating_sub(self.since.elapsed().saturating_sub(last));
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}

/// Starts relaying. When a limit is reached both connections are dropped as they are: no frame of ours is put between
/// theirs, so an app or a page never reads something that the other did not say.
pub fn start(ends: Ends, limits: Limits, open: OpenTunnel) {
    task::start("tunnel", async move {
        let _open = open;
        let pulse = Arc::new(Pulse::start());
        select! {
            reason = limits.reached(&pulse) => debug!(reason, "a tunnel was ended"),
            result = run(ends, limits.permit.clone(), Arc::clone(&pulse)) => if let Err(error) = result { debug!(%error, "a tunnel failed") },
        }
    });
}

async fn run(ends: Ends, permit: Permit, pulse: Arc<Pulse>) -> io::Result<()> {
    let both = async { tokio::try_join!(ends.client, ends.upstream) };
    let (client, upstream) = timeout(HAND_OVER, both).await?.map_err(io::Error::other)?;
    let mut client = Noted { io: TokioIo::new(client), permit, pulse };
    copy_bidirectional(&mut client, &mut TokioIo::new(upstream)).await?;
    Ok(())
}

/// The client's end: what comes from there keeps its session from idling, and what passes either way the tunnel open.
struct Noted {
    io: TokioIo<Upgraded>,
    permit: Permit,
    pulse: Arc<Pulse>,
}

impl AsyncRead for Noted {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let result = Pin::new(&mut this.io).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.permit.seen();
            this.pulse.beat();
        }
        result
    }
}

impl AsyncWrite for Noted {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write(context, bytes);
        if matches!(result, Poll::Ready(Ok(1..))) {
            this.pulse.beat();
        }
        result
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}
