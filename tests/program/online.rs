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
    assert_eq!((of("N0801")["certain"].as_bool(), of("N0804")["certain"].as_bool()), (Some(false), Some(true)));
    let both = ["label", "help"].map(|field| of("N0801")[field].as_str().unwrap_or_default().to_owned());
    assert!(both[0].contains("is not known") && both[1].contains("check again"), "{both:?}");
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
fn a_name_service_that_says_nothing_is_told_once() {
    let home = home();
    let server = "resolvers = [\"127.0.0.1:1\"]\n\n";
    let apps: String =
        ["a", "b", "c"].map(|name| format!("[[app]]\nhost = \"{name}.invalid\"\nupstream = \"http://127.0.0.1:9\"\n")).concat();
    let text = format!("[acme]\nagree_tos = true\ndirectory = \"https://127.0.0.1:1/\"\n{server}{apps}");
    fs::write(home.path().join("gateway.toml"), text).expect("written");
    let said = run(home.path(), "check --online --json").ends_with(1).json();
    let all = said["diagnostics"].as_array().expect("a list");
    let of_names = all.iter().filter(|one| matches!(one["code"].as_str(), Some("N0801" | "N0802"))).count();
    assert_eq!(of_names, 1, "{said}");
}

/// What is printed is what would run: it has to compile as well.
#[test]
fn what_up_prints_is_a_configuration_that_runs() {
    let home = home();
    for (words, code) in [
        ("p.example.com=9 --acme-directory http://x", "E0206"),
        ("p.example.com=9 --email bad", "E0206"),
        ("a.localhost=9 a.localhost=10", "E0501"),
        ("*.example.com=9", "E0504"),
    ] {
        let said = run(home.path(), &format!("up {words} --agree-tos --print-config")).ends_with(3);
        assert!(said.err.contains(code) && said.out.is_empty(), "{words}: {said:?}");
    }
    let said = run(home.path(), "up app.example.com=9 *.example.com=9 --agree-tos --print-config").ends_with(0);
    assert!(said.err.contains("W0502") && said.out.contains("agree_tos = true"), "{said:?}");
    let said = run(home.path(), "up app.example.com=9 *.example.com=9 --agree-tos --print-config --json").ends_with(0);
    assert!(said.json()["config"].as_str().is_some_and(|text| text.contains("*.example.com")), "{said:?}");
}

#[test]
fn what_is_no_host_is_a_mistake_of_the_command_line() {
    let home = home();
    for verb in ["revoke", "renew", "show"] {
        let said = command(home.path(), ["cert", verb, "bad host"]).output().expect("runs");
        assert_eq!(said.status.code(), Some(2), "{verb}");
    }
    let said = command(home.path(), ["cert", "import", "/nowhere", "--name", "bad host"]).output().expect("runs");
    assert_eq!(said.status.code(), Some(2));
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
