//! Starts the binary, as a command that ends or as a gateway that stays, and looks at what it says.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use doorward::admin::wish::{Answer, Wish};
use doorward::daemon::control;

/// Longer than anything may take, even on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks the gateway on its socket; `None` once it is gone.
pub fn ask(socket: &Path, wish: &Wish) -> Option<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(control::ask(socket, wish)) {
        Ok(Some(Answer::Refused { message, .. })) => panic!("refused: {message}"),
        Ok(answer) => answer,
        Err(_) => None,
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// Standard output as one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|fault| panic!("{fault}: {self:?}"))
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("we speak UTF-8");
        Self { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// A command that has a folder of its own for everything: nothing on the machine that tests is read or changed.
pub fn command(home: &Path, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(words).current_dir(home).env_clear().env("HOME", home).stdin(Stdio::null());
    // Where it is for a person; for root it would be the machine's.
    command.env("STATE_DIRECTORY", home.join(".local/share/doorward"));
    command
}

/// Runs a command to its end; words are separated by spaces.
pub fn run(home: &Path, words: &str) -> Said {
    command(home, words.split_whitespace()).output().expect("runs").into()
}

/// Runs a command that is given something on standard input.
pub fn run_with_input(home: &Path, words: &str, input: &str) -> Said {
    let mut command = command(home, words.split_whitespace());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("taken");
    child.wait_with_output().expect("ends").into()
}

/// A gateway in the foreground.
pub struct Gateway {
    pub ready: Value,
    pub took: Duration,
    pub log: Arc<Mutex<String>>,
    pub lines: Receiver<String>,
    pid: Pid,
    ended: Receiver<ExitStatus>,
    status: Option<ExitStatus>,
}

impl Gateway {
    /// Starts one and waits for its ready line. The ports are drawn by the system.
    pub fn start(home: &Path, words: &str) -> Self {
        Self::spawn(command(home, words.split_whitespace().chain(["--json"])))
    }

    /// As [`Gateway::start`], with a command made ready.
    pub fn spawn(mut command: Command) -> Self {
        let began = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
        let lines = lines(child.stdout.take().expect("piped"));
        let log = collect(child.stderr.take().expect("piped"));
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
        let ended = watch(child);
        let Ok(line) = lines.recv_timeout(PATIENCE) else {
            let _ = kill(pid, Signal::SIGKILL);
            panic!("not ready: {}", log.lock().expect("whole"))
        };
        let took = began.elapsed();
        let ready = serde_json::from_str(&line).unwrap_or(Value::String(line));
        Self { ready, took, log, lines, pid, ended, status: None }
    }

    pub fn pid(&self) -> u32 {
        u32::try_from(self.pid.as_raw()).expect("a process id")
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("it runs");
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        let status = self.ended.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("still runs: {}", self.said()));
        self.status = Some(status);
        status
    }

    /// Whether it ends within `patience`.
    pub fn ends_within(&mut self, patience: Duration) -> bool {
        self.status = self.ended.recv_timeout(patience).ok().or(self.status);
        self.status.is_some()
    }

    /// Its exit code, once it has ended; `None` if a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// Stops it tidily.
    pub fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.end();
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }

    /// Kills it as a power cut would.
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.end();
    }

    pub fn said(&self) -> String {
        self.log.lock().expect("whole").clone()
    }

    /// Where it listens for TLS.
    pub fn https(&self) -> &str {
        self.ready["https"][0].as_str().expect("an address")
    }

    pub fn link(&self) -> Option<&str> {
        self.ready["setup_link"].as_str()
    }

    pub fn ca(&self) -> PathBuf {
        self.ready["ca_file"].as_str().expect("a path").into()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.status.is_none() {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }
}

fn watch(mut child: Child) -> Receiver<ExitStatus> {
    let (tell, told) = channel();
    thread::spawn(move || tell.send(child.wait().expect("ends")));
    told
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    thread::spawn(move || BufReader::new(stream).lines().map_while(Result::ok).for_each(|line| drop(tell.send(line))));
    told
}

fn collect(stream: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&log);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut log = kept.lock().expect("whole");
            log.push_str(&line);
            log.push('\n');
        }
    });
    log
}

/// A folder that goes away with the test.
pub fn home() -> tempfile::TempDir {
    tempfile::tempdir().expect("a directory")
}

/// `up` with ports drawn by the system, in front of nothing.
pub const UP: &str = "up app.localhost=127.0.0.1:9 --listen 127.0.0.1:0 --listen-http 127.0.0.1:0 --data-dir data";

/// Every path below `dir`, sorted.
pub fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).expect("listed") {
            let entry = entry.expect("listed");
            if entry.file_type().expect("known").is_dir() {
                open.push(entry.path());
            }
            paths.push(entry.path());
        }
    }
    paths.sort();
    paths
}
