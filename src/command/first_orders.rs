//! Tells whoever has started a gateway how the first certificates of its names come along. Nothing waits for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::admin::certificates::{CertificateAnswer, CertificateState, CertificateWish, Held, State, patience};
use crate::admin::wish::{Answer, Wish};
use crate::base::clock::Clock;
use crate::base::task;
use crate::command::awaited;
use crate::command::awaited::runs;
use crate::command::output::Output;
use crate::command::steps::Steps;
use crate::config::report::harmless;
use crate::daemon::control;
use crate::plan::whole::Plan;

const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Follows the first orders of the gateway with this plan behind the control socket. Call within a runtime.
pub fn follow(control: PathBuf, plan: &Plan, output: Output) {
    let Some(policy) = plan.acme.as_ref().filter(|_| !output.json) else { return };
    let patience = patience(policy);
    task::start("first orders", async move { tell(&control, patience, output).await });
}

async fn tell(control: &Path, patience: Duration, output: Output) {
    let (mut steps, began) = (Steps::in_lines(output), Instant::now());
    let Some(mut all) = look(control).await else { return };
    let mut waiting: Vec<String> = all.iter().filter(|one| one.state == State::Waiting).map(|one| one.host.clone()).collect();
    while !waiting.is_empty() && began.elapsed() < patience {
        steps.show(&all, &waiting, waiting.len());
        for one in all.iter().filter(|one| waiting.contains(&one.host)) {
            if let Some(said) = outcome(one) {
                output.remark(&harmless(&said));
            }
        }
        waiting.retain(|host| all.iter().any(|one| one.host == *host && outcome(one).is_none()));
        sleep(LOOK_EVERY).await;
        let Some(next) = look(control).await else { return };
        all = next;
    }
    for one in all.iter().filter(|one| waiting.contains(&one.host)) {
        let now = Clock::system().now().secs();
        output.remark(&outcome(one).map_or_else(|| runs(one, now), |said| harmless(&said)));
    }
}

/// What a first order came to; `None` while it runs.
fn outcome(one: &CertificateState) -> Option<String> {
    // What is due now, or runs, will be told: why one failed before a restart says nothing about it.
    let runs = one.ordering_since.is_some() || one.next.is_none();
    let due = one.next.zip(one.limit).filter(|_| one.ordering_since.is_none());
    match (one.state == State::Waiting, &one.trouble) {
        (true, None) => due.map(|(until, limit)| {
            let held = Held { host: one.host.clone(), until, limit };
            awaited::held(&held, Clock::system().now().secs())
        }),
        (true, Some(_)) if runs => None,
        (true, Some(trouble)) => Some(format!("{}; until then visitors see this installation's own", trouble.sentence)),
        (false, _) => Some(format!("{} has its certificate by {}", one.host, one.issuer)),
    }
}

async fn look(control: &Path) -> Option<Vec<CertificateState>> {
    match control::ask(control, &Wish::Certificates { ask: CertificateWish::List }).await {
        Ok(Some(Answer::Certificates { said: CertificateAnswer::List(all) })) => Some(all),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::certificates::Origin;
    use crate::tls::acme::schedule::Limit;

    #[test]
    fn a_first_order_that_a_limit_holds_is_not_waited_for() {
        let text = serde_json::json!({
            "host": "a.example", "source": Origin::Acme, "issuer": "R11", "state": State::Waiting, "failures": 0, "attempts": 0,
        });
        let one: CertificateState = serde_json::from_value(text).expect("a state");
        assert_eq!(outcome(&one), None, "it is due now");
        let held = CertificateState { next: Some(i64::MAX), limit: Some(Limit::Certificates), ..one };
        assert!(outcome(&held).is_some_and(|said| said.starts_with("held    a.example")));
        let running = CertificateState { ordering_since: Some(1), ..held };
        assert_eq!(outcome(&running), None);
    }
}
