//! `user set`, `user show`, `user group`, with a running gateway and without one, and what a kill leaves of them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::bed::{Gateway, Said, command, home, run};
use crate::client::{Browser, code, step_now};

const KEY: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
const PASSWORD: &str = "purple tractor sings at dawn";
const FILE: &str = "data_dir = \"data\"\n[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\n\
                    [[app]]\nhost = \"app.localhost\"\nupstream = \"http://127.0.0.1:9\"\nallow = [\"group:family\"]\n";

fn on(home: &Path, words: &str) -> Said {
    run(home, &format!("{words} -c gateway.toml"))
}

fn groups(json: &Value) -> Vec<&str> {
    json["groups"].as_array().expect("groups").iter().map(|group| group.as_str().expect("text")).collect()
}

/// The same words and the same answers, whoever does the work.
fn life_of_a_person(home: &Path) {
    on(home, "user add alice --display-name Alice --email alice@example.com").ends_with(0);
    let json = on(home, "user show ALICE --json").ends_with(0).json();
    assert_eq!(
        (&json["user"], &json["display_name"], &json["email"]),
        (&"alice".into(), &"Alice".into(), &"alice@example.com".into())
    );
    assert!(groups(&json).is_empty());
    let words = ["user", "set", "alice", "--display-name", "Alice Ä. O'Hara", "--email", "", "--json", "-c", "gateway.toml"];
    let json = Said::from(command(home, words).output().expect("runs")).ends_with(0).json();
    assert_eq!((&json["display_name"], &json["email"]), (&"Alice Ä. O'Hara".into(), &Value::Null));
    assert_eq!(groups(&on(home, "user group add alice Work --json").ends_with(0).json()), ["work"]);
    assert_eq!(groups(&on(home, "user group add Alice family --json").ends_with(0).json()), ["family", "work"]);
    let said = on(home, "user group add alice FAMILY").ends_with(0);
    assert!(said.out.contains("family work"), "{said:?}");
    assert_eq!(groups(&on(home, "user group remove alice work --json").ends_with(0).json()), ["family"]);
    assert_eq!(groups(&on(home, "user group remove alice nowhere --json").ends_with(0).json()), ["family"]);
    let list = on(home, "user list --json").ends_with(0).json();
    assert_eq!(groups(&list["users"][0]), ["family"]);
    let table = on(home, "user list").ends_with(0).out;
    assert!(table.contains("GROUPS") && table.contains("family") && table.contains("O'Hara"), "{table}");
    for verb in ["user show bob", "user set bob --email a@b", "user group add bob x", "user group remove bob x"] {
        assert!(on(home, verb).ends_with(6).err.contains("there is no user bob"), "{verb}");
        assert_eq!(on(home, &format!("{verb} --json")).ends_with(6).json()["kind"], "not_found");
    }
    for (verb, code) in [
        ("user group add alice a,b", 1),
        ("user group add alice *", 1),
        ("user set alice --email nonsense", 1),
        ("user add bob --email nonsense", 1),
        ("user set alice", 2),
        ("user group add alice", 2),
        ("user group", 2),
    ] {
        on(home, verb).ends_with(code);
    }
    on(home, "user show bob").ends_with(6);
    assert_eq!(groups(&on(home, "user show alice --json").ends_with(0).json()), ["family"], "what failed changed nothing");
    on(home, "user delete alice --yes").ends_with(0);
}

#[test]
fn people_without_a_gateway() {
    let home = home();
    fs::write(home.path().join("gateway.toml"), FILE).expect("written");
    life_of_a_person(home.path());
}

#[test]
fn people_with_a_running_gateway() {
    let home = home();
    fs::write(home.path().join("gateway.toml"), FILE).expect("written");
    let gateway = Gateway::start(home.path(), "run -c gateway.toml");
    life_of_a_person(home.path());
    gateway.stop();
}

/// The attack: the power is cut right after somebody was put out of a group, so that their session comes back with it.
#[test]
fn a_kill_neither_loses_a_change_of_groups_nor_brings_one_back() {
    let home = home();
    fs::write(home.path().join("gateway.toml"), FILE).expect("written");
    fs::write(home.path().join("password"), PASSWORD).expect("written");
    fs::write(home.path().join("key"), KEY).expect("written");
    on(home.path(), "user add alice --password-file password --totp-secret-file key").ends_with(0);
    let mut gateway = Gateway::start(home.path(), "run -c gateway.toml");
    let mut browser = Browser::new(gateway.https(), "app.localhost", &gateway.ca());
    let answer = browser.sign_in("alice", PASSWORD, &code(KEY, step_now())).expect("an answer");
    assert_eq!(answer.status, 303, "{answer:?}");
    for round in 0..6 {
        let member = round % 2 == 0;
        let verb = if member { "add" } else { "remove" };
        on(home.path(), &format!("user group {verb} alice family")).ends_with(0);
        gateway.kill();
        gateway = Gateway::start(home.path(), "run -c gateway.toml");
        browser = browser.at(gateway.https());
        assert!(browser.is_signed_in().expect("an answer"));
        let answer = browser.get("/").expect("an answer");
        // Nothing listens behind: 502 is what somebody who is let in gets to see.
        assert_eq!(answer.status, if member { 502 } else { 403 }, "round {round}: {answer:?}");
        let explained = on(home.path(), "explain https://app.localhost/ --user alice --json").ends_with(0).json();
        assert_eq!(explained["verdict"]["name"], if member { "pass" } else { "not-allowed" }, "{explained}");
    }
    gateway.stop();
}

#[test]
fn an_explanation_says_who_may_and_whose_groups_it_goes_by() {
    let home = home();
    let more = "require = \"2fa\"\n[[app.rule]]\npath = \"/reports/\"\nallow = [\"user:bob\"]\nmax_age = \"15m\"\n";
    fs::write(home.path().join("gateway.toml"), format!("{FILE}{more}")).expect("written");
    let ask = |words: &str| on(home.path(), &format!("explain https://app.localhost{words}")).ends_with(0).out;
    let text = ask("/x --user alice");
    assert!(text.contains("alice is signed in and is not among those who may open this"), "{text}");
    assert!(text.contains("groups    not known") && text.contains("--group"), "{text}");
    assert!(text.contains("asks for 2fa, of group:family"), "{text}");
    let text = ask("/x --user alice --group Work --group Family");
    assert!(text.contains("passes to the app") && text.contains("groups    work, family, as you say"), "{text}");
    let text = ask("/reports/1 --user bob");
    assert!(text.contains("passes to the app") && text.contains("asks for 2fa within 15m, of user:bob"), "{text}");
    let text = ask("/Reports%2f1 --user bob");
    assert!(text.contains("not among those") && text.matches('→').count() == 2, "both that ask are marked: {text}");
    on(home.path(), "explain https://app.localhost/ --group x").ends_with(2);
    let gateway = Gateway::start(home.path(), "run -c gateway.toml");
    on(home.path(), "user add alice").ends_with(0);
    on(home.path(), "user group add alice family").ends_with(0);
    let text = ask("/x --user alice");
    assert!(text.contains("passes to the app") && text.contains("family, as the running gateway knows"), "{text}");
    assert!(ask("/x --user nobody").contains("the running gateway has no user nobody"));
    gateway.stop();
}
