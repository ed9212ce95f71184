//! Ten thousand broken configurations: nothing panics, every complaint says where, a refused one changes nothing, and an accepted
//! one means what a plain reading of it says.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward::base::clock::Timestamp;
use doorward::base::entropy::Entropy;
use doorward::base::id::Id;
use doorward::config::complaint::{Code, Complaint};
use doorward::config::environment::Environment;
use doorward::config::github;
use doorward::config::report::Report;
use doorward::config::source::Source;
use doorward::daemon::configuration;
use doorward::model::identity::Identity;
use doorward::model::session::{Proofs, Session, SessionRecord};
use doorward::model::strength::Strength;
use doorward::plan::app::App;
use doorward::plan::changed_settings;
use doorward::plan::compile;
use doorward::plan::difference;
use doorward::plan::succession;
use doorward::plan::whole::Plan;
use doorward::policy::decide::{Forbidden, Verdict, decide};
use doorward::policy::rule::DenyStatus;
use doorward::policy::target::Target;
use toml::{Table, Value};

use crate::mutant::{self, Dice};
use crate::plain::{self, Answer, Probe};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const METHODS: [&str; 2] = ["GET", "POST"];
const PATHS: [&str; 14] = [
    "/",
    "/admin",
    "/admin/login",
    "/administrator",
    "/secret",
    "/lab",
    "/lab/tree",
    "/api/v2/keys",
    "/feed",
    "/health",
    "/hooks/push",
    "/files/a/draft",
    "/share/ab12",
    "/old/page",
];
const CLIENTS: [&str; 3] = ["192.0.2.7", "10.1.2.3", "2001:db8::1"];

#[expect(clippy::disallowed_methods, reason = "the test runner says how much by a variable")]
fn rounds() -> u64 {
    if std::env::var("DOORWARD_TESTS").is_ok_and(|size| size == "full") { 100_000 } else { 10_000 }
}

/// Every refusal has an error, and every complaint a file, a line and a column that are there.
fn check_report(report: &Report, refused: bool, told: &dyn Fn() -> String) {
    assert_eq!(report.complaints.iter().any(Complaint::is_error), refused, "{}", told());
    for complaint in &report.complaints {
        let Some(place) = &complaint.place else {
            assert_eq!(complaint.code, Code::E0110, "no place: {complaint:?}\n{}", told());
            continue;
        };
        for place in std::iter::once(place).chain(complaint.also.iter().map(|(place, _)| place)) {
            let text = report.source.text_at(place.start);
            let inside = text.start <= place.start && place.start <= place.end && place.end <= text.start + text.text.len();
            assert!(inside, "{complaint:?}\n{}", told());
            assert!(text.text.get(place.start - text.start..place.end - text.start).is_some(), "{complaint:?}\n{}", told());
            let position = report.source.position(place.start);
            let line = text.text.split('\n').nth(position.line - 1).unwrap_or_else(|| panic!("{complaint:?}\n{}", told()));
            assert!((1..=line.chars().count() + 1).contains(&position.column), "{complaint:?}\n{}", told());
        }
    }
}

fn identities() -> [Identity; 4] {
    let session = |strength| {
        Identity::User(Arc::new(Session::from(SessionRecord {
            id: Id::draw(Entropy),
            user: Id::draw(Entropy),
            user_name: "alice".parse().expect("a name"),
            profile: Arc::default(),
            strength,
            proofs: Proofs { password: Some(NOW), code: (strength > Strength::Password).then_some(NOW), passkey: None },
            created_at: NOW,
            expires_at: NOW.plus(Duration::from_secs(3_600)),
            idle_timeout: None,
            network: "192.0.2.1".into(),
            agent: "test".into(),
            last_seen: NOW,
        })))
    };
    [Identity::Anonymous, session(Strength::Password), session(Strength::TwoFactor), session(Strength::Passkey)]
}

/// What the engine decides of each probe, for each identity.
fn decisions(app: &App, identities: &[Identity]) -> Vec<String> {
    let mut decisions = Vec::new();
    for probe in probes() {
        for identity in identities {
            let target = Target::parse(probe.path).expect("plain");
            let judgement = app.rules.judge(&target, &probe.method.parse().expect("a method"), probe.client);
            decisions.push(match decide(judgement, target, identity.clone(), NOW) {
                Verdict::Grant(_) => "pass".to_owned(),
                Verdict::Redirect(redirect) => format!("{} {}", redirect.status, redirect.to),
                Verdict::Challenge(challenge) => format!("sign in with {}", challenge.needs.strength.name()),
                Verdict::Forbid(Forbidden::NotAllowed) => "not allowed".to_owned(),
                Verdict::Deny(DenyStatus::NotFound) => "404".to_owned(),
                Verdict::Deny(DenyStatus::Forbidden) => "403".to_owned(),
            });
        }
    }
    decisions
}

fn probes() -> impl Iterator<Item = Probe<'static>> {
    let clients = || CLIENTS.iter().map(|client| client.parse::<IpAddr>().expect("an address"));
    let of = move |path| METHODS.iter().flat_map(move |method| clients().map(move |client| Probe { method, path, client }));
    PATHS.iter().flat_map(move |path| of(path))
}

/// The same, as the plain reading says.
fn expected(root: &Table, app: &Table) -> Vec<String> {
    let mut decisions = Vec::new();
    for probe in probes() {
        let answer = plain::answer(root, app, probe);
        for strength in [None, Some(Answer::Password), Some(Answer::TwoFactor), Some(Answer::Passkey)] {
            decisions.push(match &answer {
                Answer::Open => "pass".to_owned(),
                Answer::Redirect(status, to) => format!("{status} {to}"),
                Answer::Deny(status) => status.to_string(),
                Answer::Password | Answer::TwoFactor | Answer::Passkey
                    if strength.as_ref().is_some_and(|strength| *strength >= answer) =>
                {
                    "pass".to_owned()
                }
                Answer::Password => "sign in with password".to_owned(),
                Answer::TwoFactor => "sign in with 2fa".to_owned(),
                Answer::Passkey => "sign in with passkey".to_owned(),
            });
        }
    }
    decisions
}

/// Compares an accepted configuration with what a plain reading of its texts says; how many apps were compared.
fn compare(plan: &Plan, texts: &[&str], identities: &[Identity], told: &dyn Fn() -> String) -> usize {
    let roots: Vec<Table> = texts.iter().map(|text| text.parse().expect("TOML")).collect();
    let apps = roots.iter().flat_map(|root| root.get("app").and_then(Value::as_array).into_iter().flatten());
    let apps: Vec<&Table> = apps.filter_map(Value::as_table).collect();
    assert_eq!(apps.len(), plan.apps.len(), "{}", told());
    let mut compared = 0;
    // By which ways something may be proven is no part of the plain reading.
    let narrows = |table: &Table| table.contains_key("methods");
    let everywhere = roots[0].get("auth").and_then(Value::as_table).is_some_and(narrows);
    let plainly = |table: &Table| plain::is_known(table) && !everywhere && !narrows(table);
    for (table, app) in apps.into_iter().zip(&plan.apps).filter(|(table, _)| plainly(table)) {
        let (decided, expected) = (decisions(app, identities), expected(&roots[0], table));
        if let Some(at) = (0..decided.len()).find(|at| decided[*at] != expected[*at]) {
            let probe = probes().nth(at / identities.len());
            panic!("{}: {probe:?} as {}: {}, not {}\n{}", app.name, at % identities.len(), decided[at], expected[at], told());
        }
        compared += 1;
    }
    compared
}

/// Variables that say something, or nothing, or the wrong thing.
fn environment(dice: &mut Dice) -> Environment {
    let all = [
        ("DOORWARD_SESSION_IDLE_TIMEOUT", "1h"),
        ("DOORWARD_SESSION_IDLE_TIMEOUT", "30"),
        ("DOORWARD_NAME", "Home"),
        ("DOORWARD_NAME_FILE", "/dev/zero"),
        ("DOORWARD_AUTH_TOTP_DIGITS", "8"),
        ("DOORWARD_AUTH_TOTP_DIGITS", "٨"),
        ("DOORWARD_APP_HOST", "x"),
        ("DOORWARD_LISTEN_HTTPS", "[::]:1"),
        ("DOORWARD_", "x"),
        ("KEY", "hunter2-of-the-environment"),
    ];
    // Most configurations meet none.
    if dice.below(8) > 0 { Environment::default() } else { (0..dice.below(3)).map(|_| *dice.pick(&all)).collect() }
}

/// The attack: a configuration written by somebody else, or by accident, that stops the gateway instead of being refused, is said
/// to be wrong nowhere, or lets through what it seems to close.
#[test]
fn no_file_makes_us_stumble_and_what_is_accepted_means_what_it_says() {
    let home = tempfile::tempdir().expect("a folder");
    fs::create_dir(home.path().join("apps")).expect("made");
    let (file, included) = (home.path().join("gateway.toml"), home.path().join("apps/more.toml"));
    let (seeds, mut dice, identities) = (mutant::seeds(), Dice(1), identities());
    let mut current = compile::compile_text(mutant::RULES).expect("sound").plan;
    let in_force = |plan: &Plan| -> Vec<Vec<String>> { plan.apps.iter().map(|app| decisions(app, &identities)).collect() };
    let (mut refused, mut compared) = (0, 0);
    for round in 0..rounds() {
        let bytes = mutant::mutated(&mut dice, &seeds);
        let includes = dice.below(6) == 0;
        let main = if includes { format!("include = [\"apps/*.toml\"]\n{}", mutant::RULES).into_bytes() } else { bytes.clone() };
        fs::write(&file, &main).expect("written");
        fs::write(&included, if includes { &bytes[..] } else { b"" }).expect("written");
        let told = || format!("round {round}:\n{}", String::from_utf8_lossy(&bytes));
        // What was in force goes on as it was: asked now and then, because nothing touches it.
        let before = (round % 50 == 0).then(|| in_force(&current));
        let loaded = load(&file, &environment(&mut dice), round, &told);
        assert!(before.is_none_or(|before| before == in_force(&current)), "{}", told());
        match loaded {
            None => refused += 1,
            Some(plan) => {
                let texts = [&main, &bytes].map(|bytes| std::str::from_utf8(bytes).expect("accepted"));
                let own = std::str::from_utf8(&main).expect("accepted");
                let takes_in = includes || own.contains("apps/*.toml");
                let texts = if includes { &texts[..] } else { &texts[..1] };
                if !takes_in || includes {
                    compared += compare(&plan, texts, &identities, &told);
                }
                let changes = difference::difference(&current, &plan);
                assert!(!difference::summary(&changes).is_empty());
                let _keys = changed_settings::needing_restart(&current, &plan);
                let next = succession::succeed(&plan, &current);
                let gone = succession::departed(&current, &next);
                assert!(gone.len() <= current.apps.len());
                current = next;
            }
        }
    }
    let share = usize::try_from(rounds()).expect("small");
    assert!(refused > share / 2 && compared > share / 20, "{refused} refused, {compared} apps compared of {share}");
}

/// As `check`, start and reload do; and as `up` does, which has a text and no file.
fn load(file: &Path, environment: &Environment, round: u64, told: &dyn Fn() -> String) -> Option<Plan> {
    if let Some(text) = fs::read_to_string(file).ok().filter(|_| round.is_multiple_of(3)) {
        let (complaints, refused) = match compile::compile_text(&text) {
            Ok(compiled) => (compiled.warnings, false),
            Err(complaints) => (complaints, true),
        };
        check_report(&Report::new(Source::unnamed("(command line)", text), complaints), refused, told);
    }
    let (plan, report) = match configuration::load(file, environment) {
        Ok(loaded) => (Some(loaded.plan), loaded.report),
        Err(report) => (None, *report),
    };
    check_report(&report, plan.is_none(), told);
    if round.is_multiple_of(10) {
        let human = report.human(false);
        assert!(!human.contains('\u{1b}') && !human.contains("hunter2-of"), "{human}");
        // What a mutant has torn from the name that says it is a secret, nobody can know for one.
        let mut named = human.lines().filter(|line| line.contains("Authorization"));
        assert!(named.all(|line| !line.contains("hunter2")), "{human}");
        assert_eq!(report.json()["ok"], plan.is_some());
        let lines = github::commands(&report).lines().count();
        assert_eq!(lines, report.complaints.len().min(100) + 1, "{}", told());
    }
    plan
}

fn check(text: &str) -> Vec<Complaint> {
    compile::compile_text(text).map_or_else(|complaints| complaints, |compiled| compiled.warnings)
}

#[test]
fn depth_and_length_are_bounded() {
    let home = tempfile::tempdir().expect("a folder");
    let file = home.path().join("gateway.toml");
    fs::write(&file, "include = [\"deep\"]").expect("written");
    for text in [
        "[".repeat(100_000),
        format!("a = {}1{}", "[".repeat(50_000), "]".repeat(50_000)),
        format!("a = {}", "{ b = ".repeat(20_000)),
        format!("{} = 1", vec!["a"; 50_000].join(".")),
        format!("[{}]", vec!["a"; 20_000].join(".")),
        "x = 1\n".repeat(20_000),
        (0..20_000).map(|n| format!("x{n} = 1\n")).collect(),
    ] {
        fs::write(home.path().join("deep"), &text).expect("written");
        let report = configuration::load(&file, &Environment::default()).expect_err("refused");
        assert!(!report.human(false).is_empty());
        let complaints = check(&text);
        assert!(!complaints.is_empty());
        assert!(Report::new(Source::unnamed("x", text), complaints).human(false).contains("; nothing was applied\n"));
    }
}
