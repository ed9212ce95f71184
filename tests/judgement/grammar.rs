//! Makes targets and rules out of the pieces that servers disagree about.

use proptest::prelude::*;
use proptest::sample::select;

use crate::reference::{Action, Rule, Rules};

/// Names that rules speak of, and their neighbours.
const NAMES: &[&str] = &[
    "admin",
    "public",
    "a",
    "b",
    "c",
    "api",
    "v1",
    "v10",
    "files",
    "health",
    "index.php",
    "x.cgi",
    "(S(x))",
    "login",
    "x",
    ".git",
    "caf%C3%A9",
    "cafe",
    "adm",
    "a.b",
    "administrator",
    ".doorward",
    "o",
    "metrics.json",
];

/// What stands between names.
const SEPARATORS: &[&str] = &[
    "/",
    "/",
    "/",
    "/",
    "//",
    "///",
    "%2f",
    "%2F",
    "%5c",
    "%255C",
    "%252f",
    "/%2f",
    "%25252f",
    "/;/",
    ";/",
    "%3b/",
    "%e2%88%95",
    "%EF%BC%8F",
    "%EF%BC%BC",
    "%EF%BC%852f",
];

/// What clings to names.
const BURRS: &[&str] = &[
    "",
    "",
    "",
    "",
    "",
    "",
    ";x",
    ";x=y%2fz",
    "%3bx",
    ";",
    ".json",
    "::$DATA",
    ":",
    ".",
    "..",
    "...",
    "%2e",
    "%2e%2e",
    "+",
    "%20",
    "%c2%a0",
    "%e3%80%80",
    "~",
    "~1",
    "-x",
    "_x",
    "@",
    "!",
    "%3f",
    "%3fy",
    "%23z",
    "%2523",
    "%253f",
    "%00",
    "%0a",
    "%7f",
    "%E9",
    "%c0%ae",
    "%zz",
    "%u002f",
    "%",
    "%25",
    "%e2%80%8b",
    "%cc%81",
    "%ef%bc%8e",
    "%e3%80%82",
    "$",
    "%24",
    "%2b",
    "*",
    "'",
    "%c2%85",
    "%ef%bc%9b",
    "%ef%bc%9f",
    "%ef%bc%83",
    "\\",
    "#",
    " ",
    "é",
    "%e2%80%a5",
    "%e2%84%80",
    ",",
    "%2c",
];

/// What stands before names.
const LEADS: &[&str] =
    &["", "", "", "", "", "", "", "", ".", "~", "+", "%20", "%2e", "%e2%80%8b", "..", ";", "(", "%28", "_", "-", "%ad", "%c2%ad"];

const QUERIES: &[&str] = &["", "", "", "", "?", "?x=1", "?/../admin/", "?a=%zz", "?//admin", "?a\\b", "?a#b", "?%00"];

const PATTERNS: &[&str] = &[
    "/admin/",
    "/admin",
    "/public/",
    "/health",
    "/a/*/c",
    "/a/b/",
    "/files/**",
    "/**/.git/",
    "/v?/",
    "/v1/",
    "/",
    "/index.php/",
    "/café/",
    "/Admin/",
    "/a.b/",
    "/a.b",
    "/metrics.json",
    "/adm*/",
    "/**",
    "/api/**/x",
    "/api/v1/",
    "/x/",
    "/x",
    "/*/b",
    "/login",
    "/index.php",
    "/b/**/c/",
    "/a/",
];

pub const METHODS: &[&str] = &["GET", "HEAD", "POST", "post", "get", "Head", "OPTIONS", "PROPFIND", "X"];
pub const CLIENTS: &[&str] = &["192.0.2.7", "::ffff:192.0.2.7", "198.51.100.1", "2001:db8::1"];
const NETWORKS: &[&str] = &["192.0.2.0/24", "2001:db8::/32", "::ffff:192.0.2.0/120", "::/0", "0.0.0.0/0", "192.0.2.8/32"];

pub fn target() -> impl Strategy<Value = String> {
    let name = prop_oneof![8 => select(NAMES).prop_map(str::to_owned), 1 => select(NAMES).prop_flat_map(disguised), 1 => select(&["ADMIN", "Public", "A", "%61dmin", "%2561dmin", "%ef%bd%81dmin", "adm%c4%b1n", "adm%C4%B0n", "p%C5%ABblic", "%E2%93%90dmin"][..]).prop_map(str::to_owned)];
    let part = (select(SEPARATORS), select(LEADS), name, select(BURRS))
        .prop_map(|(separator, lead, name, burr)| format!("{separator}{lead}{name}{burr}"));
    let parts = prop::collection::vec(part, 0..5);
    (
        select(&["/", "", "", "", "//", "/%2f", "//u@h:1/"][..]),
        parts,
        select(&["", "", "", "/", "//", "%2f", "/%20", "/;"][..]),
        select(QUERIES),
    )
        .prop_map(|(front, parts, end, query)| {
            let path = format!("{front}{}{end}", parts.concat());
            let slash = if path.starts_with('/') { "" } else { "/" };
            format!("{slash}{path}{query}")
        })
}

/// A name with some of its letters escaped once or twice or put into upper case.
fn disguised(name: &'static str) -> impl Strategy<Value = String> {
    prop::collection::vec(0_u8..8, name.len()).prop_map(move |choices| {
        name.bytes()
            .zip(choices)
            .map(|(byte, choice)| match choice {
                0 => format!("%{byte:02x}"),
                1 => format!("%25{byte:02X}"),
                2 => char::from(byte.to_ascii_uppercase()).to_string(),
                _ => char::from(byte).to_string(),
            })
            .collect()
    })
}

fn patterns(most: usize) -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(select(PATTERNS).prop_map(str::to_owned), 0..most)
}

fn rule(actions: &'static [Action]) -> impl Strategy<Value = Rule> {
    let some = |list: &'static [&'static str]| prop_oneof![3 => Just(vec![]), 1 => prop::collection::vec(select(list).prop_map(str::to_owned), 1..3)];
    (select(PATTERNS), some(&["GET", "POST", "HEAD", "X"]), some(NETWORKS), select(actions))
        .prop_map(|(path, methods, networks, action)| Rule { path: path.to_owned(), methods, networks, action })
}

pub fn rules() -> impl Strategy<Value = Rules> {
    const ACTIONS: &[Action] = &[Action::Deny, Action::Redirect, Action::Require(true), Action::Require(false), Action::Bypass];
    let only = prop_oneof![4 => Just(None), 1 => patterns(4).prop_map(Some)];
    let lists = (only, patterns(3), patterns(2), prop::collection::vec(rule(ACTIONS), 0..4));
    (lists, prop::collection::vec(rule(&[Action::Bypass]), 0..3), any::<bool>()).prop_map(
        |((only, deny, redirects, rules), bypass, firm)| Rules { only, deny, redirects, rules, bypass, firm, bytes: false },
    )
}
