//! Tells whoever has started a gateway how the first certificates of its names come along. Nothing waits for it.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::admin::certificates::{CertificateAnswer, CertificateState, CertificateWish, State};
use crate::admin::wish::{Answer, Wish};
use crate::base::task;
use crate::command::output::Output;
use crate::command::steps::Steps;
use crate::config::report::harmless;
use crate::daemon::control;

/// From then on `doorward cert list` tells.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Follows the first orders of the gateway behind the control socket. Call within a runtime.
pub fn follow(control: PathBuf, output: Output) {
    if !output.json {
        task::start("first orders", async move { tell(&control, output).await });
    }
}

async fn tell(control: &std::path::Path, output: Output) {
    let (mut steps, began) = (Steps::in_lines(output), Instant::now());
    let Some(all) = look(control).await else { return };
    let mut waiting: Vec<String> = all.iter().filter(|one| one.state == State::Waiting).map(|one| one.host.clone()).collect();
    while !waiting.is_empty() && began.elapsed() < PATIENCE {
        let Some(all) = look(control).await else { return };
        steps.show(&all, &waiting, waiting.len());
        for one in all.iter().filter(|one| waiting.contains(&one.host)) {
            if let Some(said) = outcome(one) {
                output.remark(&harmless(&said));
            }
        }
        waiting.retain(|host| all.iter().any(|one| one.host == *host && outcome(one).is_none()));
        sleep(LOOK_EVERY).await;
    }
}

/// What a first order came to; `None` while it runs.
fn outcome(one: &CertificateState) -> Option<String> {
    match (one.state == State::Waiting, &one.trouble) {
        (true, None) => None,
        (true, Some(trouble)) => Some(format!("{}; until then visitors see this installation's own", trouble.sentence)),
        (false, _) => Some(format!("{} has its certificate by {}", one.host, one.issuer)),
    }
}

async fn look(control: &std::path::Path) -> Option<Vec<CertificateState>> {
    match control::ask(control, &Wish::Certificates { ask: CertificateWish::List }).await {
        Ok(Some(Answer::Certificates { said: CertificateAnswer::List(all) })) => Some(all),
        _ => None,
    }
}
