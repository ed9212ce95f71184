//! The commands as an owner types them, with what they print and how they end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use doorward::config::environment::Environment;
use doorward::daemon::configuration;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::app::App;
use crate::kit::gateway::{Gateway, HOST};
use crate::reload::{app, file, rewrite};

fn doorward(home: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(words).current_dir(home).env_remove("RUNTIME_DIRECTORY").env_remove("STATE_DIRECTORY");
    command.output().expect("the program runs")
}

async fn run(gateway: &Gateway, words: &'static [&'static str]) -> (Option<i32>, String, String) {
    let home = gateway.home().to_owned();
    let output = tokio::task::spawn_blocking(move || doorward(&home, words)).await.expect("no panic");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_reload_says_what_changed_and_a_bad_file_ends_with_3_and_what_check_says() {
    let upstream = App::start().await;
    let good = file(&app(HOST, &upstream.url(), ""));
    let gateway = Gateway::from_file(&good);
    rewrite(&gateway, &file(&app(HOST, &upstream.url(), "bypass = [\"/health\"]")));
    let (code, said, remarks) = run(&gateway, &["reload", "--data-dir", "data"]).await;
    assert_eq!(
        (code, said.as_str()),
        (Some(0), "configuration 2 is in force; it makes 1 thing public\n\nBecomes public\n  app.example: /health is public\n")
    );
    assert!(remarks.contains("W0602"), "{remarks}");
    rewrite(&gateway, &good.replace("[log]", "[lgo]"));
    let (code, said, complaints) = run(&gateway, &["reload", "--data-dir", "data"]).await;
    assert_eq!((code, said.as_str()), (Some(3), ""));
    let report = configuration::load(&gateway.home().join("gateway.toml"), &Environment::default()).expect_err("complaints");
    assert_eq!(complaints.trim_end(), report.human(false).trim_end());
    let (code, said, _) = run(&gateway, &["reload", "--data-dir", "data", "--json"]).await;
    assert_eq!(code, Some(3));
    let json: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(json["diagnostics"][0]["code"], "E0203");
    fs::write(gateway.home().join("other.toml"), &good).expect("written");
    let (code, _, refused) = run(&gateway, &["reload", "-c", "other.toml", "--data-dir", "data"]).await;
    assert_eq!(code, Some(1));
    assert!(refused.contains("runs from") && refused.contains("gateway.toml"), "{refused}");
}

#[tokio::test]
async fn a_trial_is_announced_and_kept() {
    let upstream = App::start().await;
    let gateway = Gateway::from_file(&file(&app(HOST, &upstream.url(), "")));
    let (code, said, _) = run(&gateway, &["reload", "--data-dir", "data", "--confirm", "5m"]).await;
    assert_eq!(code, Some(0));
    assert_eq!(
        said,
        "configuration 2 is in force; it changes nothing\n\non trial for 5 minutes: `doorward reload --keep` keeps it, else the configuration before it comes back\n"
    );
    let (code, _, refused) = run(&gateway, &["reload", "--data-dir", "data"]).await;
    assert_eq!(code, Some(1), "{refused}");
    let (code, said, _) = run(&gateway, &["reload", "--data-dir", "data", "--keep"]).await;
    assert_eq!((code, said.as_str()), (Some(0), "configuration 2 stays\n"));
    assert_eq!(run(&gateway, &["reload", "--confirm", "5"]).await.0, Some(2));
}

#[tokio::test]
async fn a_difference_is_told_in_sentences_and_applies_nothing() {
    let upstream = App::start().await;
    let gateway = Gateway::from_file(&file(&app(HOST, &upstream.url(), "deny = [\"/admin/\"]")));
    let more = app("new.example", "http://127.0.0.1:1", "require = \"password\"");
    let other = file(&(app(HOST, &upstream.url(), "bypass = [\"/a\", \"/b\"]\nidle_timeout = \"1m\"") + &more));
    fs::write(gateway.home().join("new.toml"), other).expect("written");
    let (code, said, _) = run(&gateway, &["diff", "-c", "new.toml", "--data-dir", "data"]).await;
    assert_eq!(code, Some(0));
    let expected = "compared with configuration 1, which is in force, the file makes 2 things public, opens 2 things, changes 1 thing otherwise\n\n\
        Becomes public\n  app.example: /a is public\n  app.example: /b is public\n\n\
        Becomes reachable, or easier to reach\n  app.example: /admin/ is no longer denied\n  \
        new.example: a new app at https://new.example:PORT/, behind one factor alone\n\n\
        Changes otherwise\n  app.example: idle_timeout is 1m instead of 10m\n";
    assert_eq!(said, expected.replace("PORT", &gateway.reach().https.port().to_string()));
    let (code, said, _) = run(&gateway, &["diff", "-c", "new.toml", "--data-dir", "data", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &json["changes"][0]["effect"]), (Some(0), &"publishes".into()));
    assert_eq!(gateway.running().services().plan.get().version, 1);
}

#[tokio::test]
async fn without_a_gateway_there_is_nothing_to_reload_or_compare() {
    let home = tempfile::tempdir().expect("a folder");
    fs::write(home.path().join("gateway.toml"), app(HOST, "http://127.0.0.1:1", "")).expect("written");
    for words in [["reload", "--data-dir", "data"], ["diff", "--data-dir", "data"]] {
        assert_eq!(doorward(home.path(), &words).status.code(), Some(5), "{words:?}");
    }
}

/// A gateway in a process of its own, and what it says to standard error.
pub(super) struct Running(Child, BufReader<std::process::ChildStderr>);

impl Running {
    fn start(home: &Path, words: &[&str]) -> Self {
        Self::start_within(home, words, &[])
    }

    /// With these variables too.
    pub(super) fn start_within(home: &Path, words: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command.args(words).current_dir(home).env_remove("RUNTIME_DIRECTORY").envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut ready = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut ready).expect("readable");
        assert!(ready.contains("\"ready\""), "{ready}");
        let said = BufReader::new(child.stderr.take().expect("piped"));
        Self(child, said)
    }

    /// Reads on until a line holds this. A gateway that never says it is killed after a minute, so that the test fails instead of
    /// waiting for ever.
    pub(super) fn says(&mut self, mark: &str) -> String {
        let (_said, waiting) = channel::<()>();
        let process = Pid::from_raw(self.0.id().try_into().expect("a process"));
        thread::spawn(move || {
            if waiting.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
                kill(process, Signal::SIGKILL).expect("not yet waited for, so it is still there");
            }
        });
        let mut line = String::new();
        let mut all = String::new();
        while !line.contains(mark) {
            line.clear();
            let read = self.1.read_line(&mut line).expect("readable");
            assert!(read > 0, "ended without {mark:?}:\n{all}");
            all.push_str(&line);
        }
        line
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().expect("a process")), signal).expect("sent");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}

#[test]
fn a_hang_up_and_a_changed_file_reload_what_runs_from_a_file() {
    let home = tempfile::tempdir().expect("a folder");
    let text = |more: &str| file(&app(HOST, "http://127.0.0.1:1", more));
    let write = |text: &str| fs::write(home.path().join("gateway.toml"), text).expect("written");
    write(&text(""));
    let mut running = Running::start(home.path(), &["run", "--watch", "--json", "--data-dir", "data"]);
    running.signal(Signal::SIGHUP);
    assert!(running.says("another configuration is in force").contains("it changes nothing"));
    write(&text("deny = [\"/admin/\"]"));
    assert!(running.says("another configuration is in force").contains("closes 1 thing"));
    write(&text("dney = [\"/admin/\"]"));
    running.says("E0203");
    assert!(running.says("the old configuration stays").contains("1 error in "));
    let answer = doorward(home.path(), &["reload", "--data-dir", "data"]);
    assert_eq!(answer.status.code(), Some(3));
    running.signal(Signal::SIGTERM);
    let mut rest = String::new();
    running.1.read_to_string(&mut rest).expect("readable");
    assert_eq!(running.0.wait().expect("ended").code(), Some(0), "{rest}");
}

#[test]
fn what_runs_from_its_command_line_cannot_be_reloaded() {
    let home = tempfile::tempdir().expect("a folder");
    let words =
        ["up", "app.localhost=1", "--listen", "127.0.0.1:0", "--listen-http", "127.0.0.1:0", "--data-dir", "data", "--json"];
    let _running = Running::start(home.path(), &words);
    let answer = doorward(home.path(), &["reload", "--data-dir", "data"]);
    assert_eq!(answer.status.code(), Some(1));
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(said.contains("`doorward run`"), "{said}");
}
