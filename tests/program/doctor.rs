//! `doorward doctor APP --probe` before apps that serve a denied path under other spellings.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::bed::{home, run};

/// Every request as it came.
type Heads = Arc<Mutex<Vec<String>>>;

/// An app that decides by `protects` what is its protected page.
fn app(protects: impl Fn(&str) -> bool + Send + 'static) -> (SocketAddr, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let heads = Heads::default();
    let kept = Arc::clone(&heads);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = match protects(&target) {
                true => "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nthe administration",
                false => "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nnothing here",
            };
            kept.lock().expect("whole").push(head);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, heads)
}

fn configured(address: SocketAddr, rules: &str) -> tempfile::TempDir {
    let home = home();
    let text = format!("[[app]]\nname = \"Papers\"\nhost = \"app.localhost\"\nupstream = \"http://{address}\"\n{rules}\n");
    fs::write(home.path().join("gateway.toml"), text).expect("written");
    home
}

#[test]
fn an_app_that_ignores_case_is_shown_to_be_shielded() {
    let (address, heads) = app(|target| target.to_lowercase().starts_with("/admin"));
    let home = configured(address, "deny = [\"/admin/\"]");
    let said = run(home.path(), "doctor app.localhost --probe").ends_with(0);
    assert!(said.out.contains("/admin/: the app serves it under"), "{}", said.out);
    assert!(said.out.contains("Doorward lets none of them through"), "{}", said.out);
    let json = run(home.path(), "doctor Papers --probe --json").ends_with(0).json();
    assert_eq!(json["ok"], true);
    assert!(json["paths"][0]["served"].as_u64().is_some_and(|served| served > 20), "{json}");
    assert_eq!(json["paths"][0]["through"], serde_json::json!([]));
    let heads = heads.lock().expect("whole");
    assert!(heads.iter().all(|head| head.starts_with("GET ") && !head.to_lowercase().contains("authorization")));
    assert!(heads.iter().all(|head| !head.to_lowercase().contains("cookie")) && heads.len() < 1_500);
}

/// The attack: an app whose router has no segment boundaries, behind a rule that has.
#[test]
fn a_spelling_that_would_pass_is_reported_and_the_command_fails() {
    let (address, _) = app(|target| target.starts_with("/secret") || target.contains(",x"));
    let home = configured(address, "deny = [\"/secret\"]\nsuffixes = false");
    let said = run(home.path(), "doctor Papers --probe").ends_with(1);
    assert!(said.out.contains("lets") && said.out.contains("through:\n"), "{}", said.out);
    let json = run(home.path(), "doctor Papers --probe --json").ends_with(1).json();
    assert_eq!(json["ok"], false);
}

#[test]
fn what_cannot_be_shown_is_said() {
    let (address, _) = app(|_| true);
    let home = configured(address, "deny = [\"/admin/\"]");
    let said = run(home.path(), "doctor Papers --probe").ends_with(0);
    assert!(said.out.contains("so nothing can be shown"), "{}", said.out);
    run(home.path(), "doctor nobody --probe").ends_with(6);
    run(home.path(), "doctor Papers").ends_with(2);
    let gone = configured(address, "");
    assert!(run(gone.path(), "doctor Papers --probe").ends_with(0).out.contains("nothing to probe"));
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let home = configured(nobody, "deny = [\"/admin/\"]");
    run(home.path(), "doctor Papers --probe").ends_with(1);
}
