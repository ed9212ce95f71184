//! The index over the rules changes what judging costs and nothing else: held against a walk over all of them in written order.

use std::net::IpAddr;
use std::ops::ControlFlow;

use doorward::policy::mount::Mount;
use doorward::policy::pattern::{Pattern, Root};
use doorward::policy::reading::Reading;
use doorward::policy::rule::{Action, Call, Redirect, Rule, RuleSet, Suffixes, Voice, sends};
use doorward::policy::target::Target;
use http::Method;
use proptest::prelude::*;
use proptest::sample::select;

use crate::grammar;

/// Rulings 8 to 10 for one reading, rule after rule.
fn walk<'a>(rules: &'a RuleSet, reading: &Reading<'_>, call: Call<'_>) -> Option<Voice<'a>> {
    let covered = |patterns: &[Pattern], root| patterns.iter().any(|pattern| pattern.covers(reading, root));
    let heard: Vec<&Rule> = rules.rules.iter().filter(|rule| rule.speaks_of(reading, call)).collect();
    let outside = !reading.is_aside() && rules.only.as_ref().is_some_and(|only| !covered(only, Root::Alone));
    if outside || covered(&rules.deny, Root::Everything) || heard.iter().any(|rule| rule.action == Action::Deny) {
        return Some(Voice::Deny);
    }
    let whole = reading.whole();
    for (from, redirect) in &rules.redirects {
        if sends(from, reading, Root::Alone) && !whole.is_some_and(|whole| sends(from, &whole, Root::Alone)) {
            return Some(Voice::Redirect(redirect));
        }
    }
    let bypass = rules.bypass.iter().filter(|rule| rule.speaks_of(reading, call));
    for rule in heard.into_iter().chain(bypass) {
        if !whole.is_some_and(|whole| rule.speaks_of(&whole, call)) {
            return Some(Voice::Rule(rule));
        }
    }
    (!reading.is_aside()).then_some(Voice::Otherwise)
}

/// The same voice, and not only one that says the same.
fn is_same(one: Option<Voice<'_>>, two: Option<Voice<'_>>) -> bool {
    match (one, two) {
        (Some(Voice::Redirect(one)), Some(Voice::Redirect(two))) => std::ptr::eq(one, two),
        (Some(Voice::Rule(one)), Some(Voice::Rule(two))) => std::ptr::eq(one, two),
        (Some(Voice::Deny), Some(Voice::Deny)) | (Some(Voice::Otherwise), Some(Voice::Otherwise)) | (None, None) => true,
        (_, _) => false,
    }
}

/// Names whose keys are not simply themselves, beside those of the grammar.
const NAMES: &[&str] = &[
    "admin",
    "Admin",
    "adm",
    "a",
    "b",
    "c",
    "api",
    "v1",
    "files",
    "x",
    ".git",
    "a.b",
    "a.",
    "café",
    "cafe",
    "é",
    "@x",
    "~x",
    "x-1",
    "x_1",
    "index.php",
    "(S(x))",
    "login",
    "100%",
    "ﬁx",
    "K",
    "-",
    "+a",
    "*",
    "**",
    "a*",
    "?",
    "v?",
    "wiki",
    "public",
    "metrics.json",
];

fn pattern() -> impl Strategy<Value = Pattern> {
    let written = (prop::collection::vec(select(NAMES), 0..5), any::<bool>()).prop_map(|(names, folder)| {
        let end = if folder || names.is_empty() { "/" } else { "" };
        Pattern::parse(&format!("{}{end}", names.iter().map(|name| format!("/{name}")).collect::<String>()))
    });
    let regex = select(&["/admin(/.*)?", "/[a-c]/.*", "/.*x"][..]).prop_map(Pattern::regex);
    prop_oneof![12 => written, 1 => regex].prop_filter_map("a pattern", Result::ok)
}

fn rule() -> impl Strategy<Value = Rule> {
    let redirect = || Redirect { to: "/elsewhere".to_owned(), status: 302 };
    let action = prop_oneof![
        1 => Just(Action::Deny),
        2 => Just(Action::Redirect(redirect())),
        4 => Just(Action::Require(doorward::policy::requirement::Requirement::default())),
        4 => Just(Action::Bypass),
    ];
    let methods = prop_oneof![3 => Just(vec![]), 1 => Just(vec![Method::GET]), 1 => Just(vec![Method::POST])];
    (prop::collection::vec(pattern(), 1..4), methods, action).prop_map(|(paths, methods, action)| Rule {
        paths,
        methods,
        networks: vec![],
        action,
        body_limit: None,
    })
}

fn rules() -> impl Strategy<Value = RuleSet> {
    let sent = (pattern(), any::<u16>()).prop_map(|(from, number)| (from, Redirect { to: format!("/{number}"), status: 302 }));
    let patterns = || prop::collection::vec(pattern(), 0..8);
    let only = prop_oneof![3 => Just(None), 1 => patterns().prop_map(Some)];
    let rules = prop::collection::vec(rule(), 0..12);
    let bypass = prop::collection::vec(rule().prop_map(|rule| Rule { action: Action::Bypass, ..rule }), 0..6);
    (only, patterns(), prop::collection::vec(sent, 0..6), rules, bypass, any::<bool>()).prop_map(
        |(only, deny, redirects, rules, bypass, apart)| RuleSet {
            only: only.map(Into::into),
            deny: deny.into(),
            redirects: redirects.into(),
            rules: rules.into(),
            bypass: bypass.into(),
            suffixes: if apart { Suffixes::Apart } else { Suffixes::Covered },
            ..RuleSet::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) })]

    /// The attack: a spelling for which the index looks in the wrong place, so that the rule about it is never asked.
    #[test]
    fn the_index_hears_the_voice_that_a_walk_over_all_rules_hears(
        rules in rules(),
        targets in prop::collection::vec(grammar::target(), 1..10),
        method in select(grammar::METHODS),
        stripped in any::<bool>(),
    ) {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let call = Call { method: &method, client: IpAddr::from([192, 0, 2, 7]) };
        let mount = Mount::parse("/a/", true).expect("a mount point");
        for text in targets {
            let text = if stripped { format!("/a{text}") } else { text };
            let Ok(target) = Target::parse(&text) else { continue };
            let target = if stripped { mount.enter(target) } else { Ok(target) };
            let Ok(target) = target else { continue };
            let mut wrong = None;
            let _all = rules.each_reading(&target, &mut |reading| {
                let (indexed, walked) = (rules.voice(reading, call), walk(&rules, reading, call));
                if is_same(indexed, walked) {
                    return ControlFlow::Continue(());
                }
                wrong = Some(format!("{text} read as {} {:?}: {indexed:?}, not {walked:?}", reading.joined(), reading.form()));
                ControlFlow::Break(())
            });
            prop_assert_eq!(wrong, None);
        }
    }
}
