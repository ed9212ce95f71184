//! How large the body of a request may be that the rules let pass.

use std::net::IpAddr;
use std::ops::ControlFlow;

use http::Method;

use crate::policy::reading::Reading;
use crate::policy::rule::{Action, Call, RuleSet, Voice, doubles};
use crate::policy::target::Target;

/// What a reading of a request may bring, by whether it needs somebody who is signed in.
#[derive(Clone, Copy)]
struct Allowance {
    public: bool,
    bytes: Option<u64>,
}

/// The most bytes that the body of a request may have which [`RuleSet::judge`] lets pass; `None` if there is no limit.
///
/// Of several readings the least counts, as the strictest rule does; and where one of them asks for a session, those that are
/// open to everybody are not asked, as it was not by them that the request passed. Readings and rules are the very ones that judge:
/// one more would be enough to give strangers what is for those who are signed in.
///
/// The target is the one that was judged, not what is forwarded of it.
pub fn body_limit(rules: &RuleSet, target: &Target, method: &Method, client: IpAddr) -> Option<u64> {
    let client = client.to_canonical();
    let mut least: Option<Allowance> = None;
    for method in std::iter::once(method.clone()).chain(doubles(method)) {
        let call = Call { method: &method, client };
        let _all = rules.each_reading(target, &mut |reading| {
            if let Some(heard) = of_reading(rules, reading, call) {
                least = Some(least.map_or(heard, |known| known.and(heard)));
            }
            ControlFlow::Continue(())
        });
    }
    least.map_or(Some(0), |least| least.bytes)
}

fn of_reading(rules: &RuleSet, reading: &Reading<'_>, call: Call<'_>) -> Option<Allowance> {
    Some(match rules.voice(reading, call)? {
        Voice::Rule(rule) => Allowance { public: rule.action == Action::Bypass, bytes: rule.body_limit },
        Voice::Otherwise => Allowance { public: false, bytes: rules.body_limit },
        // No request passes by these.
        Voice::Deny | Voice::Redirect(_) => Allowance { public: false, bytes: Some(0) },
    })
}

impl Allowance {
    fn and(self, other: Self) -> Self {
        if self.public != other.public {
            return if self.public { other } else { self };
        }
        let bytes = match (self.bytes, other.bytes) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        Self { public: self.public, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::mount::Mount;
    use crate::policy::pattern::Pattern;
    use crate::policy::requirement::Requirement;
    use crate::policy::rule::{Judgement, Rule, Suffixes};

    const PUBLIC: Option<u64> = Some(10);

    fn rule(path: &str, action: Action, body_limit: Option<u64>) -> Rule {
        let paths = vec![Pattern::parse(path).expect(path)];
        Rule { paths, methods: Vec::new(), networks: Vec::new(), action, body_limit }
    }

    fn rules() -> RuleSet {
        RuleSet {
            rules: vec![
                rule("/hook", Action::Bypass, Some(10)),
                rule("/upload/", Action::Require(Requirement::default()), None),
                rule("/small/", Action::Require(Requirement::default()), Some(5)),
            ]
            .into(),
            bypass: vec![rule("/open/", Action::Bypass, Some(20))].into(),
            body_limit: Some(100),
            ..RuleSet::default()
        }
    }

    fn limit(path: &str) -> Option<u64> {
        let target = Target::parse(path).expect("a target");
        body_limit(&rules(), &target, &Method::POST, "192.0.2.1".parse().expect("an address"))
    }

    #[test]
    fn the_rule_that_speaks_says_how_much() {
        assert_eq!(limit("/hook"), Some(10));
        assert_eq!(limit("/open/x"), Some(20));
        assert_eq!(limit("/upload/x"), None);
        assert_eq!(limit("/small/x"), Some(5));
        assert_eq!(limit("/"), Some(100));
    }

    /// The attack: a spelling that one reader takes for the path with the generous limit.
    #[test]
    fn of_several_readings_the_least_counts() {
        assert_eq!(limit("/small;v=1/x"), Some(5));
        assert_eq!(limit("/SMALL/x"), Some(5));
        assert_eq!(limit("/upload;v=1/x"), Some(100));
    }

    /// Who is signed in is not held to the limit for strangers because another reading would have been open to them.
    #[test]
    fn an_open_reading_limits_only_what_is_open() {
        assert_eq!(limit("/HOOK"), Some(100));
    }
    /// The rules, with no limit where nothing else is said.
    fn unlimited(rules: Vec<Rule>) -> RuleSet {
        RuleSet { rules: rules.into(), ..RuleSet::default() }
    }

    fn strict(path: &str) -> Rule {
        rule(path, Action::Require(Requirement::default()), None)
    }

    fn open(path: &str) -> Rule {
        rule(path, Action::Bypass, PUBLIC)
    }

    /// Whether anybody passes, and with how much, at a mount point that the app does not see.
    fn stripped(rules: &RuleSet, path: &str) -> (bool, Option<u64>) {
        let mount = Mount::parse("/files", true).expect("a mount point");
        asked(rules, &mount.enter(Target::parse(path).expect(path)).expect(path))
    }

    fn asked(rules: &RuleSet, target: &Target) -> (bool, Option<u64>) {
        let client = "192.0.2.1".parse().expect("an address");
        let judgement = rules.judge(target, &Method::POST, client);
        (judgement == Judgement::Open, body_limit(rules, target, &Method::POST, client))
    }

    /// The attack: what is open to everybody, by a name that would be a stricter rule's if suffixes did not count.
    #[test]
    fn a_reading_that_does_not_count_for_the_rules_takes_no_limit_away() {
        let target = Target::parse("/hook.json").expect("a target");
        let covered = unlimited(vec![strict("/hook"), open("/hook.json")]);
        assert_eq!(asked(&covered, &target), (false, None));
        assert_eq!(asked(&RuleSet { suffixes: Suffixes::Apart, ..covered }, &target), (true, PUBLIC));
    }

    /// The attack: what is open to everybody, where a rule that has been passed over speaks of what the app sees as well.
    #[test]
    fn a_rule_that_was_passed_over_takes_no_limit_away() {
        let rules = unlimited(vec![open("/files/public/"), strict("/**/upload/")]);
        assert_eq!(stripped(&rules, "/files/public/upload/x"), (true, PUBLIC));
        assert_eq!(stripped(&rules, "/files/upload/x"), (false, None));
        // Nor is it the limit of one that was passed over which counts.
        let listed = rule("/**/upload/", Action::Bypass, Some(1));
        let rules = RuleSet { bypass: vec![listed].into(), ..unlimited(vec![open("/files/public/")]) };
        assert_eq!(stripped(&rules, "/files/public/upload/x"), (true, PUBLIC));
        assert_eq!(stripped(&rules, "/files/upload/x"), (true, Some(1)));
    }

    /// The attack: any path that is open to everybody, in any spelling. Who needs no session never has the limit of those who do.
    #[test]
    fn what_is_open_to_everybody_has_the_limit_for_everybody() {
        let mut open_ones = 0;
        for suffixes in [Suffixes::Covered, Suffixes::Apart] {
            for (one, other) in [("/files/a/", "/**/b/"), ("/files/a/b", "/files/a"), ("/files/a/b.json", "/b"), ("/**", "/a/b/")]
            {
                for listed in [true, false] {
                    let rules = match listed {
                        true => RuleSet { bypass: vec![open(one)].into(), ..unlimited(vec![strict(other)]) },
                        false => unlimited(vec![open(one), strict(other)]),
                    };
                    let rules = RuleSet { suffixes, ..rules };
                    for path in ["a/b", "a/b/c", "A/b", "a/b.json", "a;x/b", "/a/b", "a%2Fb", "index.php/a/b", "/h/a/b", "b", ""]
                    {
                        let path = format!("/files/{path}");
                        for (open, limit) in [stripped(&rules, &path), asked(&rules, &Target::parse(&path).expect("readable"))] {
                            assert_eq!(limit, if open { PUBLIC } else { None }, "{one} {other} {path}");
                            open_ones += usize::from(open);
                        }
                    }
                }
            }
        }
        assert!(open_ones > 50, "{open_ones}");
    }
}
