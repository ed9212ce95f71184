//! In which ways a name may be proven, and in which order they are tried.

use crate::plan::acme::{AcmePolicy, Challenge};
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::folder::{History, Proof};
use crate::tls::acme::trouble::{Kind, Trouble};

/// The ways that are open, the first to be tried first. `has_plain` tells whether port 80 is answered.
pub fn open(policy: &AcmePolicy, host: &HostPattern, has_plain: bool) -> Vec<Proof> {
    match (policy.challenge, host) {
        (Challenge::Http01, _) => vec![Proof::Http01],
        (Challenge::TlsAlpn01, _) => vec![Proof::TlsAlpn01],
        (Challenge::Dns01, _) | (Challenge::Auto, HostPattern::Under(_)) => vec![Proof::Dns01],
        (Challenge::Auto, HostPattern::Exact(host)) => {
            let ways = [
                (Proof::Http01, has_plain),
                (Proof::TlsAlpn01, true),
                // The last resort: it is slower, and the key to a zone may do more than prove a name.
                (Proof::Dns01, policy.dns.is_some() && host.ip().is_none()),
            ];
            ways.into_iter().filter_map(|(way, is_open)| is_open.then_some(way)).collect()
        }
    }
}

/// How to try first, or next: as it last worked, or as was found best after a failure, where that is still open.
pub fn proof(policy: &AcmePolicy, host: &HostPattern, history: &History, has_plain: bool) -> Proof {
    let open = open(policy, host, has_plain);
    let remembered = history.challenge.filter(|way| open.contains(way));
    remembered.or(open.first().copied()).unwrap_or(Proof::Dns01)
}

/// How to try after this failed; `None` where another way would do no better, or is not open.
pub fn after(open: &[Proof], failed: Proof, trouble: &Trouble) -> Option<Proof> {
    if !trouble.may_be_the_way() || open.len() < 2 {
        return None;
    }
    // A name without an address is unknown on every port.
    if trouble.kind == Kind::Dns && failed != Proof::Dns01 {
        return open.contains(&Proof::Dns01).then_some(Proof::Dns01);
    }
    let at = open.iter().position(|way| *way == failed).map_or(0, |at| at + 1);
    open.get(at).or(open.first()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::compile_text;

    const HOOK: &str = "dns = { provider = \"exec\", command = [\"/hook\"] }\n";

    fn policy(table: &str) -> AcmePolicy {
        let text = format!("[acme]\nagree_tos = true\n{table}[[app]]\nhost = \"a.example\"\nupstream = \"http://127.0.0.1:1\"\n");
        compile_text(&text).expect("compiles").plan.acme.clone().expect("on")
    }

    fn host(text: &str) -> HostPattern {
        HostPattern::parse(text).expect("a host")
    }

    fn trouble(kind: Kind) -> Trouble {
        Trouble::bare(kind, "https://ca.example/").proving(Proof::Http01)
    }

    #[test]
    fn wildcards_are_proven_by_dns_and_hosts_by_what_works() {
        let (one, all) = (host("a.example"), host("*.example.com"));
        let auto = policy(HOOK);
        assert_eq!(open(&auto, &all, true), [Proof::Dns01]);
        assert_eq!(open(&auto, &one, true), [Proof::Http01, Proof::TlsAlpn01, Proof::Dns01]);
        assert_eq!(open(&auto, &one, false), [Proof::TlsAlpn01, Proof::Dns01]);
        assert_eq!(open(&policy(""), &one, true), [Proof::Http01, Proof::TlsAlpn01]);
        assert_eq!(open(&policy(&format!("{HOOK}challenge = \"dns-01\"\n")), &one, true), [Proof::Dns01]);
        assert_eq!(open(&auto, &host("203.0.113.7"), true), [Proof::Http01, Proof::TlsAlpn01], "never by DNS");
        let remembered = History { challenge: Some(Proof::Dns01), ..History::default() };
        assert_eq!(proof(&auto, &one, &remembered, true), Proof::Dns01);
        assert_eq!(proof(&policy(""), &one, &remembered, true), Proof::Http01, "the provider was taken away");
        assert_eq!(proof(&auto, &all, &History { challenge: Some(Proof::Http01), ..History::default() }, true), Proof::Dns01);
    }

    #[test]
    fn what_cannot_be_proven_otherwise_is_proven_by_dns() {
        let open = [Proof::Http01, Proof::TlsAlpn01, Proof::Dns01];
        assert_eq!(after(&open, Proof::Http01, &trouble(Kind::Connection)), Some(Proof::TlsAlpn01));
        assert_eq!(after(&open, Proof::TlsAlpn01, &trouble(Kind::Connection)), Some(Proof::Dns01));
        assert_eq!(after(&open, Proof::Http01, &trouble(Kind::Dns)), Some(Proof::Dns01));
        assert_eq!(after(&open[..2], Proof::Http01, &trouble(Kind::Dns)), None);
        assert_eq!(after(&open, Proof::Dns01, &trouble(Kind::Record("why".to_owned()))), Some(Proof::Http01));
        assert_eq!(after(&open, Proof::Http01, &trouble(Kind::Caa)), None);
        assert_eq!(after(&open[2..], Proof::Dns01, &trouble(Kind::Record("why".to_owned()))), None);
    }
}
