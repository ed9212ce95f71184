//! From a listening socket to connections, each in a task of its own.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::base::lifeline::Lifeline;
use crate::base::task;
use crate::listen::door::Door;
use crate::listen::handshake;
use crate::listen::http;
use crate::listen::metrics;
use crate::listen::stall::StallGuard;
use crate::model::event::Event;
use crate::wire::client::Network;

/// A client that has read nothing for this long while we have something for it is gone. As long as an app's default
/// `idle_timeout`.
const WRITE_STALL: Duration = Duration::from_secs(600);

/// What keeps connections from being taken is told at most this often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What is spoken on a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// TLS: our pages and apps.
    Https,
    /// Plain HTTP: redirects only.
    Http,
    /// Plain HTTP on this machine alone: metrics.
    Metrics,
}

/// Takes connections until the door drains or the address is `given_up`. Those that were taken live on.
pub async fn accept(door: Arc<Door>, listener: TcpListener, kind: Kind, given_up: Lifeline) {
    let mut trouble = Trouble::default();
    loop {
        let taken = tokio::select! {
            () = door.drain.severed() => return,
            () = given_up.severed() => return,
            taken = listener.accept() => taken,
        };
        match taken {
            Ok((stream, peer)) => admit(&door, stream, peer, kind),
            Err(fault) => back_off(&mut trouble, &fault).await,
        }
    }
}

/// A connection over the limit is closed at once: an answer would cost what the limit is there to save.
fn admit(door: &Arc<Door>, stream: TcpStream, peer: SocketAddr, kind: Kind) {
    if kind == Kind::Metrics {
        return metrics::admit(door, stream);
    }
    let by_proxy = door.services.plan.get().listen.proxies.trust(peer.ip());
    let Some(slot) = door.slots.take((!by_proxy).then(|| Network::of(peer.ip()))) else {
        door.services.metrics.turned_away();
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
            Kind::Http | Kind::Metrics => http::serve_plain(&door, stream, peer).await,
        }
    };
    task::start("connection", tracked.track_future(serving));
}

/// Out of file descriptors or memory: others have to end before one more can begin. A connection that was gone before we took
/// it is nobody's trouble.
async fn back_off(trouble: &mut Trouble, fault: &io::Error) {
    if matches!(fault.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        return;
    }
    if let Some(times) = trouble.tell(Instant::now()) {
        warn!(event = Event::AcceptFailing.name(), %fault, times, "connections cannot be taken just now; trying again");
    }
    sleep(Duration::from_millis(50)).await;
}

/// Trouble that comes twenty times a second, and is told once a minute.
#[derive(Debug, Default)]
pub struct Trouble {
    told: Option<Instant>,
    times: u64,
}

impl Trouble {
    /// Counts one more; how many there were since it was last told, if it is time to tell it.
    pub fn tell(&mut self, now: Instant) -> Option<u64> {
        self.times += 1;
        if self.told.is_some_and(|told| now.duration_since(told) < TELL_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(mem::take(&mut self.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attack: holding all file descriptors, so that the log fills the disk.
    #[test]
    fn trouble_is_told_once_a_minute() {
        let (mut trouble, begin) = (Trouble::default(), Instant::now());
        let told = (0..2_400).filter_map(|number| trouble.tell(begin + Duration::from_millis(50) * number));
        assert_eq!(told.collect::<Vec<_>>(), [1, 1_200]);
    }
}
