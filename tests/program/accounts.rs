//! `user` and `session`, with a running gateway and without one.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bed::{Gateway, Said, UP, home, run, run_with_input, tree};
use crate::client::{Browser, code, step_now};

const KEY: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const PASSWORD: &str = "purple tractor sings at dawn";

fn on(home: &Path, words: &str) -> Said {
    run(home, &format!("{words} --data-dir data"))
}

/// Everything that can be done to an account, said in the same words whoever does it.
fn life_of_an_account(home: &Path) {
    let json = on(home, "user add Bob --json").ends_with(0).json();
    assert_eq!((&json["user"], &json["otpauth"]), (&"bob".into(), &Value::Null));
    let first = json["setup_link"].as_str().expect("a link").to_owned();
    let said = on(home, "user add bob").ends_with(1);
    assert!(said.err.contains("already a user bob") && said.err.contains("doorward user link bob"), "{said:?}");
    let json = on(home, "user link BOB --json").ends_with(0).json();
    assert_ne!(json["setup_link"].as_str().expect("a link"), first);
    assert!(json["expires_at"].as_i64().expect("a time") > 1_700_000_000);
    let said = on(home, "user link bob").ends_with(0);
    let link = said.out.lines().find(|line| line.contains("/.doorward/setup/")).expect("a link").trim().to_owned();
    assert_eq!(said.out.matches(link.rsplit('/').next().expect("a token")).count(), 1, "shown once: {said:?}");
    on(home, "user disable bob").ends_with(0);
    on(home, "user disable bob").ends_with(0);
    let list = on(home, "user list --json").ends_with(0).json();
    let bob = list["users"].as_array().expect("users").iter().find(|user| user["user"] == "bob").expect("bob").clone();
    assert_eq!((&bob["disabled"], &bob["password"], &bob["sessions"]), (&true.into(), &false.into(), &0.into()));
    let table = on(home, "user list").ends_with(0).out;
    let heading = table.lines().next().expect("a heading");
    let at = heading.find("STATE").expect("a column");
    assert!(table.lines().any(|line| line.starts_with("bob") && line[at..].starts_with("disabled")), "{table}");
    on(home, "user enable bob").ends_with(0);
    on(home, "user delete bob").ends_with(2);
    on(home, "user delete bob --yes").ends_with(0);
    for verb in ["user delete bob --yes", "user link bob", "user disable bob", "user enable bob", "session end --user bob"] {
        let said = on(home, verb).ends_with(6);
        assert!(said.err.contains("there is no user bob"), "{verb}: {said:?}");
        let json = on(home, &format!("{verb} --json")).ends_with(6).json();
        assert_eq!((&json["ok"], &json["kind"]), (&false.into(), &"not_found".into()));
    }
    on(home, "session end 0123").ends_with(6);
    assert_eq!(on(home, "session end --all --json").ends_with(0).json()["ended"], 0);
    assert_eq!(on(home, "session list --json").ends_with(0).json()["sessions"], Value::Array(vec![]));
    for name in ["a\u{7}b", "..", "a/b", "", "ﬁsh\u{202e}x"] {
        let words = ["user", "add", name, "--data-dir", "data"];
        let said: Said = crate::bed::command(home, words).output().expect("runs").into();
        let said = said.ends_with(1);
        assert!(said.err.contains("cannot be a user name") && !said.err.contains('\u{7}'), "{said:?}");
    }
}

#[test]
fn accounts_without_a_gateway() {
    let home = home();
    life_of_an_account(home.path());
    let left: Vec<_> = tree(&home.path().join("data")).into_iter().filter(|path| path.ends_with("control.sock")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn accounts_with_a_running_gateway() {
    let home = home();
    let gateway = Gateway::start(home.path(), UP);
    life_of_an_account(home.path());
    gateway.stop();
}

#[test]
fn without_an_installation_nothing_is_made_by_asking() {
    let home = home();
    for verb in ["user list", "user link bob", "user disable bob", "user delete bob --yes", "session list", "session end --all"] {
        let said = on(home.path(), verb).ends_with(5);
        assert!(
            said.err.contains("no installation in") && said.err.contains("/data;") && said.err.contains("--data-dir"),
            "{verb}: {said:?}"
        );
        assert_eq!(on(home.path(), &format!("{verb} --json")).ends_with(5).json()["kind"], "unreachable");
    }
    assert_eq!(tree(home.path()), Vec::<std::path::PathBuf>::new());
    // The usual folder of a person holds the demo's: that alone is no installation of its own.
    let demo = home.path().join(".local/share/doorward/demo");
    fs::create_dir_all(&demo).expect("made");
    fs::write(demo.join("doorward.db"), "").expect("written");
    let before = tree(home.path());
    let said = run(home.path(), "user list").ends_with(5);
    assert!(said.err.contains(&format!("--data-dir {}", demo.display())), "{said:?}");
    assert_eq!(tree(home.path()), before);
}

/// With nothing to go by but the data folder, links lead where the gateway was last reached.
#[test]
fn links_remember_where_people_come_in() {
    let home = home();
    let said = on(home.path(), "user add early").ends_with(0);
    assert!(said.err.contains("HOST"), "it is said that the host is unknown: {said:?}");
    assert!(said.out.contains("https://HOST/.doorward/setup/"), "{said:?}");
    let gateway = Gateway::start(home.path(), UP);
    let origin = gateway.ready["urls"][0].as_str().expect("a URL").trim_end_matches('/').to_owned();
    gateway.kill();
    let json = on(home.path(), "user link early --json").ends_with(0).json();
    let link = json["setup_link"].as_str().expect("a link");
    assert!(link.starts_with(&format!("{origin}/.doorward/setup/")), "{link} {origin}");
    // What somebody else wrote there is not put into a link.
    fs::write(home.path().join("data/origin"), "https://evil.example/\u{1b}[31m\n").expect("written");
    let said = on(home.path(), "user link early --json").ends_with(0);
    assert!(said.json()["setup_link"].as_str().expect("a link").starts_with("https://HOST/"), "{said:?}");
}

/// What a person was provisioned with opens the door.
fn signs_in(gateway: &Gateway, name: &str, key: &str) {
    let mut browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca());
    let answer = browser.sign_in(name, PASSWORD, &code(key, step_now())).expect("an answer");
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(browser.is_signed_in().expect("an answer"));
}

#[test]
fn provisioned_accounts_can_sign_in() {
    let home = home();
    fs::write(home.path().join("password"), format!("{PASSWORD}\n")).expect("written");
    fs::write(home.path().join("key"), format!("{KEY}\r\n")).expect("written");
    let json = on(home.path(), "user add alice --password-file password --totp-secret-file key --json").ends_with(0).json();
    assert_eq!(json["setup_link"], Value::Null);
    let uri = json["otpauth"].as_str().expect("a URI");
    assert!(uri.starts_with("otpauth://totp/") && uri.contains(&format!("secret={KEY}")), "{uri}");
    let gateway = Gateway::start(home.path(), UP);
    assert_eq!(gateway.link(), None, "somebody has an account");
    signs_in(&gateway, "alice", KEY);
    let said = run_with_input(home.path(), "user add carol --password-file - --totp --data-dir data", &format!("{PASSWORD}\n"));
    let said = said.ends_with(0);
    assert_eq!(said.out.matches("otpauth://").count(), 1, "{said:?}");
    assert!(!said.out.contains(PASSWORD) && !said.err.contains(PASSWORD), "{said:?}");
    let key = said.out.split("secret=").nth(1).and_then(|rest| rest.split('&').next()).expect("a key");
    signs_in(&gateway, "carol", key);
    let said = run_with_input(home.path(), "user add dave --password-file password --totp-secret-file - --data-dir data", KEY);
    said.ends_with(0);
    signs_in(&gateway, "dave", KEY);
    let json = on(home.path(), "session list --json").ends_with(0).json();
    let sessions = json["sessions"].as_array().expect("sessions").clone();
    assert_eq!(sessions.len(), 3, "{json}");
    let table = on(home.path(), "session list").ends_with(0).out;
    for session in &sessions {
        assert!(table.contains(session["id"].as_str().expect("an id")), "ids are never cut: {table}");
    }
    let id = sessions[0]["id"].as_str().expect("an id");
    assert_eq!(on(home.path(), &format!("session end {id} --json")).ends_with(0).json()["ended"], 1);
    on(home.path(), &format!("session end {id}")).ends_with(6);
    assert_eq!(on(home.path(), "session end --user Dave --json").ends_with(0).json()["ended"], 1);
    assert_eq!(on(home.path(), "session end --all --json").ends_with(0).json()["ended"], 1);
    for secret in [PASSWORD, KEY] {
        assert!(!gateway.said().contains(secret), "{}", gateway.said());
    }
    gateway.stop();
}

#[test]
fn what_cannot_be_provisioned_makes_no_account() {
    let home = home();
    let file = |name: &str, text: &[u8]| fs::write(home.path().join(name), text).expect("written");
    file("good", PASSWORD.as_bytes());
    file("weak", b"password1234");
    file("short", b"a1!");
    file("name", b"alicealicealice");
    file("empty", b"\n");
    file("binary", b"\xff\xfe");
    file("huge", &[b'x'; 70_000]);
    file("key", b"not base32 at all!");
    for (words, code) in [
        ("--password-file weak", 1),
        ("--password-file short", 1),
        ("--password-file name", 1),
        ("--password-file empty", 1),
        ("--password-file binary", 1),
        ("--password-file huge", 1),
        ("--password-file nowhere", 1),
        ("--password-file .", 1),
        ("--password-file good --totp-secret-file key", 1),
        ("--password-file good --totp-secret-file nowhere", 1),
        ("--totp", 2),
        ("--totp-secret-file key", 2),
        ("--password-file - --totp-secret-file -", 2),
        ("--password good", 2),
    ] {
        let said = on(home.path(), &format!("user add alice {words}")).ends_with(code);
        assert!(!said.err.contains(PASSWORD) && !said.err.contains("password1234"), "{said:?}");
    }
    assert!(!tree(home.path()).iter().any(|path| path.ends_with("doorward.db")), "no account, no installation");
    on(home.path(), "user add alice").ends_with(0);
}

/// Scripts add people side by side, and a gateway may be starting meanwhile: commands wait for each other for a moment.
#[test]
fn commands_at_the_same_moment_all_succeed() {
    let home = home();
    on(home.path(), "user add first").ends_with(0);
    let at = home.path();
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..6).map(|n| scope.spawn(move || on(at, &format!("user add user{n}")))).collect();
        for said in running {
            said.join().expect("no panic").ends_with(0);
        }
    });
    assert_eq!(on(at, "user list --json").ends_with(0).json()["users"].as_array().expect("users").len(), 7);
}
