//! Targets and rules that are kept: the measured bypasses, the honest URLs, and whatever the two judgements once disagreed about.

use crate::reference::{Action, Rule, Rules};

/// Targets of all corpora that are text.
pub fn targets() -> Vec<String> {
    let bypasses = include_str!("../data/path-bypass.tsv").lines().filter_map(|line| line.split('\t').nth(1));
    let honest = include_str!("../data/honest-urls.tsv").lines().filter_map(|line| line.split('\t').nth(2));
    let kept = include_str!("../data/judgement-targets.txt").lines();
    let written = |line: &&str| line.starts_with('/') && !line.contains(" with ") && !line.contains(" [X-");
    bypasses.chain(honest).chain(kept).filter(written).map(|text| text.replace("\\\\", "\\")).collect()
}

/// Rule sets of every kind.
pub fn rule_sets() -> Vec<Rules> {
    let rule = |path: &str, action| Rule { path: path.to_owned(), methods: vec![], networks: vec![], action };
    let limited = |path: &str, method: &str, action| Rule { methods: vec![method.to_owned()], ..rule(path, action) };
    let list = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let firm = Rules { firm: true, ..Rules::default() };
    vec![
        Rules { deny: list(&["/admin/"]), ..firm.clone() },
        Rules { deny: list(&["/admin"]), ..firm.clone() },
        Rules { deny: list(&["/**/admin/", "/adm*/"]), ..firm.clone() },
        Rules { only: Some(list(&["/public/", "/api/", "/"])), ..firm.clone() },
        Rules { only: Some(list(&["/**"])), ..firm.clone() },
        Rules { redirects: list(&["/admin/", "/public"]), ..firm.clone() },
        Rules { rules: vec![rule("/admin/", Action::Require(true)), rule("/a.b/", Action::Redirect)], ..Rules::default() },
        Rules { rules: vec![rule("/public/", Action::Bypass), limited("/admin/", "GET", Action::Deny)], ..firm.clone() },
        Rules { rules: vec![rule("/index.php/", Action::Require(false)), rule("/*/b", Action::Deny)], ..firm.clone() },
        Rules { bypass: vec![rule("/public/", Action::Bypass)], ..firm.clone() },
        Rules { bypass: vec![rule("/", Action::Bypass)], deny: list(&["/admin/"]), ..firm.clone() },
        Rules { bypass: vec![rule("/**", Action::Bypass), limited("/api/*", "POST", Action::Bypass)], ..firm.clone() },
    ]
}
