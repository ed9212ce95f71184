//! `doorward healthcheck`: is the gateway of this installation well? For containers and monitors.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::admin::wish::{Answer, Wish};
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::command::place::Named;
use crate::command::wish::{Installation, block_on};
use crate::daemon::control;

/// A gateway that needs longer is not well.
const PATIENCE: Duration = Duration::from_secs(1);

/// Carries out `healthcheck`.
///
/// # Errors
/// [`Failure::Failed`] when no gateway answers in time.
pub fn check(named: &Named, output: Output) -> Result<(), Failure> {
    let installation = Installation::find(named)?;
    let socket = &installation.place.control;
    let asked = block_on(async { timeout(PATIENCE, control::ask(socket, &Wish::Health)).await })?;
    match asked {
        Ok(Ok(Some(Answer::Well { version, sessions }))) => {
            let value = json!({ "ok": true, "version": version, "sessions": sessions });
            output.result(&value, || format!("doorward {version} is well; {sessions} live sessions"));
            Ok(())
        }
        Ok(Ok(Some(Answer::Refused { message, .. }))) => Err(Failure::Failed(message)),
        Ok(Ok(None)) => Err(Failure::Failed(format!("no gateway runs behind {}", socket.display()))),
        Ok(Ok(Some(_))) => Err(Failure::Failed("the gateway gave another answer than the one asked for".to_owned())),
        Ok(Err(fault)) => Err(Failure::Failed(format!("the gateway cannot be asked: {fault}"))),
        Err(_) => Err(Failure::Failed("the gateway did not answer within 1 second".to_owned())),
    }
}
