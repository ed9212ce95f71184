//! `doorward check`: would this configuration run? Reads the file and what it names, nothing else.

use crate::command::exit::Failure;
use crate::command::output::{Output, colour, print};
use crate::command::place::{Named, load};

/// Carries out `check`.
///
/// # Errors
/// [`Failure::Config`] with every complaint.
pub fn check(named: &Named, output: Output) -> Result<(), Failure> {
    let file = named.required_config()?;
    let (plan, report) = load(&file)?;
    if output.json {
        print(&report.json().to_string());
    } else {
        let apps = plan.apps.len();
        let hosts = plan.hosts.len();
        if !report.complaints.is_empty() {
            output.remark(&report.human(colour()));
        }
        print(&format!("{} is fine: {apps} app{}, {hosts} host{}", file.display(), plural(apps), plural(hosts)));
    }
    Ok(())
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
