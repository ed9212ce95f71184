//! What would happen to a request, and why: the answer of the engine itself, and beside it every rule with the readings it
//! speaks of.
//!
//! The answer is [`RuleSet::judge`]'s and [`decide`]'s. Which rule speaks is asked of the same [`Pattern::covers`],
//! [`Rule::speaks_of`] and [`rule::sends`]; that both come to the same judgement is held by a test over random rules.

use std::iter;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use http::Method;

use crate::base::clock::Timestamp;
use crate::base::units;
use crate::config::document::Document;
use crate::model::identity::Identity;
use crate::model::mode::Mode;
use crate::plan::app::App;
use crate::plan::difference;
use crate::plan::owner;
use crate::plan::places::{Origin, Places};
use crate::plan::routes::Entry;
use crate::plan::whole::Plan;
use crate::policy::decide::{Verdict, decide};
use crate::policy::host::Host;
use crate::policy::pattern::{Pattern, Root};
use crate::policy::people::People;
use crate::policy::reading::{Form, Reading};
use crate::policy::refusal::Unreadable;
use crate::policy::requirement::Requirement;
use crate::policy::rule::{self, Action, Call, EncodedSlash, Judgement, Rule, RuleSet};
use crate::policy::target::{Own, Target};

/// A request to explain.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Its host.
    pub host: &'a Host,
    /// Its target in origin-form, as the client would send it.
    pub target: &'a str,
    /// Its method.
    pub method: &'a Method,
    /// The client's address.
    pub client: IpAddr,
    /// Who asks.
    pub identity: Identity,
    /// When.
    pub now: Timestamp,
}

/// What happens to a request.
#[derive(Debug)]
pub enum Finding {
    /// The host is nobody's: the handshake fails.
    UnknownHost,
    /// The target is refused whatever the rules say.
    Refused(Unreadable),
    /// The client is sent to what the target comes to without `.` and `..`.
    Resolved {
        /// The app whose owner wants it so.
        app: Arc<App>,
        /// Where to.
        to: String,
    },
    /// One of our own pages; the text behind the prefix.
    OwnPage(String),
    /// Our prefix in another spelling.
    Disguised,
    /// The host signs people in and has no app.
    Portal {
        /// Whether it is the root, which leads to the home page; everything else is not found.
        root: bool,
    },
    /// The apps of the host are mounted elsewhere.
    NoSuchPath,
    /// Some readings of the path are for one app of the host and some for another.
    SeveralApps,
    /// An app's.
    App(Box<Explained>),
}

/// What an app's rules say of a request.
#[derive(Debug)]
pub struct Explained {
    /// The app.
    pub app: Arc<App>,
    /// Where it is written.
    pub place: Origin,
    /// The target as judged.
    pub target: Target,
    /// Every rule.
    pub trace: Trace,
    /// The engine's verdict.
    pub verdict: Verdict,
}

/// Every rule of an app, held against a request.
#[derive(Debug)]
pub struct Trace {
    /// In the order in which they count: encoded_slash, deny, only, redirect, `[[app.rule]]`, bypass, requirement.
    pub steps: Vec<Step>,
    /// The step that decides; several where readings ask for different things, which must all be met.
    pub decisive: Vec<usize>,
    /// What the steps come to.
    pub judgement: Judgement,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which list it stands in.
    pub kind: Kind,
    /// Its patterns.
    pub patterns: Vec<String>,
    /// The methods and networks it keeps to; none if it speaks of all.
    pub limits: Vec<String>,
    /// What it says where it speaks.
    pub says: Judgement,
    /// Where it was written.
    pub origin: Origin,
    /// The first reading it speaks of.
    pub hit: Option<Seen>,
    /// The first reading it does not speak of, aside from those that can only take away.
    pub missed: Option<Seen>,
}

/// Where a rule stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `encoded_slash = "refuse"`; it speaks of paths that hide a separator.
    EncodedSlash,
    /// `deny`
    Deny,
    /// `only`; it speaks of what is outside.
    Only,
    /// `redirect`
    Redirect,
    /// `[[app.rule]]`
    Rule,
    /// `bypass`
    Bypass,
    /// `require`; it speaks of everything.
    Requirement,
}

/// A reading of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The path as read.
    pub text: String,
    /// How firmly its names are compared.
    pub form: Form,
    /// The method as read.
    pub method: Method,
}

/// What readings so far come to, and the steps that say so.
type Heard = (Judgement, Vec<usize>);

/// What a step asks readings with.
#[derive(Clone, Copy)]
enum Test<'a> {
    Written(&'a RuleSet),
    Pattern(&'a Pattern),
    Outside(&'a [Pattern]),
    Sends(&'a Pattern),
    Rule(&'a Rule),
    Otherwise,
}

/// Explains a request; `document` is what `plan` was compiled from.
pub fn explain(plan: &Plan, document: &Document, question: Question<'_>) -> Finding {
    let Some(site) = plan.site(question.host) else { return Finding::UnknownHost };
    let target = match Target::parse_as(question.target, site.charset()) {
        Ok(target) => target,
        Err(reason @ Unreadable::DotSegment) => {
            let resolved = site.resolve(question.target);
            return resolved.map_or(Finding::Refused(reason), |(app, target)| Finding::Resolved {
                app: Arc::clone(app),
                to: target.as_str().to_owned(),
            });
        }
        Err(reason) => return Finding::Refused(reason),
    };
    match target.own() {
        Own::Page(page) => return Finding::OwnPage(page.to_owned()),
        Own::Disguised => return Finding::Disguised,
        Own::No => {}
    }
    match site.enter(target) {
        Entry::App(_, target) if target.own() != Own::No => Finding::Disguised,
        Entry::App(app, target) => Finding::App(Box::new(explained(plan, document, app, target, question))),
        Entry::Nobody(target) if plan.is_portal(question.host) => Finding::Portal { root: target.path() == "/" },
        Entry::Nobody(_) => Finding::NoSuchPath,
        Entry::Several => Finding::SeveralApps,
        Entry::Unreadable(_, reason) => Finding::Refused(reason),
    }
}

fn explained(plan: &Plan, document: &Document, app: &Arc<App>, target: Target, question: Question<'_>) -> Explained {
    let Question { method, client, identity, now, .. } = question;
    let table = plan.apps.iter().position(|other| Arc::ptr_eq(other, app)).and_then(|at| document.apps.get(at));
    let places = table.map(|table| Places::of(document, table)).unwrap_or_default();
    let trace = trace(&app.rules, &places, &target, method, client);
    let judgement = app.rules.judge(&target, method, client);
    let verdict = decide(judgement, target.clone(), identity, now);
    let place = Origin { place: places.app, reason: None };
    Explained { app: Arc::clone(app), place, target, trace, verdict }
}

/// Holds every rule against every reading of a request.
pub fn trace(rules: &RuleSet, places: &Places, target: &Target, method: &Method, client: IpAddr) -> Trace {
    let (mut steps, tests): (Vec<Step>, Vec<Test<'_>>) = steps(rules, places).into_iter().unzip();
    let client = client.to_canonical();
    let mut heard: Option<Heard> = None;
    for method in iter::once(method.clone()).chain(rule::doubles(method)) {
        let call = Call { method: &method, client };
        let _all = rules.each_reading(target, &mut |reading| {
            if let Some(at) = speaker(&mut steps, &tests, (reading, target), call) {
                let says = (steps[at].says.clone(), vec![at]);
                heard = Some(heard.take().map_or_else(|| says.clone(), |known| stricter(known, says.clone())));
            }
            ControlFlow::Continue(())
        });
    }
    match heard {
        Some((judgement, decisive)) => Trace { steps, decisive, judgement },
        None => Trace { steps, decisive: Vec::new(), judgement: Judgement::Denied(rules.deny_status) },
    }
}

/// Notes for every step whether it speaks of a reading, and gives the one that counts: any deny, else the first.
fn speaker(steps: &mut [Step], tests: &[Test<'_>], (reading, target): (&Reading<'_>, &Target), call: Call<'_>) -> Option<usize> {
    let seen = || Seen { text: reading.joined(), form: reading.form(), method: call.method.clone() };
    let (mut first, mut deny) = (None, None);
    for (at, (step, test)) in steps.iter_mut().zip(tests).enumerate() {
        if test.speaks_of(reading, target, call) {
            step.hit.get_or_insert_with(seen);
            first = first.or(Some(at));
            deny = deny.or(matches!(step.says, Judgement::Denied(_)).then_some(at));
        } else if !reading.is_aside() {
            step.missed.get_or_insert_with(seen);
        }
    }
    deny.or(first)
}

/// The stricter of two, the earlier if they are alike; two requirements must both be met.
fn stricter(mut known: Heard, heard: Heard) -> Heard {
    let rank = |judgement: &Judgement| match judgement {
        Judgement::Denied(_) => 3,
        Judgement::Redirected(_) => 2,
        Judgement::Required(_) => 1,
        Judgement::Open => 0,
    };
    if let (Judgement::Required(one), Judgement::Required(two)) = (&known.0, &heard.0) {
        let both = one.and(two);
        if both == *one {
            return known;
        }
        if both == *two {
            return heard;
        }
        known.0 = Judgement::Required(both);
        known.1.extend(heard.1);
        known.1.sort_unstable();
        known.1.dedup();
        return known;
    }
    if rank(&heard.0) > rank(&known.0) { heard } else { known }
}

/// All rules in the order in which they count within a reading.
fn steps<'a>(rules: &'a RuleSet, places: &Places) -> Vec<(Step, Test<'a>)> {
    let denied = || Judgement::Denied(rules.deny_status);
    let mut steps = Vec::new();
    let mut add = |kind, patterns: &[Pattern], says, origin: Option<&Origin>, test: Test<'a>| {
        let patterns = patterns.iter().map(ToString::to_string).collect();
        let limits = test.limits();
        let origin = origin.cloned().unwrap_or_default();
        steps.push((Step { kind, patterns, limits, says, origin, hit: None, missed: None }, test));
    };
    if rules.encoded_slash == EncodedSlash::Refuse {
        add(Kind::EncodedSlash, &[], denied(), Some(&places.encoded_slash), Test::Written(rules));
    }
    for (at, pattern) in rules.deny.iter().enumerate() {
        add(Kind::Deny, std::slice::from_ref(pattern), denied(), places.deny.get(at), Test::Pattern(pattern));
    }
    if let Some(only) = &rules.only {
        add(Kind::Only, only, denied(), Some(&places.only), Test::Outside(only));
    }
    for (at, (from, redirect)) in rules.redirects.iter().enumerate() {
        let says = Judgement::Redirected(redirect.clone());
        add(Kind::Redirect, std::slice::from_ref(from), says, places.redirects.get(at), Test::Sends(from));
    }
    for (at, rule) in rules.rules.iter().enumerate() {
        let says = match &rule.action {
            Action::Require(requirement) => Judgement::Required(requirement.clone()),
            Action::Bypass => Judgement::Open,
            Action::Deny => denied(),
            Action::Redirect(redirect) => Judgement::Redirected(redirect.clone()),
        };
        add(Kind::Rule, &rule.paths, says, places.rules.get(at), Test::Rule(rule));
    }
    for (at, rule) in rules.bypass.iter().enumerate() {
        add(Kind::Bypass, &rule.paths, Judgement::Open, places.bypass.get(at), Test::Rule(rule));
    }
    let requirement = Judgement::Required(rules.requirement.clone());
    add(Kind::Requirement, &[], requirement, Some(&places.requirement), Test::Otherwise);
    steps
}

impl Test<'_> {
    fn limits(&self) -> Vec<String> {
        match self {
            Self::Rule(rule) => {
                let networks = rule.networks.iter().map(ToString::to_string);
                rule.methods.iter().map(ToString::to_string).chain(networks).collect()
            }
            Self::Written(_) | Self::Pattern(_) | Self::Outside(_) | Self::Sends(_) | Self::Otherwise => Vec::new(),
        }
    }

    fn speaks_of(&self, reading: &Reading<'_>, target: &Target, call: Call<'_>) -> bool {
        match self {
            Self::Written(rules) => rules.refuses(target),
            Self::Pattern(pattern) => pattern.covers(reading, Root::Everything),
            // Of what an app sees of a path, only what did not speak of the whole path already.
            Self::Sends(_) | Self::Rule(Rule { action: Action::Require(_) | Action::Bypass | Action::Redirect(_), .. })
                if reading.whole().is_some_and(|whole| self.speaks_of(&whole, target, call)) =>
            {
                false
            }
            Self::Outside(only) => !reading.is_aside() && !only.iter().any(|pattern| pattern.covers(reading, Root::Alone)),
            Self::Sends(from) => rule::sends(from, reading, Root::Alone),
            Self::Rule(rule) => rule.speaks_of(reading, call),
            Self::Otherwise => !reading.is_aside(),
        }
    }
}

/// Such as `asks for 2fa within 15m, of group:family`.
fn asks_for(requirement: &Requirement, mode: Mode) -> String {
    let age = requirement.max_age.map(|age| format!(" within {}", units::written(age))).unwrap_or_default();
    let people = match &requirement.people {
        People::Everybody => String::new(),
        people => format!(", of {people}"),
    };
    let ways = difference::by_ways(requirement.methods).map(|ways| format!(" {ways}")).unwrap_or_default();
    format!("asks for {}{ways}{age}{people}", owner::asked(mode, requirement.strength))
}

impl Kind {
    /// Its key in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::EncodedSlash => "encoded_slash",
            Self::Deny => "deny",
            Self::Only => "only",
            Self::Redirect => "redirect",
            Self::Rule => "rule",
            Self::Bypass => "bypass",
            Self::Requirement => "require",
        }
    }
}

impl Step {
    /// What it says where it speaks, in a few words.
    pub fn sentence(&self, mode: Mode) -> String {
        match &self.says {
            Judgement::Denied(_) if self.kind == Kind::Only => "all else denied".to_owned(),
            Judgement::Denied(_) => "denied".to_owned(),
            Judgement::Redirected(redirect) => format!("sent to {} ({})", redirect.to, redirect.status),
            Judgement::Required(requirement) => asks_for(requirement, mode),
            Judgement::Open => "open to everybody".to_owned(),
        }
    }
}

impl Seen {
    /// How names were compared, for programs.
    pub fn form_name(&self) -> &'static str {
        match self.form {
            Form::Exact => "exact",
            Form::Folded => "folded",
            Form::Loose => "loose",
        }
    }

    /// How names were compared, in a few words.
    pub fn manner(&self) -> &'static str {
        match self.form {
            Form::Exact => "letter by letter",
            Form::Folded => "whatever the case, width and accents",
            Form::Loose => "whatever the suffix",
        }
    }
}

#[cfg(test)]
mod tests;
