//! What a gateway says when it starts, and when it cannot.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

use crate::bed::{Gateway, UP, command, home, run, tree};
use crate::client::Browser;

const DEMO: &str = "demo --listen 127.0.0.1:0 --listen-http 127.0.0.1:0";

#[test]
fn the_ready_line_says_what_a_program_needs() {
    let home = home();
    for words in [UP, DEMO] {
        let gateway = Gateway::start(home.path(), words);
        let ready = &gateway.ready;
        assert_eq!(ready["event"], "ready");
        let url = ready["urls"][0].as_str().expect("a URL").to_owned();
        let port = gateway.https().rsplit(':').next().expect("a port");
        assert!(port != "0" && url.ends_with(&format!(":{port}/")), "{ready}");
        assert!(gateway.link().expect("a link").starts_with(&format!("{url}.doorward/setup/")), "{ready}");
        assert!(gateway.ca().is_file() && ready["http"][0].is_string());
        let host = url.trim_start_matches("https://").split(':').next().expect("a host").to_owned();
        let mut browser = Browser::new(gateway.https(), &host, &gateway.ca());
        assert_eq!(browser.get("/").expect("an answer").status, 302);
        let path = gateway.link().expect("a link").split_once(&format!(":{port}")).expect("a path").1.to_owned();
        assert_eq!(browser.get(&path).expect("an answer").status, 200);
        let token = path.rsplit('/').next().expect("a token");
        let line = gateway.lines.recv_timeout(crate::bed::PATIENCE).expect("an access line");
        assert!(line.contains("\"uri\":") && !line.contains(token), "{line}");
        assert!(!gateway.said().contains(token), "a link is said once: {}", gateway.said());
        gateway.stop();
    }
    assert!(home.path().join(".local/share/doorward/demo/doorward.db").is_file());
}

#[test]
fn people_are_told_where_to_go() {
    let home = home();
    let gateway = Gateway::spawn(command(home.path(), UP.split(' ')));
    let mut text = gateway.ready.as_str().expect("text").to_owned();
    while !text.contains("Ctrl-C") {
        text.push('\n');
        text.push_str(&gateway.lines.recv_timeout(crate::bed::PATIENCE).expect("more"));
    }
    let links: Vec<&str> = text.lines().filter(|line| line.contains("/.doorward/setup/")).collect();
    assert_eq!(links.len(), 1, "{text}");
    let token = links[0].rsplit('/').next().expect("a token");
    assert_eq!(text.matches(token).count(), 1, "{text}");
    assert!(text.contains('█') && text.contains("https://app.localhost:"), "{text}");
    assert!(
        text.contains(&format!("doorward trust --data-dir {}", home.path().join("data").display()))
            && text.contains("127.0.0.1:9"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    gateway.stop();
}

#[test]
fn files_are_closed_to_others() {
    let home = home();
    let gateway = Gateway::start(home.path(), UP);
    for path in tree(&home.path().join("data")) {
        let mode = fs::metadata(&path).expect("there").permissions().mode() & 0o077;
        let public = path.ends_with("local-ca.pem") || path.ends_with("origin");
        assert!(mode == 0 || public, "{} {mode:o}", path.display());
    }
    gateway.stop();
}

#[test]
fn a_second_one_on_the_same_data_is_refused() {
    let home = home();
    let gateway = Gateway::start(home.path(), UP);
    let said = run(home.path(), UP).ends_with(1);
    assert!(said.err.contains("in use by another doorward") && said.err.contains(&gateway.pid().to_string()), "{said:?}");
    let json = run(home.path(), &format!("{UP} --json")).ends_with(1).json();
    assert_eq!(json["kind"], "failed");
    run(home.path(), "healthcheck --data-dir data").ends_with(0);
    gateway.stop();
    let gateway = Gateway::start(home.path(), DEMO);
    let said = run(home.path(), &format!("{DEMO} --fresh")).ends_with(1);
    assert!(said.err.contains("in use by another doorward"), "{said:?}");
    gateway.stop();
}

#[test]
fn a_port_that_is_taken_is_named() {
    let home = home();
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("bound");
    for words in [
        format!("up a.localhost=9 --listen {address} --listen-http 127.0.0.1:0 --data-dir data"),
        format!("up a.localhost=9 --listen 127.0.0.1:0 --listen-http {address} --data-dir data"),
        format!("demo --listen {address} --listen-http 127.0.0.1:0"),
    ] {
        let said = run(home.path(), &words).ends_with(1);
        assert!(said.err.contains(&format!("cannot listen on {address}")) && said.err.contains("another program"), "{said:?}");
        assert!(said.err.contains("--listen"), "it says which words choose another: {said:?}");
    }
    let said = run(home.path(), "up a.localhost=9 --listen 192.0.2.77:0 --listen-http 127.0.0.1:0 --data-dir data");
    assert!(said.ends_with(1).err.contains("does not have that address"));
    let said = run(home.path(), "up a.localhost=9 a.localhost=8 --listen 127.0.0.1:0 --data-dir data").ends_with(3);
    assert!(said.err.contains("E0501"), "{said:?}");
}

#[test]
fn a_data_folder_that_cannot_be_one_is_named() {
    let home = home();
    fs::write(home.path().join("data"), "a file").expect("written");
    for words in [UP, "user add alice --data-dir data", "user list --data-dir data"] {
        let said = run(home.path(), words);
        assert!(matches!(said.code, 1 | 5 | 7) && said.err.contains("data"), "{said:?}");
        assert!(said.err.contains("not a directory") || said.err.contains("not a folder"), "{said:?}");
    }
    assert_eq!(fs::read_to_string(home.path().join("data")).expect("read"), "a file");
    // A database that is none, and one whose key is gone.
    let broken = home.path().join("broken");
    fs::DirBuilder::new().mode(0o700).create(&broken).expect("made");
    fs::create_dir(broken.join("doorward.db")).expect("made");
    let said = run(home.path(), &UP.replace("--data-dir data", "--data-dir broken")).ends_with(1);
    assert!(said.err.contains("doorward.db"), "{said:?}");
    fs::remove_dir(broken.join("doorward.db")).expect("removed");
    run(home.path(), "user add alice --data-dir broken").ends_with(0);
    fs::remove_file(broken.join("keys/master.key")).expect("removed");
    let said = run(home.path(), &UP.replace("--data-dir data", "--data-dir broken")).ends_with(1);
    assert!(said.err.contains("master.key is missing"), "{said:?}");
    run(home.path(), "user list --data-dir broken").ends_with(1);
}

/// A socket's path is limited to some hundred bytes; a data folder's is not.
#[test]
fn a_data_folder_far_down_is_said_to_be_too_far() {
    let home = home();
    let deep = ["a-rather-long-name"; 7].join("/");
    let words = UP.replace("--data-dir data", &format!("--data-dir {deep}"));
    let said = run(home.path(), &words).ends_with(1);
    assert!(said.err.contains("control.sock") && said.err.contains("RUNTIME_DIRECTORY"), "{said:?}");
    run(home.path(), &format!("user add alice --data-dir {deep}")).ends_with(0);
    let mut command = command(home.path(), words.split(' ').chain(["--json"]));
    Gateway::spawn({
        command.env("RUNTIME_DIRECTORY", home.path());
        command
    })
    .stop();
}

/// Two gateways given one runtime folder: the second must not take the first one's socket away.
#[test]
fn a_control_socket_that_is_answered_is_not_taken_away() {
    let home = home();
    let start = |data: &str| {
        let mut command = command(home.path(), UP.split(' ').take(6).chain(["--data-dir", data, "--json"]));
        command.env("RUNTIME_DIRECTORY", home.path());
        command
    };
    let gateway = Gateway::spawn(start("one"));
    let output = start("two").output().expect("runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("control.sock"), "{output:?}");
    let mut health = command(home.path(), ["healthcheck", "--data-dir", "one"]);
    assert!(health.env("RUNTIME_DIRECTORY", home.path()).status().expect("runs").success());
    gateway.stop();
}

#[test]
fn fresh_forgets_the_last_demo_and_nothing_else() {
    let home = home();
    let gateway = Gateway::start(home.path(), DEMO);
    let authority = fs::read(gateway.ca()).expect("read");
    gateway.stop();
    run(home.path(), "user add alice --data-dir .local/share/doorward/demo").ends_with(0);
    let gateway = Gateway::start(home.path(), &format!("{DEMO} --fresh"));
    assert_ne!(fs::read(gateway.ca()).expect("read"), authority);
    let json = run(home.path(), "user list --json --data-dir .local/share/doorward/demo").ends_with(0).json();
    assert_eq!(json["users"][0]["user"], "owner", "{json}");
    gateway.stop();
    fs::create_dir(home.path().join("photos")).expect("made");
    fs::write(home.path().join("photos/cat.jpg"), "cat").expect("written");
    let said = run(home.path(), &format!("{DEMO} --fresh --data-dir photos")).ends_with(1);
    assert!(said.err.contains("cat.jpg") && said.err.contains("nothing was deleted"), "{said:?}");
    assert!(home.path().join("photos/cat.jpg").is_file());
}

/// The first link is made anew at every start until somebody used it; links given to others are left alone.
#[test]
fn a_restart_does_not_kill_links_that_were_given_out() {
    let home = home();
    let gateway = Gateway::start(home.path(), UP);
    let first = gateway.link().expect("a link").to_owned();
    gateway.stop();
    let gateway = Gateway::start(home.path(), UP);
    assert_ne!(gateway.link().expect("a link"), first, "a lost link is never a locked door");
    run(home.path(), "user delete owner --yes --data-dir data").ends_with(0);
    let json = run(home.path(), "user add alice --json --data-dir data").ends_with(0).json();
    let link = json["setup_link"].as_str().expect("a link").to_owned();
    let path = link[link.find("/.doorward").expect("a path")..].to_owned();
    gateway.stop();
    let gateway = Gateway::start(home.path(), UP);
    assert_eq!(gateway.link(), None);
    let mut browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca());
    assert_eq!(browser.get(&path).expect("an answer").status, 200);
    gateway.stop();
}
