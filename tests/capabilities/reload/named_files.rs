//! Files that a configuration names: included ones and secrets, from the start through reloads, and what is never shown of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use doorward::admin::wish::{Answer, Wish};
use http::StatusCode;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::kit::app::App;
use crate::kit::gateway::{Gateway, HOST};
use crate::kit::program::doorward;
use crate::reload::program::Running;
use crate::reload::{app, file, reload, rewrite, wish};

const SECRET: &str = "hunter2-correct-horse";

fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("set");
}

fn with_key(upstream: &str, form: &str) -> String {
    file(&app(HOST, upstream, &format!("request_headers = {{ set = {{ X-Api-Key = {form} }} }}")))
}

#[tokio::test]
async fn a_secret_reaches_the_app_and_a_reload_reads_it_again() {
    let (upstream, elsewhere) = (App::start().await, tempfile::tempdir().expect("a folder"));
    let key = elsewhere.path().join("key");
    write_secret(&key, &format!("{SECRET}\n"));
    let text = with_key(&upstream.url(), &format!("{{ file = \"{}\" }}", key.display()));
    let gateway = Gateway::from_file(&text);
    let mut guest = gateway.guest("alice").await;
    assert_eq!(guest.fetch("GET", "/").await.status, StatusCode::OK);
    assert_eq!(upstream.take()[0].header("x-api-key"), SECRET);
    write_secret(&key, "another");
    let told = reload(&gateway, &text).await;
    assert_eq!(told.changes.iter().map(|change| change.sentence.as_str()).collect::<Vec<_>>(), ["request_headers is another"]);
    assert_eq!(guest.fetch("GET", "/").await.status, StatusCode::OK);
    assert_eq!(upstream.take()[0].header("x-api-key"), "another");
    // A secret that is gone is no reason to send requests without it.
    fs::remove_file(&key).expect("removed");
    assert!(matches!(gateway.ask(&wish(None)).await, Answer::Complaints(told) if told.text.contains("E0301")));
    assert_eq!(guest.fetch("GET", "/").await.status, StatusCode::OK);
    assert_eq!(upstream.take()[0].header("x-api-key"), "another");
}

/// The attack: whoever may read the log, or sees the terminal, reads the key that opens the app.
#[tokio::test]
async fn nothing_that_is_shown_shows_a_secret() {
    let (upstream, elsewhere) = (App::start().await, tempfile::tempdir().expect("a folder"));
    let key = elsewhere.path().join("key");
    write_secret(&key, SECRET);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("set");
    let gateway = Gateway::from_file(&file(&app(HOST, &upstream.url(), "")));
    let plain = format!("\"{SECRET}\"");
    let texts = [
        with_key(&upstream.url(), &format!("{{ file = \"{}\" }}", key.display())),
        with_key(&upstream.url(), &plain),
        with_key(&upstream.url(), &format!("\" {SECRET}\"")),
        with_key(&upstream.url(), &plain).replace("X-Api-Key =", "X-Api-Key ?"),
        with_key(&upstream.url(), &plain).replace("request_headers", "request_header"),
        with_key(&upstream.url(), &plain).replace("request_headers", "response_headers"),
        with_key(&upstream.url(), &plain).replace("X-Api-Key", "X-Forwarded-User"),
        with_key(&upstream.url(), &format!("{plain}, X-Api-Key = {plain}")),
        with_key(&upstream.url(), &format!("{{ fil = {plain} }}")).replace(SECRET, "x"),
        with_key(&upstream.url(), "{ env = \"KEY\" }").replace("http://", "htp://"),
    ];
    for text in texts {
        rewrite(&gateway, &text);
        let mut said = format!("{:?}", gateway.ask(&wish(None)).await);
        let file = gateway.home().join("gateway.toml");
        said += &format!("{:?}", gateway.ask(&Wish::Diff { file, text: text.clone(), colour: true }).await);
        said += &format!("{:?}", gateway.running().services().plan.get());
        for words in [
            &["check"][..],
            &["check", "--json"],
            &["check", "--format", "github"],
            &["explain", "https://app.example/", "--user", "alice"],
        ] {
            let output = doorward(gateway.home(), words, &[("KEY", SECRET)]).await;
            said += &format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        }
        assert!(!said.contains(SECRET) && !said.contains("correct"), "{text}\n{said}");
    }
}

/// The attack: a pipe or an endless device, put where a file is expected, holds every command and every reload.
#[tokio::test]
async fn pipes_devices_and_circles_of_links_hold_nobody() {
    let home = tempfile::tempdir().expect("a folder");
    mkfifo(&home.path().join("pipe"), Mode::S_IRWXU).expect("a pipe");
    for (link, to) in [("zero", "/dev/zero"), ("circle", "circle"), ("to-pipe", "pipe")] {
        std::os::unix::fs::symlink(to, home.path().join(link)).expect("a link");
    }
    let begun = Instant::now();
    for name in ["pipe", "zero", "circle", "to-pipe", "/dev/zero", "/dev/tty", "*"] {
        let included = format!("include = [\"{name}\"]\n{}", app(HOST, "http://127.0.0.1:1", ""));
        let secret = with_key("http://127.0.0.1:1", &format!("{{ file = \"{name}\" }}"));
        let pair = file(&app(HOST, "http://127.0.0.1:1", &format!("certificate = \"{name}\"\nprivate_key = \"{name}\"")));
        for text in [included, secret, pair] {
            fs::write(home.path().join("gateway.toml"), &text).expect("written");
            let output = doorward(home.path(), &["check"], &[]).await;
            assert_eq!(output.status.code(), Some(3), "{text}\n{output:?}");
        }
    }
    for variable in ["DOORWARD_NAME_FILE", "DOORWARD_TLS_PRIVATE_KEY_FILE"] {
        fs::write(home.path().join("gateway.toml"), app(HOST, "http://127.0.0.1:1", "")).expect("written");
        assert_eq!(doorward(home.path(), &["check"], &[(variable, "pipe")]).await.status.code(), Some(3), "{variable}");
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn new_and_changed_files_that_are_named_are_noticed() {
    let home = tempfile::tempdir().expect("a folder");
    fs::create_dir(home.path().join("apps")).expect("made");
    write_secret(&home.path().join("key"), SECRET);
    let text = format!("include = [\"apps/*.toml\"]\n{}", with_key("http://127.0.0.1:1", "{ file = \"key\" }"));
    fs::write(home.path().join("gateway.toml"), text).expect("written");
    let words = ["run", "--watch", "--json", "--data-dir", "data"];
    let mut running = Running::start_within(home.path(), &words, &[("DOORWARD_SESSION_IDLE_TIMEOUT", "1h")]);
    let more = |text: &str| fs::write(home.path().join("apps/more.toml"), text).expect("written");
    more(&app("more.example", "http://127.0.0.1:2", ""));
    assert!(running.says("another configuration is in force").contains("opens 1 thing"));
    write_secret(&home.path().join("key"), "another");
    assert!(running.says("another configuration is in force").contains("changes 1 thing otherwise"));
    more(&app("more.example", "http://127.0.0.1:2", "dney = [\"/\"]"));
    let said = running.says("E0203");
    assert!(said.contains("apps/more.toml:4:1"), "{said}");
    running.says("the old configuration stays");
    more(&app("more.example", "http://127.0.0.1:2", "deny = [\"/admin/\"]"));
    assert!(running.says("another configuration is in force").contains("closes 1 thing"));
}

#[tokio::test]
async fn variables_win_over_the_file_and_check_says_so() {
    let home = tempfile::tempdir().expect("a folder");
    let text = format!("[session]\nidle_timeout = \"2h\"\n{}", app(HOST, "http://127.0.0.1:1", ""));
    fs::write(home.path().join("gateway.toml"), text).expect("written");
    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let fine = doorward(home.path(), &["check"], &[("DOORWARD_SESSION_IDLE_TIMEOUT", "1h"), ("DOORWARD_NAME", "")]).await;
    let told = "`session.idle_timeout` comes from the environment variable DOORWARD_SESSION_IDLE_TIMEOUT\n";
    assert!(fine.status.success() && said(&fine).starts_with(told), "{fine:?}");
    let json = doorward(home.path(), &["check", "--json"], &[("DOORWARD_NAME", "Home")]).await;
    let json: serde_json::Value = serde_json::from_str(&said(&json)).expect("JSON");
    assert_eq!(json["environment"], serde_json::json!([{ "key": "name", "variable": "DOORWARD_NAME" }]));
    let wrong = doorward(home.path(), &["check", "--json"], &[("DOORWARD_SESSION_IDLE_TIMOUT", "1h")]).await;
    let json: serde_json::Value = serde_json::from_str(&said(&wrong)).expect("JSON");
    assert_eq!(wrong.status.code(), Some(3));
    assert_eq!(json["diagnostics"][0]["file"], "environment variable DOORWARD_SESSION_IDLE_TIMOUT");
    // What speaks for a file speaks for the command line too.
    let up = ["up", "app.localhost=1", "--data-dir", "data", "--json"];
    let refused = doorward(home.path(), &up, &[("DOORWARD_LISTEN_HTTPS", "[::]:1")]).await;
    assert_eq!(refused.status.code(), Some(3));
}
