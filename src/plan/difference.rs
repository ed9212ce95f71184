//! Two plans compared, in sentences: what would become reachable or unreachable, and what else would change.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::units;
use crate::model::method::Methods;
use crate::model::strength::Strength;
use crate::plan::app::App;
use crate::plan::changed_rules;
use crate::plan::changed_settings;
use crate::plan::whole::Plan;
use crate::policy::people::People;
use crate::policy::requirement::Requirement;
use crate::policy::rule::Action;
use crate::policy::wildcard::HostPattern;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What it means for visitors.
    pub effect: Effect,
    /// The app concerned, by its new name where it has one.
    pub app: Option<String>,
    /// What changes, without the app's name.
    pub sentence: String,
}

/// What a difference means for visitors, the most delicate first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Something can be opened without signing in.
    Publishes,
    /// Something can be reached, or is easier to reach.
    Opens,
    /// Something cannot be reached any more, or is harder to reach.
    Closes,
    /// Neither.
    Alters,
}

impl Effect {
    /// All, in their order.
    pub const ALL: [Self; 4] = [Self::Publishes, Self::Opens, Self::Closes, Self::Alters];

    /// Heads a list of such changes.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Publishes => "Becomes public",
            Self::Opens => "Becomes reachable, or easier to reach",
            Self::Closes => "Becomes unreachable, or harder to reach",
            Self::Alters => "Changes otherwise",
        }
    }
}

impl Change {
    /// A difference of the whole installation.
    pub fn general(effect: Effect, sentence: impl Into<String>) -> Self {
        Self { effect, app: None, sentence: sentence.into() }
    }

    /// A difference of one app.
    pub fn of(app: &App, effect: Effect, sentence: impl Into<String>) -> Self {
        Self { effect, app: Some(app.name.clone()), sentence: sentence.into() }
    }
}

/// Everything in which `new` differs from `old`, by effect and then in the order of the new file.
pub fn difference(old: &Plan, new: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    for app in &new.apps {
        match partner(app, old) {
            Some(before) => changed_app(before, app, old, &mut changes),
            None => new_app(app, new, &mut changes),
        }
    }
    for app in &old.apps {
        gone(app, new, &mut changes);
    }
    changed_settings::compare(old, new, &mut changes);
    changes.sort_by_key(|change| change.effect);
    changes
}

/// "makes 2 things public, closes 1": how many differences of each kind there are.
pub fn summary(changes: &[Change]) -> String {
    let count = |effect: Effect| changes.iter().filter(|change| change.effect == effect).count();
    let thing = |count: usize| if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
    let parts = Effect::ALL.iter().filter(|effect| count(**effect) > 0).map(|effect| match effect {
        Effect::Publishes => format!("makes {} public", thing(count(Effect::Publishes))),
        Effect::Opens => format!("opens {}", thing(count(Effect::Opens))),
        Effect::Closes => format!("closes {}", thing(count(Effect::Closes))),
        Effect::Alters => format!("changes {} otherwise", thing(count(Effect::Alters))),
    });
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { "changes nothing".to_owned() } else { parts.join(", ") }
}

/// The app that has answered for one of this app's hosts so far, at its path.
fn partner<'a>(app: &App, old: &'a Plan) -> Option<&'a Arc<App>> {
    app.patterns().find_map(|host| owner(old, &host, app))
}

/// The app that answers for a host at the path where `like` is.
fn owner<'a>(plan: &'a Plan, host: &HostPattern, like: &App) -> Option<&'a Arc<App>> {
    let site = match host {
        HostPattern::Exact(host) => plan.hosts.exactly(host),
        HostPattern::Under(wildcard) => plan.hosts.under(wildcard),
    };
    site?.apps().iter().find(|app| app.mount.is_like(&like.mount))
}

fn new_app(app: &App, plan: &Plan, changes: &mut Vec<Change>) {
    let what = format!("a new app at {}, {}", addresses(app.patterns(), app, plan), asks(&app.rules.requirement));
    changes.push(Change::of(app, Effect::Opens, what));
    for rule in app.rules.rules.iter().chain(&app.rules.bypass).filter(|rule| rule.action == Action::Bypass) {
        changes.push(Change::of(app, Effect::Publishes, format!("{} is public", changed_rules::scope(rule))));
    }
}

/// The app that answers at the place of `like` if none is exactly there: by a wildcard around the host, or at a path above.
fn stand_in<'a>(plan: &'a Plan, host: &HostPattern, like: &App) -> Option<&'a Arc<App>> {
    let site = match host {
        HostPattern::Exact(host) => plan.site(host),
        HostPattern::Under(wildcard) => plan.hosts.under(wildcard),
    };
    site?.apps().iter().find(|app| app.mount.is_around(&like.mount))
}

fn changed_app(before: &App, app: &App, old: &Plan, changes: &mut Vec<Change>) {
    if before.name != app.name {
        changes.push(Change::of(app, Effect::Alters, format!("is what was called {}", before.name)));
    }
    for host in app.patterns() {
        match owner(old, &host, app).or_else(|| stand_in(old, &host, app)) {
            Some(owner) if owner.name == before.name => {}
            Some(owner) => {
                let what = format!("{} leads here instead of to {}", address(&host, app, old), owner.name);
                changes.push(Change::of(app, Effect::Alters, what));
            }
            None => changes.push(Change::of(app, Effect::Opens, format!("{} leads here", address(&host, app, old)))),
        }
    }
    if before.mount != app.mount {
        let seen = if app.mount.strips() { "no longer sees" } else { "sees" };
        changes.push(Change::of(app, Effect::Alters, format!("{seen} that it is at {}", app.mount)));
    }
    if before.upstream.origin != app.upstream.origin {
        let what = format!("requests go to {} instead of {}", app.upstream.origin, before.upstream.origin);
        changes.push(Change::of(app, Effect::Alters, what));
    }
    changed_settings::upstream(before, app, changes);
    changed_rules::compare(before, app, changes);
}

/// Hosts and paths that nobody answers for any more, or somebody else.
fn gone(app: &App, new: &Plan, changes: &mut Vec<Change>) {
    let lost: Vec<HostPattern> = app.patterns().filter(|host| owner(new, host, app).is_none()).collect();
    let count = lost.len();
    let (lost, kept): (Vec<_>, Vec<_>) = lost.into_iter().partition(|host| stand_in(new, host, app).is_none());
    for host in &kept {
        let heir = stand_in(new, host, app).map_or("", |heir| heir.name.as_str());
        changes.push(Change::of(app, Effect::Alters, format!("{} leads to {heir} instead", address(host, app, new))));
    }
    let (all, lost) = (count == lost.len() && count == app.patterns().count(), lost.into_iter());
    let what = match all {
        _ if lost.len() == 0 => return,
        true => format!("is gone, and with it {}", addresses(lost, app, new)),
        false => format!("{} no longer leads anywhere", addresses(lost, app, new)),
    };
    changes.push(Change::of(app, Effect::Closes, what));
}

/// What a requirement asks of visitors.
pub fn asks(requirement: &Requirement) -> String {
    let strength = behind(requirement.strength);
    let people = match &requirement.people {
        People::Everybody => String::new(),
        people => format!(" for {people} alone"),
    };
    let age = requirement.max_age.map(|age| format!(", proven within {}", units::written(age)));
    let ways = by_ways(requirement.methods).map(|ways| format!(" {ways}")).unwrap_or_default();
    format!("{strength}{ways}{people}{}", age.unwrap_or_default())
}

/// By which ways something has to be proven, where not every one counts.
pub fn by_ways(methods: Methods) -> Option<String> {
    (methods != Methods::ALL).then(|| format!("by {methods} only"))
}

/// What a strength asks of visitors.
pub const fn behind(strength: Strength) -> &'static str {
    match strength {
        Strength::Passkey => "behind a passkey",
        Strength::TwoFactor => "behind two factors",
        Strength::Password => "behind one factor alone",
    }
}

fn addresses(hosts: impl Iterator<Item = HostPattern>, app: &App, plan: &Plan) -> String {
    hosts.map(|host| address(&host, app, plan)).collect::<Vec<_>>().join(", ")
}

fn address(host: &HostPattern, app: &App, plan: &Plan) -> String {
    let origin = match host {
        HostPattern::Exact(host) => plan.origin_of(host),
        HostPattern::Under(wildcard) => plan.origin_of(wildcard.parent()).replacen("://", "://*.", 1),
    };
    format!("{origin}{}", app.mount)
}

#[cfg(test)]
mod tests;
