//! Paths that anybody may open: the owner is told once more, unless the rule says why.

use crate::config::app::AppTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::placed::{Place, Placed};
use crate::config::rule::{BypassEntry, RuleTable, WrittenAction};

/// Warns of an app's public paths.
pub fn find(table: &AppTable, complaints: &mut Vec<Complaint>) {
    for entry in &table.bypass {
        complaints.extend(match entry {
            BypassEntry::Path(path) if is_everything(path) => Some(everything(&path.place, "app.bypass")),
            BypassEntry::Path(path) => Some(unlimited(&path.place, 1, "app.bypass")),
            BypassEntry::Table(rule) => warning(rule, "app.bypass"),
        });
    }
    let bypassing = |rule: &&RuleTable| rule.action.as_ref().is_some_and(|action| action.value == WrittenAction::Bypass);
    complaints.extend(table.rules.iter().filter(bypassing).filter_map(|rule| warning(rule, "app.rule")));
}

fn warning(rule: &RuleTable, table: &str) -> Option<Complaint> {
    let place = rule.paths.first().or(rule.path_regex.as_ref()).map_or(&rule.place, |path| &path.place);
    if rule.networks.is_none()
        && let Some(path) = rule.paths.iter().find(|path| is_everything(path))
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

fn is_everything(path: &Placed<String>) -> bool {
    matches!(path.value.as_str(), "/" | "/**")
}
