//! `up` looks at the apps once it is ready, and says what stands in their way.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use crate::bed::{Gateway, PATIENCE, UP, command, home};

/// What Jupyter Server 2 answers to a host name it does not know; the page is shortened.
const JUPYTER: &str = "HTTP/1.1 403 Forbidden\r\nServer: TornadoServer/6.6.1\r\nContent-Type: text/html\r\nX-Content-Type-Options: nosniff\r\nContent-Security-Policy: frame-ancestors 'self'; report-uri /api/security/csp-report\r\nConnection: close\r\n\r\n<!DOCTYPE HTML>\n<html><head><title>Jupyter Server</title></head></html>";

/// An app that gives one answer to everything; what it was asked is sent along.
fn app(answer: &'static str) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("bound").to_string();
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut head = [0; 4096];
            let taken = stream.read(&mut head).unwrap_or(0);
            drop(tell.send(String::from_utf8_lossy(&head[..taken]).into_owned()));
            drop(stream.write_all(answer.as_bytes()));
            if answer.is_empty() {
                open.push(stream);
            }
        }
    });
    (address, told)
}

/// What `up` says of an app at `address`; waits until `part` is said.
fn remark(address: &str, part: &str) -> String {
    let home = home();
    let words = UP.replace("127.0.0.1:9 ", &format!("{address} "));
    let gateway = Gateway::spawn(command(home.path(), words.split(' ')));
    let until = Instant::now() + PATIENCE;
    loop {
        let said = gateway.said();
        if said.contains(part) {
            gateway.stop();
            return said;
        }
        assert!(Instant::now() < until, "`{part}` is not said: {said}");
        drop(gateway.lines.recv_timeout(Duration::from_millis(20)));
    }
}

#[test]
fn jupyter_that_refuses_foreign_names_is_recognised() {
    let (address, asked) = app(JUPYTER);
    let said = remark(&address, "allow_remote_access");
    assert!(said.contains("--ServerApp.allow_remote_access=True") && said.contains(&address), "{said}");
    let asked = asked.recv_timeout(PATIENCE).expect("asked");
    assert!(asked.starts_with("GET / HTTP/1.1\r\n") && asked.contains("\r\nHost: app.localhost:"), "{asked}");
}

#[test]
fn an_app_that_does_not_run_yet_is_no_failure() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        listener.local_addr().expect("bound").to_string()
    };
    let said = remark(&address, "nothing answers at");
    assert!(said.contains(&format!("nothing answers at {address} yet; start the app")), "{said}");
}

#[test]
fn an_app_that_keeps_silent_delays_nothing() {
    let (address, _asked) = app("");
    remark(&address, "has not answered within 2 seconds");
}

#[test]
fn what_is_no_http_is_said_to_be_none() {
    let (address, _asked) = app("SSH-2.0-OpenSSH_9.2\r\n");
    remark(&address, "not HTTP");
}

#[test]
fn an_app_that_answers_is_not_spoken_of() {
    let (address, asked) = app("HTTP/1.1 403 Forbidden\r\nServer: other\r\nContent-Length: 0\r\n\r\n");
    let home = home();
    let words = UP.replace("127.0.0.1:9 ", &format!("{address} "));
    let gateway = Gateway::spawn(command(home.path(), words.split(' ')));
    asked.recv_timeout(PATIENCE).expect("asked");
    gateway.signal(nix::sys::signal::Signal::SIGTERM);
    let log = gateway.log.clone();
    let _ = gateway.lines.iter().count();
    assert!(!log.lock().expect("whole").contains(&address), "{}", log.lock().expect("whole"));
}
