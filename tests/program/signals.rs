//! Signals: drain, end at once, go on; and a gateway whose readers have gone away.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::bed::{Gateway, PATIENCE, UP, command, home, run};
use crate::client::{Browser, code, step_now};

const KEY: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const PASSWORD: &str = "purple tractor sings at dawn";

/// An app that begins to answer, says so, and ends its answer when told.
fn slow_app() -> (String, std::sync::mpsc::Receiver<()>, std::sync::mpsc::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("bound").to_string();
    let (tell_begun, begun) = channel();
    let (finish, told_finish) = channel::<()>();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = [0; 4096];
            let taken = stream.read(&mut head).unwrap_or(0);
            if !head[..taken].starts_with(b"GET /slow ") {
                continue;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").expect("sent");
            tell_begun.send(()).expect("heard");
            if told_finish.recv().is_ok() {
                drop(stream.write_all(b" last"));
            }
        }
    });
    (address, begun, finish)
}

/// A gateway in front of a slow app, with a request under way.
struct Busy {
    gateway: Gateway,
    finish: std::sync::mpsc::Sender<()>,
    answer: thread::JoinHandle<std::io::Result<crate::client::Answer>>,
    _home: tempfile::TempDir,
}

fn busy() -> Busy {
    let home = home();
    fs::write(home.path().join("password"), PASSWORD).expect("written");
    fs::write(home.path().join("key"), KEY).expect("written");
    run(home.path(), "user add alice --password-file password --totp-secret-file key --data-dir data").ends_with(0);
    let (app, begun, finish) = slow_app();
    let gateway = Gateway::start(home.path(), &UP.replace("127.0.0.1:9 ", &format!("{app} ")));
    let mut browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca());
    assert_eq!(browser.sign_in("alice", PASSWORD, &code(KEY, step_now())).expect("an answer").status, 303);
    let answer = thread::spawn(move || browser.get("/slow"));
    begun.recv_timeout(PATIENCE).expect("the app is asked");
    Busy { gateway, finish, answer, _home: home }
}

/// A busy machine may need a moment until both workers have closed their sockets.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        thread::yield_now();
    }
}

#[test]
fn the_first_signal_lets_open_requests_finish() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut busy = busy();
        busy.gateway.signal(signal);
        assert!(!busy.gateway.ends_within(Duration::from_millis(700)), "it waits for what is open");
        until("nothing new is taken", || TcpStream::connect(busy.gateway.https()).is_err());
        busy.finish.send(()).expect("told");
        let answer = busy.answer.join().expect("no panic").expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (200, "first last"));
        assert_eq!(busy.gateway.end().code(), Some(0), "{}", busy.gateway.said());
        // What it said last may still be on its way through the pipe.
        until("it says so", || busy.gateway.said().contains("stopping") && busy.gateway.said().contains("stopped"));
    }
}

#[test]
fn the_second_signal_ends_at_once() {
    let mut busy = busy();
    busy.gateway.signal(Signal::SIGTERM);
    assert!(!busy.gateway.ends_within(Duration::from_millis(300)));
    busy.gateway.signal(Signal::SIGTERM);
    assert!(busy.gateway.ends_within(Duration::from_secs(3)), "{}", busy.gateway.said());
    assert_eq!(busy.gateway.code(), Some(0), "{}", busy.gateway.said());
    busy.finish.send(()).expect("told");
    let cut = busy.answer.join().expect("no panic");
    assert!(!matches!(cut, Ok(answer) if answer.body == "first last"));
}

/// The moment between the ready line and the first look at signals must not exist.
#[test]
fn a_signal_right_after_ready_is_heard() {
    for _ in 0..5 {
        let home = home();
        Gateway::start(home.path(), UP).stop();
    }
}

#[test]
fn up_ends_with_its_terminal_and_run_does_not() {
    let home = home();
    let mut gateway = Gateway::start(home.path(), UP);
    gateway.signal(Signal::SIGHUP);
    assert_eq!(gateway.end().code(), Some(0), "{}", gateway.said());
    let printed = run(home.path(), &format!("{UP} --print-config")).ends_with(0).out;
    fs::write(home.path().join("gateway.toml"), printed).expect("written");
    let mut gateway = Gateway::start(home.path(), "run");
    gateway.signal(Signal::SIGHUP);
    assert!(!gateway.ends_within(Duration::from_millis(500)), "{}", gateway.said());
    run(home.path(), "healthcheck").ends_with(0);
    gateway.stop();
}

/// A reload asked for while the gateway stops must not cut what is still open.
#[test]
fn a_hang_up_during_the_drain_of_run_cuts_nothing() {
    let home = home();
    let (app, begun, finish) = slow_app();
    fs::write(home.path().join("password"), PASSWORD).expect("written");
    fs::write(home.path().join("key"), KEY).expect("written");
    run(home.path(), "user add alice --password-file password --totp-secret-file key --data-dir data").ends_with(0);
    let words = UP.replace("127.0.0.1:9 ", &format!("{app} ")) + " --print-config";
    fs::write(home.path().join("gateway.toml"), run(home.path(), &words).ends_with(0).out).expect("written");
    let mut gateway = Gateway::start(home.path(), "run");
    let mut browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca());
    browser.sign_in("alice", PASSWORD, &code(KEY, step_now())).expect("an answer");
    let answer = thread::spawn(move || browser.get("/slow"));
    begun.recv_timeout(PATIENCE).expect("the app is asked");
    gateway.signal(Signal::SIGTERM);
    gateway.signal(Signal::SIGHUP);
    assert!(!gateway.ends_within(Duration::from_millis(500)), "{}", gateway.said());
    finish.send(()).expect("told");
    assert_eq!(answer.join().expect("no panic").expect("an answer").body, "first last");
    assert_eq!(gateway.end().code(), Some(0));
}

#[test]
fn the_access_log_is_whole_when_the_gateway_has_ended() {
    let home = home();
    let config = run(home.path(), &format!("{UP} --print-config")).ends_with(0).out;
    fs::write(home.path().join("gateway.toml"), format!("{config}\n[log]\nfile = \"access.log\"\n")).expect("written");
    let gateway = Gateway::start(home.path(), "run");
    let mut browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca());
    for n in 0..30 {
        browser.get(&format!("/request-{n}")).expect("an answer");
    }
    gateway.stop();
    let log = fs::read_to_string(home.path().join("access.log")).expect("written");
    let seen: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for n in 0..30 {
        let uri = format!("/request-{n}");
        assert_eq!(seen.iter().filter(|line| line["request"]["uri"] == uri.as_str()).count(), 1, "{uri}");
    }
}

/// `doorward up … 2>&1 | head -1`: nobody reads any more, and the gateway goes on.
#[test]
fn a_gateway_whose_readers_went_away_goes_on() {
    let home = home();
    let (out_reader, out) = std::io::pipe().expect("a pipe");
    let (err_reader, err) = std::io::pipe().expect("a pipe");
    let mut words = command(home.path(), UP.split(' ').chain(["--json"]));
    let mut child = words.stdout(out).stderr(err).stdin(Stdio::null()).spawn().expect("runs");
    drop(words);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(out_reader), &mut line).expect("read");
    drop(err_reader);
    let ready: serde_json::Value = serde_json::from_str(&line).expect("ready");
    let ca = ready["ca_file"].as_str().expect("a path").to_owned();
    let mut browser = Browser::new(ready["https"][0].as_str().expect("an address"), "app.localhost", &home.path().join(ca));
    for n in 0..5 {
        assert_eq!(browser.get("/").expect("an answer").status, 302);
        run(home.path(), &format!("user add user{n} --data-dir data")).ends_with(0);
        browser.sign_in("alice", "wrong", "000000").expect("an answer");
    }
    run(home.path(), "healthcheck --data-dir data").ends_with(0);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), Signal::SIGTERM).expect("it runs");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}
