//! An open tunnel: bytes both ways, until one side is done or the session ends. Nothing is read or changed in between.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::select;
use tokio::time::timeout;
use tracing::debug;

use crate::base::task;
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

/// Starts relaying. When the session or the app ends both connections are dropped as they are: no frame of ours is put between
/// theirs, so an app or a page never reads something that the other did not say.
pub fn start(ends: Ends, permit: Permit, open: OpenTunnel) {
    task::start("tunnel", async move {
        let _open = open;
        select! {
            over = permit.ended() => debug!(?over, "a tunnel ends with what permitted it"),
            result = run(ends, permit.clone()) => if let Err(error) = result { debug!(%error, "a tunnel failed") },
        }
    });
}

async fn run(ends: Ends, permit: Permit) -> io::Result<()> {
    let both = async { tokio::try_join!(ends.client, ends.upstream) };
    let (client, upstream) = timeout(HAND_OVER, both).await?.map_err(io::Error::other)?;
    let mut client = Noted { io: TokioIo::new(client), permit };
    copy_bidirectional(&mut client, &mut TokioIo::new(upstream)).await?;
    Ok(())
}

/// The client's end: what comes from there keeps its session from idling.
struct Noted {
    io: TokioIo<Upgraded>,
    permit: Permit,
}

impl AsyncRead for Noted {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let result = Pin::new(&mut this.io).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.permit.seen();
        }
        result
    }
}

impl AsyncWrite for Noted {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}
