//! What judging allocates: nothing for plain paths and plain rules, however many there are. A rule with `*` allocates where a path comes
//! as far as its star.

use std::net::{IpAddr, Ipv4Addr};

use allocation_counter::measure;
use doorward::policy::pattern::Pattern;
use doorward::policy::rule::RuleSet;
use doorward::policy::target::Target;
use http::Method;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn judging_a_plain_path_allocates_nothing() {
    let patterns = (0..100).map(|number| Pattern::parse(&format!("/d{number}/x/")).expect("a pattern"));
    let deny = patterns.chain([Pattern::parse("/admin/").expect("a pattern")]).collect();
    let rules = RuleSet { deny, ..RuleSet::default() };
    for text in ["/", "/documents/2026/1?page=2", "/d7/a/y", "/Admin/login", "/index.php/x.json"] {
        let target = Target::parse(text).expect("readable");
        for method in [Method::GET, Method::HEAD] {
            let spent = measure(|| drop(rules.judge(&target, &method, CLIENT)));
            assert_eq!(spent.count_total, 0, "{method} {text}");
        }
        // Its own bytes, once: a target outlives the buffer that it came in.
        assert_eq!(measure(|| drop(Target::parse(text))).count_total, 1, "{text}");
    }
}
