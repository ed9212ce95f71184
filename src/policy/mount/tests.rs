//! Mount points in the hands of those who want another app's rules, or none.

use std::net::{IpAddr, Ipv4Addr};

use http::Method;

use super::*;
use crate::policy::requirement::Requirement;
use crate::policy::rule::{Action, DenyStatus, Judgement, Redirect, Rule, RuleSet};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn mount(text: &str) -> Mount {
    Mount::parse(text, false).expect(text)
}

fn stripping(text: &str) -> Mount {
    Mount::parse(text, true).expect(text)
}

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect(text)
}

fn target(text: &str) -> Target {
    Target::parse(text).expect(text)
}

fn denying(paths: &[&str]) -> RuleSet {
    RuleSet { deny: paths.iter().map(|path| pattern(path)).collect(), ..RuleSet::default() }
}

/// What the rules say of a target at a mount point; `None` if it is not for that app, or cannot be judged.
fn judged(mount: &Mount, rules: &RuleSet, text: &str) -> Option<Judgement> {
    let target = Target::parse(text).ok()?;
    let Choice::One(0) = choose(&[mount], &target) else { return None };
    Some(rules.judge(&mount.enter(target).ok()?, &Method::GET, CLIENT))
}

fn is_denied(mount: &Mount, rules: &RuleSet, text: &str) -> bool {
    matches!(judged(mount, rules, text), None | Some(Judgement::Denied(DenyStatus::NotFound)))
}

#[test]
fn a_mount_point_is_a_plain_path() {
    for (text, shown, depth) in [("/", "/", 0), ("/a", "/a/", 1), ("/a/", "/a/", 1), ("/a/B-c_d.e~1", "/a/B-c_d.e~1/", 2)] {
        let mount = mount(text);
        assert_eq!((mount.to_string().as_str(), mount.depth(), mount.is_root()), (shown, depth, depth == 0), "{text}");
    }
    assert!(stripping("/a").strips() && !stripping("/").strips() && !mount("/a").strips());
    for (text, why) in [
        ("", BadMount::NoSlash),
        ("a/", BadMount::NoSlash),
        ("//", BadMount::EmptyName),
        ("/a//b", BadMount::EmptyName),
        ("/..", BadMount::Character),
        ("/a.", BadMount::Character),
        ("/a b", BadMount::Character),
        ("/caf\u{e9}", BadMount::Character),
        ("/a%2fb", BadMount::Character),
        ("/a;b", BadMount::Character),
        ("/*", BadMount::Character),
        ("/a?b", BadMount::Character),
        ("/index.php", BadMount::Script),
        ("/.doorward/x", BadMount::Ours),
        ("/.Doorward", BadMount::Ours),
    ] {
        assert_eq!(Mount::parse(text, true), Err(why), "{text:?}");
    }
    assert_eq!(Mount::parse(&format!("/{}", "a".repeat(256)), false), Err(BadMount::TooLong));
    assert!(mount("/a/b").is_like(&mount("/A/B/")) && !mount("/a").is_like(&mount("/a/b")));
}

#[test]
fn mount_points_that_some_server_confuses_clash() {
    for (one, other, clash) in [
        ("/", "/a", false),
        ("/a", "/b", false),
        ("/a", "/a/b", false),
        ("/a/b", "/a/c", false),
        ("/app", "/app-x", false),
        ("/", "/", true),
        ("/a", "/a/", true),
        ("/a", "/A", true),
        ("/a/B", "/A/b", true),
        ("/a", "/A/b", true),
        ("/a/c", "/A", true),
        ("/app", "/app.js", true),
        ("/.app", "/app", true),
        ("/a/b", "/a/b.c/d", false),
    ] {
        assert_eq!(mount(one).clashes_with(&mount(other)), clash, "{one} {other}");
        assert_eq!(mount(other).clashes_with(&mount(one)), clash, "{other} {one}");
    }
}

/// The attack: a path that we take for one app's, whose rules are lenient, and a server for another's.
#[test]
fn a_path_is_for_an_app_only_if_every_reading_is() {
    let (deep, wiki, root) = (mount("/wiki/x/"), mount("/wiki/"), mount("/"));
    let all = [&deep, &wiki, &root];
    for (text, expected) in [
        ("/", Choice::One(2)),
        ("/wikis", Choice::One(2)),
        ("/a/wiki/", Choice::One(2)),
        ("/wiki", Choice::One(1)),
        ("/wiki/", Choice::One(1)),
        ("/wiki/a%2Fb;c//d", Choice::One(1)),
        ("/wiki/xx", Choice::One(1)),
        ("/wiki/x/y", Choice::One(0)),
        ("/Wiki/", Choice::Several),
        ("/%77iki/", Choice::Several),
        ("/%2577iki/", Choice::Several),
        ("/wiki%2Fa", Choice::Several),
        ("/wiki%5Ca", Choice::Several),
        ("/wiki;a/b", Choice::Several),
        ("/wiki./b", Choice::Several),
        ("/wiki.json", Choice::Several),
        ("/wiki%20/b", Choice::Several),
        ("//wiki/a", Choice::Several),
        ("//host/wiki/a", Choice::Several),
        ("/index.php/wiki/a", Choice::Several),
        ("/(S(x))/wiki/a", Choice::Several),
        ("/%EF%BD%97iki/", Choice::Several),
        ("/wiki/X/y", Choice::Several),
        ("/wiki//x/y", Choice::Several),
        ("/wiki%3F/x", Choice::Several),
        ("/wiki/x%2Fy", Choice::Several),
    ] {
        assert_eq!(choose(&all, &target(text)), expected, "{text}");
        if expected == Choice::Several {
            assert_ne!(choose(&[&deep, &wiki], &target(text)), Choice::One(1), "{text}");
        }
    }
    assert_eq!(choose(&[&wiki], &target("/Wiki/")), Choice::Nobody);
    assert_eq!(choose(&[&wiki], &target("/")), Choice::Nobody);
    assert_eq!(choose(&[&root], &target("//a;b%2F")), Choice::One(0));
}

#[test]
fn what_is_left_is_forwarded_byte_for_byte() {
    let wiki = stripping("/w/iki");
    for (text, expected) in [
        ("/w/iki", "/"),
        ("/w/iki/", "/"),
        ("/w/iki?q=/x", "/?q=/x"),
        ("/w/iki/a%2Fb?c", "/a%2Fb?c"),
        ("/w/iki/caf%C3%A9", "/caf%C3%A9"),
        ("/w/iki//a", "//a"),
        ("/w/iki/w/iki/", "/w/iki/"),
    ] {
        let entered = wiki.enter(target(text)).expect(text);
        assert_eq!((entered.as_str(), entered.forwarded().as_str()), (text, expected));
        let seen = mount("/w/iki").enter(target(text)).expect(text);
        assert_eq!(seen.forwarded().as_str(), text);
    }
    for text in ["/", "/w", "/w/ikis", "/W/iki/", "/w%2Fiki/", "//w/iki"] {
        assert_eq!(wiki.enter(target(text)), Err(Unreadable::NotOriginForm), "{text}");
    }
}

/// The attack: what is denied to visitors is asked for in a way that means it only once the mount point is gone.
#[test]
fn what_is_left_is_judged_again() {
    let wiki = stripping("/wiki");
    for (deny, text) in [
        // Written for the path as the app sees it, and as visitors do.
        ("/admin/", "/wiki/admin/x"),
        ("/admin/", "/wiki/Admin"),
        ("/wiki/admin/", "/wiki/admin/x"),
        ("/wiki/admin/", "/wiki//admin/x"),
        // An authority, and a script, only where the path begins anew.
        ("/wiki/admin/", "/wiki//evil.example/admin/"),
        ("/admin/", "/wiki//evil.example/admin/"),
        ("/wiki/admin/", "/wiki/index.php/admin/"),
        ("/admin/", "/wiki/index.php/admin/"),
        ("/wiki/admin/", "/wiki/(S(x))/admin/"),
        ("/wiki/admin/", "/wiki//x/index.php/admin.json"),
        ("/**/admin/", "/wiki//evil.example/admin"),
    ] {
        assert!(is_denied(&wiki, &denying(&[deny]), text), "{deny} {text}");
    }
    for text in ["/wiki/", "/wiki/administrator", "/wiki/x/admin", "/wiki//a/b/admin"] {
        assert!(!is_denied(&wiki, &denying(&["/admin/", "/wiki/admin/"]), text), "{text}");
    }
    // An app that sees the whole path is asked for scripts of its own too, but never for the path behind the mount point.
    assert!(is_denied(&mount("/wiki"), &denying(&["/wiki/admin/"]), "/wiki/index.php/admin/"));
    assert!(!is_denied(&mount("/wiki"), &denying(&["/admin/"]), "/wiki/admin/"));
}

/// The attack: a rule written for one of the two paths opens what the other one means.
#[test]
fn what_an_app_sees_of_a_path_opens_nothing_and_closes_nothing_twice() {
    let wiki = stripping("/wiki");
    let rule =
        |path: &str, action| Rule { paths: vec![pattern(path)], methods: vec![], networks: vec![], body_limit: None, action };
    let usual = Judgement::Required(Requirement::default());
    let open =
        |paths: &[&str]| RuleSet { bypass: paths.iter().map(|path| rule(path, Action::Bypass)).collect(), ..RuleSet::default() };
    assert_eq!(judged(&wiki, &open(&["/wiki/open/"]), "/wiki/open/x"), Some(Judgement::Open));
    assert_eq!(judged(&wiki, &open(&["/open/"]), "/wiki/open/x"), Some(usual.clone()));
    assert_eq!(judged(&wiki, &open(&["/wiki/open/"]), "/wiki//evil.example/open/x"), Some(usual.clone()));
    // A rule for everything behind one that opens has been passed over once, and is not asked again.
    let first = RuleSet {
        rules: vec![rule("/wiki/open/", Action::Bypass), rule("/**", Action::Require(Requirement::default()))].into(),
        ..RuleSet::default()
    };
    assert_eq!(judged(&wiki, &first, "/wiki/open/x"), Some(Judgement::Open));
    assert_eq!(judged(&wiki, &first, "/wiki/x"), Some(usual.clone()));
    // One that can only mean what the app sees still takes away.
    let strict = |paths| RuleSet {
        rules: vec![Rule { paths, ..rule("/", Action::Require(Requirement::default())) }].into(),
        ..open(&["/wiki/"])
    };
    let regex = || vec![Pattern::regex("/settings/.*").expect("a pattern")];
    assert_eq!(judged(&wiki, &strict(regex()), "/wiki/settings/x"), Some(usual));
    assert_eq!(judged(&wiki, &strict(regex()), "/wiki/x"), Some(Judgement::Open));
    let only = RuleSet { only: Some(vec![pattern("/wiki/a/")].into()), ..RuleSet::default() };
    assert!(
        !is_denied(&wiki, &only, "/wiki/a/x") && is_denied(&wiki, &only, "/wiki/b") && is_denied(&wiki, &only, "/wiki//x/a/")
    );
    let to = Redirect { to: "/wiki/lab".to_owned(), status: 302 };
    let sent = RuleSet { redirects: vec![(pattern("/wiki"), to)].into(), ..RuleSet::default() };
    assert!(matches!(judged(&wiki, &sent, "/wiki"), Some(Judgement::Redirected(_))));
    assert!(matches!(judged(&wiki, &sent, "/wiki/lab"), Some(Judgement::Required(_))));
}

/// The attack: our own pages by way of an app that is doorward too, or of one that believes in them.
#[test]
fn our_pages_are_nobodys_behind_a_mount_point() {
    for text in ["/wiki/.doorward/login", "/wiki/.DOORWARD/x", "/wiki//x/.doorward/"] {
        assert_eq!(stripping("/wiki").enter(target(text)).expect(text).own(), Own::Disguised, "{text}");
        assert_eq!(mount("/wiki").enter(target(text)).expect(text).own(), Own::No, "{text}");
    }
}

#[test]
fn a_rule_may_speak_of_what_is_below_its_mount_point() {
    let wiki = mount("/wiki/x");
    for (text, may) in [
        ("/wiki/x/admin/", true),
        ("/wiki/x", true),
        ("/Wiki/X/a", true),
        ("/wiki/", true),
        ("/", true),
        ("/**/admin/", true),
        ("/*/x/admin/", true),
        ("/wiki", false),
        ("/admin/", false),
        ("/wiki/y/", false),
        ("/x/wiki/", false),
    ] {
        assert_eq!(wiki.may_be_spoken_of(&pattern(text)), may, "{text}");
    }
    assert!(wiki.may_be_spoken_of(&Pattern::regex("/a").expect("a pattern")));
}
