//! What an idle gateway needs, printed for `docs/`; only a gross change fails.

use std::fs;

use crate::bed::{Gateway, UP, home};

/// Resident memory of a build without optimisation, in KiB.
const MOST: u64 = 60 * 1024;

#[test]
fn an_idle_gateway_is_small() {
    let home = home();
    let first = Gateway::start(home.path(), UP);
    let first_took = first.took;
    first.stop();
    let gateway = Gateway::start(home.path(), UP);
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).expect("Linux");
    let value = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("there");
        line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("a number")
    };
    let (resident, threads) = (value("VmRSS:"), value("Threads:"));
    println!("ready for the first time after {first_took:?}, again after {:?}", gateway.took);
    println!("idle: {resident} KiB resident, {threads} threads");
    assert!(resident <= MOST, "{resident} KiB");
    gateway.stop();
}
