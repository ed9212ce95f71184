//! Where events go: standard error, as text for people or JSON for programs.

use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};

use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;

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
    let filter = EnvFilter::new(format!("warn,doorward={level}"));
    // Without the last word a line that cannot be written is complained about with `eprintln!`, which panics then.
    let lines =
        Subscriber::builder().with_env_filter(filter).with_writer(io::stderr).with_ansi(terminal).log_internal_errors(false);
    let json = form == Form::Json || (form == Form::Auto && !terminal);
    let _already_started = if json {
        tracing::subscriber::set_global_default(lines.json().flatten_event(true).finish())
    } else {
        tracing::subscriber::set_global_default(lines.with_target(false).compact().finish())
    };
}

/// Has every panic logged as one event: place, not message, since a message may hold what a client sent.
pub fn watch_panics() {
    panic::set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        error!(event = "panic", place, "a part of the gateway panicked; what it served is closed, everything else goes on");
    }));
}
