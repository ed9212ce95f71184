//! Paths that anybody may open: the owner is told once more, unless the rule says why.

use crate::config::app::AppTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::placed::{Place, Placed};
use crate::config::rule::{BypassEntry, RuleTable, WrittenAction};
use crate::policy::mount::Mount;

/// Warns of an app's public paths.
pub fn find(table: &AppTable, mount: &Mount, complaints: &mut Vec<Complaint>) {
    for entry in &table.bypass {
        complaints.extend(match entry {
            BypassEntry::Path(path) if is_everything(path, mount) => Some(everything(&path.place, "app.bypass")),
            BypassEntry::Path(path) => Some(unlimited(&path.place, 1, "app.bypass")),
            BypassEntry::Table(rule) => warning(rule, mount, "app.bypass"),
        });
    }
    let bypassing = |rule: &&RuleTable| rule.action.as_ref().is_some_and(|action| action.value == WrittenAction::Bypass);
    complaints.extend(table.rules.iter().filter(bypassing).filter_map(|rule| warning(rule, mount, "app.rule")));
}

fn warning(rule: &RuleTable, mount: &Mount, table: &str) -> Option<Complaint> {
    let place = rule.paths.first().or(rule.path_regex.as_ref()).map_or(&rule.place, |path| &path.place);
    if rule.networks.is_none()
        && let Some(path) = rule.paths.iter().find(|path| is_everything(path, mount))
    {
        return Some(everything(&path.place, &format!("{table}.path")));
    }
    if rule.reason.is_some() {
        return None;
    }
    if rule.networks.is_none() && rule.methods.is_none() {
        return Some(unlimited(place, rule.paths.len() + usize::from(rule.path_regex.is_some()), &format!("{table}.path")));
    }
    let complaint = Complaint::new(Code::W0604, &rule.place, "this bypass gives no reason");
    Some(complaint.help("add `reason = \"…\"`: whoever reads this in a year will ask").key(format!("{table}.reason")))
}

fn unlimited(place: &Place, paths: usize, key: &str) -> Complaint {
    let plural = if paths == 1 { "" } else { "s" };
    Complaint::new(Code::W0602, place, format!("this bypass makes {paths} path pattern{plural} public"))
        .label("anybody can open this without signing in")
        .help("limit it with `methods` or `networks`, or say why with `reason`")
        .key(key)
}

fn everything(place: &Place, key: &str) -> Complaint {
    Complaint::new(Code::W0608, place, "this bypass makes the whole app public")
        .label("everything: no page of this app asks anybody to sign in")
        .help("name the paths that have to be public, or limit the bypass with `networks`")
        .key(key)
}

/// Whether the pattern names the folder that the app is, or one around it.
fn is_everything(path: &Placed<String>, mount: &Mount) -> bool {
    let folder = path.value.strip_suffix("**").unwrap_or(&path.value);
    folder.ends_with('/') && mount.to_string().starts_with(folder)
}
