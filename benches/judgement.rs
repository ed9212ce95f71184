//! What a path costs to judge, by the number of rules: a plain one, and one that has many readings.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use divan::{AllocProfiler, Bencher};
use doorward::policy::pattern::Pattern;
use doorward::policy::rule::RuleSet;
use doorward::policy::target::Target;
use http::Method;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const COUNTS: [usize; 3] = [1, 100, 5_000];
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PLAIN: &str = "/documents/2026/1?page=2";
const ODD: &str = "/documents%2F1;v=1//c";

fn main() {
    divan::main();
}

/// Denied folders as owners name them: all letters in front, some names alike.
fn rules(count: usize) -> RuleSet {
    let names = ["admin", "internal", "metrics", "debug", "setup", "console", "documents-old", "api/private", "backup", "jobs"];
    let pattern = |number: usize| Pattern::parse(&format!("/{}-{number}/", names[number % names.len()])).expect("a pattern");
    RuleSet { deny: (0..count).map(pattern).collect(), ..RuleSet::default() }
}

#[divan::bench(args = COUNTS)]
fn judge_plain(bencher: Bencher<'_, '_>, count: usize) {
    let (rules, target) = (rules(count), Target::parse(PLAIN).expect("readable"));
    bencher.bench_local(|| black_box(rules.judge(black_box(&target), &Method::GET, CLIENT)));
}

#[divan::bench(args = COUNTS)]
fn judge_odd(bencher: Bencher<'_, '_>, count: usize) {
    let (rules, target) = (rules(count), Target::parse(ODD).expect("readable"));
    bencher.bench_local(|| black_box(rules.judge(black_box(&target), &Method::GET, CLIENT)));
}

#[divan::bench(args = [PLAIN, ODD])]
fn read(text: &str) -> Target {
    Target::parse(black_box(text)).expect("readable")
}
