//! `doorward check`: would this configuration run? Reads the file and what it names, and asks a running gateway about what only its
//! store knows.

use crate::admin::wish::{Answer, Wish};
use crate::command::exit::Failure;
use crate::command::output::{Output, print};
use crate::command::place::{Named, load};
use crate::command::wish::Installation;
use crate::config::complaint::Complaint;
use crate::config::report::Report;
use crate::plan::owner;
use crate::plan::passkeys;
use crate::plan::whole::Plan;

/// Carries out `check`.
///
/// # Errors
/// [`Failure::Config`] with every complaint; [`Failure::Warnings`] where there are some and they are denied.
pub fn check(named: &Named, deny_warnings: bool, output: Output) -> Result<(), Failure> {
    let file = named.required_config()?;
    let (plan, report) = load(&file)?;
    let report = held_against_store(named, &plan, report)?;
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

/// The report, with what a running gateway's accounts have to say about `plan`; refused if its passkeys would open nothing or its
/// accounts are too many. What the store holds is asked of nobody else:
/// `check` opens none, and without a gateway the next start says the same.
fn held_against_store(named: &Named, plan: &Plan, mut report: Report) -> Result<Report, Failure> {
    let asked = Installation::find(named).and_then(|installation| installation.ask_running(&Wish::Site));
    // One that is another user's, or does not answer, says nothing against the file.
    let Ok(Some(Answer::Site(site))) = asked else { return Ok(report) };
    report.complaints.extend(site.id.as_deref().and_then(|id| passkeys::orphaned(plan, (id, site.passkeys))));
    report.complaints.extend(owner::held_against(plan, &site.accounts));
    match report.complaints.iter().any(Complaint::is_error) {
        false => Ok(report),
        true => Err(Failure::Config(Box::new(report))),
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
