//! Runs another program: bounded in time and in what is heard of it, without a shell, and with none of our environment.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, timeout, timeout_at};

/// How long it may take.
pub const LIMIT: Duration = Duration::from_secs(120);
/// How long what it started may go on talking after its end.
const GRACE: Duration = Duration::from_millis(200);
/// How much of the end of what it says is kept.
const MOST: usize = 2_000;
/// Its environment, besides what a [`Call`] says.
const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")];

/// Which program, and what it is told.
#[derive(Debug)]
pub struct Call<'a> {
    /// Where it is.
    pub program: &'a str,
    /// What it is called in a list of processes, where that is not its path.
    pub called: Option<&'a str>,
    /// What follows on its command line, where everybody on this machine may read it.
    pub arguments: Vec<&'a str>,
    /// Variables, besides the path and the language. None of ours are handed on, as secrets may be among them.
    pub variables: Vec<(&'static str, PathBuf)>,
    /// What it reads from its standard input, which nobody else may. That stays open until the program ends, so that one which
    /// waits for its end learns when we are gone.
    pub input: &'a [u8],
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
pub async fn run(call: &Call<'_>, limit: Duration) -> Result<(), (Why, String)> {
    let until = Instant::now() + limit;
    let mut words = Vec::new();
    let mut command = Command::new(call.program);
    if let Some(called) = call.called {
        command.arg0(called);
    }
    let spawned = command
        .args(&call.arguments)
        .env_clear()
        .envs(ENVIRONMENT)
        .envs(call.variables.iter().map(|(name, value)| (*name, value)))
        .current_dir("/")
        .stdin(if call.input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = spawned.map_err(|fault| (Why::Unstarted(fault), String::new()))?;
    // Until it has been waited for, nobody else can have its number.
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw));
    let told = tell(child.stdin.take(), call.input);
    let ended = timeout_at(until, async { tokio::join!(told, listen(&mut child, &mut words)).1 }).await;
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

/// Hands the input over. A program that ends without having read it all says by its exit code what that means.
async fn tell(mut into: Option<ChildStdin>, input: &[u8]) -> Option<ChildStdin> {
    if let Some(into) = &mut into {
        drop(into.write_all(input).await);
    }
    into
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
    // A terminal obeys the former, and shows text in another order for the latter.
    let obeyed = |letter: char| letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown: String = text.chars().map(|letter| if obeyed(letter) { ' ' } else { letter }).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::*;

    /// A script of its own for each test. Written elsewhere and then moved, as one that is open for writing cannot be run.
    fn script(folder: &Path, text: &str) -> Vec<String> {
        let (written, path) = (folder.join("written"), folder.join("hook"));
        fs::write(&written, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&written, fs::Permissions::from_mode(0o700)).expect("may be run");
        fs::rename(&written, &path).expect("moved");
        vec!["/bin/sh".to_owned(), path.display().to_string()]
    }

    async fn tried(text: &str, limit: Duration) -> Result<(), (Why, String)> {
        let folder = tempfile::tempdir().expect("a folder");
        started(&script(folder.path(), text), b"", limit).await
    }

    async fn started(command: &[String], input: &[u8], limit: Duration) -> Result<(), (Why, String)> {
        let arguments = command[1..].iter().map(String::as_str).collect();
        run(&Call { program: &command[0], called: None, arguments, variables: Vec::new(), input }, limit).await
    }

    #[tokio::test]
    async fn how_it_ended_and_what_it_said_is_told() {
        tried(r#"[ $# = 0 ] && [ "$PWD" = / ]"#, LIMIT).await.expect("so it is");
        let (why, said) = tried("echo one; echo two >&2; exit 3", LIMIT).await.expect_err("it failed");
        assert!(matches!(why, Why::Ended(status) if status.code() == Some(3)), "{why}");
        assert!(said.contains("one") && said.contains("two"), "{said}");
        let missing = started(&["/nowhere/hook".to_owned()], b"", LIMIT).await.expect_err("missing");
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
        let text = "i=0; while [ $i -lt 3000 ]; do echo noise-noise-noise-noise-noise >&2; i=$((i+1)); done; printf 'last \\033[31m\\007\\342\\200\\256words' >&2; exit 1";
        let (_, said) = tried(text, LIMIT).await.expect_err("it failed");
        assert!(
            said.len() <= MOST && said.contains("words") && !said.contains('\u{1b}') && !said.contains(['\u{7}', '\u{202e}']),
            "{said}"
        );
    }

    /// The attack: a program that never ends, with one in the background that would outlive it.
    #[tokio::test]
    async fn it_is_ended_with_its_children_at_the_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let marker = folder.path().join("child");
        let command = script(folder.path(), &format!("sleep 600 & echo $! > {}; wait", marker.display()));
        let (why, _) = started(&command, b"", Duration::from_secs(2)).await.expect_err("too slow");
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
    async fn it_may_read_its_input_or_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let long = vec![b'x'; 1 << 20];
        let counts = script(folder.path(), r#"[ "$(head -c 1048576 | wc -c)" = 1048576 ]"#);
        started(&counts, &long, LIMIT).await.expect("all of it");
        started(&script(folder.path(), "exit 0"), &long, LIMIT).await.expect("unread");
    }

    #[tokio::test]
    async fn what_it_leaves_running_does_not_hold_us() {
        let began = Instant::now();
        tried("sleep 5 & exit 0", LIMIT).await.expect("it ended well");
        assert!(began.elapsed() < Duration::from_secs(4));
    }
}
