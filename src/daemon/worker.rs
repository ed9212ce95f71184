//! One thread per core, each with a runtime, listening sockets and upstream connections of its own.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use tokio::net::TcpListener;
use tokio::runtime::Builder as RuntimeBuilder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;
use tracing::{info, warn};

use crate::base::lifeline::Lifeline;
use crate::base::task;
use crate::listen::accept::{Kind, accept};
use crate::listen::door::Door;
use crate::model::event::Event;

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    thread: Mutex<Option<JoinHandle<()>>>,
    sockets: UnboundedSender<Handed>,
    ended: Lifeline,
}

/// A listening socket for a worker.
#[derive(Debug)]
pub struct Handed {
    /// The socket.
    pub socket: StdListener,
    /// What is spoken there.
    pub kind: Kind,
    /// Cut to take no more connections from it.
    pub given_up: Lifeline,
}

/// Starts worker `number`; it serves what it is handed.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn start(number: usize, door: Door) -> io::Result<Worker> {
    let runtime = RuntimeBuilder::new_current_thread().enable_all().build()?;
    let (sockets, handed) = unbounded_channel();
    let ended = Lifeline::new();
    let tell = ended.clone();
    let work = move || {
        runtime.block_on(serve(door, handed));
        tell.cut();
    };
    let thread = Builder::new().name(format!("worker-{number}")).spawn(work)?;
    Ok(Worker { thread: Mutex::new(Some(thread)), sockets, ended })
}

impl Worker {
    /// Has it take connections from one more socket. A worker that has ended takes none.
    pub fn hand(&self, socket: Handed) {
        drop(self.sockets.send(socket));
    }

    /// Waits until the worker has ended.
    pub async fn ended(&self) {
        self.ended.severed().await;
    }

    /// Waits until its thread has ended.
    pub fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            warn!(event = Event::GatewayFailed.name(), "a worker had panicked before it ended");
        }
    }
}

async fn serve(door: Door, mut handed: UnboundedReceiver<Handed>) {
    let door = Arc::new(door);
    loop {
        tokio::select! {
            () = door.drain.severed() => break,
            Some(Handed { socket, kind, given_up }) = handed.recv() => match TcpListener::from_std(socket) {
                Ok(listener) => drop(task::start("accept", accept(Arc::clone(&door), listener, kind, given_up))),
                Err(fault) => warn!(event = Event::AcceptFailing.name(), %fault, "a listening socket cannot be used"),
            },
        }
    }
    let drain_timeout = door.services.plan.get().listen.drain_timeout;
    door.open.close();
    let drained = async {
        tokio::select! {
            () = door.open.wait() => {}
            () = door.stop.severed() => {}
        }
    };
    if timeout(drain_timeout, drained).await.is_err() {
        info!(
            event = Event::DrainOver.name(),
            open = door.open.len(),
            "connections still open at the end of drain_timeout are closed"
        );
    }
}
