//! A million random ways through sign-in, hand-off, tabs, theft, expiry, revocation, reload and restart, each step held to a
//! small reference model ([`reference`]) that knows nothing of the gateway but what a browser sees.
//!
//! Every request for an app is let through exactly when the model says so: one too many is a hole, one too few is somebody
//! locked out. No redirect goes on for ever.

mod browser;
mod dice;
mod reference;
mod walk;
mod world;

use std::env;
use std::time::Instant;

use crate::model::dice::Dice;
use crate::model::walk::Walk;
use crate::model::world::World;

/// Ways tried in the usual run and in the full one; `DOORWARD_TEST_WALKS` says otherwise.
const USUAL: u64 = 3_000;
const FULL: u64 = 1_000_000;

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test runner says how much by a variable")]
async fn no_way_leads_past_the_door_and_none_in_circles() {
    let full = env::var("DOORWARD_TESTS").is_ok_and(|size| size == "full");
    let asked = env::var("DOORWARD_TEST_WALKS").ok().map(|walks| walks.parse().expect("a number"));
    let walks = asked.unwrap_or(if full { FULL } else { USUAL });
    let begun = Instant::now();
    let mut world = World::new().await;
    let mut tally = walk::Tally::default();
    for seed in 0..walks {
        Walk::new(&mut world, Dice::new(seed), &mut tally).go().await;
        if seed % 100_000 == 99_999 {
            println!("{} of {walks} after {} s", seed + 1, begun.elapsed().as_secs());
        }
    }
    println!("{walks} ways: {tally:?}");
    // A walk that never got in would prove nothing.
    assert!(tally.sign_ins > walks / 4 && tally.hand_offs > walks / 8, "{tally:?}");
    assert!(tally.granted > walks / 2 && tally.refused > walks && tally.open > walks / 8, "{tally:?}");
    assert!(tally.memberships > walks / 20 && tally.outsiders > walks / 20, "{tally:?}");
    assert!(tally.restarts > 0 && tally.thefts > walks / 20, "{tally:?}");
}

/// A month of somebody's mornings and evenings, by the clock: idle, absolute and remembered sessions each end when they are
/// said to, not a request earlier or later.
#[tokio::test]
async fn a_month_passes_as_the_configuration_says() {
    let mut world = World::new().await;
    walk::month(&mut world).await;
}
