//! What `check --online` and `up` say of the world out there. Where no name service answers, that is said instead; no test needs one.

use std::fs;

use crate::bed::{command, home, run, run_with_input};

/// A name that nobody has (RFC 2606), in front of an app that is not there; nobody answers as the authority.
const NOBODY: &str = "[acme]\nagree_tos = true\ndirectory = \"https://127.0.0.1:1/\"\n\n\
                      [[app]]\nhost = \"app.invalid\"\nupstream = \"http://127.0.0.1:9\"\n";

#[test]
fn everything_that_is_in_the_way_is_said_at_its_place() {
    let home = home();
    fs::write(home.path().join("gateway.toml"), NOBODY).expect("written");
    run(home.path(), "check").ends_with(0);
    let said = run(home.path(), "check --online --json").ends_with(1).json();
    let of = |code: &str| {
        let all = said["diagnostics"].as_array().expect("a list");
        all.iter().find(|one| one["code"] == code).unwrap_or_else(|| panic!("{code}: {said}")).clone()
    };
    assert_eq!((of("N0801")["line"].as_u64(), of("N0801")["key"].as_str()), (Some(6), Some("app.host")));
    assert_eq!(of("N0804")["line"], 7);
    assert_eq!(of("N0807")["line"], 3);
    assert_eq!((said["ok"].as_bool(), said["online"]["ports"].as_bool()), (Some(false), Some(false)));
    let text = run(home.path(), "check --online").ends_with(1);
    assert!(text.err.contains("warning[N0807]") && text.err.contains("--> ") | text.err.contains("gateway.toml:3:"), "{text:?}");
    assert!(text.out.contains("1 public name looked at") && text.out.contains("ports were not tried"), "{text:?}");
}

#[test]
fn what_is_local_is_asked_of_nobody() {
    let home = home();
    fs::write(home.path().join("gateway.toml"), "[[app]]\nhost = \"a.localhost\"\nupstream = \"http://127.0.0.1:9\"\n")
        .expect("written");
    let said = run(home.path(), "check --online --json").ends_with(1).json();
    assert_eq!((said["online"]["names"].as_u64(), said["summary"]["warnings"].as_u64()), (Some(0), Some(1)), "{said}");
}

#[test]
fn terms_are_agreed_to_by_people() {
    let home = home();
    let words = "up app.example.com=9 --acme-directory https://ca.example/dir --print-config";
    let said = run(home.path(), words).ends_with(2);
    assert!(said.err.contains("need --agree-tos"), "{said:?}");
    // What comes down a pipe is no person's word.
    let said = run_with_input(home.path(), words, "yes\n").ends_with(2);
    assert!(said.err.contains("need --agree-tos"), "{said:?}");
    let said = run(home.path(), &format!("{words} --agree-tos")).ends_with(0);
    assert!(said.out.contains("agree_tos = true") && said.out.contains("directory = \"https://ca.example/dir\""), "{said:?}");
    let said = run(home.path(), "up app.example.com=9 --print-config").ends_with(0);
    assert!(!said.out.contains("acme"), "{said:?}");
    let local = command(home.path(), ["up", "a.localhost=9", "--print-config"]).output().expect("runs");
    assert!(local.status.success());
}
