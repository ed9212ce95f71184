//! `[acme]`: from which authority public names get their certificates, and how.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use http::Uri;

use crate::config::acme::{AcmeTable, WrittenChallenge, WrittenKeyType};
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::placed::{self, Place, Placed};
use crate::plan::dns;
use crate::plan::dns::DnsPolicy;
use crate::plan::eab::{self, Eab};
use crate::plan::listener::Listen;
use crate::plan::settings;
use crate::plan::whole::Plan;
use crate::policy::host::Host;
use crate::policy::wildcard::HostPattern;

/// The authority unless another is written.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Where it lets orders be tried out.
pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// Longest name of a profile; authorities' have a dozen letters.
const LONGEST_PROFILE: usize = 64;
/// RFC 5321 section 4.5.3.1.3.
const LONGEST_ADDRESS: usize = 254;

/// From which authority certificates come, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmePolicy {
    /// Whom the authority may write to.
    pub email: Option<String>,
    /// The authority's directory (RFC 8555 section 7.1.1).
    pub directory: String,
    /// Where orders are tried out after some have failed.
    pub staging: Option<String>,
    /// File of the only authorities that are believed to be the directory; the system's if there is none.
    pub ca_file: Option<PathBuf>,
    /// How a name is proven.
    pub challenge: Challenge,
    /// Which keys certificates get.
    pub key_type: KeyType,
    /// Who changes the zone where a name is proven by DNS.
    pub dns: Option<DnsPolicy>,
    /// Whom to ask about DNS; the system's resolvers and the zone's own servers if there are none.
    pub resolvers: Vec<SocketAddr>,
    /// Which of its kinds of certificates the authority is to issue; the usual one if nothing is written.
    pub profile: Option<String>,
    /// As whom the authority knows us already.
    pub eab: Option<Eab>,
    /// The authority that stands in for the first.
    pub fallback: Option<Fallback>,
}

/// The authority that stands in for the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Its directory.
    pub directory: String,
    /// As whom it knows us already.
    pub eab: Option<Eab>,
}

/// How a name is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// By what works.
    Auto,
    /// By a file on port 80 (RFC 8555 section 8.3).
    Http01,
    /// By a certificate on port 443 (RFC 8737).
    TlsAlpn01,
    /// By a record in DNS (RFC 8555 section 8.4).
    Dns01,
}

impl Challenge {
    /// As it is written in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        }
    }
}

/// Which key a certificate gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
}

impl KeyType {
    /// As it is written in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
        }
    }
}

impl AcmePolicy {
    /// What `[acme]` says, in words for a comparison.
    pub fn in_words(policy: Option<&Self>) -> String {
        let Some(policy) = policy else { return "off".to_owned() };
        let (challenge, key) = (policy.challenge.name(), policy.key_type.name());
        let staging = policy.staging.as_ref().map(|staging| format!(", tried out at {staging}")).unwrap_or_default();
        let ca = policy.ca_file.as_ref().map(|file| format!(", believed by {}", file.display())).unwrap_or_default();
        let email = policy.email.as_ref().map(|email| format!(", {email}")).unwrap_or_default();
        let profile = policy.profile.as_ref().map(|profile| format!(", profile {profile}")).unwrap_or_default();
        let known = |eab: &Option<Eab>| eab.as_ref().map(|eab| format!(", known there as {}", eab.kid)).unwrap_or_default();
        let fallback = policy.fallback.as_ref();
        let fallback =
            fallback.map(|fallback| format!(", else {}{}", fallback.directory, known(&fallback.eab))).unwrap_or_default();
        let eab = known(&policy.eab);
        let dns = policy.dns.as_ref().map(|dns| format!(", {dns}")).unwrap_or_default();
        let asked: String = policy.resolvers.iter().map(|server| format!(", asking {server}")).collect();
        format!("{} ({challenge}, {key}{profile}{eab}{staging}{ca}{email}{dns}{asked}{fallback})", policy.directory)
    }

    /// Whether names can be proven by DNS, which wildcards have to be.
    pub fn proves_by_dns(&self) -> bool {
        self.dns.is_some() && matches!(self.challenge, Challenge::Auto | Challenge::Dns01)
    }

    /// Whether what proves to an authority who we are is another than before: that much may be told of a secret.
    pub fn has_other_secrets(&self, before: &Self) -> bool {
        let other = |now: Option<&Eab>, before: Option<&Eab>| {
            now.zip(before).is_some_and(|(now, before)| !now.hmac_key.same_as(before.hmac_key.expose()))
        };
        let fallback = |policy: &Self| policy.fallback.as_ref().and_then(|fallback| fallback.eab.clone());
        let dns = self.dns.as_ref().zip(before.dns.as_ref()).is_some_and(|(now, before)| now.has_other_secret(before));
        dns || other(self.eab.as_ref(), before.eab.as_ref()) || other(fallback(self).as_ref(), fallback(before).as_ref())
    }
}

/// Whether an authority out there may be asked for a certificate for these names: for a public one, and for a wildcard if its
/// zone can be changed. Never for a name under a wildcard, which is whatever a visitor makes up.
pub fn takes(pattern: &HostPattern, policy: Option<&AcmePolicy>) -> bool {
    match pattern {
        HostPattern::Exact(host) => match host.ip() {
            // Not by DNS: RFC 8738 section 7.
            Some(address) => is_public(address) && policy.is_none_or(|policy| policy.challenge != Challenge::Dns01),
            None => !host.is_local(),
        },
        HostPattern::Under(_) => !pattern.is_local() && policy.is_some_and(AcmePolicy::proves_by_dns),
    }
}

/// Whether an address can be reached from everywhere, so that an authority may look at it.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            // RFC 6890: this network, shared with a provider's other customers, protocol assignments, benchmarks, reserved.
            let special =
                a == 0 || (a, b & 0xc0) == (100, 64) || (a, b, c) == (192, 0, 0) || (a, b & 0xfe) == (198, 18) || a >= 224;
            !(special || address.is_private() || address.is_loopback() || address.is_link_local())
        }
        // What is routed at all begins with 2000::/3.
        IpAddr::V6(address) => address.segments()[0] & 0xe000 == 0x2000,
    }
}

/// `[acme]`; off where it is not written.
pub fn compile(document: &Document, listen: &Listen, complaints: &mut Vec<Complaint>) -> Option<AcmePolicy> {
    let table = &document.acme;
    let place = table.spoken_of()?;
    agreed(table, &place, complaints);
    let directory = table.directory.as_ref().map(|written| url(written, "directory", complaints));
    let staging = table.staging_directory.as_ref().map(|written| url(written, "staging_directory", complaints));
    let directory = directory.unwrap_or_else(|| Some(LETS_ENCRYPT.to_owned()));
    let usual = || (directory.as_deref() == Some(LETS_ENCRYPT)).then(|| LETS_ENCRYPT_STAGING.to_owned());
    let staging = staging.unwrap_or_else(usual);
    if let (Some(written), true) = (&table.staging_directory, staging.is_some() && staging == directory) {
        let complaint = Complaint::new(Code::E0206, &written.place, "`staging_directory` is the same as `directory`");
        let complaint = complaint.label("failed orders would count there too").key("acme.staging_directory");
        complaints.push(complaint.help("name the authority's directory for trying out, or remove the key"));
    }
    let challenge = challenge(table, listen, complaints);
    let key_type = match placed::value(table.key_type.as_ref()).unwrap_or(WrittenKeyType::P256) {
        WrittenKeyType::P256 => KeyType::P256,
        WrittenKeyType::P384 => KeyType::P384,
    };
    let email = table.email.as_ref().and_then(|written| email(written, complaints));
    let ca_file = settings::path(document, table.ca_file.as_ref(), "acme.ca_file", complaints);
    let resolvers = dns::resolvers(table.resolvers.as_ref(), complaints);
    let dns = dns::compile(document, &resolvers, complaints);
    let eab = eab::compile(&table.eab, "acme.eab", document, complaints);
    let fallback = fallback(document, directory.as_deref(), complaints);
    let profile = table.profile.as_ref().and_then(|written| profile(written, complaints));
    let directory = directory?;
    Some(AcmePolicy { email, directory, staging, ca_file, challenge, key_type, dns, resolvers, profile, eab, fallback })
}

fn fallback(document: &Document, first: Option<&str>, complaints: &mut Vec<Complaint>) -> Option<Fallback> {
    let table = &document.acme;
    let eab = eab::compile(&table.fallback_eab, "acme.fallback_eab", document, complaints);
    let Some(written) = &table.fallback_directory else {
        if let (Some(place), true) = (&table.fallback_eab.place, eab.is_some()) {
            let complaint = Complaint::new(Code::E0202, place, "`fallback_eab` is for an authority that is not named");
            complaints.push(complaint.help("add `fallback_directory = \"https://…\"`").key("acme.fallback_directory"));
        }
        return None;
    };
    let directory = url(written, "fallback_directory", complaints)?;
    if Some(directory.as_str()) == first {
        let complaint = Complaint::new(Code::E0206, &written.place, "`fallback_directory` is the same as `directory`");
        let complaint = complaint.label("it is to stand in when that one fails").key("acme.fallback_directory");
        complaints.push(complaint.help("name another authority's directory, or remove the key"));
    }
    Some(Fallback { directory, eab })
}

/// Which there are only the authority knows.
fn profile(written: &Placed<String>, complaints: &mut Vec<Complaint>) -> Option<String> {
    let name = &written.value;
    let fits = (1..=LONGEST_PROFILE).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if !fits {
        let complaint = Complaint::new(Code::E0206, &written.place, "`profile` is no name of one").key("acme.profile");
        complaints.push(complaint.label("such as \"shortlived\" or \"tlsserver\"; it may be left out"));
    }
    fits.then(|| name.clone())
}

/// Warns of names that `[acme]` cannot serve, and where it serves none.
pub fn look(plan: &Plan, document: &Document, complaints: &mut Vec<Complaint>) {
    let Some(place) = document.acme.spoken_of().filter(|_| plan.acme.is_some()) else { return };
    let policy = plan.acme.as_ref();
    let mut served = takes(&HostPattern::Exact(plan.portal.clone()), policy) && plan.tls.certificate.is_none();
    for (app, table) in plan.apps.iter().zip(&document.apps) {
        let own = app.certificate.is_some() || plan.tls.certificate.is_some();
        served |= !own && app.patterns().any(|pattern| takes(&pattern, policy));
        for written in table.hosts.iter().filter(|_| !own) {
            let pattern = HostPattern::parse(&written.value).ok().filter(|pattern| !takes(pattern, policy));
            match pattern {
                Some(pattern @ HostPattern::Under(_)) if !pattern.is_local() => {
                    complaints.push(unproven(&pattern, &written.place, policy));
                }
                Some(pattern @ HostPattern::Exact(_)) if pattern.ip().is_some_and(is_public) => {
                    complaints.push(no_zone(&pattern, &written.place));
                }
                Some(HostPattern::Under(_) | HostPattern::Exact(_)) | None => {}
            }
        }
    }
    if !served {
        let complaint = Complaint::new(Code::W0506, &place, "[acme] has no name to get a certificate for");
        let complaint = complaint.label("every host is local or has files of its own").key("acme");
        complaints.push(complaint.help("remove [acme], or give an app a public name"));
    }
}

/// A warning, not an error: what is under the wildcard is served over the local authority's certificate, as without [acme].
fn unproven(pattern: &HostPattern, place: &Place, policy: Option<&AcmePolicy>) -> Complaint {
    let complaint = Complaint::new(Code::W0502, place, format!("`{pattern}` gets no certificate by ACME")).key("app.host");
    match policy.map(|policy| (policy.challenge, policy.dns.is_some())) {
        Some((challenge @ (Challenge::Http01 | Challenge::TlsAlpn01), true)) => {
            let complaint =
                complaint.label(format!("a wildcard is proven by DNS, and `acme.challenge` is \"{}\"", challenge.name()));
            complaint.help("set `acme.challenge` to \"auto\" or \"dns-01\"")
        }
        Some((Challenge::Auto | Challenge::Dns01, _) | (Challenge::Http01 | Challenge::TlsAlpn01, false)) | None => {
            let complaint = complaint.label("a wildcard is proven by DNS, and there is no `acme.dns`");
            complaint.help("add `acme.dns`, name the hosts, or set `certificate` and `private_key`")
        }
    }
}

/// A warning as well, of an address where `acme.challenge` is "dns-01".
fn no_zone(pattern: &HostPattern, place: &Place) -> Complaint {
    let complaint = Complaint::new(Code::W0502, place, format!("`{pattern}` gets no certificate by ACME")).key("app.host");
    let complaint = complaint.label("an address is never proven by DNS, and `acme.challenge` is \"dns-01\"");
    complaint.help("set `acme.challenge` to \"auto\", use a name, or set `certificate` and `private_key`")
}

fn agreed(table: &AcmeTable, place: &Place, complaints: &mut Vec<Complaint>) {
    match &table.agree_tos {
        Some(written) if written.value => {}
        Some(written) => {
            let complaint =
                Complaint::new(Code::E0206, &written.place, "an authority issues only to those who agree to its terms");
            let complaint = complaint.label("must be true for [acme] to work").fix("true").key("acme.agree_tos");
            complaints.push(
                complaint.help("read them at the authority, such as https://letsencrypt.org/repository/, or remove [acme]"),
            );
        }
        None => {
            let complaint = Complaint::new(Code::E0202, place, "[acme] has no `agree_tos`").key("acme.agree_tos");
            let complaint = complaint.label("do you agree to the authority's terms?");
            complaints
                .push(complaint.help("add `agree_tos = true`; Let's Encrypt has them at https://letsencrypt.org/repository/"));
        }
    }
}

fn challenge(table: &AcmeTable, listen: &Listen, complaints: &mut Vec<Complaint>) -> Challenge {
    match placed::value(table.challenge.as_ref()).unwrap_or(WrittenChallenge::Auto) {
        WrittenChallenge::Auto => Challenge::Auto,
        WrittenChallenge::TlsAlpn01 => Challenge::TlsAlpn01,
        WrittenChallenge::Dns01 => {
            if let (Some(written), None, None) = (&table.challenge, &table.dns.place, &table.dns.provider) {
                let complaint = Complaint::new(Code::E0202, &written.place, "`dns-01` needs `acme.dns`").key("acme.dns");
                let complaint = complaint.label("who changes the zone?");
                complaints.push(
                    complaint.help("add `dns = { provider = \"cloudflare\", … }`, or another provider, \"rfc2136\" or \"exec\""),
                );
            }
            Challenge::Dns01
        }
        WrittenChallenge::Http01 => {
            if let (Some(written), true) = (&table.challenge, listen.http.is_empty()) {
                let complaint = Complaint::new(Code::E0206, &written.place, "`http-01` is answered over plain HTTP");
                let complaint = complaint.label("`listen.http` is empty").key("acme.challenge");
                complaints.push(complaint.help("write \"tls-alpn-01\", or listen on port 80 again"));
            }
            Challenge::Http01
        }
    }
}

/// Not a parser of addresses: what would break the account's request, or is certainly none, is refused; the authority does the rest.
fn email(written: &Placed<String>, complaints: &mut Vec<Complaint>) -> Option<String> {
    let address = written.value.trim();
    let is_host = |text: &str| Host::parse(text).is_ok_and(|host| host.as_str().contains('.'));
    let odd = |letter: char| letter.is_control() || letter.is_whitespace() || ",;:<>()[]\\\"?&%#".contains(letter);
    let fits = address.len() <= LONGEST_ADDRESS
        && address
            .rsplit_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !name.contains(odd) && !name.contains('@') && is_host(host));
    if !fits {
        let complaint = Complaint::new(Code::E0206, &written.place, "`email` is no address").key("acme.email");
        complaints.push(complaint.label("such as \"ops@example.com\"; it may be left out"));
    }
    fits.then(|| address.to_owned())
}

fn url(written: &Placed<String>, key: &str, complaints: &mut Vec<Complaint>) -> Option<String> {
    let mut refuse = |label: &str| {
        let message = format!("`{key}` is no directory of an authority");
        let complaint = Complaint::new(Code::E0206, &written.place, message).label(label).key(format!("acme.{key}"));
        complaints.push(complaint.help(format!("write the whole address, such as {LETS_ENCRYPT}")));
        None
    };
    let Ok(url) = written.value.parse::<Uri>() else { return refuse("not a URL") };
    if url.scheme_str() != Some("https") {
        return refuse("it must begin with https://");
    }
    let Some(authority) = url.authority() else { return refuse("it names no host") };
    if authority.as_str().contains('@') {
        return refuse("a name and a password do not belong here");
    }
    if Host::parse(authority.host()).is_err() {
        return refuse("its host cannot be one");
    }
    Some(written.value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::plan::compile::compile_text;

    fn compiled(table: &str, host: &str) -> Result<(Option<AcmePolicy>, Vec<&'static str>), Vec<&'static str>> {
        let text = format!("{table}\n[[app]]\nhost = \"{host}\"\nupstream = \"http://127.0.0.1:1\"\n");
        let codes = |complaints: Vec<Complaint>| complaints.iter().map(|complaint| complaint.code.name()).collect::<Vec<_>>();
        compile_text(&text).map(|compiled| (compiled.plan.acme.clone(), codes(compiled.warnings))).map_err(codes)
    }

    #[test]
    fn two_lines_are_enough_and_lets_encrypt_has_its_staging() {
        assert_eq!(compiled("", "a.example"), Ok((None, vec![])));
        let (policy, warnings) =
            compiled("[acme]\nagree_tos = true\nemail = \"ops@example.com\"", "a.example").expect("compiles");
        let policy = policy.expect("on");
        assert_eq!((policy.directory.as_str(), policy.staging.as_deref()), (LETS_ENCRYPT, Some(LETS_ENCRYPT_STAGING)));
        assert_eq!((policy.challenge, policy.key_type, warnings), (Challenge::Auto, KeyType::P256, vec![]));
        let (policy, _) =
            compiled("[acme]\nagree_tos = true\ndirectory = \"https://ca.internal:9000/acme/acme/directory\"", "a.example")
                .expect("compiles");
        assert_eq!(policy.expect("on").staging, None, "another authority has no staging of Let's Encrypt's");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (table, code) in [
            ("[acme]", "E0202"),
            ("[acme]\nagree_tos = false", "E0206"),
            ("[acme]\nagree_tos = true\nemail = \"ops\"", "E0206"),
            ("[acme]\nagree_tos = true\nemail = \"a b@example.com\"", "E0206"),
            ("[acme]\nagree_tos = true\nemail = \"a@b.example,c@d.example\"", "E0206"),
            ("[acme]\nagree_tos = true\ndirectory = \"http://ca.example/\"", "E0206"),
            ("[acme]\nagree_tos = true\ndirectory = \"https://u:p@ca.example/\"", "E0206"),
            ("[acme]\nagree_tos = true\ndirectory = \"/dir\"", "E0206"),
            ("[acme]\nagree_tos = true\nstaging_directory = \"https://acme-v02.api.letsencrypt.org/directory\"", "E0206"),
            ("[acme]\nagree_tos = true\nchallenge = \"http-01\"\n[listen]\nhttp = []", "E0206"),
            ("[acme]\nagree_tos = true\nchallenge = \"dns-01\"", "E0202"),
            ("[acme]\nagree_tos = true\nresolvers = []", "E0206"),
            ("[acme]\nagree_tos = true\nresolvers = [\"ns.example\"]", "E0206"),
            ("[acme]\nagree_tos = true\nkey_type = \"rsa2048\"", "E0206"),
            ("[acme]\nagree_tos = true\nprofile = \"\"", "E0206"),
            ("[acme]\nagree_tos = true\nprofile = \"a b\"", "E0206"),
            ("[acme]\nagree_tos = true\nfallback_directory = \"http://ca.example/\"", "E0206"),
            ("[acme]\nagree_tos = true\nfallback_directory = \"https://acme-v02.api.letsencrypt.org/directory\"", "E0206"),
        ] {
            assert_eq!(compiled(table, "a.example"), Err(vec![code]), "{table}");
        }
    }

    #[test]
    fn only_public_names_without_files_are_ordered() {
        for (host, warned) in [
            ("a.example", vec![]),
            ("a.home.arpa", vec!["W0506"]),
            ("127.0.0.1", vec!["W0506"]),
            ("192.168.1.7", vec!["W0506"]),
            ("203.0.113.7", vec![]),
            ("[2001:db8::1]", vec![]),
            ("[fd00::1]", vec!["W0506"]),
        ] {
            assert_eq!(compiled("[acme]\nagree_tos = true", host).expect("compiles").1, warned, "{host}");
        }
        let wildcard = "portal = \"https://a.localhost\"\n[acme]\nagree_tos = true";
        assert_eq!(compiled(wildcard, "*.a.example").expect("compiles").1, ["W0506", "W0502"]);
        let hook = "dns = { provider = \"exec\", command = [\"/hook\"] }";
        let proven = format!("{wildcard}\n{hook}");
        assert_eq!(compiled(&proven, "*.a.example").expect("compiles").1, Vec::<&str>::new());
        assert_eq!(compiled(&proven, "*.a.internal").expect("compiles").1, ["W0506"]);
        let other = format!("{proven}\nchallenge = \"tls-alpn-01\"");
        assert_eq!(compiled(&other, "*.a.example").expect("compiles").1, ["W0506", "W0502"]);
        let by_dns = format!("{proven}\nchallenge = \"dns-01\"");
        assert_eq!(compiled(&by_dns, "a.example").expect("compiles").1, Vec::<&str>::new());
        assert_eq!(compiled(&by_dns, "203.0.113.7").expect("compiles").1, ["W0506", "W0502"], "never by DNS");
        let files = "[tls]\ncertificate = \"a.pem\"\nprivate_key = \"a.key\"\n[acme]\nagree_tos = true";
        assert_eq!(compiled(files, "a.example").expect("compiles").1, ["W0506"]);
    }

    #[test]
    fn only_addresses_that_the_world_can_reach_are_ordered() {
        for text in ["203.0.113.7", "8.8.8.8", "100.128.0.1", "2001:db8::1", "2606:4700::1111"] {
            assert!(is_public(text.parse().expect("an address")), "{text}");
        }
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "192.0.0.8",
            "192.168.0.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "64:ff9b::1",
        ] {
            assert!(!is_public(text.parse().expect("an address")), "{text}");
        }
    }

    #[test]
    fn a_profile_and_a_second_authority_are_told_in_words() {
        let table = "[acme]\nagree_tos = true\nprofile = \"shortlived\"\neab = { kid = \"k1\", hmac_key = \"c2VjcmV0\" }\n\
                     fallback_directory = \"https://other.example/dir\"\nfallback_eab = { kid = \"k2\", hmac_key = \"c2VjcmV0\" }";
        let policy = compiled(table, "a.example").expect("compiles").0.expect("on");
        let words = AcmePolicy::in_words(Some(&policy));
        for part in ["profile shortlived", "known there as k1", "else https://other.example/dir, known there as k2"] {
            assert!(words.contains(part), "{words}");
        }
        let other =
            AcmePolicy { eab: policy.eab.clone().map(|eab| Eab { hmac_key: Secret::new(vec![1]), ..eab }), ..policy.clone() };
        assert!(other.has_other_secrets(&policy) && !policy.has_other_secrets(&policy) && other != policy);
        assert_eq!(AcmePolicy::in_words(Some(&other)), words);
        let signed = |key: &str| {
            let dns = format!("provider = \"rfc2136\", server = \"192.0.2.53\", key_name = \"k\", secret = \"{key}\"");
            compiled(&format!("{table}\ndns = {{ {dns} }}"), "a.example").expect("compiles").0.expect("on")
        };
        let [one, two] = ["b25lIGtleSBvZiBkbnMgdXBkYXRlcw==", "YW5vdGhlciBrZXkgb2YgdXBkYXRlcw=="].map(signed);
        assert!(one.has_other_secrets(&two) && !one.has_other_secrets(&one));
    }
}
