//! One thread per core, each with a runtime, listening sockets and upstream connections of its own.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder as RuntimeBuilder;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::base::lifeline::Lifeline;
use crate::base::task;
use crate::listen::accept::{Kind, accept};
use crate::listen::door::Door;

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    thread: JoinHandle<()>,
    ended: Lifeline,
}

/// Starts worker `number` on its sockets.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn start(number: usize, door: Door, sockets: Vec<(StdListener, Kind)>, drain_timeout: Duration) -> io::Result<Worker> {
    let runtime = RuntimeBuilder::new_current_thread().enable_all().build()?;
    let ended = Lifeline::new();
    let tell = ended.clone();
    let work = move || {
        runtime.block_on(serve(door, sockets, drain_timeout));
        tell.cut();
    };
    let thread = Builder::new().name(format!("worker-{number}")).spawn(work)?;
    Ok(Worker { thread, ended })
}

impl Worker {
    /// Waits until the worker has ended.
    pub async fn ended(&self) {
        self.ended.severed().await;
    }

    /// Waits until its thread has ended.
    pub fn join(self) {
        if self.thread.join().is_err() {
            warn!("a worker had panicked before it ended");
        }
    }
}

async fn serve(door: Door, sockets: Vec<(StdListener, Kind)>, drain_timeout: Duration) {
    let door = Arc::new(door);
    for (socket, kind) in sockets {
        match TcpListener::from_std(socket) {
            Ok(listener) => drop(task::start("accept", accept(Arc::clone(&door), listener, kind))),
            Err(fault) => warn!(%fault, "a listening socket cannot be used"),
        }
    }
    door.drain.severed().await;
    door.open.close();
    let drained = async {
        tokio::select! {
            () = door.open.wait() => {}
            () = door.stop.severed() => {}
        }
    };
    if timeout(drain_timeout, drained).await.is_err() {
        info!(open = door.open.len(), "connections still open at the end of drain_timeout are closed");
    }
}
