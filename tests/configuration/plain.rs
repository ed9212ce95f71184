//! What a configuration means for plain paths, written down a second time and as simply as it can be said, from the rulings and not
//! from the code: within one way of comparing names, deny comes first, then redirects, the first rule that matches, bypass, and
//! what the app asks for; between the ways, the strictest answer wins.
//!
//! Plain paths have lower-case letters and digits between single slashes, nothing else.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;

use toml::{Table, Value};

/// Who asks, and for what.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub client: IpAddr,
}

/// What the rules say, the least strict first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    Open,
    Password,
    TwoFactor,
    Passkey,
    Redirect(u16, String),
    Deny(u16),
}

/// How firmly names are compared.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// Letter by letter.
    Exact,
    /// Without regard to case.
    Folded,
    /// As the second, and `/a/**` speaks of `/a` itself; a redirect of a single place does not apply.
    Loose,
}

/// Keys whose meaning is written down here, besides those that say nothing of who may pass.
const KNOWN: &[&str] = &[
    "name",
    "host",
    "upstream",
    "require",
    "deny",
    "deny_status",
    "only",
    "redirect",
    "bypass",
    "rule",
    "certificate",
    "private_key",
    "connect_timeout",
    "response_timeout",
    "idle_timeout",
    "body_limit",
    "request_headers",
    "response_headers",
    "websocket",
    "listed",
    "description",
];
const KNOWN_IN_RULES: &[&str] =
    &["path", "path_regex", "methods", "networks", "action", "require", "to", "status", "reason", "from"];

/// Whether everything that this app says is written down here: no other key, and no pattern but of plain names.
pub fn is_known(app: &Table) -> bool {
    let entries = ["redirect", "bypass", "rule"].into_iter().flat_map(|key| list(app, key));
    let tables: Vec<&Table> = entries.filter_map(Value::as_table).collect();
    app.keys().all(|key| KNOWN.contains(&key.as_str()))
        && tables.iter().all(|table| table.keys().all(|key| KNOWN_IN_RULES.contains(&key.as_str())))
        && patterns_of(app).iter().all(|pattern| is_plain(pattern))
        && !tables.iter().any(|table| texts(table.get("to")).iter().any(|to| to.contains("{rest}")))
        && !tables.iter().any(|table| texts(table.get("networks")).iter().any(|network| network.contains("::ffff")))
}

fn patterns_of(app: &Table) -> Vec<&str> {
    let tables = ["redirect", "bypass", "rule"].into_iter().flat_map(|key| list(app, key)).filter_map(Value::as_table);
    let inside = tables.flat_map(|table| texts(table.get("path")).into_iter().chain(texts(table.get("from"))));
    let own = ["deny", "only", "bypass"].into_iter().flat_map(|key| texts(app.get(key)));
    inside.chain(own).collect()
}

fn is_plain(pattern: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '*' | '?');
    let at_edge = |name: &str| name.starts_with('.') || name.ends_with('.');
    pattern.split('/').all(|name| name.chars().all(plain) && !at_edge(name))
}

/// What an app of this configuration says.
pub fn answer(root: &Table, app: &Table, probe: Probe<'_>) -> Answer {
    let ways = [Way::Exact, Way::Folded, Way::Loose];
    let mut strictest = Answer::Open;
    for way in ways {
        let heard = heard(root, app, probe, way);
        // Of two redirects the one of the more literal way stays.
        let both_redirect = matches!((&strictest, &heard), (Answer::Redirect(..), Answer::Redirect(..)));
        if !both_redirect && heard > strictest {
            strictest = heard;
        }
    }
    strictest
}

fn heard(root: &Table, app: &Table, probe: Probe<'_>, way: Way) -> Answer {
    let deny = Answer::Deny(if app.get("deny_status").and_then(Value::as_integer) == Some(403) { 403 } else { 404 });
    let covered = |patterns: &[&str], root_alone| patterns.iter().any(|pattern| covers(pattern, probe.path, way, root_alone));
    if covered(&texts(app.get("deny")), false) {
        return deny;
    }
    if app.contains_key("only") && !covered(&texts(app.get("only")), true) {
        return deny;
    }
    let rules: Vec<&Table> = list(app, "rule").filter_map(Value::as_table).filter(|rule| speaks(rule, probe, way)).collect();
    if rules.iter().any(|rule| action(rule) == "deny") {
        return deny;
    }
    for redirect in list(app, "redirect").filter_map(Value::as_table) {
        let from = redirect["from"].as_str().expect("accepted");
        let folder = from.ends_with('/') && from != "/";
        if (folder || way != Way::Loose) && covers(from, probe.path, way, true) {
            return sent(redirect);
        }
    }
    let auth = |key| root.get("auth").and_then(|auth| auth.get(key));
    let is_one_owners = auth("mode").and_then(Value::as_str) == Some("single_owner");
    let default = if is_one_owners { Answer::Password } else { Answer::TwoFactor };
    let asked = required(app.get("require").or(auth("require")), default);
    if let Some(rule) = rules.first() {
        return match action(rule) {
            "bypass" => Answer::Open,
            "redirect" => sent(rule),
            _ => required(rule.get("require"), asked),
        };
    }
    let open = list(app, "bypass").any(|entry| match entry {
        Value::Table(table) => speaks(table, probe, way),
        other => covers(other.as_str().expect("accepted"), probe.path, way, false),
    });
    if open { Answer::Open } else { asked }
}

fn action(rule: &Table) -> &str {
    rule.get("action").and_then(Value::as_str).unwrap_or("require")
}

fn required(written: Option<&Value>, otherwise: Answer) -> Answer {
    match written.and_then(Value::as_str) {
        Some("password") => Answer::Password,
        Some("2fa") => Answer::TwoFactor,
        Some("passkey") => Answer::Passkey,
        _ => otherwise,
    }
}

fn sent(table: &Table) -> Answer {
    let status = table.get("status").and_then(Value::as_integer).unwrap_or(302);
    Answer::Redirect(status.try_into().expect("accepted"), table["to"].as_str().expect("accepted").to_owned())
}

fn speaks(rule: &Table, probe: Probe<'_>, way: Way) -> bool {
    let single = |pattern: &str| !pattern.ends_with('/') || pattern == "/";
    let applies = |pattern: &str| action(rule) != "redirect" || way != Way::Loose || !single(pattern);
    let path = texts(rule.get("path")).iter().any(|pattern| applies(pattern) && covers(pattern, probe.path, way, false));
    let regex = rule.get("path_regex").and_then(Value::as_str).is_some_and(|text| {
        let found = matches(text, way != Way::Exact, probe.path);
        found && (action(rule) != "redirect" || way != Way::Loose)
    });
    let methods = texts(rule.get("methods"));
    let networks = texts(rule.get("networks"));
    (path || regex)
        && (methods.is_empty() || methods.contains(&probe.method))
        && (networks.is_empty() || networks.iter().any(|network| holds(network, probe.client)))
}

/// Whether a regular expression speaks of the whole path. Building one takes longer than all the rest.
fn matches(text: &str, any_case: bool, path: &str) -> bool {
    thread_local! {
        static BUILT: RefCell<HashMap<(String, bool), regex::Regex>> = RefCell::default();
    }
    BUILT.with_borrow_mut(|built| {
        let regex = built.entry((text.to_owned(), any_case)).or_insert_with(|| {
            // A comment in the expression ends with its line.
            let line_end = if text.contains('#') { "\n" } else { "" };
            let whole = format!("^(?:{text}{line_end})$");
            regex::RegexBuilder::new(&whole).case_insensitive(any_case).build().expect("accepted")
        });
        regex.is_match(path)
    })
}

/// Whether a path falls under a pattern: name by name.
fn covers(pattern: &str, path: &str, way: Way, root_alone: bool) -> bool {
    if pattern == "/" {
        return !root_alone || path == "/";
    }
    let (pattern, path) =
        if way == Way::Exact { (pattern.to_owned(), path.to_owned()) } else { (pattern.to_lowercase(), path.to_lowercase()) };
    let below = pattern.ends_with('/');
    let wanted: Vec<&str> = pattern.split('/').filter(|name| !name.is_empty()).collect();
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    under(&wanted, &names, below, way)
}

fn under(wanted: &[&str], names: &[&str], below: bool, way: Way) -> bool {
    match wanted {
        [] => below || names.is_empty(),
        ["**"] if !below => !names.is_empty() || way == Way::Loose,
        ["**", rest @ ..] => (0..=names.len()).any(|skipped| under(rest, &names[skipped..], below, way)),
        [first, rest @ ..] => match names {
            [] => false,
            [name, names @ ..] => alike(first.as_bytes(), name.as_bytes()) && under(rest, names, below, way),
        },
    }
}

fn alike(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|taken| alike(rest, &name[taken..])),
        ([b'?', rest @ ..], [_, name @ ..]) => alike(rest, name),
        ([letter, rest @ ..], [same, name @ ..]) => letter == same && alike(rest, name),
        _ => false,
    }
}

fn holds(network: &str, client: IpAddr) -> bool {
    let (address, length) = network.split_once('/').map_or((network, None), |(address, length)| (address, Some(length)));
    let address: IpAddr = address.parse().unwrap_or_else(|_| panic!("accepted: {network}"));
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((network, width), (client, same)) = (bits(address), bits(client));
    let length: u32 = length.map_or(width, |length| length.parse().expect("accepted"));
    width == same && (length == 0 || (network ^ client) >> (128 - length) == 0)
}

fn list<'a>(table: &'a Table, key: &str) -> impl Iterator<Item = &'a Value> {
    table.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// One text or several.
fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
