//! The only place that spawns tasks.
//!
//! A panic in a task ends that task and what it served, nothing else: Tokio catches it, and the hook that
//! `observe::logging` installs at start logs it. The name says in the log what it was.

use std::future::Future;

use tokio::task::{JoinHandle, spawn};
use tracing::{Instrument, debug_span};

/// Runs `work` on the current runtime.
#[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
pub fn start<F>(name: &'static str, work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    spawn(work.instrument(debug_span!("task", name)))
}
