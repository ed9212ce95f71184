//! The process that speaks to a DNS provider: what it says by its exit code, and what a hostile provider can do to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::{Said, command, home, run_with_input};

const TOKEN: &str = "hunter2hunter2";
const NAME: &str = "_acme-challenge.a.example";

type Answer = Box<dyn Fn(&mut TcpStream) + Send>;

/// A PowerDNS that gives these answers, one for each connection; what it was asked is sent along.
fn provider(answers: Vec<Answer>) -> (String, Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    // By a name, as looking it up takes a thread, and a thread takes memory.
    let url = format!("http://localhost:{}", listener.local_addr().expect("bound").port());
    let (tell, told) = channel();
    thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let asked = asked(&stream);
            drop(tell.send(asked));
            answer(&mut stream);
        }
    });
    (url, told)
}

/// The head and the body of a request.
fn asked(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(said) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = said.trim().parse().expect("a length");
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    (head, String::from_utf8(body).expect("text"))
}

fn fixed(status: &'static str, body: String) -> Answer {
    Box::new(move |stream| {
        let length = body.len();
        drop(write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"));
    })
}

fn job(url: &str, present: bool) -> Value {
    json!({
        "provider": "powerdns", "credentials": { "api_key": TOKEN, "url": url },
        "zone": "a.example", "name": NAME, "value": "proof", "present": present, "ca_file": null,
    })
}

fn change(url: &str, present: bool) -> Said {
    let job = job(url, present);
    let home = home();
    let mut command = command(home.path(), ["dns-change"]);
    command.env("MIMALLOC_ARENA_RESERVE", "0").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(format!("{job}\n").as_bytes()).expect("taken");
    let output = child.wait_with_output().expect("ends");
    drop(stdin);
    output.into()
}

#[test]
fn how_it_ended_tells_the_gateway_what_to_advise() {
    for (status, code) in
        [("401 Unauthorized", 7), ("403 Forbidden", 7), ("404 Not Found", 6), ("302 Found", 1), ("422 Unprocessable", 1)]
    {
        let (url, asked) = provider(vec![fixed(status, "{\"error\":\"no\"}".to_owned())]);
        let said = change(&url, true).ends_with(code);
        assert!(!said.err.contains(TOKEN) && said.out.is_empty(), "{said:?}");
        let (head, _) = asked.recv().expect("asked");
        assert!(head.to_ascii_lowercase().contains(&format!("x-api-key: {TOKEN}")), "{head}");
    }
    change("http://127.0.0.1:1", true).ends_with(5);
    let said = run_with_input(home().path(), "dns-change", "what?").ends_with(2);
    assert!(said.err.contains("for the gateway itself"), "{said:?}");
}

#[test]
fn what_others_have_set_at_the_name_stays() {
    let at_name = |values: &[&str]| {
        let records: Vec<_> =
            values.iter().map(|value| json!({ "content": format!("\"{value}\""), "disabled": false })).collect();
        json!({ "rrsets": [{ "name": format!("{NAME}."), "type": "TXT", "ttl": 600, "records": records }] }).to_string()
    };
    for (before, present, after) in
        [(vec!["theirs"], true, vec!["theirs", "proof"]), (vec!["theirs", "proof"], false, vec!["theirs"])]
    {
        let (url, asked) = provider(vec![fixed("200 OK", at_name(&before)), fixed("204 No Content", String::new())]);
        change(&url, present).ends_with(0);
        let (head, body) = asked.iter().last().expect("asked");
        assert!(head.starts_with("PATCH "), "{head}");
        let said: Value = serde_json::from_str(&body).expect("JSON");
        let records = said["rrsets"][0]["records"].as_array().expect("records");
        let values: Vec<_> =
            records.iter().map(|record| record["content"].as_str().unwrap_or_default().trim_matches('"')).collect();
        assert_eq!(values, after, "{body}");
    }
}

/// The attack: a provider, or whoever took over its address, that answers without end to fill this machine's memory.
#[test]
fn an_endless_answer_ends_this_process_alone() {
    let (tell, told) = channel();
    let endless: Answer = Box::new(move |stream| {
        drop(write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"));
        let piece = vec![b' '; 1 << 20];
        let mut pieces = 0;
        while stream.write_all(&piece).is_ok() {
            pieces += 1;
            assert!(pieces < 2_048, "two gigabytes were taken");
        }
        tell.send(pieces).expect("the test waits");
    });
    let (url, _asked) = provider(vec![endless]);
    let said = change(&url, true);
    assert!(said.code != 0 && !said.err.contains(TOKEN), "{said:?}");
    // What lies in between are buffers of the system's.
    assert!(told.recv().is_ok_and(|pieces| pieces < 512), "it took more than it may");
}

/// The attack: a gateway that is killed while a change is made, and a change that is made once the next one has looked for left-overs.
#[test]
fn it_ends_with_the_gateway() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("bound");
    let url = format!("http://localhost:{}", silent.local_addr().expect("bound").port());
    let home = home();
    let mut command = command(home.path(), ["dns-change"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(format!("{}\n", job(&url, true)).as_bytes()).expect("taken");
    let (_asked, _) = silent.accept().expect("it asks");
    drop(stdin);
    let began = Instant::now();
    assert_eq!(child.wait().expect("ends").code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(20), "it would have waited for an answer");
}
