//! How large the body of a request may be that the rules let pass.

use std::net::IpAddr;
use std::ops::ControlFlow;

use http::Method;

use crate::policy::reading::Reading;
use crate::policy::rule::{Action, Call, RuleSet, doubles};
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
/// open to everybody are not asked, as it was not by them that the request passed.
pub fn body_limit(rules: &RuleSet, target: &Target, method: &Method, client: IpAddr) -> Option<u64> {
    let client = client.to_canonical();
    let mut least: Option<Allowance> = None;
    for method in std::iter::once(method.clone()).chain(doubles(method)) {
        let call = Call { method: &method, client };
        let _all = target.each_reading(&mut |reading| {
            if let Some(heard) = of_reading(rules, reading, call) {
                least = Some(least.map_or(heard, |known| known.and(heard)));
            }
            ControlFlow::Continue(())
        });
    }
    least.map_or(Some(0), |least| least.bytes)
}

fn of_reading(rules: &RuleSet, reading: &Reading<'_>, call: Call<'_>) -> Option<Allowance> {
    let speaks = rules.rules.iter().find(|rule| rule.speaks_of(reading, call));
    let speaks = speaks.or_else(|| rules.bypass.iter().find(|rule| rule.speaks_of(reading, call)));
    match speaks {
        Some(rule) => Some(Allowance { public: rule.action == Action::Bypass, bytes: rule.body_limit }),
        None if reading.is_aside() => None,
        None => Some(Allowance { public: false, bytes: rules.body_limit }),
    }
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
    use crate::policy::pattern::Pattern;
    use crate::policy::requirement::Requirement;
    use crate::policy::rule::Rule;

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
            ],
            bypass: vec![rule("/open/", Action::Bypass, Some(20))],
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
}
