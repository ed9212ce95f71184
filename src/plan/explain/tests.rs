//! Traces of plain situations, and of random ones against the engine.

use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::document;
use crate::model::method::{Method as ProofMethod, Methods};
use crate::model::strength::Strength;
use crate::plan::compile;
use crate::policy::mount::Mount;
use crate::policy::people::Allowed;
use crate::policy::rule::{DenyStatus, Redirect, Suffixes};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const FILE: &str = r#"
portal = "login.example.com"
[[app]]
host = "a.example.com"
upstream = "http://127.0.0.1:1"
deny = ["/admin/", "/metrics"]
bypass = ["/health", { path = "/hook", methods = ["POST"], reason = "the forge calls it" }]
require = "password"
redirect = [{ from = "/old/", to = "/new/" }]
[[app.rule]]
path = "/settings/"
require = "2fa"
"#;

fn ask(url_host: &str, target: &str, method: &Method) -> Finding {
    let document = document::parse(FILE).expect("a document");
    let plan = compile::compile(&document).expect("a plan").plan;
    let host = Host::parse(url_host).expect("a host");
    let now = Timestamp::from_secs(1_000);
    explain(&plan, &document, Question { host: &host, target, method, client: CLIENT, identity: Identity::Anonymous, now })
}

fn of_app(target: &str, method: &Method) -> Box<Explained> {
    match ask("a.example.com", target, method) {
        Finding::App(explained) => explained,
        other => panic!("{target}: {other:?}"),
    }
}

fn written(origin: &Origin) -> &'static str {
    origin.place.clone().map_or("", |place| &FILE[place])
}

#[test]
fn an_app_that_is_mounted_is_explained_with_what_it_would_see() {
    let text = "portal = \"login.example.com\"\n[[app]]\nname = \"wiki\"\nhost = [\"a.example.com\", \"*.w.example.com\"]\n\
                path = \"/wiki\"\nstrip_path = true\nupstream = \"http://127.0.0.1:1\"\ndeny = [\"/admin/\"]\nbypass = [\"/wiki/open/\"]\n\
                [[app]]\nname = \"root\"\nhost = \"a.example.com\"\nupstream = \"http://127.0.0.1:1\"\n";
    let document = document::parse(text).expect("a document");
    let plan = compile::compile(&document).expect("a plan").plan;
    let ask = |host: &str, target: &str| {
        let (host, now) = (&Host::parse(host).expect("a host"), Timestamp::from_secs(1_000));
        let question = Question { host, target, method: &Method::GET, client: CLIENT, identity: Identity::Anonymous, now };
        match explain(&plan, &document, question) {
            Finding::App(explained) => {
                let sent = match &explained.verdict {
                    Verdict::Grant(grant) => grant.target().as_str().to_owned(),
                    Verdict::Deny(_) => "denied".to_owned(),
                    Verdict::Challenge(_) | Verdict::Forbid(_) | Verdict::Redirect(_) => "asked".to_owned(),
                };
                format!("{} {sent}", explained.app.name)
            }
            Finding::NoSuchPath => "nobody".to_owned(),
            Finding::SeveralApps => "several".to_owned(),
            other => format!("{other:?}"),
        }
    };
    for (host, target, expected) in [
        ("a.example.com", "/wiki/open/x", "wiki /open/x"),
        ("b.w.example.com", "/wiki/open/x", "wiki /open/x"),
        ("a.example.com", "/wiki/x", "wiki asked"),
        ("a.example.com", "/wiki/admin/", "wiki denied"),
        ("a.example.com", "/wiki//host/admin/", "wiki denied"),
        ("a.example.com", "/x", "root asked"),
        ("a.example.com", "/Wiki/open/", "several"),
        ("b.w.example.com", "/x", "nobody"),
        ("b.w.example.com", "/Wiki/", "nobody"),
        ("a.example.com", "/wiki/.doorward/x", "Disguised"),
        ("w.example.com", "/wiki/", "UnknownHost"),
    ] {
        assert_eq!(ask(host, target), expected, "{host}{target}");
    }
}

#[test]
fn the_rule_that_decides_is_named_with_its_place_and_reading() {
    for (target, method, kind, place) in [
        ("/Admin%2flogin/", Method::GET, Kind::Deny, "\"/admin/\""),
        ("/old/x", Method::GET, Kind::Redirect, "{ from"),
        ("/settings/x", Method::GET, Kind::Rule, "[[app.rule]]"),
        ("/hook", Method::POST, Kind::Bypass, "{ path"),
        ("/health", Method::GET, Kind::Bypass, "\"/health\""),
        ("/Health", Method::GET, Kind::Requirement, "\"password\""),
        ("/hook", Method::GET, Kind::Requirement, "\"password\""),
    ] {
        let explained = of_app(target, &method);
        let step = &explained.trace.steps[explained.trace.decisive[0]];
        assert_eq!(step.kind, kind, "{target}");
        assert!(written(&step.origin).starts_with(place), "{target}: {}", written(&step.origin));
        assert!(step.hit.is_some(), "{target}");
    }
    let hook = of_app("/hook", &Method::POST).trace;
    assert!(hook.steps.iter().any(|step| step.origin.reason.as_deref() == Some("the forge calls it")));
    assert_eq!(of_app("/", &Method::GET).trace.steps.len(), 7, "every rule is listed, hit or missed");
}

#[test]
fn a_bypass_that_covers_some_readings_only_says_which_it_misses() {
    let trace = of_app("/%68ealth", &Method::GET).trace;
    let bypass = trace.steps.iter().find(|step| step.kind == Kind::Bypass).expect("a bypass");
    assert_eq!(bypass.hit.as_ref().map(|seen| seen.text.as_str()), Some("/health"));
    assert_eq!(bypass.missed.as_ref().map(|seen| seen.text.as_str()), Some("/%68ealth"));
    assert!(matches!(trace.judgement, Judgement::Required(_)));
}

#[test]
fn what_no_rule_is_asked_about_is_found_before_them() {
    let get = Method::GET;
    assert!(matches!(ask("b.example.com", "/", &get), Finding::UnknownHost));
    assert!(matches!(ask("a.example.com", "/a/../b", &get), Finding::Refused(Unreadable::DotSegment)));
    assert!(matches!(ask("a.example.com", "/.doorward/login", &get), Finding::OwnPage(page) if page == "login"));
    assert!(matches!(ask("a.example.com", "/.Doorward/login", &get), Finding::Disguised));
    assert!(matches!(ask("login.example.com", "/", &get), Finding::Portal { root: true }));
    assert!(matches!(ask("login.example.com", "/x", &get), Finding::Portal { root: false }));
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let written = ["/admin/", "/admin", "/", "/a/*", "/**/x", "/a/**", "/index.php/a", "/a/x", "/*.json", "/Ａ/"];
    let parsed = proptest::sample::select(written.to_vec()).prop_map(|text| Pattern::parse(text).expect(text));
    let regex = Just(Pattern::regex("/(admin|x)(/.*)?").expect("a regular expression"));
    prop_oneof![9 => parsed, 1 => regex]
}

fn patterns(most: usize) -> impl Strategy<Value = Vec<Pattern>> {
    proptest::collection::vec(pattern(), 0..=most)
}

fn redirect() -> impl Strategy<Value = Redirect> {
    proptest::sample::select(vec!["/a", "/b"]).prop_map(|to| Redirect { to: to.to_owned(), status: 302 })
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let strength = proptest::sample::select(Strength::ALL.to_vec());
    let max_age = proptest::sample::select(vec![None, Some(60), Some(600)]).prop_map(|age| age.map(Duration::from_secs));
    let people = proptest::sample::subsequence(vec!["alice", "bob", "carol"], 0..=3).prop_map(|names| match names.as_slice() {
        [_, _, _] => People::Everybody,
        names => People::listed(Allowed::new(names.iter().map(|name| name.parse().expect("a name")).collect(), vec![])),
    });
    let methods = proptest::sample::select(vec![
        Methods::ALL,
        Methods::of([ProofMethod::PasswordTotp]),
        Methods::of([ProofMethod::Passkey]),
    ]);
    (strength, methods, max_age, people).prop_map(|(strength, methods, max_age, people)| Requirement {
        strength,
        methods,
        passwords: true,
        max_age,
        people,
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        requirement().prop_map(Action::Require),
        Just(Action::Bypass),
        Just(Action::Deny),
        redirect().prop_map(Action::Redirect)
    ]
}

fn rule_of(action: impl Strategy<Value = Action>) -> impl Strategy<Value = Rule> {
    let methods = proptest::sample::subsequence(vec![Method::GET, Method::HEAD, Method::POST], 0..=2);
    let networks = proptest::sample::subsequence(vec!["192.0.2.0/24", "::ffff:192.0.2.0/120", "2001:db8::/32"], 0..=1);
    let networks = networks.prop_map(|list| list.into_iter().map(|text| text.parse().expect(text)).collect());
    let paths = proptest::collection::vec(pattern(), 1..=2);
    (paths, methods, networks, action).prop_map(|(paths, methods, networks, action)| Rule {
        paths,
        methods,
        networks,
        action,
        body_limit: None,
    })
}

fn rule_set() -> impl Strategy<Value = RuleSet> {
    let only = proptest::option::weighted(0.3, proptest::collection::vec(pattern(), 1..=3));
    let redirects = proptest::collection::vec((pattern(), redirect()), 0..=2);
    let rules = proptest::collection::vec(rule_of(action()), 0..=3);
    let bypass = proptest::collection::vec(rule_of(Just(Action::Bypass)), 0..=2);
    let status = proptest::sample::select(vec![DenyStatus::NotFound, DenyStatus::Forbidden]);
    let suffixes = proptest::sample::select(vec![Suffixes::Covered, Suffixes::Apart]);
    let encoded_slash = proptest::sample::select(vec![EncodedSlash::Judge, EncodedSlash::Judge, EncodedSlash::Refuse]);
    let status = (status, suffixes, encoded_slash);
    (only, patterns(2), redirects, rules, bypass, requirement(), status).prop_map(
        |(only, deny, redirects, rules, bypass, requirement, (deny_status, suffixes, encoded_slash))| RuleSet {
            only: only.map(Into::into),
            deny: deny.into(),
            redirects: redirects.into(),
            rules: rules.into(),
            bypass: bypass.into(),
            requirement,
            deny_status,
            suffixes,
            encoded_slash,
            ..RuleSet::default()
        },
    )
}

fn target() -> impl Strategy<Value = String> {
    let names =
        ["admin", "Admin", "admin.json", "%61dmin", "a", "x", "", "index.php", ";x", "a%2fx", "a%252fx", "%EF%BC%A1", "x%3Fy"];
    let names = proptest::collection::vec(proptest::sample::select(names.to_vec()), 0..=4);
    (names, proptest::bool::ANY).prop_map(|(names, query)| format!("/{}{}", names.join("/"), if query { "?q" } else { "" }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The attack: an explanation that differs from what the gateway does, on which an owner then relies.
    #[test]
    fn the_trace_comes_to_what_the_engine_judges(
        rules in rule_set(),
        text in target(),
        method in proptest::sample::select(vec!["GET", "HEAD", "POST", "post", "head", "DELETE"]),
        client in proptest::sample::select(vec!["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1", "198.51.100.1"]),
        mount in proptest::sample::select(vec![("/", false), ("/a", false), ("/a", true), ("/admin", true)]),
    ) {
        let mount = Mount::parse(mount.0, mount.1).expect("a mount point");
        let target = mount.enter(Target::parse(&format!("{}{text}", mount.prefix())).expect("readable")).expect("readable");
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let client = client.parse().expect("an address");
        let trace = trace(&rules, &Places::default(), &target, &method, client);
        prop_assert_eq!(&trace.judgement, &rules.judge(&target, &method, client));
        let decisive: Vec<&Step> = trace.decisive.iter().map(|at| &trace.steps[*at]).collect();
        prop_assert!(!decisive.is_empty() && decisive.iter().all(|step| step.hit.is_some()));
        let together = decisive.iter().map(|step| step.says.clone()).reduce(|one, two| match (one, two) {
            (Judgement::Required(one), Judgement::Required(two)) => Judgement::Required(one.and(&two)),
            (one, two) => unreachable!("{one:?} and {two:?} cannot be put together"),
        });
        prop_assert_eq!(together.as_ref(), Some(&trace.judgement));
    }
}
