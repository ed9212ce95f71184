//! `doorward explain` says what the gateway does: for every target of the corpora under every rule set, and with the reason it
//! gives.

use std::net::IpAddr;
use std::ops::ControlFlow;

use doorward::base::clock::Timestamp;
use doorward::config::document;
use doorward::model::identity::Identity;
use doorward::plan::compile;
use doorward::plan::explain::{Finding, Question, explain};
use doorward::policy::decide::{Verdict, decide};
use doorward::policy::host::Host;
use doorward::policy::target::{Own, Target};
use http::Method;

use crate::corpus;
use crate::reference::{Action, Rule, Rules};

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

/// The rules as an owner would write them into the file.
fn written(rules: &Rules) -> String {
    let list = |paths: &[String]| format!("[{}]", paths.iter().map(|path| format!("{path:?}")).collect::<Vec<_>>().join(", "));
    let methods =
        |rule: &Rule| if rule.methods.is_empty() { String::new() } else { format!("methods = {}", list(&rule.methods)) };
    let mut text = "[[app]]\nhost = \"a.example.com\"\nupstream = \"http://127.0.0.1:1\"\n".to_owned();
    text += &format!("require = \"{}\"\ndeny = {}\n", if rules.firm { "2fa" } else { "password" }, list(&rules.deny));
    if let Some(only) = &rules.only {
        text += &format!("only = {}\n", list(only));
    }
    let sent: Vec<_> = rules.redirects.iter().map(|from| format!("{{ from = {from:?}, to = \"/elsewhere\" }}")).collect();
    text += &format!("redirect = [{}]\n", sent.join(", "));
    let open = |rule: &Rule| match methods(rule) {
        limits if limits.is_empty() => format!("{{ path = {:?}, reason = \"test\" }}", rule.path),
        limits => format!("{{ path = {:?}, {limits}, reason = \"test\" }}", rule.path),
    };
    text += &format!("bypass = [{}]\n", rules.bypass.iter().map(open).collect::<Vec<_>>().join(", "));
    for rule in &rules.rules {
        let does = match rule.action {
            Action::Deny => "action = \"deny\"",
            Action::Redirect => "action = \"redirect\"\nto = \"/elsewhere\"",
            Action::Require(true) => "require = \"2fa\"",
            Action::Require(false) => "require = \"password\"",
            Action::Bypass => "action = \"bypass\"\nreason = \"test\"",
        };
        text += &format!("[[app.rule]]\npath = {:?}\n{does}\n{}\n", rule.path, methods(rule));
    }
    text
}

#[test]
fn explain_says_what_the_gateway_does() {
    let host = Host::parse("a.example.com").expect("a host");
    let (mut compiled, mut compared) = (0, 0);
    for rules in corpus::rule_sets() {
        let text = written(&rules);
        let document = document::parse(&text).unwrap_or_else(|complaints| panic!("{text}\n{complaints:#?}"));
        // Some sets hold what `check` calls a mistake; those cannot be run either.
        let Ok(plan) = compile::compile(&document) else { continue };
        compiled += 1;
        let app = &plan.plan.apps[0];
        for target in corpus::targets() {
            for method in [Method::GET, Method::POST, Method::HEAD] {
                let (identity, now) = (Identity::Anonymous, Timestamp::from_secs(1_000));
                let question = Question { host: &host, target: &target, method: &method, client: CLIENT, identity, now };
                let finding = explain(&plan.plan, &document, question);
                let case = format!("{method} {target} under\n{text}");
                compared += 1;
                match (Target::parse(&target), finding) {
                    (Err(one), Finding::Refused(other)) => assert_eq!(one, other, "{case}"),
                    (Ok(judged), Finding::OwnPage(page)) => assert_eq!(judged.own(), Own::Page(&page), "{case}"),
                    (Ok(judged), Finding::Disguised) => assert_eq!(judged.own(), Own::Disguised, "{case}"),
                    (Ok(judged), Finding::App(explained)) => {
                        assert_eq!(judged.own(), Own::No, "{case}");
                        let judgement = app.rules.judge(&judged, &method, CLIENT);
                        assert_eq!(explained.trace.judgement, judgement, "{case}");
                        assert_eq!(explained.target.as_str(), target, "{case}");
                        let verdict = decide(judgement.clone(), judged.clone(), Identity::Anonymous, now);
                        assert_eq!(name(&explained.verdict), name(&verdict), "{case}");
                        let decisive = explained.trace.decisive.first().map(|at| &explained.trace.steps[*at]);
                        let hit = decisive.and_then(|step| step.hit.as_ref()).unwrap_or_else(|| panic!("no reason: {case}"));
                        let mut known = false;
                        let _all = judged.each_reading(&mut |reading| {
                            known |= reading.joined() == hit.text && reading.form() == hit.form;
                            ControlFlow::Continue(())
                        });
                        assert!(known, "{} is no reading of {case}", hit.text);
                    }
                    (judged, finding) => panic!("{judged:?} and {finding:?}: {case}"),
                }
            }
        }
    }
    assert!(compiled >= 8 && compared > 8_000, "{compiled} {compared}");
}

fn name(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Grant(grant) => format!("grant, public: {}", grant.is_public()),
        Verdict::Redirect(redirect) => format!("redirect {redirect:?}"),
        Verdict::Challenge(challenge) => format!("challenge {:?}", challenge.needs),
        Verdict::Forbid(forbidden) => format!("forbid {forbidden:?}"),
        Verdict::Deny(status) => format!("deny {status:?}"),
    }
}
