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

use crate::model::event::Event;
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
        error!(event = Event::StoreFailing.name(), error = fault as &dyn Error, "the store cannot write");
        if fault.is_lasting() {
            alarm.ring();
        }
    }
    outcome.is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::task::{Context, Waker};

    use rusqlite::ffi;

    use super::*;
    use crate::base::task;
    use crate::store::kit::{Kit, hash, name};

    /// Holds the writer's thread until the sender is dropped, so that work queues up behind it. What is asked for from now
    /// on is in another batch.
    async fn held(kit: &Kit) -> std::sync::mpsc::Sender<()> {
        let (release, wait) = channel::<()>();
        let (begin, begun) = oneshot::channel();
        let store = kit.store.clone();
        task::start("hold", async move {
            let hold = move |_: &Database| {
                let _ = begin.send(());
                Ok(wait.recv().is_ok())
            };
            let _ = store.ask(hold).await;
        });
        begun.await.unwrap();
        release
    }

    #[tokio::test]
    async fn a_failure_takes_back_itself_and_not_its_neighbours() {
        let kit = Kit::new();
        kit.store.add_user(&name("taken")).await.unwrap();
        let release = held(&kit).await;
        let adds: Vec<_> = ["a", "taken", "b", "c", "taken", "d"]
            .into_iter()
            .map(|text| {
                let store = kit.store.clone();
                task::start("add", async move { store.add_user(&name(text)).await.is_ok() })
            })
            .collect();
        tokio::task::yield_now().await;
        drop(release);
        let mut added = vec![];
        for add in adds {
            added.push(add.await.unwrap());
        }
        assert_eq!(added, [true, false, true, true, false, true]);
        let kit = kit.reopened().await;
        assert_eq!(kit.store.users().await.unwrap().len(), 5);
    }

    /// The attack: the browser closes the connection while a sign-out waits for the disk.
    #[tokio::test]
    async fn what_was_asked_for_is_done_even_if_nobody_waits_any_more() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let session = kit.store.open_session(new.clone()).await.unwrap().unwrap();
        let release = held(&kit).await;
        {
            let mut end = Box::pin(kit.store.end_session(session.id));
            assert!(end.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(release);
        assert!(kit.store.list_sessions().await.unwrap().is_empty());
        assert!(session.lifeline.is_cut() && kit.store.session(&new.token, "a.example").unwrap().is_none());
    }

    /// The attack: breaking the store so that sessions are "not found", or found for ever.
    #[tokio::test]
    async fn a_store_whose_thread_is_gone_says_nothing() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        let session = kit.store.open_session(new.clone()).await.unwrap().unwrap();
        let gone: Result<(), Fault> = kit.store.ask(|_| panic!("on purpose")).await;
        assert!(matches!(gone, Err(Fault::Broken)));
        while !kit.store.is_broken() {
            tokio::task::yield_now().await;
        }
        assert!(matches!(kit.store.session(&new.token, "a.example"), Err(Fault::Broken)));
        assert!(matches!(kit.store.session(&hash(), "a.example"), Err(Fault::Broken)));
        assert!(matches!(kit.store.user(&alice.name).await, Err(Fault::Broken)));
        assert!(matches!(kit.store.end_session(session.id).await, Err(Fault::Broken)));
        assert!(session.lifeline.is_cut());
    }

    #[tokio::test]
    async fn a_closed_store_says_nothing() {
        let kit = Kit::new();
        kit.store.close().await.unwrap();
        assert!(matches!(kit.store.session(&hash(), "a.example"), Err(Fault::Broken)));
        assert!(matches!(kit.store.users().await, Err(Fault::Broken)));
        assert!(matches!(kit.store.close().await, Err(Fault::Broken)));
    }

    #[tokio::test]
    async fn a_failing_disk_breaks_the_store_and_a_full_one_does_not() {
        for (code, lasting) in [
            (ffi::SQLITE_FULL, false),
            (ffi::SQLITE_BUSY, false),
            (ffi::SQLITE_CONSTRAINT, false),
            (ffi::SQLITE_IOERR, true),
            (ffi::SQLITE_CORRUPT, true),
            (ffi::SQLITE_NOTADB, true),
            (ffi::SQLITE_READONLY, true),
        ] {
            let kit = Kit::new();
            let fails = move |_: &Database| -> Result<(), Fault> {
                Err(Fault::Sqlite(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)))
            };
            assert!(kit.store.ask(fails).await.is_err());
            assert_eq!((kit.store.is_broken(), kit.store.session(&hash(), "a.example").is_err()), (lasting, lasting), "{code}");
        }
    }

    #[tokio::test]
    async fn a_transaction_that_the_engine_ended_is_acknowledged_to_nobody() {
        let kit = Kit::new();
        let release = held(&kit).await;
        let add = |text: &'static str| {
            let store = kit.store.clone();
            task::start("add", async move { store.add_user(&name(text)).await })
        };
        let before = add("before");
        let store = kit.store.clone();
        let lost = task::start("lose", async move { store.ask(|database| database.batch("ROLLBACK")).await });
        let after = add("after");
        tokio::task::yield_now().await;
        drop(release);
        assert!(lost.await.unwrap().is_err());
        for add in [before, after] {
            assert!(matches!(add.await.unwrap(), Err(Fault::NotKept)));
        }
        assert!(kit.store.users().await.unwrap().is_empty());
        kit.store.add_user(&name("later")).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_refuses_what_does_not_fit_and_keeps_what_was_acknowledged() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let session = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        let room =
            |pages: &'static str| kit.store.ask(move |database| database.batch(&format!("PRAGMA max_page_count = {pages}")));
        room("1").await.unwrap();
        let mut kept = 1;
        let refused = loop {
            match kit.store.add_user(&name(&format!("user{kept}"))).await {
                Ok(_) => kept += 1,
                Err(fault) => break fault,
            }
        };
        assert!(matches!(refused, Fault::Sqlite(_)), "{refused:?}");
        assert!(!kit.store.is_broken());
        assert!(kit.store.end_session(session.id).await.unwrap(), "ending needs no room");
        room("1000000").await.unwrap();
        kit.store.add_user(&name("later")).await.unwrap();
        let kit = kit.reopened().await;
        assert_eq!(kit.store.users().await.unwrap().len(), kept + 1);
        assert!(kit.store.list_sessions().await.unwrap().is_empty());
    }
}
