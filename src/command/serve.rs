//! Runs a gateway in the foreground until it is asked to stop.

use std::num::NonZero;
use std::thread;

use tracing::info;

use crate::base::clock::Clock;
use crate::base::entropy::Entropy;
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::command::ready;
use crate::command::wish::block_on;
use crate::daemon::boot::{Gateway, Start, boot};
use crate::daemon::fault::Fault;
use crate::daemon::place::Place;
use crate::daemon::shutdown::{Ask, Signals};
use crate::observe::logging::{self, Form};
use crate::plan::policy::LogFormat;
use crate::plan::whole::Plan;

/// What happens when the terminal goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// Stop: a demo should not stay behind.
    Stop,
    /// Go on: a service has no terminal.
    GoOn,
}

/// Runs a gateway until it is asked to stop: the first signal drains, the second ends at once.
///
/// # Errors
/// [`Failure`] when it does not start.
pub fn serve(plan: Plan, place: &Place, heading: &str, hang_up: HangUp, output: Output) -> Result<(), Failure> {
    start_logging(&plan);
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let start = Start { plan, place: place.clone(), clock: Clock::system(), entropy: Entropy, workers };
    let gateway = boot(start).map_err(|fault| failure(&fault))?;
    let plan = gateway.services().plan.get();
    ready::announce(&gateway, &plan, place, heading, output)?;
    drop(plan);
    block_on(until_stopped(&gateway, hang_up))??;
    gateway.join();
    info!(event = "stopped", "everything is stored; good-bye");
    Ok(())
}

async fn until_stopped(gateway: &Gateway, hang_up: HangUp) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(|fault| Failure::Failed(format!("cannot listen for signals: {fault}")))?;
    loop {
        match signals.next().await {
            Ask::HangUp if hang_up == HangUp::GoOn => {
                info!(event = "signal", "a changed configuration is taken up by a restart in this version");
            }
            Ask::Stop | Ask::HangUp => break,
        }
    }
    info!(event = "stopping", "open requests may finish; a second signal ends them at once");
    gateway.drain();
    tokio::select! {
        _ = signals.next() => gateway.stop(),
        () = gateway.drained() => {}
    }
    Ok(())
}

/// Starts logging as the plan says.
pub fn start_logging(plan: &Plan) {
    let form = match plan.log.format {
        LogFormat::Auto => Form::Auto,
        LogFormat::Text => Form::Text,
        LogFormat::Json => Form::Json,
    };
    logging::start(&plan.log.level, form);
    logging::watch_panics();
}

fn failure(fault: &Fault) -> Failure {
    if fault.is_permission() { Failure::Permission(fault.to_string()) } else { Failure::Failed(fault.to_string()) }
}
