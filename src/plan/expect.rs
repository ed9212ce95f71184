//! `[[expect]]`: what the owner expects of the rules, held against what the engine says of them. An expectation that fails keeps
//! the configuration from being applied, at `check`, start and reload alike; it carries everything it needs, so no store is asked.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::sync::Arc;

use http::Method;

use crate::base::clock::Timestamp;
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::expect::{ExpectTable, Result as Expected};
use crate::config::placed::Placed;
use crate::model::identity::Identity;
use crate::model::mode::Mode;
use crate::model::profile::{GroupName, Profile};
use crate::model::session::{Session, SessionRecord};
use crate::model::strength::Strength;
use crate::plan::explain::{self, Explained, Finding, Question};
use crate::plan::whole::Plan;
use crate::policy::decide::Verdict;
use crate::policy::host::Authority;

/// An address of nobody's (RFC 5737), for visitors of whom the expectation does not say where they come from.
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// Any moment does: the session of an expectation has just begun.
const NOW: Timestamp = Timestamp::from_secs(1);

/// A request that can be asked about.
struct Asked {
    method: Method,
    authority: Authority,
    target: String,
    client: IpAddr,
    identity: Identity,
}

/// Complains about every expectation that is not met, or cannot be read.
pub fn check(plan: &Plan, document: &Document, complaints: &mut Vec<Complaint>) {
    for table in &document.expects {
        let (Some(request), Some(result)) = (&table.request, &table.result) else { continue };
        match read(table, request) {
            Ok(asked) => complaints.extend(unmet(plan, document, asked, (request, result))),
            Err(complaint) => complaints.push(*complaint),
        }
    }
}

/// What is wrong with an expectation that is not met.
fn unmet(
    plan: &Plan,
    document: &Document,
    asked: Asked,
    (request, expected): (&Placed<String>, &Placed<Expected>),
) -> Option<Complaint> {
    let Asked { method, authority, target, client, identity } = asked;
    let host = &authority.host;
    let finding =
        explain::explain(plan, document, Question { host, target: &target, method: &method, client, identity, now: NOW });
    let Some(found) = result(&finding) else {
        let complaint = Complaint::new(Code::E0702, &request.place, "an expectation asks for a host that is nobody's");
        return Some(complaint.label(format!("no app answers for {host}")).key("expect.request"));
    };
    if found == expected.value {
        return None;
    }
    let message = format!("`{}` is expected to {}, and would {}", request.value, told(expected.value), told(found));
    let complaint =
        Complaint::new(Code::E0701, &expected.place, message).label(because(&finding, plan.auth.mode)).key("expect.result");
    let complaint = match decisive(&finding) {
        Some((place, kind)) => complaint.also(&place, format!("this {kind} decides")),
        None => complaint,
    };
    Some(complaint.help(format!("mend the rules, or expect \"{}\"; `doorward explain` tells every step", found.name())))
}

/// What becomes of the request; `None` if its host is nobody's.
fn result(finding: &Finding) -> Option<Expected> {
    Some(match finding {
        Finding::UnknownHost => return None,
        Finding::Refused(_) | Finding::SeveralApps => Expected::Refuse,
        Finding::OwnPage(_) => Expected::Pass,
        Finding::Disguised | Finding::NoSuchPath | Finding::Portal { root: false } => Expected::Deny,
        Finding::Resolved { .. } | Finding::Portal { root: true } => Expected::Redirect,
        Finding::App(explained) => match &explained.verdict {
            Verdict::Grant(_) => Expected::Pass,
            Verdict::Redirect(_) => Expected::Redirect,
            Verdict::Challenge(_) => Expected::SignIn,
            Verdict::Forbid(_) => Expected::Forbid,
            Verdict::Deny(_) => Expected::Deny,
        },
    })
}

fn because(finding: &Finding, mode: Mode) -> String {
    match finding {
        Finding::UnknownHost => "no app answers for this host".to_owned(),
        Finding::Refused(reason) => format!("refused: {reason}"),
        Finding::Resolved { to, .. } => format!("`normalise` sends it to {to}"),
        Finding::NoSuchPath => "no app is mounted there".to_owned(),
        Finding::SeveralApps => "servers would take this for paths of different apps".to_owned(),
        Finding::OwnPage(_) => "this is a page of Doorward's own".to_owned(),
        Finding::Disguised => "this is another spelling of Doorward's own pages".to_owned(),
        Finding::Portal { root: true } => "the portal sends its root to the home page".to_owned(),
        Finding::Portal { root: false } => "the portal has nothing but its own pages".to_owned(),
        Finding::App(explained) => step(explained).map_or_else(
            || "no rule speaks of it".to_owned(),
            |step| match step.patterns.as_slice() {
                [] => format!("{}: {}", step.kind.name(), step.sentence(mode)),
                patterns => format!("{} {}: {}", step.kind.name(), patterns.join(", "), step.sentence(mode)),
            },
        ),
    }
}

/// Where the rule that decides is written, and what it is.
fn decisive(finding: &Finding) -> Option<(Range<usize>, &'static str)> {
    let Finding::App(explained) = finding else { return None };
    let step = step(explained)?;
    Some((step.origin.place.clone()?, step.kind.name()))
}

fn step(explained: &Explained) -> Option<&explain::Step> {
    explained.trace.steps.get(*explained.trace.decisive.first()?)
}

fn told(result: Expected) -> &'static str {
    match result {
        Expected::Pass => "pass",
        Expected::Deny => "be denied",
        Expected::Redirect => "be redirected",
        Expected::SignIn => "ask for sign-in",
        Expected::Forbid => "be forbidden",
        Expected::Refuse => "be refused",
    }
}

fn read(table: &ExpectTable, request: &Placed<String>) -> Result<Asked, Box<Complaint>> {
    let fault = |at: &Placed<String>, key: &str, label: String| {
        let message = format!("`{key}` of an expectation cannot be read");
        Box::new(Complaint::new(Code::E0702, &at.place, message).label(label).key(format!("expect.{key}")))
    };
    let (method, url) = match request.value.split_once(' ') {
        Some((method, url)) => (method, url.trim()),
        None => ("GET", request.value.as_str()),
    };
    let spelling =
        |reason: &str| fault(request, "request", format!("{reason}: write \"GET https://paperless.example.com/admin/\""));
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| spelling("no method"))?;
    let rest = url.strip_prefix("https://").ok_or_else(|| spelling("no https:// URL"))?;
    let (authority, target) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    let authority = Authority::parse(authority).map_err(|_| spelling("no host"))?;
    // Not resolved and not escaped: what is expected of `/a/../b` is what happens to exactly that.
    let target = if target.starts_with(['/', '\\']) { target.to_owned() } else { format!("/{target}") };
    let client = match &table.from {
        None => SOMEWHERE,
        Some(from) => from.value.parse().map_err(|_| fault(from, "from", "an IP address such as \"192.168.1.7\"".to_owned()))?,
    };
    let identity = match &table.visitor {
        None => Identity::Anonymous,
        Some(visitor) => identity(&visitor.value).map_err(|reason| fault(visitor, "as", reason))?,
    };
    Ok(Asked { method, authority, target, client, identity })
}

/// Who `anonymous` or `user:alice group:family 2fa` is. Whoever is signed in and of whom no more is said holds a full session.
fn identity(text: &str) -> Result<Identity, String> {
    if text.trim() == "anonymous" {
        return Ok(Identity::Anonymous);
    }
    let (mut name, mut groups, mut strength) = (None, Vec::new(), Strength::TwoFactor);
    for word in text.split_whitespace() {
        let known = Strength::ALL.into_iter().find(|strength| strength.name() == word);
        match (word.strip_prefix("user:"), word.strip_prefix("group:"), known) {
            (Some(user), _, _) if name.is_none() => name = Some(user),
            (_, Some(group), _) => groups.push(group.parse::<GroupName>().map_err(|reason| format!("`{group}`: {reason}"))?),
            (None, None, Some(known)) => strength = known,
            _ => return Err(format!("`{word}` says nothing here: \"anonymous\", or \"user:alice 2fa\"")),
        }
    }
    let name = name.ok_or("no user: \"anonymous\", or \"user:alice 2fa\"")?;
    let name = name.parse().map_err(|_| format!("`{name}` cannot be a user's name"))?;
    let profile = Arc::new(Profile { groups: groups.into(), ..Profile::default() });
    let session = SessionRecord { profile, ..SessionRecord::imagined(name, strength, NOW) };
    Ok(Identity::User(Arc::new(Session::from(session))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::compile_text;

    const RULES: &str = r#"
[[app]]
host = "a.example.com"
upstream = "http://127.0.0.1:1"
deny = ["/admin/"]
redirect = [{ from = "/old/", to = "/new" }]
bypass = [{ path = "/health", reason = "monitoring" }, { path = "/lan/", networks = ["10.0.0.0/8"], reason = "here" }]
[[app.rule]]
path = "/ours/"
allow = ["group:family"]
[[app.rule]]
path = "/feed"
require = "password"
"#;

    fn complaints(expect: &str) -> Vec<(Code, String)> {
        let text = format!("{RULES}\n[[expect]]\n{expect}\n");
        let found = compile_text(&text).map_or_else(|complaints| complaints, |compiled| compiled.warnings);
        found.into_iter().map(|complaint| (complaint.code, complaint.message)).collect()
    }

    fn expectation(request: &str, visitor: &str, result: &str) -> String {
        format!("request = \"{request}\"\nas = \"{visitor}\"\nresult = \"{result}\"")
    }

    #[test]
    fn what_is_so_is_accepted_and_everything_else_is_not() {
        let all = ["pass", "deny", "redirect", "sign-in", "forbid", "refuse"];
        for (request, visitor, result) in [
            ("GET https://a.example.com/Admin%2flogin/", "user:alice 2fa", "deny"),
            ("GET https://a.example.com/.Doorward/", "anonymous", "deny"),
            ("GET https://a.example.com/", "anonymous", "sign-in"),
            ("GET https://a.example.com/", "user:alice", "pass"),
            ("GET https://a.example.com/", "user:alice password", "sign-in"),
            ("GET https://a.example.com/feed", "user:alice password", "pass"),
            ("GET https://a.example.com/ours/", "user:alice group:family 2fa", "pass"),
            ("GET https://a.example.com/ours/", "user:alice", "forbid"),
            ("POST https://a.example.com/health", "anonymous", "pass"),
            ("https://a.example.com/old/x", "anonymous", "redirect"),
            ("GET https://a.example.com/x/../admin/", "anonymous", "refuse"),
        ] {
            for expected in all {
                let found = complaints(&expectation(request, visitor, expected));
                assert_eq!(found.is_empty(), expected == result, "{request} as {visitor} {expected}: {found:?}");
                assert!(found.iter().all(|(code, _)| *code == Code::E0701), "{found:?}");
            }
        }
    }

    #[test]
    fn the_client_is_where_the_expectation_says() {
        let expect =
            |from: &str| format!("{}\nfrom = \"{from}\"", expectation("GET https://a.example.com/lan/", "anonymous", "pass"));
        assert_eq!(complaints(&expect("10.1.2.3")), []);
        assert_eq!(complaints(&expect("11.1.2.3"))[0].0, Code::E0701);
        assert_eq!(complaints(&expect("here"))[0].0, Code::E0702);
    }

    /// The attack: an expectation that is passed over because nobody could read it, and so seems to be met.
    #[test]
    fn what_cannot_be_read_is_not_taken_for_met() {
        for (request, visitor) in [
            ("GET /admin/", "anonymous"),
            ("GET http://a.example.com/", "anonymous"),
            ("G T https://a.example.com/", "anonymous"),
            ("GET https:///", "anonymous"),
            ("GET https://b.example.com/", "anonymous"),
            ("GET https://a.example.com/", "alice"),
            ("GET https://a.example.com/", "user:alice user:bob"),
            ("GET https://a.example.com/", "2fa"),
            ("GET https://a.example.com/", "user:alice group:"),
            ("GET https://a.example.com/", "user:"),
            ("GET https://a.example.com/", ""),
        ] {
            let found = complaints(&expectation(request, visitor, "sign-in"));
            assert_eq!(found.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [Code::E0702], "{request} {visitor}");
        }
        assert_eq!(complaints("result = \"deny\"")[0].0, Code::E0202);
        assert_eq!(complaints("request = \"GET https://a.example.com/\"")[0].0, Code::E0202);
    }
}
