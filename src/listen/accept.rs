//! From a listening socket to connections, each in a task of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::base::lifeline::Lifeline;
use crate::base::task;
use crate::listen::door::Door;
use crate::listen::handshake;
use crate::listen::http;
use crate::listen::stall::StallGuard;
use crate::wire::client::Network;

/// A client that has read nothing for this long while we have something for it is gone. As long as an app's default
/// `idle_timeout`.
const WRITE_STALL: Duration = Duration::from_secs(600);

/// What is spoken on a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TLS: our pages and apps.
    Https,
    /// Plain HTTP: redirects only.
    Http,
}

/// Takes connections until the door drains or the address is `given_up`. Those that were taken live on.
pub async fn accept(door: Arc<Door>, listener: TcpListener, kind: Kind, given_up: Lifeline) {
    loop {
        let taken = tokio::select! {
            () = door.drain.severed() => return,
            () = given_up.severed() => return,
            taken = listener.accept() => taken,
        };
        match taken {
            Ok((stream, peer)) => admit(&door, stream, peer, kind),
            Err(fault) => back_off(&fault).await,
        }
    }
}

/// A connection over the limit is closed at once: an answer would cost what the limit is there to save.
fn admit(door: &Arc<Door>, stream: TcpStream, peer: SocketAddr, kind: Kind) {
    let by_proxy = door.services.plan.get().listen.proxies.trust(peer.ip());
    let Some(slot) = door.slots.take((!by_proxy).then(|| Network::of(peer.ip()))) else {
        debug!(%peer, "too many connections; this one is closed");
        return;
    };
    let door = Arc::clone(door);
    let tracked = door.open.clone();
    let serving = async move {
        // Without this, small frames of a WebSocket would wait for an acknowledgement.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let Ok(local) = stream.local_addr() else { return };
        let stream = StallGuard::new(stream, WRITE_STALL).holding(slot);
        match kind {
            Kind::Https => handshake::serve(&door, stream, (peer, local)).await,
            Kind::Http => http::serve_plain(&door, stream, peer).await,
        }
    };
    task::start("connection", tracked.track_future(serving));
}

/// Out of file descriptors or memory: others have to end before one more can begin. A connection that was gone before we took
/// it is nobody's trouble.
async fn back_off(fault: &io::Error) {
    if !matches!(fault.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        warn!(%fault, "connections cannot be taken just now; trying again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
