//! `ban`, with a running gateway and without one.

use std::path::Path;

use crate::bed::{Gateway, Said, UP, home, run};

fn on(home: &Path, words: &str) -> Said {
    run(home, &format!("{words} --data-dir data"))
}

/// Everything that can be done about bans, said in the same words whoever does it.
fn life_of_a_ban(home: &Path) {
    assert!(on(home, "ban list").ends_with(0).out.contains("no network is barred"));
    let json = on(home, "ban add 203.0.113.7 --for 1h --reason tired --json").ends_with(0).json();
    assert_eq!((&json["network"], &json["by"], &json["reason"]), (&"203.0.113.7/32".into(), &"owner".into(), &"tired".into()));
    assert_eq!(json["until"].as_i64().expect("a time") - json["since"].as_i64().expect("a time"), 3_600);
    let said = on(home, "ban add 2001:db8::/32").ends_with(0);
    assert!(said.out.contains("from 2001:db8::/32 until you lift this"), "{said:?}");
    let json = on(home, "ban list --json").ends_with(0).json();
    assert_eq!(json["bans"].as_array().expect("bans").len(), 2);
    let table = on(home, "ban list").ends_with(0).out;
    assert!(table.contains("203.0.113.7/32") && table.contains("until lifted") && table.contains("tired"), "{table}");
    for network in ["lan", "203.0.113.7/24", "127.0.0.1", "0.0.0.0/0"] {
        on(home, &format!("ban add {network}")).ends_with(1);
    }
    on(home, "ban add 203.0.113.8 --for 1s").ends_with(2);
    on(home, "ban lift").ends_with(2);
    assert!(on(home, "ban lift 203.0.113.9").ends_with(6).err.contains("ban list"));
    assert_eq!(on(home, "ban lift 203.0.113.7 --json").ends_with(0).json()["lifted"][0], "203.0.113.7/32");
    on(home, "ban lift --all").ends_with(0);
    assert_eq!(on(home, "ban lift --all --json").ends_with(0).json()["lifted"], serde_json::Value::Array(vec![]));
    let trail = on(home, "audit list --event ban --json").ends_with(0).json();
    let events: Vec<_> = trail["records"].as_array().expect("records").iter().map(|record| record["event"].clone()).collect();
    assert_eq!(events, ["ban.added", "ban.added", "ban.lifted", "ban.lifted"]);
}

#[test]
fn bans_without_a_gateway() {
    let home = home();
    on(home.path(), "ban list").ends_with(5);
    on(home.path(), "user add alice").ends_with(0);
    life_of_a_ban(home.path());
}

#[test]
fn bans_with_a_running_gateway() {
    let home = home();
    let gateway = Gateway::start(home.path(), UP);
    life_of_a_ban(home.path());
    on(home.path(), "ban add 203.0.113.7").ends_with(0);
    let status = on(home.path(), "status").ends_with(0).out;
    assert!(status.contains("1 network barred from signing in"), "{status}");
    gateway.kill();
    let _gateway = Gateway::start(home.path(), UP);
    assert!(on(home.path(), "ban list").ends_with(0).out.contains("203.0.113.7/32"), "it survives a kill");
}
