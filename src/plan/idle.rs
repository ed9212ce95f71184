//! Rules that say less, or more, than they seem to: about Doorward's own pages, about what `only` denies anyway, or about
//! everything. Like `shadow`, this finds only what is certain.

use crate::config::app::AppTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::placed::Placed;
use crate::config::rule::BypassEntry;
use crate::policy::pattern::Pattern;
use crate::wire::header::OWN_PREFIX;

/// Paths that have nothing in common but that they are paths.
const ANYTHING: &[&str] = &["/", "/a", "/q7-x/", "/Zz/0.k9/w_", "/~u/%/é", "/x//y/;z/@:!$&'()*+,="];

/// Complains about an app's rules that can never match, and about regular expressions that always do.
pub fn find(table: &AppTable, complaints: &mut Vec<Complaint>) {
    let is_own = |path: &&Placed<String>| path.value == OWN_PREFIX.trim_end_matches('/') || path.value.starts_with(OWN_PREFIX);
    let all = paths(table).chain(table.only.iter().flat_map(|only| &only.value)).chain(&table.deny);
    for path in all.filter(is_own) {
        let complaint = Complaint::new(Code::E0601, &path.place, "this rule can never match");
        let complaint = complaint.label("Doorward's own pages are answered before any rule");
        complaints.push(complaint.help("remove it"));
    }
    // Below a mount point a path may be written as visitors ask for it or as the app sees it, so nothing is certain.
    if let Some(only) = table.only.as_ref().filter(|_| table.path.is_none()) {
        let outside = |path: &&Placed<String>| !only.value.iter().any(|inside| may_meet(&inside.value, &path.value));
        for path in paths(table).filter(outside).filter(|path| !is_own(path)) {
            let complaint = Complaint::new(Code::E0601, &path.place, "this rule can never match").label("outside `only`");
            let complaint = complaint.also(&only.place, "every other path is denied".to_owned());
            complaints.push(complaint.help("add the path to `only`, or remove the rule"));
        }
    }
    for regex in table.rules.iter().filter_map(|rule| rule.path_regex.as_ref()) {
        if Pattern::regex(&regex.value).is_ok_and(|pattern| ANYTHING.iter().all(|path| pattern.matches_text(path))) {
            let complaint = Complaint::new(Code::W0605, &regex.place, "this regular expression matches every path");
            let complaint = complaint.label("no rule behind it speaks").key("app.rule.path_regex");
            complaints.push(complaint.help("name the paths that are meant, or write `path = \"/\"` if it is all of them"));
        }
    }
}

/// Paths of redirects, rules and bypasses.
fn paths(table: &AppTable) -> impl Iterator<Item = &Placed<String>> {
    let redirects = table.redirects.iter().filter_map(|redirect| redirect.from.as_ref());
    let rules = table.rules.iter().flat_map(|rule| &rule.paths);
    let bypass = table.bypass.iter().flat_map(|entry| match entry {
        BypassEntry::Path(path) => std::slice::from_ref(path),
        BypassEntry::Table(rule) => rule.paths.as_slice(),
    });
    redirects.chain(rules).chain(bypass)
}

/// Whether some path might fall under both. Of two plain patterns one has to lie below the other; of any other nothing is certain.
fn may_meet(inside: &str, path: &str) -> bool {
    if inside.contains(['*', '?']) || path.contains(['*', '?']) || path == "/" {
        return true;
    }
    // What takes away reads a name loosely, so its neighbours are not certain to be outside.
    let (one, two) = (inside.trim_end_matches('/').to_lowercase(), path.trim_end_matches('/').to_lowercase());
    let below = |upper: &str, lower: &str| {
        upper.is_empty() || lower.strip_prefix(upper).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    match inside {
        "/" => false,
        _ => below(&one, &two) || below(&two, &one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certainly_apart_is_said_to_be() {
        for (inside, path, meet) in [
            ("/app/", "/app/x", true),
            ("/app/x", "/app/", true),
            ("/app/", "/APP/x", true),
            ("/app/", "/app.json", true),
            ("/app/", "/application/", false),
            ("/app/", "/static/", false),
            ("/a/*/", "/static/", true),
            ("/app/", "/**/x", true),
            ("/app/", "/", true),
            ("/", "/lab", false),
        ] {
            assert_eq!(may_meet(inside, path), meet, "{inside} {path}");
        }
    }
}
