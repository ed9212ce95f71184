//! Runs a gateway in the foreground until it is asked to stop.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZero;
use std::thread;

use tokio::runtime::Builder;
use tracing::info;

use crate::base::chain::Chain;
use crate::base::clock::Clock;
use crate::base::entropy::Entropy;
use crate::command::exit::{Failure, is_permission};
use crate::command::first_orders;
use crate::command::output::Output;
use crate::command::probe;
use crate::command::ready;
use crate::config::report::Report;
use crate::daemon::boot::{Gateway, Start, boot};
use crate::daemon::fault::Fault;
use crate::daemon::place::Place;
use crate::daemon::reload;
use crate::daemon::shutdown::{Ask, Signals};
use crate::daemon::watch;
use crate::model::event::Event;
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

/// How a gateway in the foreground behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manner<'a> {
    /// The first line for people.
    pub heading: &'a str,
    /// What happens when the terminal goes away.
    pub hang_up: HangUp,
    /// Whether to look at the apps once ready, and say what stands in their way.
    pub looks_at_apps: bool,
    /// Warnings about what it runs from.
    pub warnings: Option<&'a Report>,
    /// How it speaks.
    pub output: Output,
}

/// Runs a gateway until it is asked to stop: the first signal drains, the second ends at once.
///
/// # Errors
/// [`Failure`] when it does not start.
pub fn serve(plan: Plan, place: &Place, manner: Manner<'_>) -> Result<(), Failure> {
    start_logging(&plan);
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|fault| Failure::Failed(format!("cannot start: {fault}")))?;
    // Before anything is opened: whoever reads the ready line may send a signal in the same moment.
    let mut signals = {
        let _within = runtime.enter();
        Signals::listen().map_err(|fault| Failure::Failed(format!("cannot listen for signals: {fault}")))?
    };
    let start = Start { plan, place: place.clone(), clock: Clock::system(), entropy: Entropy, workers };
    let gateway = boot(start).map_err(|fault| failure(&fault))?;
    let plan = gateway.services().plan.get();
    if let Some(report) = manner.warnings {
        gateway.reloader().note_warnings(report);
    }
    // Before the ready line: whoever reads that may change a file in the same moment.
    let watching = (manner.hang_up == HangUp::Reload { watch: true }).then(|| watch::watch(gateway.reloader()));
    ready::announce(&gateway, &plan, place, manner)?;
    runtime.block_on(async {
        if manner.looks_at_apps {
            let port = gateway.https.first().map_or(443, SocketAddr::port);
            probe::look_at(&plan.apps, port, manner.output);
        }
        // A service has the log.
        if manner.looks_at_apps || io::stderr().is_terminal() {
            first_orders::follow(place.control.clone(), &plan, manner.output);
        }
        until_stopped(&gateway, &mut signals, manner.hang_up, watching).await;
    });
    drop(plan);
    gateway.join();
    info!(event = Event::Stopped.name(), "everything is stored; good-bye");
    // Not dropped: that would wait for a name that is still being looked up.
    runtime.shutdown_background();
    Ok(())
}

async fn until_stopped(gateway: &Gateway, signals: &mut Signals, hang_up: HangUp, watching: Option<impl Future<Output = ()>>) {
    let watched = async {
        match watching {
            Some(watching) => watching.await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = obeyed(gateway, signals, hang_up) => {}
        () = watched => {}
    }
    info!(event = Event::Stopping.name(), "open requests may finish; a second signal ends them at once");
    gateway.drain();
    tokio::select! {
        () = asked_to_stop(gateway, signals, hang_up) => gateway.stop(),
        () = gateway.drained() => {}
    }
}

/// Reloads as often as it is asked to, until it is asked to stop.
async fn obeyed(gateway: &Gateway, signals: &mut Signals, hang_up: HangUp) {
    loop {
        match signals.next().await {
            Ask::Reopen => gateway.reopen_log(),
            ask if is_stop(ask, hang_up) => return,
            Ask::Stop | Ask::HangUp => reload::report(&gateway.reloader().reload(None)),
        }
    }
}

async fn asked_to_stop(gateway: &Gateway, signals: &mut Signals, hang_up: HangUp) {
    loop {
        match signals.next().await {
            Ask::Reopen => gateway.reopen_log(),
            ask if is_stop(ask, hang_up) => return,
            Ask::Stop | Ask::HangUp => {}
        }
    }
}

fn is_stop(ask: Ask, hang_up: HangUp) -> bool {
    match ask {
        Ask::Stop => true,
        Ask::HangUp => hang_up == HangUp::Stop,
        Ask::Reopen => false,
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

fn failure(fault: &Fault) -> Failure {
    let denied = match fault {
        Fault::Tls(faults) => faults.iter().any(|fault| is_permission(fault)),
        other => is_permission(other),
    };
    // The others say in their own words what the system said.
    let text = if let Fault::Store(fault) = fault { Chain(fault).to_string() } else { fault.to_string() };
    if denied { Failure::Permission(text) } else { Failure::Failed(text) }
}
