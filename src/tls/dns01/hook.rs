//! A program of the owner's that changes the zone: `PROGRAM [ARGUMENTS] present|cleanup NAME. VALUE`, as lego calls it.
//!
//! No shell takes part and no visitor has a say: the program and its arguments are the owner's, the name is one of the configuration
//! (or where its CNAME leads, of harmless letters), the value a hash. It gets none of our environment, in which secrets may be.

use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout, timeout_at};

/// How long it may take.
pub const LIMIT: Duration = Duration::from_secs(120);
/// How long what it started may go on talking after its end.
const GRACE: Duration = Duration::from_millis(200);
/// How much of the end of what it says is kept.
const MOST: usize = 2_000;
/// Its whole environment.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")];

/// What it is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Set a value beside others of the name.
    Present,
    /// Remove that value.
    Cleanup,
}

impl Verb {
    const fn name(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Cleanup => "cleanup",
        }
    }
}

/// Why it did not do it.
#[derive(Debug)]
pub enum Why {
    /// It could not be started.
    Unstarted(io::Error),
    /// It took too long, and was ended with what it had started.
    Slow(Duration),
    /// It ended, and not well.
    Ended(ExitStatus),
    /// It could not be waited for.
    Lost(io::Error),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unstarted(fault) => write!(f, "it could not be started ({fault})"),
            Self::Slow(limit) => write!(f, "it had not ended after {} seconds", limit.as_secs()),
            Self::Ended(status) => write!(f, "it failed ({status})"),
            Self::Lost(fault) => write!(f, "it could not be waited for ({fault})"),
        }
    }
}

/// Ends a program and all that it started.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // Where it is gone already there is nothing to end.
            killpg(group, Signal::SIGKILL).ok();
        }
    }
}

/// Runs the program and waits for its end, at most `limit`. Where this is dropped sooner, the program ends too.
///
/// # Errors
/// Why it did not do it, and the end of what it said.
pub async fn run(command: &[String], (verb, name, value): (Verb, &str, &str), limit: Duration) -> Result<(), (Why, String)> {
    let until = Instant::now() + limit;
    let mut words = Vec::new();
    let (program, arguments) =
        command.split_first().ok_or_else(|| (Why::Unstarted(io::ErrorKind::NotFound.into()), String::new()))?;
    let spawned = Command::new(program)
        .args(arguments)
        .args([verb.name(), &format!("{name}."), value])
        .env_clear()
        .envs(ENVIRONMENT)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = spawned.map_err(|fault| (Why::Unstarted(fault), String::new()))?;
    // Until it has been waited for, nobody else can have its number.
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let ended = timeout_at(until, listen(&mut child, &mut words)).await;
    let said = said(&words);
    match ended {
        Err(_) => Err((Why::Slow(limit), said)),
        Ok(ended) => {
            group.0 = None;
            match ended {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err((Why::Ended(status), said)),
                Err(fault) => Err((Why::Lost(fault), said)),
            }
        }
    }
}

/// Takes in what the program says, of both kinds, until it ends. What it left running may hold the pipes open for ever.
async fn listen(child: &mut Child, words: &mut Vec<u8>) -> io::Result<ExitStatus> {
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            piece = piece(&mut out), if out.is_some() => keep(words, &piece),
            piece = piece(&mut err), if err.is_some() => keep(words, &piece),
        }
    };
    let rest = async {
        while out.is_some() {
            keep(words, &piece(&mut out).await);
        }
        while err.is_some() {
            keep(words, &piece(&mut err).await);
        }
    };
    drop(timeout(GRACE, rest).await);
    status
}

/// What there is to read now; nothing at the end, after which nothing is read any more.
async fn piece<R: AsyncRead + Unpin>(from: &mut Option<R>) -> Vec<u8> {
    let Some(reader) = from else { return Vec::new() };
    let mut piece = vec![0; 512];
    let count = reader.read(&mut piece).await.unwrap_or(0);
    if count == 0 {
        *from = None;
    }
    piece.truncate(count);
    piece
}

fn keep(words: &mut Vec<u8>, piece: &[u8]) {
    words.extend_from_slice(piece);
    let surplus = words.len().saturating_sub(MOST);
    words.drain(..surplus);
}

/// As it may be shown on a terminal and in a log.
fn said(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let shown: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    const NAME: &str = "_acme-challenge.a.example";

    /// A script of its own for each test. Written elsewhere and then moved, as one that is open for writing cannot be run.
    fn script(folder: &Path, text: &str) -> Vec<String> {
        let (written, path) = (folder.join("written"), folder.join("hook"));
        fs::write(&written, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&written, fs::Permissions::from_mode(0o700)).expect("may be run");
        fs::rename(&written, &path).expect("moved");
        vec!["/bin/sh".to_owned(), path.display().to_string(), "mine".to_owned()]
    }

    async fn tried(text: &str, limit: Duration) -> Result<(), (Why, String)> {
        let folder = tempfile::tempdir().expect("a folder");
        let command = script(folder.path(), text);
        run(&command, (Verb::Present, NAME, "-value_1"), limit).await
    }

    #[tokio::test]
    async fn it_is_called_as_lego_calls_it() {
        let expected =
            r#"[ "$1 $2 $3 $4" = "mine present _acme-challenge.a.example. -value_1" ] && [ $# = 4 ] && [ "$PWD" = / ]"#;
        tried(expected, LIMIT).await.expect("so it is");
        let (why, said) = tried("echo one; echo two >&2; exit 3", LIMIT).await.expect_err("it failed");
        assert!(matches!(why, Why::Ended(status) if status.code() == Some(3)), "{why}");
        assert!(said.contains("one") && said.contains("two"), "{said}");
        let missing = run(&["/nowhere/hook".to_owned()], (Verb::Cleanup, NAME, "x"), LIMIT).await.expect_err("missing");
        assert!(matches!(missing.0, Why::Unstarted(_)));
    }

    /// The attack: a program, or what it starts, that reads secrets of ours from its environment.
    #[tokio::test]
    async fn it_gets_none_of_our_environment() {
        let (_, said) = tried("env; exit 1", LIMIT).await.expect_err("it failed");
        let allowed = ["PATH=", "LANG=", "PWD=", "OLDPWD=", "SHLVL=", "_="];
        assert!(said.split_whitespace().all(|word| allowed.iter().any(|name| word.starts_with(name))), "{said}");
    }

    /// The attack: a program that talks without end, and steers the terminal of whoever reads it.
    #[tokio::test]
    async fn what_it_says_is_bounded_and_harmless() {
        let text = "i=0; while [ $i -lt 3000 ]; do echo noise-noise-noise-noise-noise >&2; i=$((i+1)); done; printf 'last \\033[31m\\007words' >&2; exit 1";
        let (_, said) = tried(text, LIMIT).await.expect_err("it failed");
        assert!(said.len() <= MOST && said.contains("words") && !said.contains('\u{1b}') && !said.contains('\u{7}'), "{said}");
    }

    /// The attack: a program that never ends, with one in the background that would outlive it.
    #[tokio::test]
    async fn it_is_ended_with_its_children_at_the_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let marker = folder.path().join("child");
        let command = script(folder.path(), &format!("sleep 600 & echo $! > {}; wait", marker.display()));
        let (why, _) = run(&command, (Verb::Present, NAME, "x"), Duration::from_secs(2)).await.expect_err("too slow");
        assert!(matches!(why, Why::Slow(_)));
        let child = fs::read_to_string(&marker).expect("it had started").trim().to_owned();
        let state = || fs::read_to_string(format!("/proc/{child}/stat")).ok();
        // Gone, or dead and not yet collected by whoever inherited it.
        let dead = || state().is_none_or(|state| state.contains(") Z "));
        for _ in 0..500 {
            if dead() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("its child lives on");
    }

    #[tokio::test]
    async fn what_it_leaves_running_does_not_hold_us() {
        let began = Instant::now();
        tried("sleep 5 & exit 0", LIMIT).await.expect("it ended well");
        assert!(began.elapsed() < Duration::from_secs(4));
    }
}
