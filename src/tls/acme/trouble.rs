//! Why no certificate came of an order, in words an owner can act on.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use instant_acme::{Error, Problem};

use crate::base::chain::Chain;
use crate::base::units::in_words;
use crate::base::words::harmless;
use crate::fetch::fault::Fault as FetchFault;
use crate::plan::dns;
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::folder::Proof;
use crate::tls::acme::schedule::Stage;
use crate::tls::dns01::fault::Fault as RecordFault;
use crate::tls::fault::Fault;

/// Longest piece of an authority's words that is shown and kept.
const LONGEST_WORDS: usize = 400;
const URN: &str = "urn:ietf:params:acme:error:";

/// Why no certificate came of an order.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The kind.
    pub kind: Kind,
    /// The authority's own words.
    pub words: Option<String>,
    /// How long the authority asked not to be asked.
    pub retry_after: Option<Duration>,
    /// The authority, as people know it.
    authority: String,
    /// As which of the configuration's authorities it was asked: each has keys of its own there.
    stage: Stage,
    /// How the name was to be proven when it failed.
    proof: Option<Proof>,
}

/// The kinds of trouble (RFC 8555 section 6.7, and what is ours).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It could not reach the name's ports.
    Connection,
    /// It reached something else than us.
    Unauthorized,
    /// It found no address for the name.
    Dns,
    /// It met something else than our proof on port 443.
    Tls,
    /// The name's CAA records forbid it to issue.
    Caa,
    /// A limit of its is reached.
    RateLimited,
    /// It does not certify such a name.
    Rejected,
    /// It does not take the contact address.
    Contact,
    /// It wants its terms to be agreed to anew.
    Terms,
    /// It wants an account that it knows already.
    External,
    /// It does not know us as whom we say we are.
    Binding,
    /// It does not offer this kind of certificate.
    Profile {
        /// The one that is wanted; empty where it is the authority that says so.
        wanted: String,
        /// Those that it offers.
        offered: String,
    },
    /// Orders run, which have to end first.
    Busy,
    /// It has forgotten our account or order.
    Forgotten,
    /// It would not take a nonce, again and again.
    Nonce,
    /// Something is wrong with it.
    Internal,
    /// It cannot be reached.
    Away(String),
    /// It is not believed to be who it says.
    Untrusted(String),
    /// It does not finish.
    Slow,
    /// It offers no way of proving that we are allowed to use.
    NoWay,
    /// The record in DNS that proves the name could not be shown, so that the authority was not asked to look.
    Record(String),
    /// What it issued, or our own disk, is of no use.
    Local(String),
    /// Anything else.
    Other,
}

impl Trouble {
    /// What a library's error says; `authority` is the directory's URL.
    pub fn of(error: &Error, authority: &str) -> Self {
        let none = |kind| Self::bare(kind, authority);
        match error {
            Error::Api(problem) => Self::said(problem, authority),
            Error::Timeout(_) => none(Kind::Slow),
            Error::Other(other) => match other.downcast_ref::<FetchFault>() {
                Some(fault @ FetchFault::Tls(_)) => none(Kind::Untrusted(Chain(fault).to_string())),
                // The sentence says that much itself.
                Some(fault) => none(Kind::Away(Chain(fault).to_string().trim_start_matches("it cannot be reached: ").to_owned())),
                None => Self { words: Some(clean(&other.to_string())), ..none(Kind::Other) },
            },
            Error::Json(_) => none(Kind::Away("what answers there does not speak ACME".to_owned())),
            other => Self { words: Some(clean(&other.to_string())), ..none(Kind::Other) },
        }
    }

    /// What a problem document says.
    pub fn said(problem: &Problem, authority: &str) -> Self {
        // The first part that speaks of a name says more than the whole.
        let part = problem.subproblems.first();
        let kind = part.and_then(|part| part.r#type.as_deref()).or(problem.r#type.as_deref()).unwrap_or_default();
        let words = part.and_then(|part| part.detail.as_deref()).or(problem.detail.as_deref());
        // Some authorities call it unauthorized when nobody answered on port 443.
        let unanswered = words.is_some_and(|words| words.starts_with("Failed to connect"));
        Self {
            kind: match by_type(kind.strip_prefix(URN).unwrap_or(kind)) {
                Kind::Unauthorized if unanswered => Kind::Connection,
                other => other,
            },
            words: words.map(clean),
            ..Self::bare(Kind::Other, authority)
        }
    }

    /// Trouble of ours.
    pub fn local(fault: &Fault, authority: &str) -> Self {
        Self::bare(Kind::Local(Chain(fault).to_string()), authority)
    }

    /// Trouble with a record in DNS, with what the owner's program said.
    pub fn record(fault: &RecordFault, authority: &str) -> Self {
        let bare = Self::bare(Kind::Record(clean(&fault.to_string())), authority);
        Self { words: fault.output().map(str::to_owned), ..bare }.proving(Proof::Dns01)
    }

    /// Trouble of which nobody says more.
    pub fn bare(kind: Kind, authority: &str) -> Self {
        Self { kind, words: None, retry_after: None, authority: name(authority), stage: Stage::Production, proof: None }
    }

    /// The same, where it was asked as that.
    #[must_use]
    pub fn at(self, stage: Stage) -> Self {
        Self { stage, ..self }
    }

    /// The same, while a name was being proven.
    #[must_use]
    pub fn proving(self, proof: Proof) -> Self {
        Self { proof: Some(proof), ..self }
    }

    /// The same, with how long the authority asked for peace.
    #[must_use]
    pub fn after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    /// Whether the authority took the order up, so that it counts there. Where it was tried out: whether it says something about
    /// the name, and not only about that authority and what we are to it.
    pub fn counts(&self) -> bool {
        if self.stage == Stage::Staging {
            return self.is_about_the_name();
        }
        match self.kind {
            Kind::Away(_) | Kind::Untrusted(_) | Kind::Internal | Kind::Nonce | Kind::Forgotten | Kind::Busy => false,
            Kind::Record(_) => false,
            // Where it says so itself, it was asked.
            Kind::Profile { ref wanted, .. } => wanted.is_empty(),
            Kind::Connection
            | Kind::Unauthorized
            | Kind::Dns
            | Kind::Tls
            | Kind::Caa
            | Kind::RateLimited
            | Kind::Rejected
            | Kind::Contact
            | Kind::Terms
            | Kind::External
            | Kind::Binding
            | Kind::Slow
            | Kind::NoWay
            | Kind::Local(_)
            | Kind::Other => true,
        }
    }

    /// Whether it says something of the name, and not only of that authority, its limits, or what we are to it.
    fn is_about_the_name(&self) -> bool {
        match self.kind {
            Kind::Connection | Kind::Dns | Kind::Tls | Kind::Caa | Kind::Record(_) | Kind::Local(_) => true,
            Kind::Unauthorized => self.proof.is_some(),
            Kind::Away(_)
            | Kind::Untrusted(_)
            | Kind::Internal
            | Kind::Nonce
            | Kind::Forgotten
            | Kind::Busy
            | Kind::Profile { .. }
            | Kind::RateLimited
            | Kind::Rejected
            | Kind::Contact
            | Kind::Terms
            | Kind::External
            | Kind::Binding
            | Kind::Slow
            | Kind::NoWay
            | Kind::Other => false,
        }
    }

    /// Whether another way of proving the name may do what this one did not.
    pub fn may_be_the_way(&self) -> bool {
        let kinds =
            matches!(self.kind, Kind::Connection | Kind::Unauthorized | Kind::Dns | Kind::Tls | Kind::NoWay | Kind::Record(_));
        self.proof.is_some() && kinds
    }

    /// The same, when an order for `host` was not taken at all.
    #[must_use]
    pub fn ordering(self, host: &HostPattern) -> Self {
        // Authorities that know of no addresses find the request malformed.
        let kind = if host.ip().is_some() && self.kind == Kind::Other { Kind::Rejected } else { self.kind };
        Self { kind, ..self }
    }

    /// The same, when it was about as whom the authority knows us.
    #[must_use]
    pub fn binding(self) -> Self {
        let kind = if matches!(self.kind, Kind::Unauthorized | Kind::Other) { Kind::Binding } else { self.kind };
        Self { kind, ..self }
    }

    /// Why something about our account or a certificate was not done, which `what` names as in "did not …".
    pub fn refusal(&self, what: &str) -> String {
        let known = self.about_us().filter(|_| self.kind != Kind::Unauthorized);
        if let Some(told) = known {
            return told;
        }
        let why = if let Kind::Local(why) = &self.kind { Some(why) } else { self.words.as_ref() };
        format!("{} did not {what}{}", self.authority, why.map(|why| format!(": {why}")).unwrap_or_default())
    }

    /// What happened to `host`, and what to do.
    pub fn sentence(&self, host: &HostPattern) -> String {
        let by_dns = || (self.proof == Some(Proof::Dns01)).then(|| self.by_dns(host)).flatten();
        self.about_us().or_else(by_dns).unwrap_or_else(|| self.about_name(host))
    }

    /// The key in the configuration that names the authority.
    const fn directory(&self) -> &'static str {
        match self.stage {
            Stage::Production => "acme.directory",
            Stage::Staging => "acme.staging_directory",
            Stage::Fallback => "acme.fallback_directory",
        }
    }

    /// The key that says as whom it knows us; there is none where orders are tried out.
    const fn eab(&self) -> Option<&'static str> {
        match self.stage {
            Stage::Production => Some("acme.eab"),
            Stage::Staging => None,
            Stage::Fallback => Some("acme.fallback_eab"),
        }
    }

    /// Where it is about the authority, or about us as its customer.
    fn about_us(&self) -> Option<String> {
        let (ca, words) = (&self.authority, self.in_brackets());
        Some(match &self.kind {
            Kind::Unauthorized if self.proof.is_none() => format!(
                "{ca} does not take orders from our account{words}: it may have been closed there; the gateway makes a new one if its \
                 file in `certs/acme` is removed"
            ),
            Kind::Contact => format!("{ca} does not take the address in `acme.email`: write another, or remove it"),
            Kind::Terms => format!("{ca} has new terms: read them there; the gateway then asks again"),
            Kind::External => {
                let Some(key) = self.eab() else {
                    return Some(format!(
                        "{ca} serves known customers only, so that nothing can be tried out there: set `acme.staging_directory` \
                         to another"
                    ));
                };
                format!("{ca} serves known customers only: set `{key}` to the key id and HMAC key that it gives you on its site")
            }
            Kind::Binding => format!(
                "{ca} does not know us as `{}` says{words}: copy `kid` and `hmac_key` anew from its site; some can be used only once",
                self.eab().unwrap_or("acme.eab")
            ),
            Kind::Profile { wanted, offered } if wanted.is_empty() || offered.is_empty() => {
                format!("{ca} does not take the profile in `acme.profile`{words}: write another, or remove it")
            }
            Kind::Profile { wanted, offered } => {
                format!("{ca} has no profile `{}`: set `acme.profile` to one of {}, or remove it", clean(wanted), clean(offered))
            }
            Kind::Busy => "an order runs and needs the key of our account: try again when it has ended".to_owned(),
            Kind::Forgotten => format!("{ca} has forgotten our account or order: the gateway begins anew"),
            Kind::Nonce => format!("{ca} took none of many nonces: it is out of order, and the gateway tries again"),
            Kind::Internal => format!("{ca} is out of order: the gateway tries again"),
            Kind::Away(why) => format!(
                "{ca} cannot be reached ({why}): see that this machine may connect to it, and that `{}` is right",
                self.directory()
            ),
            Kind::Untrusted(why) => format!(
                "no trusted connection to {ca} comes about ({why}): is this machine's clock right? A private authority's own \
                 certificate belongs into `acme.ca_file`"
            ),
            Kind::Connection | Kind::Unauthorized | Kind::Dns | Kind::Tls | Kind::Caa | Kind::RateLimited | Kind::Rejected => {
                return None;
            }
            Kind::Slow | Kind::NoWay | Kind::Record(_) | Kind::Local(_) | Kind::Other => return None,
        })
    }

    fn about_name(&self, host: &HostPattern) -> String {
        let ca = &self.authority;
        let port = if self.proof == Some(Proof::TlsAlpn01) { 443 } else { 80 };
        let at = self.address().map(|address| format!(" at {address}")).unwrap_or_default();
        match &self.kind {
            Kind::Connection => format!(
                "{ca} could not reach port {port} of {host}{at}{}: let that port through to this machine (router, firewall), and \
                 see that the A and AAAA records of the name lead here",
                self.reason()
            ),
            Kind::Unauthorized => format!(
                "{ca} reached port {port} of {host}{at}, but somebody else answered there: see that the A and AAAA records of the \
                 name lead here, and that no other server or proxy takes the port"
            ),
            Kind::Dns => format!(
                "{ca} found no address of {host}: add an A or AAAA record for the name; if it is there already, wait until it is \
                 known everywhere"
            ),
            Kind::Tls => format!(
                "{ca} met another TLS server on port {port} of {host}{at}: let TLS through to this machine unopened, or set \
                 `acme.challenge = \"http-01\"`"
            ),
            Kind::Caa => format!(
                "a CAA record of {host} or of a domain above it does not let {ca} issue: add one for it, or remove those that are there"
            ),
            Kind::RateLimited => format!(
                "a limit of {ca} is reached for {host} or its domain{}: nothing but waiting helps, and the gateway does that",
                self.retry_after.map(|pause| format!(" for another {}", in_words(pause))).unwrap_or_default()
            ),
            Kind::Rejected if host.ip().is_some() => format!(
                "{ca} does not certify the address {host}: use a name, or an authority that certifies addresses, or set \
                 `certificate` and `private_key` for it"
            ),
            Kind::Rejected => {
                format!("{ca} does not certify {host}: use another name, or set `certificate` and `private_key` for it")
            }
            Kind::Slow => format!("{ca} did not finish the order for {host} in time: the gateway tries again"),
            Kind::NoWay => format!(
                "{ca} does not let {host} be proven over port {port}: set `acme.challenge` to \"auto\", and add `acme.dns` in case \
                 it wants a proof by DNS"
            ),
            Kind::Record(why) => format!("{host} could not be proven by DNS: {why}"),
            Kind::Local(why) => format!("the certificate for {host} could not be kept or used: {why}"),
            Kind::Contact | Kind::Terms | Kind::External | Kind::Binding | Kind::Profile { .. } | Kind::Busy => {
                self.not_issued(host)
            }
            Kind::Forgotten | Kind::Nonce | Kind::Internal | Kind::Away(_) | Kind::Untrusted(_) | Kind::Other => {
                self.not_issued(host)
            }
        }
    }

    /// The same of what an authority meets in DNS, where that is something else than on a port.
    fn by_dns(&self, host: &HostPattern) -> Option<String> {
        let (ca, name) = (&self.authority, dns::proving(&host.example()));
        let name = match host {
            HostPattern::Exact(_) => name,
            HostPattern::Under(wildcard) => dns::proving(wildcard.parent()),
        };
        let first = match self.kind {
            Kind::Unauthorized | Kind::Dns => format!("{ca} found another value, or none, at {name}"),
            Kind::Connection => format!("{ca} could not ask the name servers of {name}"),
            Kind::NoWay => return Some(format!("{ca} does not let {host} be proven by DNS: it offers other ways only")),
            Kind::Tls
            | Kind::Caa
            | Kind::RateLimited
            | Kind::Rejected
            | Kind::Contact
            | Kind::Terms
            | Kind::External
            | Kind::Binding
            | Kind::Profile { .. }
            | Kind::Busy
            | Kind::Forgotten
            | Kind::Nonce
            | Kind::Internal
            | Kind::Away(_)
            | Kind::Untrusted(_)
            | Kind::Slow
            | Kind::Record(_)
            | Kind::Local(_)
            | Kind::Other => return None,
        };
        Some(format!(
            "{first}, though the servers that were asked from here show it: see that all name servers of the zone answer the world, \
             and that no older record is remembered"
        ))
    }

    fn not_issued(&self, host: &HostPattern) -> String {
        let words = self.words.as_ref().map(|words| format!(": {words}")).unwrap_or_default();
        format!("{} did not issue a certificate for {host}{words}", self.authority)
    }

    fn in_brackets(&self) -> String {
        self.words.as_ref().map(|words| format!(" ({words})")).unwrap_or_default()
    }

    /// The address that the authority went to, if it says so.
    fn address(&self) -> Option<IpAddr> {
        let words = self.words.as_deref()?;
        words.split([' ', ',', '"', '(', ')']).find_map(|word| {
            let word = word.trim_end_matches([':', '.', ';']);
            let whole = word.trim_start_matches('[').trim_end_matches(']').parse().ok();
            whole.or_else(|| word.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
        })
    }

    /// The end of what the authority says, where the system's words stand.
    fn reason(&self) -> &'static str {
        let words = self.words.as_deref().unwrap_or_default().to_ascii_lowercase();
        if words.contains("refused") {
            ": connection refused"
        } else if words.contains("timeout") || words.contains("timed out") || words.contains("deadline") {
            ": no answer"
        } else if words.contains("no route") || words.contains("unreachable") {
            ": no route to it"
        } else if words.contains("reset") || words.contains("eof") {
            ": the connection broke"
        } else {
            ""
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.words.as_deref().unwrap_or_default())
    }
}

fn by_type(name: &str) -> Kind {
    match name {
        "connection" => Kind::Connection,
        "unauthorized" | "incorrectResponse" => Kind::Unauthorized,
        "dns" => Kind::Dns,
        "tls" => Kind::Tls,
        "caa" => Kind::Caa,
        "rateLimited" => Kind::RateLimited,
        "rejectedIdentifier" | "unsupportedIdentifier" => Kind::Rejected,
        "invalidContact" | "unsupportedContact" => Kind::Contact,
        "userActionRequired" => Kind::Terms,
        "externalAccountRequired" => Kind::External,
        "accountDoesNotExist" => Kind::Forgotten,
        "badNonce" => Kind::Nonce,
        "invalidProfile" => Kind::Profile { wanted: String::new(), offered: String::new() },
        "serverInternal" => Kind::Internal,
        _ => Kind::Other,
    }
}

/// An authority as people know it.
pub fn name(directory: &str) -> String {
    let uri = directory.parse::<http::Uri>().ok();
    match uri.as_ref().and_then(|uri| uri.host()) {
        Some("acme-v02.api.letsencrypt.org") => "Let's Encrypt".to_owned(),
        Some("acme-staging-v02.api.letsencrypt.org") => "Let's Encrypt (staging)".to_owned(),
        Some(host) => host.to_owned(),
        None => directory.to_owned(),
    }
}

/// Words of others end up in logs and on terminals.
fn clean(words: &str) -> String {
    harmless(words).chars().take(LONGEST_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::acme::{LETS_ENCRYPT, LETS_ENCRYPT_STAGING};

    fn trouble(kind: &str, words: &str) -> Trouble {
        let text = serde_json::json!({ "type": format!("{URN}{kind}"), "detail": words, "status": 403 });
        Trouble::said(&serde_json::from_value(text).expect("a problem"), LETS_ENCRYPT)
    }

    fn sentence(kind: &str, words: &str) -> String {
        trouble(kind, words).proving(Proof::Http01).sentence(&HostPattern::parse("paperless.example.com").expect("a host"))
    }

    #[test]
    fn every_problem_says_what_happened_and_what_to_do() {
        let refused = "203.0.113.7: Fetching http://paperless.example.com/.well-known/acme-challenge/x: Connection refused";
        assert!(sentence("connection", refused).starts_with(
            "Let's Encrypt could not reach port 80 of paperless.example.com at 203.0.113.7: connection refused: let"
        ),);
        let pebble = "Get \"http://paperless.example.com:5002/.well-known/acme-challenge/x\": dial tcp 127.0.0.1:5002: connect: connection refused";
        assert!(sentence("connection", pebble).contains(" at 127.0.0.1: connection refused: let"));
        let slow = "2001:db8::1: Fetching http://paperless.example.com/x: Timeout during connect (likely firewall problem)";
        assert!(sentence("connection", slow).contains(" at 2001:db8::1: no answer: let"));
        for (kind, said) in [
            ("unauthorized", "somebody else answered there"),
            ("dns", "found no address"),
            ("tls", "met another TLS server"),
            ("caa", "CAA record"),
            ("rateLimited", "nothing but waiting helps"),
            ("rejectedIdentifier", "does not certify paperless.example.com"),
            ("invalidContact", "acme.email"),
            ("userActionRequired", "new terms"),
            ("externalAccountRequired", "known customers only: set `acme.eab`"),
            ("invalidProfile", "the profile in `acme.profile` (the words): write another"),
            ("badNonce", "nonces"),
            ("serverInternal", "out of order"),
            ("malformed", "did not issue a certificate for paperless.example.com: the words"),
        ] {
            assert!(sentence(kind, "the words").contains(said), "{kind}: {}", sentence(kind, "the words"));
        }
        assert_eq!(
            trouble("unauthorized", "Failed to connect to 127.0.0.2:443 for the tls-alpn-01 challenge").kind,
            Kind::Connection
        );
        let tls = trouble("connection", refused).proving(Proof::TlsAlpn01);
        assert!(tls.sentence(&HostPattern::parse("a.example").expect("a host")).contains("port 443 of a.example"));
    }

    #[test]
    fn what_an_authority_meets_in_dns_is_told_as_that() {
        let all = HostPattern::parse("*.example.com").expect("a wildcard");
        let said = |kind: &str| trouble(kind, "No TXT record found").proving(Proof::Dns01).sentence(&all);
        assert!(
            said("unauthorized")
                .starts_with("Let's Encrypt found another value, or none, at _acme-challenge.example.com, though")
        );
        assert!(said("dns").contains("at _acme-challenge.example.com"));
        assert!(said("connection").contains("could not ask the name servers"));
        assert!(said("caa").contains("CAA record of *.example.com"));
        let fault = RecordFault::Zone {
            server: "192.0.2.53".to_owned(),
            name: "_acme-challenge.example.com".to_owned(),
            fault: crate::dns::fault::Fault::Silent,
        };
        let own = Trouble::record(&fault, LETS_ENCRYPT);
        assert!(!own.counts() && own.may_be_the_way());
        assert!(own.sentence(&all).starts_with("*.example.com could not be proven by DNS: 192.0.2.53 does not say"));
    }

    #[test]
    fn what_is_said_depends_on_what_was_asked() {
        let host = HostPattern::parse("a.example").expect("a host");
        assert!(trouble("unauthorized", "deactivated").sentence(&host).contains("orders from our account (deactivated)"));
        assert!(!trouble("unauthorized", "deactivated").may_be_the_way());
        assert!(trouble("malformed", "bad MAC").binding().sentence(&host).contains("`acme.eab` says (bad MAC)"));
        let address = HostPattern::parse("203.0.113.7").expect("a host");
        for kind in ["malformed", "rejectedIdentifier", "unsupportedIdentifier"] {
            assert!(
                trouble(kind, "no").ordering(&address).sentence(&address).contains("certify the address 203.0.113.7"),
                "{kind}"
            );
        }
        let (wanted, offered) = ("short\u{202e}".to_owned(), "classic, tlsserver".to_owned());
        let profile = Trouble::bare(Kind::Profile { wanted, offered }, LETS_ENCRYPT);
        let said = "Let's Encrypt has no profile `short\u{fffd}`: set `acme.profile` to one of classic, tlsserver, or remove it";
        assert_eq!((profile.sentence(&host).as_str(), profile.counts()), (said, false));
        assert_eq!(trouble("unauthorized", "no").refusal("revoke it"), "Let's Encrypt did not revoke it: no");
        assert!(trouble("serverInternal", "").refusal("revoke it").contains("out of order"));
    }

    /// The attack: an authority whose words steer the terminal of whoever reads them.
    #[test]
    fn words_of_others_are_cleaned_and_cut() {
        let words = format!("\u{1b}[31m{}", "x".repeat(10_000));
        let kept = trouble("dns", &words).words.expect("words");
        assert!(!kept.contains('\u{1b}') && kept.chars().count() == LONGEST_WORDS);
    }

    #[test]
    fn what_never_reached_the_authority_does_not_count_there() {
        assert!(trouble("connection", "").counts() && trouble("caa", "").counts());
        assert!(!trouble("badNonce", "").counts() && !trouble("serverInternal", "").counts());
        let away = Trouble::of(&Error::Other(Box::new(FetchFault::TooSlow)), LETS_ENCRYPT);
        assert!(!away.counts() && away.sentence(&HostPattern::parse("a.example").expect("a host")).contains("it took too long"));
    }

    #[test]
    fn each_authority_of_a_configuration_is_told_of_with_its_own_keys() {
        let host = HostPattern::parse("a.example").expect("a host");
        let said = |kind: Kind, stage| Trouble::bare(kind, LETS_ENCRYPT).at(stage).sentence(&host);
        let away = |stage| said(Kind::Away("why".to_owned()), stage);
        assert!(away(Stage::Production).ends_with("that `acme.directory` is right"));
        assert!(away(Stage::Staging).ends_with("that `acme.staging_directory` is right"));
        assert!(away(Stage::Fallback).ends_with("that `acme.fallback_directory` is right"));
        assert!(said(Kind::External, Stage::Fallback).contains("set `acme.fallback_eab`"));
        assert!(said(Kind::Binding, Stage::Fallback).contains("as `acme.fallback_eab` says"));
        let trial = said(Kind::External, Stage::Staging);
        assert!(trial.contains("`acme.staging_directory`") && !trial.contains("eab"), "{trial}");
    }

    /// What is wrong with the place where things are tried out says nothing about a name.
    #[test]
    fn a_trial_counts_where_it_says_something_about_the_name() {
        let counts = |kind: Kind| Trouble::bare(kind, LETS_ENCRYPT).at(Stage::Staging).counts();
        let not = [Kind::Away(String::new()), Kind::Untrusted(String::new()), Kind::External, Kind::Terms, Kind::Internal];
        assert!(!not.into_iter().any(counts));
        assert!(!counts(Kind::Unauthorized), "of our account there");
        assert!([Kind::Caa, Kind::Dns, Kind::Connection, Kind::Tls, Kind::Record(String::new())].into_iter().all(counts));
        assert!(
            ![Kind::RateLimited, Kind::Other, Kind::Slow, Kind::Rejected, Kind::NoWay].into_iter().any(counts),
            "busy, or another place"
        );
        let unproven = Trouble::bare(Kind::Unauthorized, LETS_ENCRYPT).proving(Proof::Http01).at(Stage::Staging);
        assert!(unproven.counts());
    }

    #[test]
    fn authorities_have_names() {
        assert_eq!(name(LETS_ENCRYPT), "Let's Encrypt");
        assert_eq!(name(LETS_ENCRYPT_STAGING), "Let's Encrypt (staging)");
        assert_eq!(name("https://ca.internal:9000/acme/directory"), "ca.internal");
    }
}
