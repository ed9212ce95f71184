//! Rules that can never speak because an earlier one always speaks first. The comparison is of what is written, so it finds
//! only what is certain: identical patterns, and paths below a plain prefix.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::app::AppTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::placed::{Place, Placed};
use crate::config::rule::{BypassEntry, RuleTable, WrittenAction};

/// What a rule speaks of, as written.
struct Reach<'a> {
    place: Place,
    paths: Vec<Reading<'a>>,
    methods: Vec<&'a str>,
    networks: Vec<IpNet>,
    denies: bool,
    /// How it is called in a complaint.
    called: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Reading<'a> {
    Pattern(&'a str),
    /// In `redirect.from`, where `"/"` is the root alone.
    From(&'a str),
    Regex(&'a str),
}

/// Complains about rules of an app that can never match.
pub fn find(table: &AppTable, complaints: &mut Vec<Complaint>) {
    let order = order(table);
    for (at, later) in order.iter().enumerate() {
        let earlier = order[..at].iter().find(|earlier| (earlier.denies || !later.denies) && earlier.covers(later));
        if let Some(earlier) = earlier {
            let complaint = Complaint::new(Code::E0601, &later.place, format!("this {} can never match", later.called));
            let complaint =
                complaint.label("never reached").also(&earlier.place, format!("this {} always speaks first", earlier.called));
            complaints.push(complaint.help("remove one of the two, or write the narrower one first"));
        }
    }
}

/// Everything in the order in which it speaks: deny, redirect, rules, bypass.
fn order(table: &AppTable) -> Vec<Reach<'_>> {
    let deny = table.deny.iter().map(|path| Reach::of_path(Reading::Pattern(&path.value), path, true, "deny"));
    let redirects = table.redirects.iter().filter_map(|redirect| {
        redirect.from.as_ref().map(|from| Reach::of_path(Reading::From(&from.value), from, false, "redirect"))
    });
    let denying = |rule: &&RuleTable| rule.action.as_ref().is_some_and(|action| action.value == WrittenAction::Deny);
    let denies = table.rules.iter().filter(denying).map(|rule| Reach::of_rule(rule, true, "rule"));
    let rules = table.rules.iter().filter(|rule| !denying(rule)).map(|rule| Reach::of_rule(rule, false, "rule"));
    let bypass = table.bypass.iter().map(|entry| match entry {
        BypassEntry::Path(path) => Reach::of_path(Reading::Pattern(&path.value), path, false, "bypass"),
        BypassEntry::Table(rule) => Reach::of_rule(rule, false, "bypass"),
    });
    deny.chain(denies).chain(redirects).chain(rules).chain(bypass).collect()
}

impl<'a> Reach<'a> {
    fn of_path(reading: Reading<'a>, path: &Placed<String>, denies: bool, called: &'static str) -> Self {
        Self { place: path.place.clone(), paths: vec![reading], methods: Vec::new(), networks: Vec::new(), denies, called }
    }

    fn of_rule(rule: &'a RuleTable, denies: bool, called: &'static str) -> Self {
        let texts = |list: &'a Option<Placed<Vec<Placed<String>>>>| {
            list.iter().flat_map(|list| &list.value).map(|text| text.value.as_str())
        };
        let regex = rule.path_regex.iter().map(|regex| Reading::Regex(&regex.value));
        Self {
            place: rule.paths.first().or(rule.path_regex.as_ref()).map_or_else(|| rule.place.clone(), |path| path.place.clone()),
            paths: rule.paths.iter().map(|path| Reading::Pattern(&path.value)).chain(regex).collect(),
            methods: texts(&rule.methods).collect(),
            networks: texts(&rule.networks).filter_map(network).collect(),
            denies,
            called,
        }
    }

    fn covers(&self, later: &Self) -> bool {
        let methods = self.methods.is_empty()
            || (!later.methods.is_empty() && later.methods.iter().all(|method| self.methods.contains(method)));
        let held = |network: &IpNet| self.networks.iter().any(|wide| wide.contains(network));
        let networks = self.networks.is_empty() || (!later.networks.is_empty() && later.networks.iter().all(held));
        let paths = later.paths.iter().all(|path| self.paths.iter().any(|wide| wide.covers(*path)));
        methods && networks && paths && !later.paths.is_empty()
    }
}

impl Reading<'_> {
    fn covers(self, later: Self) -> bool {
        let wide = match self {
            Self::Regex(_) => return self == later,
            Self::From("/") => return later == self,
            Self::From(wide) | Self::Pattern(wide) => wide,
        };
        if matches!(wide, "/" | "/**") {
            return true;
        }
        let narrow = match later {
            Self::Regex(_) => return false,
            Self::From(narrow) | Self::Pattern(narrow) => narrow,
        };
        // "/admin/" speaks of "/admin" too, and of everything below.
        let below = wide.ends_with('/') && (narrow.starts_with(wide) || wide.strip_suffix('/') == Some(narrow));
        wide == narrow || (below && !wide.contains(['*', '?']))
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_prefix_covers_what_lies_below_it_and_nothing_else() {
        for (wide, narrow, covers) in [
            ("/admin/", "/admin/login", true),
            ("/admin/", "/admin", true),
            ("/admin/", "/admin/**", true),
            ("/admin/", "/administrator", false),
            ("/**", "/x", true),
            ("/", "/x", true),
            ("/x", "/x", true),
            ("/x", "/x/y", false),
            ("/*/", "/a/b", false),
            ("/a/*", "/a/b", false),
        ] {
            assert_eq!(Reading::Pattern(wide).covers(Reading::Pattern(narrow)), covers, "{wide} {narrow}");
        }
        assert!(!Reading::From("/").covers(Reading::From("/lab")));
        assert!(!Reading::Regex("/a.*").covers(Reading::Pattern("/ab")));
        assert!(Reading::Pattern("/**").covers(Reading::Regex("/a.*")));
    }
}
