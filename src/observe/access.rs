//! One line per request.
//!
//! Workers hand records to a thread of its own through a bounded queue: a slow disk costs lines, never requests. Lines lost
//! that way are counted, and the count is logged.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::model::event::Event;
use crate::observe::caddy;
use crate::observe::combined;
use crate::observe::output::Output;
use crate::observe::record::Record;

/// Records waiting for the writer at most.
const QUEUE: usize = 8_192;
/// Lines are written together while they are no more than this, in bytes.
const BATCH: usize = 64 * 1024;
/// Lost lines are told of at most this often.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON with Caddy's field names.
    Json,
    /// As nginx and Apache write it, with the page before and the browser.
    Combined,
    /// The same without these two.
    Common,
}

/// Takes finished requests and has them written. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLog(Option<Arc<Queue>>);

#[derive(Debug)]
struct Queue {
    form: Form,
    messages: SyncSender<Message>,
    state: Arc<State>,
}

/// A finished request; `None` only wakes the writer, which then looks what it is to do.
type Message = Option<Record>;

/// What both sides know.
#[derive(Debug, Default)]
struct State {
    /// Lines lost that nobody was told of yet.
    untold: AtomicU64,
    /// All lines lost.
    lost: AtomicU64,
    failing: AtomicBool,
    reopen: AtomicBool,
}

/// The thread that writes; waiting for it writes what is still queued.
#[derive(Debug)]
pub struct Writer(JoinHandle<()>);

impl AccessLog {
    /// Writes nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Appends to `file`, or to standard output.
    ///
    /// # Errors
    /// When the file cannot be opened for appending, or the thread cannot be made.
    pub fn open(file: Option<&Path>, form: Form) -> io::Result<(Self, Writer)> {
        let output = Output::open(file)?;
        let (messages, queue) = sync_channel(QUEUE);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let work = move || write_all(&queue, &shared, form, output);
        let thread = Builder::new().name("access-log".to_owned()).spawn(work)?;
        Ok((Self(Some(Arc::new(Queue { form, messages, state }))), Writer(thread)))
    }

    /// Hands over one finished request; never waits.
    pub fn write(&self, record: Record) {
        if let Some(queue) = &self.0
            && let Err(TrySendError::Full(_)) = queue.messages.try_send(Some(record))
        {
            queue.state.untold.fetch_add(1, Ordering::Relaxed);
            queue.state.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has the file opened anew, after whoever turns logs over has moved it away.
    pub fn reopen(&self) {
        if let Some(queue) = &self.0 {
            queue.state.reopen.store(true, Ordering::Release);
            // A full queue means a writer at work, which looks for itself.
            drop(queue.messages.try_send(None));
        }
    }

    /// Whether lines have a place for the page a visitor came from.
    pub fn has_referer(&self) -> bool {
        self.0.as_ref().is_some_and(|queue| queue.form == Form::Combined)
    }

    /// Lines that could not be written since the start, because there were too many or the disk did not take them.
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |queue| queue.state.lost.load(Ordering::Relaxed))
    }

    /// Whether the last lines could not be written.
    pub fn is_failing(&self) -> bool {
        self.0.as_ref().is_some_and(|queue| queue.state.failing.load(Ordering::Relaxed))
    }
}

impl Writer {
    /// Waits until everything handed over is written. All clones of the log must be gone.
    pub fn finish(self) {
        // A panicking writer has been logged by the panic hook; there is nothing left to write then.
        drop(self.0.join());
    }
}

fn write_all(queue: &Receiver<Message>, state: &State, form: Form, mut output: Output) {
    let mut lines = Vec::with_capacity(BATCH);
    let mut told: Option<Instant> = None;
    while let Ok(first) = queue.recv() {
        let (mut next, mut count) = (Some(first), 0);
        while let Some(message) = next {
            if let Some(record) = message {
                put(&mut lines, form, &record);
                count += 1;
            }
            next = if lines.len() < BATCH { queue.try_recv().ok() } else { None };
        }
        // Written whenever the queue runs dry, so that a quiet gateway's lines are seen at once.
        if count > 0 {
            output.write(&lines, count);
            lines.clear();
        }
        // Behind the batch, which may have held the message that was to wake us.
        if state.reopen.swap(false, Ordering::Acquire) {
            output.reopen();
        }
        state.failing.store(output.is_failing(), Ordering::Relaxed);
        if output.is_failing() {
            state.lost.fetch_add(count, Ordering::Relaxed);
        }
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            let missed = state.untold.swap(0, Ordering::Relaxed);
            if missed > 0 {
                told = Some(Instant::now());
                warn!(event = Event::LogLost.name(), missed, "the access log could not keep up; these lines are lost");
            }
        }
    }
}

fn put(lines: &mut Vec<u8>, form: Form, record: &Record) {
    match form {
        Form::Json => caddy::write(lines, record),
        Form::Combined => combined::write_combined(lines, record),
        Form::Common => combined::write_clf(lines, record),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::sample::record;

    #[test]
    fn what_was_handed_over_is_written_before_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("access.log");
        let (log, writer) = AccessLog::open(Some(&path), Form::Json).expect("opens");
        for _ in 0..100 {
            log.write(record());
        }
        drop(log);
        writer.finish();
        assert_eq!(std::fs::read_to_string(path).expect("written").lines().count(), 100);
    }

    /// What logrotate does, over and over, while requests go on: each has its line in one of the files.
    #[test]
    fn no_line_is_lost_or_doubled_while_files_are_turned_over() {
        const ALL: usize = 4_000;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("access.log");
        let (log, writer) = AccessLog::open(Some(&path), Form::Combined).expect("opens");
        for number in 0..ALL {
            let mut one = record();
            one.uri = format!("/{number}").into();
            log.write(one);
            if number % 100 == 99 {
                // The writer may be behind: then there is nothing to move yet.
                drop(std::fs::rename(&path, dir.path().join(format!("access.log.{number}"))));
                log.reopen();
            }
        }
        drop(log);
        writer.finish();
        let files = std::fs::read_dir(dir.path()).expect("listed").map(|entry| entry.expect("listed").path());
        let text: String = files.map(|file| std::fs::read_to_string(file).expect("read")).collect();
        let mut numbers: Vec<usize> =
            text.lines().map(|line| line.split(['/', ' ']).nth(9).and_then(|word| word.parse().ok()).expect(line)).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..ALL).collect::<Vec<_>>());
    }
}
