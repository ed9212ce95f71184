//! An explanation told: text for people, JSON for programs. Both come from the same finding.

use std::fmt::Write;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use crate::command::explain::{ExplainWords, Groups};
use crate::config::report::harmless;
use crate::daemon::configuration::Loaded;
use crate::model::profile::GroupName;
use crate::model::user::UserName;
use crate::plan::difference;
use crate::plan::explain::{Explained, Finding, Kind, Seen, Step};
use crate::plan::owner;
use crate::plan::places::Origin;
use crate::policy::decide::{Forbidden, Verdict};
use crate::policy::host::Authority;
use crate::policy::rule::{DenyStatus, Judgement};
use crate::portal::why::SIGN_IN;
use crate::proxy::forwarded;
use crate::proxy::request;

/// More readings than this nobody reads.
const MOST_READINGS: usize = 20;
const CONTINUE: &str = "/.doorward/continue";

/// What was asked, and of which configuration.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The words.
    pub words: &'a ExplainWords,
    /// Host and port of the URL.
    pub authority: &'a Authority,
    /// What a client would send of the URL.
    pub target: &'a str,
    /// Whether the URL begins with `http://`.
    pub plain: bool,
    /// The configuration.
    pub loaded: &'a Loaded,
    /// The groups of the user in question.
    pub groups: &'a Groups,
}

/// What a visitor gets.
struct Answer {
    name: &'static str,
    status: Option<u16>,
    location: Option<String>,
    /// The same in words.
    told: String,
}

/// The explanation for programs.
pub fn json(asked: &Asked<'_>, finding: &Finding) -> Value {
    let Answer { name, status, location, told } = answer(asked, finding);
    let mut value = json!({
        "url": asked.words.url,
        "host": asked.authority.host.as_str(),
        "target": asked.target,
        "method": asked.words.method.as_str(),
        "client": asked.words.ip.to_canonical(),
        "user": asked.words.user.as_ref().map(|name| name.as_str()),
        "groups": groups_json(asked),
        "verdict": { "name": name, "status": status, "location": location, "told": told },
    });
    if let Finding::App(explained) = finding {
        let Explained { app, place, target, trace, .. } = &**explained;
        let steps = trace.steps.iter().enumerate();
        value["app"] = json!({ "name": app.name, "at": position(asked, place) });
        value["readings"] = json!(target.readings());
        value["rules"] = steps.map(|(at, step)| rule(asked, step, trace.decisive.contains(&at))).collect();
        if let Some(headers) = headers(asked, explained) {
            value["headers"] = headers.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
        }
    }
    value
}

/// The groups; `null` where they are not known.
fn groups_json(asked: &Asked<'_>) -> Value {
    match asked.groups {
        Groups::Named(groups) | Groups::Known(groups) => groups.iter().map(GroupName::as_str).collect(),
        Groups::NoUser | Groups::Unknown => Value::Null,
    }
}

/// The groups, and who says so. Nothing without a user.
fn groups_told(asked: &Asked<'_>) -> Option<String> {
    let user = asked.words.user.as_ref()?;
    let listed = |groups: &[GroupName]| match groups {
        [] => "none".to_owned(),
        groups => groups.iter().map(GroupName::as_str).collect::<Vec<_>>().join(", "),
    };
    Some(match asked.groups {
        Groups::Named(groups) => format!("{}, as you say", listed(groups)),
        Groups::Known(groups) => format!("{}, as the running gateway knows", listed(groups)),
        Groups::NoUser => format!("none: the running gateway has no user {user}"),
        Groups::Unknown => "not known, taken for none: no gateway runs here to ask; name them with --group".to_owned(),
    })
}

fn rule(asked: &Asked<'_>, step: &Step, decides: bool) -> Value {
    let seen = |seen: &Option<Seen>| {
        seen.as_ref().map(|seen| json!({ "path": seen.text, "method": seen.method.as_str(), "compared": seen.form_name() }))
    };
    json!({
        "kind": step.kind.name(),
        "paths": step.patterns,
        "limits": step.limits,
        "says": step.sentence(asked.loaded.plan.auth.mode),
        "at": position(asked, &step.origin),
        "reason": step.origin.reason,
        "hit": seen(&step.hit),
        "missed": seen(&step.missed),
        "decides": decides,
    })
}

fn position(asked: &Asked<'_>, origin: &Origin) -> Option<String> {
    let source = &asked.loaded.report.source;
    origin.place.as_ref().map(|place| format!("{}:{}", source.text_at(place.start).name, source.position(place.start).line))
}

/// The explanation for people.
pub fn text(asked: &Asked<'_>, finding: &Finding) -> String {
    let words = asked.words;
    let mut lines = vec![format!("{} {}", words.method, words.url)];
    let who = words.user.as_ref().map_or_else(
        || "nobody who is signed in".to_owned(),
        |name| {
            format!("{name}, signed in with {}", owner::asked(asked.loaded.plan.auth.mode, words.strength), name = name.as_str())
        },
    );
    lines.push(format!("  asked by  {who}, from {}", words.ip.to_canonical()));
    lines.extend(groups_told(asked).map(|told| format!("  groups    {told}")));
    if asked.plain {
        lines.push("  http://   is answered with a redirect to https://; this is what happens there".to_owned());
    }
    if let Finding::App(explained) = finding {
        tell_rules(asked, explained, &mut lines);
    }
    lines.push(format!("  verdict   {}", answer(asked, finding).told));
    if let Finding::App(explained) = finding {
        for (at, (name, value)) in headers(asked, explained).into_iter().flatten().enumerate() {
            lines.push(format!("  {:<9} {name}: {value}", if at == 0 { "headers" } else { "" }));
        }
    }
    let lines: Vec<String> = lines.iter().map(|line| harmless(line).trim_end().to_owned()).collect();
    lines.join("\n")
}

fn tell_rules(asked: &Asked<'_>, explained: &Explained, lines: &mut Vec<String>) {
    let Explained { app, place, target, trace, .. } = explained;
    let at = position(asked, place).map(|at| format!("  ({at})")).unwrap_or_default();
    lines.push(format!("  app       {}{at}", app.name));
    lines.push(format!("  judged    {}", target.as_str()));
    let readings = target.readings();
    for (at, reading) in readings.iter().take(MOST_READINGS).enumerate() {
        lines.push(format!("  {:<9} {reading}", if at == 0 { "read as" } else { "" }));
    }
    if let Some(more) = readings.len().checked_sub(MOST_READINGS).filter(|more| *more > 0) {
        lines.push(format!("            and {more} more"));
    }
    for (at, step) in trace.steps.iter().enumerate() {
        lines.push(step_line(asked, step, trace.decisive.contains(&at)));
    }
}

/// Such as `→ hit     deny /admin/: denied  (gateway.toml:5), read as /admin/login/`.
fn step_line(asked: &Asked<'_>, step: &Step, decides: bool) -> String {
    let mark = if decides { '→' } else { ' ' };
    let hit = match (step.kind, &step.hit) {
        (Kind::Requirement, _) => "else",
        (_, Some(_)) => "hit",
        (_, None) => "missed",
    };
    let patterns: String = step.patterns.iter().map(|pattern| format!(" {pattern}")).collect();
    let limits = if step.limits.is_empty() { String::new() } else { format!(" [{}]", step.limits.join(" ")) };
    let at = position(asked, &step.origin).unwrap_or_else(|| "by default".to_owned());
    let reason = step.origin.reason.as_ref().map(|reason| format!(" “{reason}”")).unwrap_or_default();
    let mut line = format!(
        "{mark} {hit:<9} {}{patterns}{limits}: {}  ({at}){reason}",
        step.kind.name(),
        step.sentence(asked.loaded.plan.auth.mode)
    );
    if let Some(seen) = step.hit.as_ref().filter(|_| step.kind != Kind::Requirement) {
        let outside = if step.kind == Kind::Only { "outside" } else { "read as" };
        write!(line, ", {outside} {}", reading(asked, seen)).expect("text takes all");
    }
    // What takes away needs one reading; what gives, all.
    let gives = matches!(step.says, Judgement::Open | Judgement::Required(_));
    if let Some(seen) = step.missed.as_ref().filter(|_| gives && step.hit.is_some()) {
        write!(line, ", but not as {}", reading(asked, seen)).expect("text takes all");
    }
    line
}

fn reading(asked: &Asked<'_>, seen: &Seen) -> String {
    let method = if seen.method == asked.words.method { String::new() } else { format!("{} ", seen.method) };
    format!("{method}{} {}", seen.text, seen.manner())
}

fn answer(asked: &Asked<'_>, finding: &Finding) -> Answer {
    let answer = |name, status, told: &str| Answer { name, status, location: None, told: told.to_owned() };
    match finding {
        Finding::UnknownHost => {
            let told = format!(
                "no app has the host {}: the TLS handshake fails with `unrecognized_name`; without a name in it, the answer is 421",
                asked.authority.host.as_str()
            );
            answer("no-such-app", Some(421), &told)
        }
        Finding::Refused(reason) => {
            let status = if reason.too_long() { 414 } else { 400 };
            let told = format!("refused with {status} whatever the rules say: {reason} ({})", reason.name());
            answer(reason.name(), Some(status), &told)
        }
        Finding::Resolved { to, .. } => {
            let told = format!("sent to {to} with 308: `normalise` resolves dots; what is asked for then is judged anew");
            Answer { name: "redirect", status: Some(308), location: Some(to.clone()), told }
        }
        Finding::OwnPage(page) => {
            answer("own-page", None, &format!("a page of Doorward itself (`{page}`); no rule is asked and no app sees it"))
        }
        Finding::Disguised => answer("disguised", Some(404), "404: a disguised spelling of /.doorward/, which reaches no app"),
        Finding::Portal { root: true } => answer("portal", Some(302), "the portal, which has no app: sent to its home page"),
        Finding::Portal { root: false } => answer("portal", Some(404), "404: the portal, which has no app, has no such page"),
        Finding::NoSuchPath => answer("no-such-app", Some(404), "404: no app of this host is mounted at this path"),
        Finding::SeveralApps => {
            let told = "refused with 400: servers disagree for which app of this host this path is";
            answer("ambiguous-app", Some(400), told)
        }
        Finding::App(explained) => match (&explained.verdict, &explained.app.maintenance) {
            (Verdict::Grant(_), Some(_)) => {
                answer("maintenance", Some(503), "503: may pass, but the app is closed for maintenance")
            }
            (verdict, _) => self::verdict(asked, verdict),
        },
    }
}

fn verdict(asked: &Asked<'_>, verdict: &Verdict) -> Answer {
    match verdict {
        Verdict::Grant(grant) => {
            let told = if grant.is_public() { "passes to the app, open to everybody" } else { "passes to the app" };
            let told = match grant.target().as_str() {
                sent if sent == asked.target => told.to_owned(),
                sent => format!("{told}, which sees {sent}"),
            };
            Answer { name: "pass", status: None, location: None, told }
        }
        Verdict::Redirect(redirect) => {
            let told = format!("sent to {} with {}", redirect.to, redirect.status);
            Answer { name: "redirect", status: Some(redirect.status), location: Some(redirect.to.clone()), told }
        }
        Verdict::Forbid(Forbidden::NotAllowed) => {
            let user = asked.words.user.as_ref().map(UserName::as_str).unwrap_or_default();
            let told = format!("403: {user} is signed in and is not among those who may open this");
            Answer { name: "not-allowed", status: Some(403), location: None, told }
        }
        Verdict::Deny(status) => {
            let (status, meaning) = match status {
                DenyStatus::NotFound => (404, "404, as if nothing were there"),
                DenyStatus::Forbidden => (403, "403"),
            };
            Answer { name: "deny", status: Some(status), location: None, told: format!("denied with {meaning}") }
        }
        Verdict::Challenge(challenge) => {
            let safe = [Method::GET, Method::HEAD].contains(&asked.words.method);
            let (status, sign_in) = (if safe { 302 } else { 303 }, format!("{}{SIGN_IN}", portal(asked)));
            // A form is led over a page of its own host, see `portal::elsewhere`.
            let direct = safe || asked.loaded.plan.is_portal(&asked.authority.host);
            let to = if direct { sign_in.clone() } else { CONTINUE.to_owned() };
            let onward = if direct { String::new() } else { format!(", and on to {sign_in}") };
            let ways = difference::by_ways(challenge.needs.methods).map(|ways| format!(" {ways}")).unwrap_or_default();
            let strength = owner::asked(asked.loaded.plan.auth.mode, challenge.needs.strength);
            let needs = format!("{strength}{ways}");
            let told = format!("must sign in with {needs}: a browser is sent to {to} with {status}{onward}; a program gets 401");
            Answer { name: "sign-in", status: Some(status), location: Some(to), told }
        }
    }
}

/// Where people sign in, as a browser writes it.
fn portal(asked: &Asked<'_>) -> String {
    asked.loaded.plan.origin()
}

/// What is set towards the app, if the request gets there; by the code that sets it.
fn headers(asked: &Asked<'_>, explained: &Explained) -> Option<Vec<(String, String)>> {
    let (Verdict::Grant(_), None) = (&explained.verdict, &explained.app.maintenance) else { return None };
    let host = HeaderValue::try_from(asked.authority.to_string()).expect("a host is visible ASCII");
    let mut headers = HeaderMap::new();
    headers.insert(HOST, request::host(&explained.app.upstream, &host));
    forwarded::set(&mut headers, asked.words.ip, &host, "(another for each request)");
    forwarded::set_prefix(&mut headers, &explained.app.mount);
    explained.app.request_headers.apply(&mut headers);
    // The owner's own may be keys that open the app.
    let told = |value: &HeaderValue| match value.is_sensitive() {
        true => "(as in request_headers)".to_owned(),
        false => value.to_str().unwrap_or_default().to_owned(),
    };
    let mut told: Vec<_> = headers.iter().map(|(name, value)| (name.to_string(), told(value))).collect();
    told.sort();
    Some(told)
}
