//! The path rules of one app compared with those it had.

use std::cmp::Ordering;
use std::fmt::Display;

use ipnet::IpNet;

use crate::plan::app::App;
use crate::plan::changed_requirement;
use crate::plan::difference::{Change, Effect, asks};
use crate::policy::charset::Charset;
use crate::policy::pattern::Pattern;
use crate::policy::resolve::Dots;
use crate::policy::rule::{Action, DenyStatus, EncodedSlash, Redirect, Rule, Suffixes};

/// Says in which rules `app` differs from what it was before.
pub fn compare(before: &App, app: &App, changes: &mut Vec<Change>) {
    let mut say = |effect, sentence: String| changes.push(Change::of(app, effect, sentence));
    let (old, new) = (&before.rules, &app.rules);
    changed_requirement::compare(&old.requirement, &new.requirement, &mut say);
    for path in lacking(&new.deny, &old.deny) {
        say(Effect::Closes, format!("{path} is denied to everybody"));
    }
    for path in lacking(&old.deny, &new.deny) {
        say(Effect::Opens, format!("{path} is no longer denied"));
    }
    only(old.only.as_deref(), new.only.as_deref(), &mut say);
    redirects(&old.redirects, &new.redirects, &mut say);
    rules(&old.rules, &new.rules, &mut say);
    rules(&old.bypass, &new.bypass, &mut say);
    if old.suffixes != new.suffixes {
        let (effect, covered) = match new.suffixes {
            Suffixes::Covered => (Effect::Closes, "takes its suffixes with it"),
            Suffixes::Apart => (Effect::Opens, "no longer takes its suffixes with it"),
        };
        say(effect, format!("a denied name {covered}"));
    }
    if old.encoded_slash != new.encoded_slash {
        let (effect, judged) = match new.encoded_slash {
            EncodedSlash::Judge => (Effect::Opens, "judged, no longer denied"),
            EncodedSlash::Refuse => (Effect::Closes, "denied"),
        };
        say(effect, format!("paths with an encoded slash are {judged}"));
    }
    if old.charset != new.charset {
        let (effect, judged) = match new.charset {
            Charset::Bytes => (Effect::Opens, "judged, no longer refused"),
            Charset::Utf8 => (Effect::Closes, "refused"),
        };
        say(effect, format!("paths that are not UTF-8 are {judged}"));
    }
    if old.dots != new.dots {
        let become_of = match new.dots {
            Dots::Resolve => "sent to what they come to, no longer refused",
            Dots::Refuse => "refused, no longer sent to what they come to",
        };
        say(Effect::Alters, format!("paths with `.` and `..` are {become_of}"));
    }
    if old.deny_status != new.deny_status {
        let status = |status| if status == DenyStatus::Forbidden { 403 } else { 404 };
        say(
            Effect::Alters,
            format!("denied paths are answered {} instead of {}", status(new.deny_status), status(old.deny_status)),
        );
    }
}

/// What a rule speaks of: `/api/ for GET, POST from 10.0.0.0/8`.
pub fn scope(rule: &Rule) -> String {
    let mut text = listed(&rule.paths);
    if !rule.methods.is_empty() {
        text.push_str(&format!(" for {}", listed(&rule.methods)));
    }
    if !rule.networks.is_empty() {
        text.push_str(&format!(" from {}", listed(&rule.networks)));
    }
    text
}

fn only(old: Option<&[Pattern]>, new: Option<&[Pattern]>, say: &mut impl FnMut(Effect, String)) {
    match (old, new) {
        (None, None) => {}
        (None, Some(new)) => say(Effect::Closes, format!("only {} can be reached, every other path is denied", listed(new))),
        (Some(old), None) => say(Effect::Opens, format!("every path can be reached, no longer only {}", listed(old))),
        (Some(old), Some(new)) => {
            for path in lacking(new, old) {
                say(Effect::Opens, format!("{path} joins the only paths that can be reached"));
            }
            for path in lacking(old, new) {
                say(Effect::Closes, format!("{path} leaves the only paths that can be reached"));
            }
        }
    }
}

fn redirects(old: &[(Pattern, Redirect)], new: &[(Pattern, Redirect)], say: &mut impl FnMut(Effect, String)) {
    let find = |list: &[(Pattern, Redirect)], from: &Pattern| {
        list.iter().find(|(other, _)| other == from).map(|(_, redirect)| redirect.clone())
    };
    for (from, redirect) in new {
        match find(old, from) {
            None => say(Effect::Closes, format!("{from} is sent to {}", sent(redirect))),
            Some(before) if before != *redirect => {
                say(Effect::Alters, format!("{from} is sent to {} instead of {}", sent(redirect), sent(&before)));
            }
            Some(_) => {}
        }
    }
    for (from, redirect) in old.iter().filter(|(from, _)| find(new, from).is_none()) {
        say(Effect::Opens, format!("{from} is no longer sent to {}", redirect.to));
    }
}

/// Rules that are in both are passed over; of the rest, those about the same paths are one rule that changed.
fn rules(old: &[Rule], new: &[Rule], say: &mut impl FnMut(Effect, String)) {
    let (mut lost, mut found) = (old.to_vec(), Vec::new());
    for rule in new {
        match lost.iter().position(|other| other == rule) {
            Some(at) => drop(lost.remove(at)),
            None => found.push(rule),
        }
    }
    if lost.is_empty() && found.is_empty() && old != new {
        say(Effect::Alters, "the rules are in another order, and the first that matches speaks".to_owned());
    }
    for rule in found {
        match lost.iter().position(|other| other.paths == rule.paths) {
            Some(at) => {
                let before = lost.remove(at);
                if (Rule { body_limit: rule.body_limit, ..before.clone() }) == *rule {
                    let (now, so_far) = (bodies(rule.body_limit), bodies(before.body_limit));
                    say(Effect::Alters, format!("{} takes {now}, where so far it took {so_far}", scope(rule)));
                    continue;
                }
                let now = format!("{} {}, where so far {} {}", scope(rule), says(rule), limits(&before), says(&before));
                say(changed(&before, rule), now);
            }
            None => say(effect(rule), format!("{} {}", scope(rule), says(rule))),
        }
    }
    for rule in lost {
        let turned = match effect(&rule) {
            Effect::Publishes | Effect::Opens => Effect::Closes,
            Effect::Closes => Effect::Opens,
            Effect::Alters => Effect::Alters,
        };
        say(turned, format!("no rule says any more that {} {}", scope(&rule), says(&rule)));
    }
}

fn bodies(limit: Option<u64>) -> String {
    limit.map_or_else(|| "bodies of any size".to_owned(), |bytes| format!("bodies of at most {bytes} bytes"))
}

/// The limits of a rule whose paths have been named already.
fn limits(rule: &Rule) -> String {
    let whole = scope(rule);
    let rest = whole.strip_prefix(&listed(&rule.paths)).unwrap_or_default().trim();
    if rest.is_empty() { "it".to_owned() } else { format!("it, {rest},") }
}

fn says(rule: &Rule) -> String {
    match &rule.action {
        Action::Require(requirement) => format!("stands {}", asks(requirement)),
        Action::Bypass => "is public".to_owned(),
        Action::Deny => "is denied to everybody".to_owned(),
        Action::Redirect(redirect) => format!("is sent to {}", sent(redirect)),
    }
}

/// What it means that a rule is there.
fn effect(rule: &Rule) -> Effect {
    match &rule.action {
        Action::Bypass => Effect::Publishes,
        Action::Deny | Action::Redirect(_) => Effect::Closes,
        Action::Require(_) => Effect::Alters,
    }
}

/// What it means that a rule about the same paths says something else, or speaks of other requests.
fn changed(old: &Rule, new: &Rule) -> Effect {
    let openness = |rule: &Rule| match &rule.action {
        Action::Deny => 0,
        Action::Redirect(_) => 1,
        Action::Require(_) => 2,
        Action::Bypass => 3,
    };
    if let (Action::Require(old), Action::Require(new)) = (&old.action, &new.action)
        && old != new
    {
        return changed_requirement::effect(old, new);
    }
    match openness(old).cmp(&openness(new)) {
        Ordering::Less if new.action == Action::Bypass => Effect::Publishes,
        Ordering::Less => Effect::Opens,
        Ordering::Greater => Effect::Closes,
        Ordering::Equal => match (speaks_of_more(new, old), effect(new)) {
            (_, Effect::Alters) => Effect::Alters,
            // Wider in one respect and narrower in another: told as the more delicate of both.
            (true, effect) => effect,
            (false, Effect::Publishes) => Effect::Closes,
            (false, _) => Effect::Opens,
        },
    }
}

/// Whether one rule speaks of requests that the other does not.
fn speaks_of_more(one: &Rule, other: &Rule) -> bool {
    let methods = other.methods.is_empty() || (!one.methods.is_empty() && lacking(&one.methods, &other.methods).next().is_none());
    let within = |network: &IpNet| other.networks.iter().any(|wider| wider.contains(network));
    let networks = other.networks.is_empty() || (!one.networks.is_empty() && one.networks.iter().all(within));
    !(methods && networks)
}

fn sent(redirect: &Redirect) -> String {
    format!("{} with {}", redirect.to, redirect.status)
}

/// What is in `these` but not in `those`.
fn lacking<'a, T: PartialEq>(these: &'a [T], those: &'a [T]) -> impl Iterator<Item = &'a T> {
    these.iter().filter(|item| !those.contains(item))
}

fn listed(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
