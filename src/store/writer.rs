//! The one thread that owns the database. Work queues up for it; what has queued up while it wrote is written together.
//!
//! One commit costs one fsync whatever it holds, so under load a batch of sign-ins costs as much as one. Each piece of
//! work stands in a savepoint of its own: if it fails it takes back itself and not its neighbours. Answers go out after
//! the commit, and changes in memory are made here too, in the order of the commits, even if nobody waits any more.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::sync::{mpsc, oneshot};
use tracing::error;

use crate::store::database::Database;
use crate::store::fault::Fault;
use crate::store::live::Live;

const QUEUE: usize = 256;
const LARGEST_BATCH: usize = 64;

/// Work to do within a transaction; `None` if there is none to be had.
type Work = Box<dyn FnOnce(Option<&Database>) -> Done + Send>;

/// Work done, but not yet kept.
struct Done {
    /// Whether the savepoint is to be kept.
    keep: bool,
    /// Whether the database has shown that it cannot be relied on.
    lasting: bool,
    /// Told whether the transaction was kept; answers.
    settle: Box<dyn FnOnce(Result<(), Fault>)>,
}

enum Message {
    Work(Work),
    Close(oneshot::Sender<Result<(), Fault>>),
}

/// Hands work to the thread.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    broken: Arc<AtomicBool>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(database: Database) -> io::Result<Self> {
        let (queue, messages) = mpsc::channel(QUEUE);
        let broken = Arc::new(AtomicBool::new(false));
        let alarm = Alarm(Arc::clone(&broken));
        thread::Builder::new().name("store".to_owned()).spawn(move || serve(database, messages, alarm))?;
        Ok(Self { queue, broken })
    }

    /// Whether the store can answer nothing any more.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Does `work` in a transaction; once that is kept or lost, `settle` brings memory in line and makes the answer.
    /// `settle` runs even if the caller stopped waiting. It does not run if the thread has ended.
    pub(super) async fn run<T: 'static, R: Send + 'static>(
        &self,
        live: Arc<Live>,
        work: impl FnOnce(&Database) -> Result<T, Fault> + Send + 'static,
        settle: impl FnOnce(&Live, Result<T, Fault>) -> Result<R, Fault> + Send + 'static,
    ) -> Result<R, Fault> {
        if self.is_broken() {
            return Err(Fault::Broken);
        }
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |database| {
            let outcome = database.ok_or(Fault::NotKept).and_then(work);
            let keep = outcome.is_ok();
            let lasting = outcome.as_ref().is_err_and(Fault::is_lasting);
            let settle = move |fate: Result<(), Fault>| {
                let outcome = outcome.and_then(|done| fate.map(|()| done));
                // Nobody may be waiting any more; what was done is done.
                let _ = answer.send(settle(&live, outcome));
            };
            Done { keep, lasting, settle: Box::new(settle) }
        });
        self.queue.send(Message::Work(work)).await.map_err(|_| Fault::Broken)?;
        answered.await.map_err(|_| Fault::Broken)?
    }

    /// Ends the thread once all that was queued is written.
    pub(super) async fn close(&self) -> Result<(), Fault> {
        let (answer, answered) = oneshot::channel();
        self.queue.send(Message::Close(answer)).await.map_err(|_| Fault::Broken)?;
        answered.await.map_err(|_| Fault::Broken)?
    }
}

/// Marks the store broken when the thread ends, by whatever way.
struct Alarm(Arc<AtomicBool>);

impl Alarm {
    fn ring(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.ring();
    }
}

fn serve(database: Database, mut messages: mpsc::Receiver<Message>, alarm: Alarm) {
    while let Some(first) = messages.blocking_recv() {
        let (batch, closing) = gather(first, &mut messages);
        if !batch.is_empty() {
            perform(&database, batch, &alarm);
        }
        if let Some(answer) = closing {
            messages.close();
            alarm.ring();
            let _ = answer.send(database.close());
            return;
        }
    }
}

/// What is queued by now, up to the size of a batch.
fn gather(first: Message, messages: &mut mpsc::Receiver<Message>) -> (Vec<Work>, Option<oneshot::Sender<Result<(), Fault>>>) {
    let mut batch = vec![];
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Work(work) => batch.push(work),
            Message::Close(answer) => return (batch, Some(answer)),
        }
        next = if batch.len() < LARGEST_BATCH { messages.try_recv().ok() } else { None };
    }
    (batch, None)
}

fn perform(database: &Database, batch: Vec<Work>, alarm: &Alarm) {
    let mut open = log(database.batch("BEGIN IMMEDIATE"), alarm);
    let mut done = Vec::with_capacity(batch.len());
    for work in batch {
        let ran = step(database, work, &mut open, alarm);
        done.push(ran.settle);
    }
    let kept = open && log(database.batch("COMMIT"), alarm);
    if !kept && database.in_transaction() {
        log(database.batch("ROLLBACK"), alarm);
    }
    for settle in done {
        settle(if kept { Ok(()) } else { Err(Fault::NotKept) });
    }
}

/// Does one piece of work in a savepoint. `open` turns false when the transaction is lost.
fn step(database: &Database, work: Work, open: &mut bool, alarm: &Alarm) -> Done {
    *open = *open && log(database.batch("SAVEPOINT work"), alarm);
    let done = work(open.then_some(database));
    if done.lasting {
        alarm.ring();
    }
    if *open {
        let end = if done.keep { "RELEASE work" } else { "ROLLBACK TO work; RELEASE work" };
        *open = database.in_transaction() && log(database.batch(end), alarm);
    }
    done
}

fn log(outcome: Result<(), Fault>, alarm: &Alarm) -> bool {
    if let Err(fault) = &outcome {
        error!(error = fault as &dyn Error, "the store cannot write");
        if fault.is_lasting() {
            alarm.ring();
        }
    }
    outcome.is_ok()
}
