//! `doorward check`: would this configuration run? Reads the file and what it names, nothing else.

use crate::command::exit::Failure;
use crate::command::output::{Output, print};
use crate::command::place::{Named, load};

/// Carries out `check`.
///
/// # Errors
/// [`Failure::Config`] with every complaint; [`Failure::Warnings`] where there are some and they are denied.
pub fn check(named: &Named, deny_warnings: bool, output: Output) -> Result<(), Failure> {
    let file = named.required_config()?;
    let (plan, report) = load(&file)?;
    if deny_warnings && !report.complaints.is_empty() {
        return Err(Failure::Warnings(Box::new(report)));
    }
    if output.json || !report.complaints.is_empty() {
        output.complaints(&report);
    }
    if !output.json {
        let apps = plan.apps.len();
        let hosts = plan.hosts.count();
        for (key, variable) in report.spoken() {
            print(&format!("`{key}` comes from the environment variable {variable}"));
        }
        print(&format!("{} is fine: {apps} app{}, {hosts} host{}", file.display(), plural(apps), plural(hosts)));
    }
    Ok(())
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
