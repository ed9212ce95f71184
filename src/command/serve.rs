//! Runs a gateway in the foreground until it is asked to stop.

use std::num::NonZero;
use std::thread;

use tracing::{info, warn};

use crate::base::clock::Clock;
use crate::base::entropy::Entropy;
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::command::ready;
use crate::command::wish::block_on;
use crate::daemon::boot::{Gateway, Start, boot};
use crate::daemon::fault::Fault;
use crate::daemon::place::Place;
use crate::daemon::reload;
use crate::daemon::shutdown::{Ask, Signals};
use crate::daemon::watch;
use crate::observe::logging::{self, Form};
use crate::plan::policy::LogFormat;
use crate::plan::whole::Plan;

/// What happens when the terminal goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// Stop: a demo should not stay behind.
    Stop,
    /// Reload: a service has no terminal, and the signal means that by tradition.
    Reload {
        /// Reload also when the files have changed.
        watch: bool,
    },
}

/// Runs a gateway until it is asked to stop: the first signal drains, the second ends at once.
///
/// # Errors
/// [`Failure`] when it does not start.
pub fn serve(plan: Plan, place: &Place, heading: &str, hang_up: HangUp, output: Output) -> Result<(), Failure> {
    start_logging(&plan);
    warn_of_public_names(&plan);
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
    let watched = async {
        match hang_up {
            HangUp::Reload { watch: true } => watch::watch(gateway.reloader()).await,
            HangUp::Stop | HangUp::Reload { watch: false } => std::future::pending().await,
        }
    };
    tokio::select! {
        () = obeyed(gateway, &mut signals, hang_up) => {}
        () = watched => {}
    }
    info!(event = "stopping", "open requests may finish; a second signal ends them at once");
    gateway.drain();
    tokio::select! {
        _ = signals.next() => gateway.stop(),
        () = gateway.drained() => {}
    }
    Ok(())
}

/// Reloads as often as it is asked to, until it is asked to stop.
async fn obeyed(gateway: &Gateway, signals: &mut Signals, hang_up: HangUp) {
    while signals.next().await == Ask::HangUp && hang_up != HangUp::Stop {
        reload::report(&gateway.reloader().reload(None));
    }
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

/// Until certificates come from a public authority, visitors from outside see a warning for these names.
fn warn_of_public_names(plan: &Plan) {
    let own = |app: &crate::plan::app::App| app.certificate.is_some() || plan.tls.certificate.is_some();
    let public = plan.apps.iter().filter(|app| !own(app)).flat_map(|app| &app.hosts).filter(|host| !host.is_local());
    for host in public {
        let host = host.as_str();
        warn!(
            host,
            "a public name with a certificate of the local authority: browsers elsewhere will warn; set `certificate` and `private_key`"
        );
    }
}

fn failure(fault: &Fault) -> Failure {
    if fault.is_permission() { Failure::Permission(fault.to_string()) } else { Failure::Failed(fault.to_string()) }
}
