//! Broken files put before a gateway that runs: what is refused changes nothing, what is accepted is in force as it is written.

#[path = "../../configuration/mutant.rs"]
mod mutant;

use std::fs;
use std::sync::Arc;

use doorward::config::environment::Environment;
use doorward::daemon::configuration;

use crate::kit::gateway::Gateway;
use crate::reload::file;

#[expect(clippy::disallowed_methods, reason = "the test runner says how much by a variable")]
fn rounds() -> usize {
    if std::env::var("DOORWARD_TESTS").is_ok_and(|size| size == "full") { 3_000 } else { 300 }
}

/// The attack: a file that somebody else wrote, or half of one, takes away what protects the apps of a gateway that runs.
#[tokio::test]
async fn a_running_gateway_takes_up_whole_configurations_only() {
    let rounds = rounds();
    let gateway = Gateway::from_file(&file(mutant::RULES));
    let path = gateway.home().join("gateway.toml");
    let (reloader, services) = (gateway.running().reloader(), gateway.running().services());
    let (mut dice, mut accepted) = (mutant::Dice(2), 0);
    let (rules, all) = ([mutant::RULES.to_owned()], mutant::seeds());
    for round in 0..rounds {
        let seeds = if dice.below(5) == 0 { &all[..] } else { &rules[..] };
        let bytes = [file("").into_bytes(), mutant::mutated(&mut dice, seeds)].concat();
        fs::write(&path, &bytes).expect("written");
        let before = services.plan.get();
        let told = || format!("round {round}:\n{}", String::from_utf8_lossy(&bytes));
        let done = reloader.reload(None).is_ok();
        let now = services.plan.get();
        if done {
            accepted += 1;
            assert_eq!(now.version, before.version + 1);
            let written = configuration::load(&path, &Environment::default()).expect("accepted").plan;
            assert_eq!(now.apps.len(), written.apps.len(), "{}", told());
            assert!(now.apps.iter().zip(&written.apps).all(|(now, written)| now.is_like(written)), "{}", told());
        } else {
            assert!(Arc::ptr_eq(&before, &now), "{}", told());
        }
    }
    assert!(accepted > rounds / 20, "{accepted} of {rounds} accepted");
}
