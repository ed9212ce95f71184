//! The path rules of one app.

use http::Method;
use ipnet::IpNet;

use crate::config::app::{AppTable, EncodedSlash as WrittenSlash, PathCharset};
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::placed;
use crate::config::placed::{Place, Placed};
use crate::config::rule::{BypassEntry, RuleTable, WrittenAction};
use crate::plan::asked;
use crate::plan::charset;
use crate::plan::idle;
use crate::plan::mounts;
use crate::plan::networks;
use crate::plan::public;
use crate::plan::redirects;
use crate::plan::shadow;
use crate::policy::charset::Charset;
use crate::policy::host::Host;
use crate::policy::mount::Mount;
use crate::policy::pattern::Pattern;
use crate::policy::requirement::Requirement;
use crate::policy::resolve::Dots;
use crate::policy::rule::{Action, DenyStatus, EncodedSlash, Redirect, Rule, RuleSet, Suffixes};

/// Redirects and where they were written.
type Sent = Vec<(Redirect, Place)>;

/// Largest body of a request that nobody answers for by name, unless a rule says otherwise: one MiB is more than a webhook
/// sends. What signed-in people may send opens nothing for strangers.
const PUBLIC_BODY: u64 = 1024 * 1024;

/// Largest bodies where a rule says nothing of it.
#[derive(Clone, Copy)]
struct Bodies {
    app: Option<u64>,
    public: Option<u64>,
}

impl Bodies {
    fn of(table: &AppTable) -> Self {
        let app = placed::value(table.body_limit.as_ref()).flatten();
        Self { app, public: Some(app.unwrap_or(PUBLIC_BODY).min(PUBLIC_BODY)) }
    }

    fn of_rule(self, written: &RuleTable, kind: WrittenAction) -> Option<u64> {
        let usual = if kind == WrittenAction::Bypass { self.public } else { self.app };
        placed::value(written.body_limit.as_ref()).unwrap_or(usual)
    }
}

/// Compiles the path rules of one app.
pub fn compile(
    document: &Document,
    table: &AppTable,
    (hosts, mount): (&[Host], &Mount),
    complaints: &mut Vec<Complaint>,
) -> RuleSet {
    let requirement = asked::of_app(document, table, complaints);
    let bodies = Bodies::of(table);
    let faults = complaints.len();
    let mut sent = Sent::new();
    let set = RuleSet {
        only: table.only.as_ref().map(|only| patterns(&only.value, "app.only", complaints).into()),
        deny: patterns(&table.deny, "app.deny", complaints).into(),
        redirects: redirects_of(table, &mut sent, complaints).into(),
        rules: table.rules.iter().filter_map(|written| rule(written, (&requirement, bodies), &mut sent, complaints)).collect(),
        bypass: table.bypass.iter().filter_map(|entry| bypass(entry, bodies, complaints)).collect(),
        requirement,
        deny_status: match placed::value(table.deny_status.as_ref()) {
            Some(403) => DenyStatus::Forbidden,
            Some(_) | None => DenyStatus::NotFound,
        },
        suffixes: match placed::value(table.suffixes.as_ref()) {
            Some(false) => Suffixes::Apart,
            Some(true) | None => Suffixes::Covered,
        },
        encoded_slash: match placed::value(table.encoded_slash.as_ref()) {
            Some(WrittenSlash::Refuse) => EncodedSlash::Refuse,
            Some(WrittenSlash::Judge) | None => EncodedSlash::Judge,
        },
        charset: match placed::value(table.path_charset.as_ref()) {
            Some(PathCharset::Bytes) => Charset::Bytes,
            Some(PathCharset::Utf8) | None => Charset::Utf8,
        },
        dots: match placed::value(table.normalise.as_ref()) {
            Some(true) => Dots::Resolve,
            Some(false) | None => Dots::Refuse,
        },
        body_limit: placed::value(table.body_limit.as_ref()).flatten(),
    };
    charset::check(table, complaints);
    if let Some(only) = table.only.as_ref().filter(|only| only.value.is_empty()) {
        let complaint = Complaint::new(Code::E0206, &only.place, "`only` is empty").label("this denies everything");
        complaints.push(complaint.help("leave the key out to allow every path").key("app.only"));
    }
    // What rules mean together is worth telling once each of them is right by itself.
    if complaints.len() == faults {
        mounts::find_strays(table, mount, complaints);
        redirects::find_loops(&set, (hosts, mount), &sent, complaints);
        shadow::find(table, complaints);
        public::find(table, mount, complaints);
        idle::find(table, complaints);
    }
    set
}

fn redirects_of(table: &AppTable, sent: &mut Sent, complaints: &mut Vec<Complaint>) -> Vec<(Pattern, Redirect)> {
    let mut compiled = Vec::new();
    for written in &table.redirects {
        let redirect = redirects::compile(&written.place, written.to.as_ref(), written.status.as_ref(), complaints);
        let from = written.from.as_ref().and_then(|from| pattern(from, "app.redirect.from", complaints));
        if let (Some(from), Some(redirect)) = (from, redirect) {
            redirects::check_rest(&redirect, std::slice::from_ref(&from), &written.place, complaints);
            sent.push((redirect.clone(), written.place.clone()));
            compiled.push((from, redirect));
        }
    }
    compiled
}

fn rule(
    written: &RuleTable,
    (usual, bodies): (&Requirement, Bodies),
    sent: &mut Sent,
    complaints: &mut Vec<Complaint>,
) -> Option<Rule> {
    let mut paths = patterns(&written.paths, "app.rule.path", complaints);
    if let Some(regex) = &written.path_regex {
        match Pattern::regex(&regex.value) {
            Ok(pattern) => paths.push(pattern),
            Err(reason) => {
                let complaint = Complaint::new(Code::E0607, &regex.place, "not a regular expression that can be used");
                complaints.push(complaint.label(last_line(&reason.to_string())).key("app.rule.path_regex"));
            }
        }
    }
    let kind = placed::value(written.action.as_ref()).unwrap_or(WrittenAction::Require);
    misplaced_keys(written, kind, complaints);
    let limits = limits(written, kind, "app.rule", complaints);
    let action = match kind {
        WrittenAction::Require => Action::Require(asked::of_rule(written, usual, complaints)),
        WrittenAction::Bypass => Action::Bypass,
        WrittenAction::Deny => Action::Deny,
        WrittenAction::Redirect => {
            let redirect = redirects::compile(&written.place, written.to.as_ref(), written.status.as_ref(), complaints)?;
            redirects::check_rest(&redirect, &paths, &written.place, complaints);
            sent.push((redirect.clone(), written.place.clone()));
            Action::Redirect(redirect)
        }
    };
    // A rule without a readable path would speak of none, or worse, of all.
    let body_limit = bodies.of_rule(written, kind);
    (!paths.is_empty()).then_some(Rule { paths, methods: limits.0, networks: limits.1, action, body_limit })
}

fn bypass(entry: &BypassEntry, bodies: Bodies, complaints: &mut Vec<Complaint>) -> Option<Rule> {
    let body_limit = match entry {
        BypassEntry::Path(_) => bodies.public,
        BypassEntry::Table(table) => bodies.of_rule(table, WrittenAction::Bypass),
    };
    let (paths, (methods, networks)) = match entry {
        BypassEntry::Path(path) => (pattern(path, "app.bypass", complaints).into_iter().collect(), Default::default()),
        BypassEntry::Table(table) => (
            patterns(&table.paths, "app.bypass.path", complaints),
            limits(table, WrittenAction::Bypass, "app.bypass", complaints),
        ),
    };
    (!paths.is_empty()).then_some(Rule { paths, methods, networks, action: Action::Bypass, body_limit })
}

fn limits(written: &RuleTable, kind: WrittenAction, table: &str, complaints: &mut Vec<Complaint>) -> (Vec<Method>, Vec<IpNet>) {
    if written.paths.is_empty() && written.path_regex.is_none() && !complained_within(written, complaints) {
        let complaint = Complaint::new(Code::E0202, &written.place, "a rule speaks of no path");
        complaints.push(complaint.help("add `path = \"/**\"` to speak of all").key(format!("{table}.path")));
    }
    let narrow = kind == WrittenAction::Bypass;
    let networks = networks::compile(written.networks.as_ref(), narrow, &format!("{table}.networks"), complaints);
    (methods(written.methods.as_ref(), &format!("{table}.methods"), complaints), networks)
}

/// Whether something at or behind the rule's header is complained about for its path already.
fn complained_within(written: &RuleTable, complaints: &[Complaint]) -> bool {
    let path = |key: String| key.ends_with(".path") || key.ends_with(".path_regex");
    let here = |place: &Place| place.start >= written.place.start;
    complaints.iter().any(|complaint| complaint.meant_key().is_some_and(path) && complaint.place.as_ref().is_some_and(here))
}

fn methods(written: Option<&Placed<Vec<Placed<String>>>>, key: &str, complaints: &mut Vec<Complaint>) -> Vec<Method> {
    let Some(list) = written else { return Vec::new() };
    if list.value.is_empty() {
        let complaint = Complaint::new(Code::E0206, &list.place, "`methods` is empty").label("no method at all?");
        complaints.push(complaint.help("leave the key out to speak of every method").key(key));
    }
    let mut methods = Vec::new();
    for item in &list.value {
        // Methods are case-sensitive (RFC 9110 section 9.1), and nobody sends `get`.
        let upper = item.value.to_ascii_uppercase();
        let complaint = Complaint::new(Code::E0206, &item.place, "not a method").key(key);
        match Method::from_bytes(item.value.as_bytes()) {
            Ok(_) if upper != item.value => {
                complaints.push(complaint.label(format!("did you mean \"{upper}\"?")).fix(format!("\"{upper}\"")));
            }
            Ok(method) => methods.push(method),
            Err(_) => complaints.push(complaint.label("such as \"GET\" or \"POST\"")),
        }
    }
    methods
}

/// Keys that say nothing with the rule's action: whoever wrote them meant another action.
fn misplaced_keys(written: &RuleTable, kind: WrittenAction, complaints: &mut Vec<Complaint>) {
    if let Some(limit) = written.body_limit.as_ref().filter(|_| [WrittenAction::Deny, WrittenAction::Redirect].contains(&kind)) {
        let message = "`body_limit` says nothing where no request passes";
        complaints.push(Complaint::new(Code::E0206, &limit.place, message).help("remove it").key("app.rule.body_limit"));
    }
    let mut misplaced = |key: &str, place: Option<Place>, action: &str, wanted: WrittenAction| {
        if let Some(place) = place.filter(|_| kind != wanted) {
            let message = format!("`{key}` says nothing without `action = \"{action}\"`");
            let complaint = Complaint::new(Code::E0206, &place, message).key(format!("app.rule.{key}"));
            complaints.push(complaint.help(format!("remove it, or write `action = \"{action}\"`")));
        }
    };
    misplaced("to", written.to.as_ref().map(|to| to.place.clone()), "redirect", WrittenAction::Redirect);
    misplaced("status", written.status.as_ref().map(|status| status.place.clone()), "redirect", WrittenAction::Redirect);
    misplaced("require", written.require.as_ref().map(|require| require.place.clone()), "require", WrittenAction::Require);
    misplaced("allow", written.allow.as_ref().map(|allow| allow.place.clone()), "require", WrittenAction::Require);
    misplaced("max_age", written.max_age.as_ref().map(|max_age| max_age.place.clone()), "require", WrittenAction::Require);
}

/// The regex crate draws a picture over several lines and says what is wrong in the last.
fn last_line(reason: &str) -> String {
    let line = reason.trim_end().lines().next_back().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

fn patterns(written: &[Placed<String>], key: &str, complaints: &mut Vec<Complaint>) -> Vec<Pattern> {
    written.iter().filter_map(|written| pattern(written, key, complaints)).collect()
}

fn pattern(written: &Placed<String>, key: &str, complaints: &mut Vec<Complaint>) -> Option<Pattern> {
    match Pattern::parse(&written.value) {
        Ok(pattern) => Some(pattern),
        Err(reason) => {
            let complaint = Complaint::new(Code::E0607, &written.place, "not a path pattern").key(key);
            let rooted = format!("/{}", written.value);
            let rootless = !written.value.is_empty() && !written.value.starts_with('/') && Pattern::parse(&rooted).is_ok();
            complaints.push(match rootless {
                true => complaint.label(format!("did you mean \"{rooted}\"?")).fix(format!("\"{rooted}\"")),
                false => complaint.label(reason.to_string()),
            });
            None
        }
    }
}
