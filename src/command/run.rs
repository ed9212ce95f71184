//! `doorward run`: a gateway from its file.

use std::path;

use crate::command::exit::Failure;
use crate::command::output::{Output, colour};
use crate::command::place::{Named, load};
use crate::command::serve::{HangUp, Manner, serve};

/// Carries out `run`.
///
/// # Errors
/// [`Failure`] when it does not start.
pub fn run(named: &Named, watch: bool, output: Output) -> Result<(), Failure> {
    let file = named.required_config()?;
    // Read again later, from wherever we are then.
    let file = path::absolute(&file).unwrap_or(file);
    let (plan, report) = load(&file)?;
    if !report.complaints.is_empty() {
        output.remark(&report.human(colour()));
    }
    let place = named.place(Some(&plan), Some(&file));
    let heading = format!("doorward {} runs from {}", env!("CARGO_PKG_VERSION"), file.display());
    serve(
        plan,
        &place,
        Manner { heading: &heading, hang_up: HangUp::Reload { watch }, looks_at_apps: false, warnings: Some(&report), output },
    )
}
