//! `tests/decisions.toml`, row by row, through the real plan.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use doorward::base::clock::Timestamp;
use doorward::base::entropy::Entropy;
use doorward::base::id::Id;
use doorward::model::identity::Identity;
use doorward::model::profile::Profile;
use doorward::model::session::{Proofs, Session, SessionRecord};
use doorward::model::strength::Strength;
use doorward::plan::compile::compile_text;
use doorward::plan::whole::Plan;
use doorward::policy::decide::{Forbidden, Verdict, decide};
use doorward::policy::host::Host;
use doorward::policy::rule::DenyStatus;
use doorward::policy::target::{Own, Target};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    configuration: String,
    case: Vec<Case>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    request: String,
    r#as: String,
    #[serde(default = "somewhere")]
    from: IpAddr,
    verdict: String,
}

fn somewhere() -> IpAddr {
    IpAddr::from([192, 0, 2, 1])
}

#[test]
fn every_row_is_decided_as_written() {
    let table: Table = toml::from_str(include_str!("../decisions.toml")).expect("a table");
    let plan = compile_text(&table.configuration).unwrap_or_else(|complaints| panic!("{complaints:#?}")).plan;
    let wrong: Vec<String> = table
        .case
        .iter()
        .filter_map(|case| {
            let verdict = verdict(&plan, case);
            (verdict != case.verdict).then(|| format!("{} as {}: {verdict}, not {}", case.request, case.r#as, case.verdict))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(table.case.len() > 40, "{}", table.case.len());
}

fn verdict(plan: &Plan, case: &Case) -> String {
    let (method, url) = case.request.split_once(' ').expect("a method and a URL");
    let (host, path) = url.strip_prefix("https://").expect("https").split_once('/').expect("a path");
    let app = plan.site(&Host::parse(host).expect("a host")).and_then(|site| site.chief()).expect("an app");
    let Ok(target) = Target::parse(&format!("/{path}")) else { return "refuse".to_owned() };
    match target.own() {
        Own::Page(_) => return "ours".to_owned(),
        Own::Disguised => return "deny 404".to_owned(),
        Own::No => {}
    }
    let method = method.parse().expect("a method");
    let judgement = app.rules.judge(&target, &method, case.from);
    match decide(judgement, target, identity(&case.r#as), NOW) {
        Verdict::Grant(grant) if grant.is_public() => "public".to_owned(),
        Verdict::Grant(_) => "grant".to_owned(),
        Verdict::Redirect(redirect) => format!("{} {}", redirect.status, redirect.to),
        Verdict::Challenge(challenge) if challenge.stale => "confirm".to_owned(),
        Verdict::Challenge(challenge) if challenge.needs.strength == Strength::TwoFactor => "sign in 2fa".to_owned(),
        Verdict::Challenge(challenge) if challenge.needs.strength == Strength::Passkey => "sign in passkey".to_owned(),
        Verdict::Challenge(_) => "sign in".to_owned(),
        Verdict::Forbid(Forbidden::NotAllowed) => "not allowed".to_owned(),
        Verdict::Deny(DenyStatus::NotFound) => "deny 404".to_owned(),
        Verdict::Deny(DenyStatus::Forbidden) => "deny 403".to_owned(),
    }
}

fn identity(words: &str) -> Identity {
    let (who, more) = words.split_once(' ').unwrap_or((words, ""));
    let word = |kind: &'static str| more.split_whitespace().filter_map(move |word| word.strip_prefix(kind)).map(str::to_owned);
    let groups = word("group:").map(|group| group.parse().expect("a group")).collect();
    let user = word("user:").next().unwrap_or_else(|| "alice".to_owned());
    let ago = word("proven:").next().map_or(0, |secs| secs.parse().expect("seconds"));
    let proven = Some(Timestamp::from_secs(NOW.secs() - ago));
    if who == "nobody" {
        return Identity::Anonymous;
    }
    let hour = Duration::from_secs(3_600);
    let long_ago = Timestamp::from_secs(NOW.secs() - 7_200);
    let session = Session::from(SessionRecord {
        id: Id::draw(Entropy),
        user: Id::draw(Entropy),
        user_name: user.parse().expect("a name"),
        profile: Arc::new(Profile { groups, ..Profile::default() }),
        strength: match who {
            "password" => Strength::Password,
            "passkey" => Strength::Passkey,
            _ => Strength::TwoFactor,
        },
        proofs: Proofs {
            password: proven,
            code: proven.filter(|_| who != "password"),
            passkey: proven.filter(|_| who == "passkey"),
        },
        created_at: long_ago,
        expires_at: if who == "expired" { NOW } else { NOW.plus(hour) },
        idle_timeout: Some(hour),
        network: "192.0.2.1".into(),
        agent: "test".into(),
        last_seen: if who == "idle" { long_ago } else { NOW },
    });
    if who == "revoked" {
        session.lifeline.cut();
    }
    Identity::User(Arc::new(session))
}
