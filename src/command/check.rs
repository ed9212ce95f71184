//! `doorward check`: would this configuration run? Reads the file and what it names, and asks a running gateway about what only its
//! store knows; the network only with `--online`.

use serde_json::{Value, json};

use crate::admin::wish::{Answer, Wish};
use crate::command::exit::Failure;

use crate::command::line::CheckWords;
use crate::command::online::{self, Scope};
use crate::command::output::{Output, print};
use crate::command::place::{Named, load_whole};
use crate::command::wish::{Installation, block_on};
use crate::config::complaint::{self, Complaint};
use crate::config::document::Document;
use crate::config::report::Report;
use crate::daemon::configuration::Loaded;
use crate::plan::online::Finding;
use crate::plan::owner;
use crate::plan::passkeys;
use crate::plan::whole::Plan;

/// Carries out `check`.
///
/// # Errors
/// [`Failure::Config`] with every complaint; [`Failure::Found`] if something is wrong out there; [`Failure::Warnings`] where there are
/// some and they are denied.
pub fn check(named: &Named, words: CheckWords, output: Output) -> Result<(), Failure> {
    let file = named.required_config()?;
    let Loaded { document, plan, report } = load_whole(&file)?;
    let mut report = held_against_store(named, &plan, report)?;
    let looked = if words.online { Some(look(named, &plan, &document, output)?) } else { None };
    let failed = looked.as_ref().map_or(0, |looked| looked.found.iter().filter(|finding| finding.sure).count());
    if let Some(looked) = &looked {
        report.complaints.extend(looked.found.iter().map(|finding| finding.complaint.clone()));
        complaint::sort(&mut report.complaints);
    }
    let denied = words.deny_warnings && !report.complaints.is_empty() && failed == 0;
    if denied && !(output.json && words.online) {
        return Err(Failure::Warnings(Box::new(report)));
    }
    if let (true, Some(looked)) = (output.json, &looked) {
        let mut value = report.json();
        value["ok"] = json!(failed == 0 && !denied);
        looked.mark(&report, &mut value);
        value["online"] = json!({ "names": looked.names, "ports": looked.ports, "failed": failed });
        print(&value.to_string());
    } else if output.json || !report.complaints.is_empty() {
        output.complaints(&report);
    }
    if !output.json {
        let (apps, hosts) = (plan.apps.len(), plan.hosts.count());
        for (key, variable) in report.spoken() {
            print(&format!("`{key}` comes from the environment variable {variable}"));
        }
        print(&format!("{} is fine: {apps} app{}, {hosts} host{}", file.display(), plural(apps), plural(hosts)));
        looked.iter().for_each(|looked| print(&looked.in_words(failed)));
    }
    match (failed > 0, denied) {
        (true, _) => Err(Failure::Found),
        (false, true) => Err(Failure::Warned),
        (false, false) => Ok(()),
    }
}

/// What came of a look at the world.
struct Looked {
    found: Vec<Finding>,
    names: usize,
    /// Whether ports were tried.
    ports: bool,
}

impl Looked {
    /// Says of each finding whether it is certain.
    fn mark(&self, report: &Report, value: &mut Value) {
        let diagnostics = value["diagnostics"].as_array_mut().into_iter().flatten();
        for (complaint, diagnostic) in report.complaints.iter().zip(diagnostics) {
            if let Some(finding) = self.found.iter().find(|finding| finding.complaint == *complaint) {
                diagnostic["certain"] = json!(finding.sure);
            }
        }
    }

    fn in_words(&self, failed: usize) -> String {
        let names = format!("{} public name{} looked at", self.names, plural(self.names));
        let ports = if self.ports { "" } else { "; ports were not tried, since no gateway runs from it" };
        match (failed, self.found.len()) {
            (0, 0) => format!("online: {names}, nothing is in the way{ports}"),
            (0, _) => format!("online: {names}, see above{ports}"),
            (failed, _) => format!("online: {names}, {failed} thing{} in the way{ports}", plural(failed)),
        }
    }
}

fn look(named: &Named, plan: &Plan, document: &Document, output: Output) -> Result<Looked, Failure> {
    // Without a gateway nobody listens, and that a port is closed then says nothing.
    let answer = Installation::find(named).and_then(|installation| installation.ask_running(&Wish::Health));
    let ports = matches!(answer, Ok(Some(_)));
    let scope = Scope { ports, apps: true };
    let (found, names) = block_on(online::look(plan, document, scope, output))?;
    Ok(Looked { found, names, ports })
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
