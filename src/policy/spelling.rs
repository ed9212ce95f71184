//! Other spellings of a path, as they have reached protected pages on real servers: what `doorward doctor --probe` asks an
//! owner's own app for. The list is fixed, so that two runs ask the same.

use std::collections::BTreeSet;

/// What servers have been seen to take for the slash at the front of a path.
const FRONTS: &[&str] = &[
    "//",
    "///",
    "//x/",
    "//x:80/",
    "//u@x/",
    "/./",
    "/%2e/",
    "/;/",
    "/;x=y/",
    "/.;/",
    "/%2f",
    "/%2F/",
    "/%5c",
    "/\\",
    "/%252f",
    "/x/../",
    "/x/..;/",
    "/x/%2e%2e/",
    "/x/.%2e/",
    "/x/..%2f",
    "/x/..%5c",
    "/x%2f../",
    "/../",
    "/..;/",
    "/x//..//",
    "/static../",
    "/assets../",
    "/x/%252e%252e/",
    "/x/..%252f",
    "/x/..%00/",
    "/%20/",
    "/%09/",
    "/+/",
    "/%ef%bc%8f",
    "/%c0%af",
    "/%u002f",
    "/index.php/",
    "/x.php/",
    "/(S(x))/",
    "/x%3f/../",
    "/x%23/../",
    "/%3b/",
    "/x;%2f../",
    "/%e2%80%8b/",
];
/// And for the end of one.
const ENDS: &[&str] = &[
    "",
    "/",
    "//",
    "/.",
    "/./",
    "/%2e",
    ";x",
    ";/",
    "/;",
    ".json",
    ".html",
    ".php",
    ".",
    "./",
    "%20",
    "%20/",
    "%00",
    "%0a",
    "%0a/",
    "%09",
    "%2f",
    "%2F",
    "%5c",
    "::$DATA",
    "~1",
    "?x",
    "?",
    "%3f",
    "%3fx",
    "%23",
    "%23x",
    "/index.html",
    "/..;/",
    "+",
    "+/",
    "%c2%a0",
    "%e2%80%8b",
    "'",
    "!",
    "@",
    "%252f",
    "%25",
    "%2e",
    "%2e/",
    ";jsessionid=1",
    "%3b",
    ",x",
    ":x",
];

/// Other spellings of a plain path such as `/admin/`, as raw bytes of a request line, at most a few hundred.
pub fn spellings(path: &str) -> Vec<String> {
    let name = path.trim_matches('/');
    let mut all = BTreeSet::new();
    for front in FRONTS {
        all.insert(format!("{front}{name}"));
        all.insert(format!("{front}{name}/"));
    }
    for end in ENDS {
        all.insert(format!("/{name}{end}"));
    }
    for name in names(name) {
        all.insert(format!("/{name}"));
        all.insert(format!("/{name}/"));
        all.insert(format!("//{name}/"));
        all.insert(format!("/{name}.json"));
    }
    all.remove(path);
    all.into_iter().filter(|spelling| *spelling != format!("/{name}") && *spelling != format!("/{name}/")).collect()
}

/// The name with its letters written otherwise.
fn names(name: &str) -> Vec<String> {
    let escaped = |escape: fn(u8) -> String| -> String {
        name.bytes().map(|byte| if byte == b'/' { "/".into() } else { escape(byte) }).collect()
    };
    let mut all = vec![
        name.to_uppercase(),
        escaped(|byte| format!("%{byte:02x}")),
        escaped(|byte| format!("%25{byte:02x}")),
        escaped(|byte| format!("%2525{byte:02x}")),
        escaped(|byte| format!("%u00{byte:02x}")),
        escaped(|byte| match byte {
            b'a'..=b'z' => format!("%ef%bd%{:02x}", byte - b'a' + 0x81),
            byte => char::from(byte).to_string(),
        }),
        name.replace('i', "%c4%b1"),
        name.replace('i', "%c4%b0"),
        name.replace('s', "%c5%bf"),
        name.replace('k', "%e2%84%aa"),
        name.replace('/', "%2f"),
        name.replace('/', "//"),
    ];
    for (at, byte) in name.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric()) {
        let (front, rest) = (&name[..at], &name[at + 1..]);
        all.push(format!("{front}%{byte:02x}{rest}"));
        all.push(format!("{front}%25{byte:02x}{rest}"));
        all.push(format!("{front}{}{rest}", char::from(byte).to_ascii_uppercase()));
        all.push(format!("{front}{}%c2%ad{rest}", char::from(byte)));
    }
    all.retain(|spelt| spelt != name);
    all
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use http::Method;

    use super::*;
    use crate::policy::pattern::Pattern;
    use crate::policy::rule::{Judgement, RuleSet};
    use crate::policy::target::Target;

    /// The attack: each of these spellings has reached a protected page somewhere.
    #[test]
    fn every_spelling_of_a_denied_path_is_refused_or_denied() {
        for path in ["/admin/", "/metrics/", "/api/internal/keys/"] {
            let rules = RuleSet { deny: vec![Pattern::parse(path).expect(path)].into(), ..RuleSet::default() };
            let all = spellings(path);
            assert!((150..600).contains(&all.len()), "{}", all.len());
            for spelling in all {
                let Ok(target) = Target::parse(&spelling) else { continue };
                let judged = rules.judge(&target, &Method::GET, IpAddr::V4(Ipv4Addr::LOCALHOST));
                assert!(matches!(judged, Judgement::Denied(_)), "{spelling} of {path}");
            }
        }
    }

    #[test]
    fn every_spelling_can_stand_in_a_request_line() {
        for spelling in spellings("/admin/") {
            assert!(spelling.starts_with('/') && spelling.bytes().all(|byte| byte.is_ascii_graphic()), "{spelling}");
        }
    }
}
