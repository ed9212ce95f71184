//! Why a name could not be proven by DNS, in words an owner can act on.

use std::net::SocketAddr;
use std::time::Duration;

use crate::base::chain::Chain;
use crate::base::units::in_words;
use crate::dns::fault::Fault as DnsFault;
use crate::dns::fault::{Refusal, shown};
use crate::tls::dns01::program;
use crate::tls::fault::Fault as FileFault;

/// Why a name could not be proven by DNS. `name` is the record's.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It was not found out where the record's name leads.
    #[error("where {name} leads could not be found out ({}): {}", Chain(.fault), seeking(.fault))]
    Lead {
        /// The record's name.
        name: String,
        /// What happened.
        fault: DnsFault,
    },
    /// The zone's primary server did not say which zone the name is in.
    #[error("{server} does not say which zone {name} is in ({}): name its primary server in `acme.dns.server`, or the zone in `acme.dns.zone`", Chain(.fault))]
    Zone {
        /// The server.
        server: String,
        /// The record's name.
        name: String,
        /// What happened.
        fault: DnsFault,
    },
    /// The zone's primary server did not change it.
    #[error("{}", update(.server, .zone, .key.as_deref(), .name, .fault))]
    Update {
        /// The server.
        server: SocketAddr,
        /// The zone.
        zone: String,
        /// The key's name.
        key: Option<String>,
        /// The record's name.
        name: String,
        /// What happened.
        fault: DnsFault,
    },
    /// The owner's program did not do it.
    #[error("`{program}` was to set {name}, and {why}: see what it says with `doorward cert show`")]
    Hook {
        /// The program.
        program: String,
        /// The record's name.
        name: String,
        /// What happened.
        why: program::Why,
        /// The end of what it said.
        output: String,
    },
    /// The provider did not do it.
    #[error("{}", interface(.title, .zone, .name, .why, .output))]
    Interface {
        /// What people call the provider.
        title: &'static str,
        /// The zone.
        zone: String,
        /// The record's name.
        name: String,
        /// What happened.
        why: program::Why,
        /// What was said about it.
        output: String,
    },
    /// The zone's servers were not found.
    #[error("the name servers of {name} were not found ({}): {}", Chain(.fault), seeking(.fault))]
    Servers {
        /// The record's name.
        name: String,
        /// What happened.
        fault: DnsFault,
    },
    /// A server does not show the record.
    #[error("{server} shows {} at {name} after {}: see that it gets changes of the zone from its primary server, or allow more time with `acme.dns.timeout`", values(.shows), in_words(*.waited))]
    Hidden {
        /// The server.
        server: String,
        /// The record's name.
        name: String,
        /// What it shows instead.
        shows: Vec<String>,
        /// How long it was given.
        waited: Duration,
    },
    /// No server could be asked.
    #[error("none of the name servers of {name} could be asked ({}): let this machine reach their port 53, or name a resolver in `acme.resolvers`", Chain(.fault))]
    Unasked {
        /// The record's name.
        name: String,
        /// What happened, at one of them.
        fault: DnsFault,
    },
    /// It could not be noted that the record is to be removed later, so it was not set.
    #[error("what has to be removed later could not be noted ({})", Chain(.0))]
    Note(#[source] FileFault),
}

impl Fault {
    /// Whether it was refused in so many words, so that nothing has changed.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Update { fault, .. } => matches!(fault.bare(), DnsFault::Said(_) | DnsFault::NoZone(_)),
            Self::Zone { .. } | Self::Lead { .. } | Self::Note(_) => true,
            // By the exit codes below: no job, an unknown zone, refused.
            Self::Interface { why: program::Why::Ended(status), .. } => matches!(status.code(), Some(2 | 6 | 7)),
            Self::Hook { .. } | Self::Interface { .. } | Self::Servers { .. } | Self::Hidden { .. } | Self::Unasked { .. } => {
                false
            }
        }
    }

    /// What the owner's program said, or the one that speaks to a provider.
    pub fn output(&self) -> Option<&str> {
        match self {
            Self::Hook { output, .. } | Self::Interface { output, .. } => {
                Some(output).filter(|output| !output.is_empty()).map(String::as_str)
            }
            Self::Lead { .. }
            | Self::Zone { .. }
            | Self::Update { .. }
            | Self::Servers { .. }
            | Self::Hidden { .. }
            | Self::Unasked { .. }
            | Self::Note(_) => None,
        }
    }
}

fn seeking(fault: &DnsFault) -> &'static str {
    match fault.bare() {
        DnsFault::Circle | DnsFault::OddTarget => "correct the CNAME record",
        DnsFault::NoZone(_) => "see that the domain is spelt rightly and still yours",
        DnsFault::Unreachable(_)
        | DnsFault::Silent
        | DnsFault::Garbled
        | DnsFault::Said(_)
        | DnsFault::Unsigned
        | DnsFault::Unwritable(_)
        | DnsFault::Nobody
        | DnsFault::At(..) => "see that this machine's resolver works, or name another in `acme.resolvers`",
    }
}

fn update(server: &SocketAddr, zone: &str, key: Option<&str>, name: &str, fault: &DnsFault) -> String {
    let at = shown(server);
    let key = key.unwrap_or("(none)");
    let refusal = match fault.bare() {
        DnsFault::Said(refusal) => refusal,
        DnsFault::Unreachable(_) | DnsFault::Silent => {
            return format!(
                "{at} was to set {name}, and {}: see that `acme.dns.server` is right and takes TCP",
                Chain(fault.bare())
            );
        }
        DnsFault::Unsigned => {
            return format!("{at} was to set {name}; {}: see who answers there", fault.bare());
        }
        DnsFault::NoZone(_) => return format!("{name} is not in the zone {zone}: correct `acme.dns.zone`, or remove it"),
        DnsFault::Garbled
        | DnsFault::Unwritable(_)
        | DnsFault::Nobody
        | DnsFault::Circle
        | DnsFault::OddTarget
        | DnsFault::At(..) => {
            return format!("{at} was to set {name}, and {}: see that a name server listens there", fault.bare());
        }
    };
    match refusal {
        Refusal::BadKey => format!(
            "{at} does not know the key `{key}`, or does not let it change {name} (BADKEY): `acme.dns.key_name` and \
             `acme.dns.algorithm` must be as they are there, and in Knot an `acl` of the zone must allow it TXT records there"
        ),
        Refusal::BadSignature => {
            format!(
                "{at} finds the signature of the key `{key}` wrong (BADSIG): `acme.dns.secret` must be the secret that it has there"
            )
        }
        Refusal::BadTime => {
            format!("the clocks of {at} and of this machine differ by more than five minutes (BADTIME): set them")
        }
        Refusal::NotAuthoritative => format!(
            "{at} is not in charge of the zone {zone} (NOTAUTH): name the zone's primary server in `acme.dns.server`, or the zone in `acme.dns.zone`"
        ),
        Refusal::NotZone => {
            format!("{at} says that {name} is not in the zone {zone} (NOTZONE): correct `acme.dns.zone`, or remove it")
        }
        Refusal::Refused => format!(
            "{at} does not let the key `{key}` change {name} (REFUSED): allow it to change TXT records there, as by `update-policy` in BIND; \
             PowerDNS says so too if `dnsupdate`, `allow-dnsupdate-from`, TSIG-ALLOW-DNSUPDATE or the secret is not right"
        ),
        Refusal::Server => format!(
            "{at} could not change {zone} (SERVFAIL): its log says why; often it may not write the zone's file or journal"
        ),
        Refusal::Unknown => format!("{at} takes no changes (NOTIMP): name the zone's primary server in `acme.dns.server`"),
        Refusal::Form | Refusal::Other(_) => {
            format!("{at} did not change {name}, and answers {}: its log says why", refusal.name())
        }
    }
}

/// By the exit codes of `doorward dns-change`.
fn interface(title: &str, zone: &str, name: &str, why: &program::Why, output: &str) -> String {
    let code = match why {
        program::Why::Ended(status) => status.code(),
        program::Why::Slow(_) | program::Why::Unstarted(_) | program::Why::Lost(_) => {
            return format!("{title} was to set {name}, and the process that speaks to it did not: {why}");
        }
    };
    match code {
        Some(7) => format!(
            "{title} refuses what `acme.dns.credentials` says: see that it is right and has not ended, and may change records of {zone}"
        ),
        Some(6) => format!(
            "{title} does not know {zone}, or not in this account, or not these keys: see whose account has the zone, or name the zone in \
             `acme.dns.zone`"
        ),
        Some(5) => format!(
            "{title} could not be reached: see that this machine finds its address and may connect to it, and that its certificate \
             is believed here; an authority of your own belongs into `acme.dns.ca_file` ({})",
            beginning(output)
        ),
        // A panic, as where its memory ends between two pieces.
        Some(101) | None => format!("{title} was to set {name}; what it answered could not be worked on ({why})"),
        Some(_) => format!("{title} was to set {name}, and did not: {}", beginning(output)),
    }
}

/// What fits into a sentence; `doorward cert show` has all of it.
fn beginning(output: &str) -> &str {
    let words = output.strip_prefix("error: ").unwrap_or(output);
    words.get(..words.floor_char_boundary(300)).unwrap_or(words)
}

fn values(shows: &[String]) -> String {
    match shows {
        [] => "no such record".to_owned(),
        some => some.iter().map(|value| format!("\"{value}\"")).collect::<Vec<_>>().join(" and "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(fault: DnsFault) -> String {
        let server = "192.0.2.53:53".parse().expect("an address");
        let (zone, name) = ("example.com".to_owned(), "_acme-challenge.example.com".to_owned());
        Fault::Update { server, zone, key: Some("doorward".to_owned()), name, fault }.to_string()
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        for (refusal, said) in [
            (Refusal::BadKey, "192.0.2.53 does not know the key `doorward`, or does not let it change"),
            (Refusal::BadSignature, "(BADSIG): `acme.dns.secret` must be"),
            (Refusal::BadTime, "(BADTIME): set them"),
            (Refusal::NotAuthoritative, "not in charge of the zone example.com (NOTAUTH)"),
            (Refusal::NotZone, "(NOTZONE)"),
            (Refusal::Refused, "(REFUSED): allow it"),
            (Refusal::Server, "(SERVFAIL): its log says why"),
            (Refusal::Unknown, "(NOTIMP)"),
            (Refusal::Form, "FORMERR"),
            (Refusal::Other(99), "with code 99"),
        ] {
            let sentence = sentence(DnsFault::Said(refusal).at("192.0.2.53:53".parse().expect("an address")));
            assert!(sentence.contains(said), "{sentence}");
        }
        assert!(sentence(DnsFault::Silent).contains("it does not answer: see that `acme.dns.server`"));
        let refused = DnsFault::Unreachable(std::io::ErrorKind::ConnectionRefused.into());
        assert!(sentence(refused).contains("it cannot be reached: connection refused: see"), "{}", sentence(DnsFault::Silent));
    }

    #[test]
    fn a_server_that_hides_the_record_is_named_with_what_it_shows() {
        let hidden = |shows: &[&str]| Fault::Hidden {
            server: "ns2.example.com (192.0.2.54)".to_owned(),
            name: "_acme-challenge.example.com".to_owned(),
            shows: shows.iter().map(|value| (*value).to_owned()).collect(),
            waited: Duration::from_secs(300),
        };
        let said = hidden(&[]).to_string();
        assert!(
            said.starts_with(
                "ns2.example.com (192.0.2.54) shows no such record at _acme-challenge.example.com after 5 minutes: "
            ),
            "{said}"
        );
        assert!(hidden(&["old", "older"]).to_string().contains("shows \"old\" and \"older\" at"));
    }
}
