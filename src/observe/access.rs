//! One line per request, with the field names of Caddy's access log, which log readers and ban tools already know.
//!
//! Workers hand records to a thread of its own through a bounded queue: a slow disk costs lines, never requests. Lines lost
//! that way are counted, and the count is logged.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use serde::Serialize;
use tracing::warn;

use crate::observe::record::Record;

/// Records waiting for the writer at most.
const QUEUE: usize = 8_192;

/// Takes finished requests and has them written. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLog(Option<Arc<Queue>>);

#[derive(Debug)]
struct Queue {
    records: SyncSender<Record>,
    lost: Arc<AtomicU64>,
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
    pub fn open(file: Option<&Path>) -> io::Result<(Self, Writer)> {
        let output: Box<dyn Write + Send> = match file {
            Some(path) => Box::new(appending(path)?),
            None => Box::new(io::stdout()),
        };
        let (records, queue) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let thread = Builder::new().name("access-log".to_owned()).spawn(move || write_all(&queue, &counted, output))?;
        Ok((Self(Some(Arc::new(Queue { records, lost }))), Writer(thread)))
    }

    /// Hands over one finished request; never waits.
    pub fn write(&self, record: Record) {
        if let Some(queue) = &self.0
            && let Err(TrySendError::Full(_)) = queue.records.try_send(record)
        {
            queue.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Writer {
    /// Waits until everything handed over is written. All clones of the log must be gone.
    pub fn finish(self) {
        // A panicking writer has been logged by the panic hook; there is nothing left to write then.
        drop(self.0.join());
    }
}

fn appending(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn write_all(queue: &Receiver<Record>, lost: &AtomicU64, output: Box<dyn Write + Send>) {
    let mut output = BufWriter::with_capacity(64 * 1024, output);
    while let Ok(first) = queue.recv() {
        let mut next = Some(first);
        while let Some(record) = next {
            write_line(&mut output, &record);
            next = queue.try_recv().ok();
        }
        // Flushed whenever the queue runs dry, so that a quiet gateway's lines are seen at once.
        if let Err(fault) = output.flush() {
            warn!(%fault, "the access log could not be written; requests go on");
        }
        let missed = lost.swap(0, Ordering::Relaxed);
        if missed > 0 {
            warn!(missed, "the access log could not keep up; these lines are lost");
        }
    }
}

fn write_line(output: &mut impl Write, record: &Record) {
    // A failing disk is reported by the flush, once a batch instead of once a line.
    if serde_json::to_writer(&mut *output, &Line::of(record)).is_ok() {
        drop(output.write_all(b"\n"));
    }
}

/// The record with Caddy's field names; `id`, `plan`, `app` and `refusal` are ours.
#[derive(Serialize)]
struct Line<'a> {
    level: &'static str,
    ts: f64,
    logger: &'static str,
    msg: &'static str,
    id: &'a str,
    request: RequestPart<'a>,
    plan: u64,
    app: Option<&'a str>,
    user_id: &'a str,
    refusal: Option<&'static str>,
    duration: f64,
    size: u64,
    status: u16,
}

#[derive(Serialize)]
struct RequestPart<'a> {
    remote_ip: IpAddr,
    remote_port: String,
    client_ip: IpAddr,
    proto: &'static str,
    method: &'a str,
    host: &'a str,
    uri: &'a str,
    headers: Headers<'a>,
    tls: Tls<'a>,
}

/// Of the headers only what ban tools look at: the rest may hold secrets.
#[derive(Serialize)]
struct Headers<'a> {
    #[serde(rename = "User-Agent", skip_serializing_if = "Option::is_none")]
    agent: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
struct Tls<'a> {
    server_name: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(record: &'a Record) -> Self {
        Self {
            level: "info",
            ts: record.received.millis() as f64 / 1000.0,
            logger: "http.log.access",
            msg: "handled request",
            id: &record.id,
            request: RequestPart {
                remote_ip: record.peer.ip().to_canonical(),
                remote_port: record.peer.port().to_string(),
                client_ip: record.client,
                proto: record.protocol,
                method: &record.method,
                host: &record.host,
                uri: &record.uri,
                headers: Headers { agent: record.agent.as_deref().map(|agent| [agent]) },
                tls: Tls { server_name: record.sni.as_deref() },
            },
            plan: record.plan,
            app: record.app.as_deref(),
            user_id: record.user.as_deref().unwrap_or_default(),
            refusal: record.refusal,
            duration: record.took.as_secs_f64(),
            size: record.sent,
            status: record.status,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::Timestamp;

    fn record() -> Record {
        Record {
            id: "abc".into(),
            plan: 7,
            received: Timestamp::from_millis(1_700_000_000_500),
            peer: "[::ffff:192.0.2.7]:4711".parse().expect("an address"),
            client: "192.0.2.7".parse().expect("an address"),
            sni: Some("a.example".into()),
            protocol: "HTTP/2.0",
            method: "GET".into(),
            host: "a.example".into(),
            uri: "/\u{1b}[31m".into(),
            agent: Some("curl\n".into()),
            app: Some("a".into()),
            user: None,
            refusal: Some("sign-in"),
            status: 302,
            sent: 0,
            took: Duration::from_millis(2),
        }
    }

    #[test]
    fn a_line_has_caddys_field_names() {
        let line = serde_json::to_value(Line::of(&record())).expect("plain values");
        assert_eq!(line["request"]["client_ip"], "192.0.2.7");
        assert_eq!(line["request"]["remote_ip"], "192.0.2.7");
        assert_eq!(line["status"], 302);
        assert_eq!(line["ts"], 1_700_000_000.5);
        assert_eq!(line["user_id"], "");
        assert_eq!(line["plan"], 7);
    }

    /// The attack: control characters in a path or agent forge lines or colour a terminal.
    #[test]
    fn one_request_is_one_line_without_control_characters() {
        let text = serde_json::to_string(&Line::of(&record())).expect("plain values");
        assert!(!text.chars().any(char::is_control), "{text}");
    }

    #[test]
    fn what_was_handed_over_is_written_before_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("access.log");
        let (log, writer) = AccessLog::open(Some(&path)).expect("opens");
        for _ in 0..100 {
            log.write(record());
        }
        drop(log);
        writer.finish();
        assert_eq!(std::fs::read_to_string(path).expect("written").lines().count(), 100);
    }
}
