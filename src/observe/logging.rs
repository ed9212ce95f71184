//! Where events go: standard error, as text for people or JSON for programs.

use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;

use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

use crate::model::event::Event;

/// Sets the least severity; there is one log in a process.
static LEVEL: OnceLock<SetLevel> = OnceLock::new();

type SetLevel = Box<dyn Fn(&str) + Send + Sync>;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Starts logging events of at least `level` (`error`, `warn`, `info`, `debug`, `trace`) to standard error.
///
/// Libraries below us are kept to warnings, so that `debug` shows our own doings. A second call changes nothing: tests start
/// several gateways in one process.
pub fn start(level: &str, form: Form) {
    let terminal = io::stderr().is_terminal();
    // Without the last word a line that cannot be written is complained about with `eprintln!`, which panics then.
    let lines = Subscriber::builder()
        .with_env_filter(filter(level))
        .with_writer(io::stderr)
        .with_ansi(terminal)
        .log_internal_errors(false);
    let json = form == Form::Json || (form == Form::Auto && !terminal);
    // What is reloaded is another type in each form.
    if json {
        let lines = lines.json().flatten_event(true).with_filter_reloading();
        let handle = lines.reload_handle();
        if tracing::subscriber::set_global_default(lines.finish()).is_ok() {
            drop(LEVEL.set(Box::new(move |level| drop(handle.reload(filter(level))))));
        }
    } else {
        let lines = lines.with_target(false).compact().with_filter_reloading();
        let handle = lines.reload_handle();
        if tracing::subscriber::set_global_default(lines.finish()).is_ok() {
            drop(LEVEL.set(Box::new(move |level| drop(handle.reload(filter(level))))));
        }
    }
}

/// Logs events of at least `level` from now on. Does nothing before [`start`].
pub fn set_level(level: &str) {
    if let Some(set) = LEVEL.get() {
        set(level);
    }
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::new(format!("warn,doorward={level}"))
}

/// Has every panic logged as one event: place, not message, since a message may hold what a client sent.
pub fn watch_panics() {
    panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        error!(
            event = Event::Panicked.name(),
            place, "a part of the gateway panicked; what it served is closed, everything else goes on"
        );
    }));
}
