//! `acme.dns`: who changes the zone where a name is proven by DNS, and whom to ask whether it has happened.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use data_encoding::BASE64;

use crate::base::secret::Secret;
use crate::base::units::written as duration;
use crate::config::complaint::{Code, Complaint};
use crate::config::dns::{DnsTable, WrittenAlgorithm};
use crate::config::document::Document;
use crate::config::nearest::nearest;
use crate::config::placed::{Place, Placed};
use crate::config::secret::WrittenSecret;
use crate::plan::dns_interface;
use crate::plan::dns_interface::Interface;
use crate::plan::dns_providers;
use crate::policy::host::Host;

/// How long name servers may take to show a record, unless the owner says otherwise. Secondary servers of large providers need
/// minutes.
const TIMEOUT: Duration = Duration::from_secs(5 * 60);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Most servers in `acme.resolvers`.
const MOST_RESOLVERS: usize = 8;
/// Most words of a command.
const MOST_WORDS: usize = 32;
/// A key shorter than this is guessed (RFC 8945 section 8 asks for the length of the hash; RFC 6151 for 16 bytes at least).
const SHORTEST_KEY: usize = 16;

/// Who changes the zone, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsPolicy {
    /// Who.
    pub provider: Provider,
    /// Whom to ask about DNS; the system's resolvers and the zone's own servers if there are none.
    pub resolvers: Vec<SocketAddr>,
    /// How long name servers may take to show a record.
    pub timeout: Duration,
}

/// Who changes the zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The zone's primary server, told by us.
    Rfc2136 {
        /// The server.
        server: SocketAddr,
        /// The zone, if the owner says it.
        zone: Option<String>,
        /// What the change is signed with.
        key: Option<UpdateKey>,
    },
    /// A program of the owner's: an absolute path, then its first arguments.
    Exec(Vec<String>),
    /// A provider, over its interface on the web.
    Interface(Interface),
}

impl Provider {
    /// What it is called in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rfc2136 { .. } => "rfc2136",
            Self::Exec(_) => "exec",
            Self::Interface(interface) => interface.provider.name,
        }
    }

    /// Whether a name can say no more than one thing there, so that names have to be proven one after the other.
    pub fn holds_one_value(&self) -> bool {
        match self {
            Self::Interface(interface) => interface.provider.holds_one_value,
            Self::Rfc2136 { .. } | Self::Exec(_) => false,
        }
    }
}

/// A key that the zone's server knows too.
#[derive(Clone, Debug)]
pub struct UpdateKey {
    /// Its name there.
    pub name: String,
    /// How it signs.
    pub algorithm: KeyAlgorithm,
    /// Its bytes.
    pub secret: Secret<Vec<u8>>,
}

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// HMAC with SHA-256.
    Sha256,
    /// With SHA-384.
    Sha384,
    /// With SHA-512.
    Sha512,
}

impl PartialEq for UpdateKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.algorithm) == (&other.name, other.algorithm) && self.secret.same_as(other.secret.expose())
    }
}

impl Eq for UpdateKey {}

impl DnsPolicy {
    /// Whether the key's bytes or its algorithm, of which no comparison tells more, are others than before.
    pub fn has_other_secret(&self, before: &Self) -> bool {
        match (&self.provider, &before.provider) {
            (Provider::Rfc2136 { key: Some(now), .. }, Provider::Rfc2136 { key: Some(before), .. }) => {
                now.algorithm != before.algorithm || !now.secret.same_as(before.secret.expose())
            }
            (Provider::Interface(now), Provider::Interface(before)) => {
                now.provider == before.provider && !now.is_let_in_as(before)
            }
            (Provider::Rfc2136 { .. } | Provider::Exec(_) | Provider::Interface(_), _) => false,
        }
    }
}

impl fmt::Display for DnsPolicy {
    /// Without secrets, for a comparison.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.provider {
            Provider::Rfc2136 { server, zone, key } => {
                let zone = zone.as_ref().map(|zone| format!(" for {zone}")).unwrap_or_default();
                let key = key.as_ref().map_or("no key", |key| key.name.as_str());
                write!(f, "DNS by {server}{zone} with {key}, {}", duration(self.timeout))
            }
            Provider::Interface(Interface { provider, zone, ca_file, credentials }) => {
                // Where the others go is told by it.
                let url = credentials.get("url").map(|url| format!(" at {}", url.expose())).unwrap_or_default();
                let zone = zone.as_ref().map(|zone| format!(" for {zone}")).unwrap_or_default();
                let believed = ca_file.as_ref().map(|file| format!(", believed by {}", file.display())).unwrap_or_default();
                write!(f, "DNS by {}{url}{zone}{believed}, {}", provider.title, duration(self.timeout))
            }
            Provider::Exec(command) => write!(f, "DNS by {}, {}", command.join(" "), duration(self.timeout)),
        }
    }
}

/// `acme.dns`; `None` where it is not written, or cannot be used.
pub fn compile(document: &Document, resolvers: &[SocketAddr], complaints: &mut Vec<Complaint>) -> Option<DnsPolicy> {
    let table = &document.acme.dns;
    let place = table.place.clone().or_else(|| table.provider.as_ref().map(|written| written.place.clone()))?;
    let Some(provider) = &table.provider else {
        let complaint = Complaint::new(Code::E0202, &place, "`acme.dns` has no `provider`").key("acme.dns.provider");
        let complaint = complaint.label("who changes the zone?");
        complaints.push(complaint.help("add `provider = \"cloudflare\"`, another that is built in, \"rfc2136\" or \"exec\""));
        return None;
    };
    let before = complaints.len();
    let timeout = timeout(table, complaints);
    let name = provider.value.as_str();
    let provider = match name {
        "rfc2136" => {
            unfit(table, name, &["server", "zone", "key_name", "algorithm", "secret"], complaints);
            rfc2136(table, &place, complaints)
        }
        "exec" => {
            unfit(table, name, &["command"], complaints);
            exec(table, &place, complaints)
        }
        _ => {
            let Some(known) = dns_providers::named(name) else {
                unknown(provider, complaints);
                return None;
            };
            unfit(table, name, &["zone", "credentials", "ca_file"], complaints);
            dns_interface::compile(document, known, &place, complaints).map(Provider::Interface)
        }
    };
    let policy = DnsPolicy { provider: provider?, resolvers: resolvers.to_vec(), timeout };
    (complaints.len() == before).then_some(policy)
}

fn unknown(provider: &Placed<String>, complaints: &mut Vec<Complaint>) {
    let complaint = Complaint::new(Code::E0206, &provider.place, format!("no DNS provider is called `{}`", provider.value));
    let names = dns_providers::ALL.iter().map(|provider| provider.name).chain(["rfc2136", "exec"]);
    let complaint = match nearest(&provider.value, names) {
        Some(meant) => complaint.label(format!("did you mean \"{meant}\"?")).fix(format!("\"{meant}\"")),
        None => complaint.label("neither built in, nor \"rfc2136\" or \"exec\""),
    };
    let help = "docs/dns-providers.md lists those that are built in; \"rfc2136\" tells BIND, Knot, PowerDNS and others that take signed \
                updates; \"exec\" runs a program of yours";
    complaints.push(complaint.help(help).key("acme.dns.provider"));
}

/// Keys that other providers have.
fn unfit(table: &DnsTable, provider: &str, fit: &[&str], complaints: &mut Vec<Complaint>) {
    let written = [
        ("server", table.server.as_ref().map(|written| &written.place)),
        ("zone", table.zone.as_ref().map(|written| &written.place)),
        ("key_name", table.key_name.as_ref().map(|written| &written.place)),
        ("algorithm", table.algorithm.as_ref().map(|written| &written.place)),
        ("secret", table.secret.as_ref().map(|written| &written.place)),
        ("credentials", table.credentials.first().map(|(name, _)| &name.place)),
        ("ca_file", table.ca_file.as_ref().map(|written| &written.place)),
        ("command", table.command.as_ref().map(|written| &written.place)),
    ];
    for (key, place) in written.into_iter().filter(|(key, _)| !fit.contains(key)) {
        let Some(place) = place else { continue };
        let complaint = Complaint::new(Code::E0206, place, format!("`{key}` says nothing to the provider \"{provider}\""));
        complaints.push(complaint.label("of another provider").help("remove it").key(format!("acme.dns.{key}")));
    }
}

/// Why a secret could not be read is said where it was read; else there was nothing to read it from.
pub fn unread(written: &WrittenSecret, key: &str, complaints: &mut Vec<Complaint>) {
    let is_told = complaints.iter().any(|known| known.is_error() && known.place.as_ref() == Some(&written.place));
    if !is_told {
        let complaint = Complaint::new(Code::E0301, &written.place, "this secret has not been read");
        complaints.push(complaint.label("only a configuration that is a file can name secrets").key(key));
    }
}

fn timeout(table: &DnsTable, complaints: &mut Vec<Complaint>) -> Duration {
    let Some(written) = &table.timeout else { return TIMEOUT };
    if written.value.is_zero() || written.value > LONGEST_TIMEOUT {
        let complaint = Complaint::new(Code::E0206, &written.place, "`timeout` is out of its range").key("acme.dns.timeout");
        complaints.push(complaint.label("must be more than nothing and at most \"1h\""));
    }
    written.value
}

fn rfc2136(table: &DnsTable, place: &Place, complaints: &mut Vec<Complaint>) -> Option<Provider> {
    let Some(server) = &table.server else {
        let complaint = Complaint::new(Code::E0202, place, "\"rfc2136\" needs a `server`").key("acme.dns.server");
        complaints
            .push(complaint.label("which server has the zone?").help("add `server = \"192.0.2.53:53\"`: its primary server"));
        return None;
    };
    let server = address(server, "acme.dns.server", complaints);
    let zone = table.zone.as_ref().map(|written| name(written, "zone", complaints));
    let key = key(table, complaints);
    let zone = match zone {
        None => None,
        Some(zone) => Some(zone?),
    };
    Some(Provider::Rfc2136 { server: server?, zone, key: key? })
}

/// `None` for a complaint, `Some(None)` for no key.
fn key(table: &DnsTable, complaints: &mut Vec<Complaint>) -> Option<Option<UpdateKey>> {
    let (written, secret) = match (&table.key_name, &table.secret) {
        (None, None) => {
            let Some(algorithm) = &table.algorithm else { return Some(None) };
            let complaint =
                Complaint::new(Code::E0202, &algorithm.place, "an `algorithm` without a key").key("acme.dns.key_name");
            complaints.push(complaint.label("of which key?").help("add `key_name` and `secret`"));
            return None;
        }
        (Some(name), Some(secret)) => (name, secret),
        (Some(name), None) => {
            let complaint = Complaint::new(Code::E0202, &name.place, "a key without its `secret`").key("acme.dns.secret");
            complaints.push(complaint.label("this key").help("add `secret = { file = \"…\" }`, in base64 as the server has it"));
            return None;
        }
        (None, Some(secret)) => {
            let complaint =
                Complaint::new(Code::E0202, &secret.place, "a `secret` without the key's name").key("acme.dns.key_name");
            complaints.push(complaint.label("which key?").help("add `key_name`, as the server has it"));
            return None;
        }
    };
    let name = name(written, "key_name", complaints)?;
    let algorithm = match table.algorithm.as_ref().map_or(WrittenAlgorithm::Sha256, |written| written.value) {
        WrittenAlgorithm::Sha256 => KeyAlgorithm::Sha256,
        WrittenAlgorithm::Sha384 => KeyAlgorithm::Sha384,
        WrittenAlgorithm::Sha512 => KeyAlgorithm::Sha512,
    };
    Some(Some(UpdateKey { name, algorithm, secret: bytes(secret, complaints)? }))
}

/// What the complaint says never shows the secret.
fn bytes(secret: &WrittenSecret, complaints: &mut Vec<Complaint>) -> Option<Secret<Vec<u8>>> {
    let Some(text) = &secret.value else {
        unread(secret, "acme.dns.secret", complaints);
        return None;
    };
    let decoded = BASE64.decode(text.expose().trim().as_bytes()).ok().map(Secret::new);
    let long = decoded.filter(|bytes| bytes.expose().len() >= SHORTEST_KEY);
    if long.is_none() {
        let complaint = Complaint::new(Code::E0206, &secret.place, "this secret is no key").key("acme.dns.secret");
        let complaint = complaint.label("it must be at least 16 bytes, in base64");
        complaints.push(
            complaint.help("make one with `tsig-keygen NAME` (BIND) or `keymgr -t NAME` (Knot); what stands after `secret`"),
        );
    }
    long
}

fn exec(table: &DnsTable, place: &Place, complaints: &mut Vec<Complaint>) -> Option<Provider> {
    let Some(command) = &table.command else {
        let complaint = Complaint::new(Code::E0202, place, "\"exec\" needs a `command`").key("acme.dns.command");
        complaints.push(complaint.label("which program?").help("add `command = [\"/usr/local/bin/dns-hook\"]`"));
        return None;
    };
    let words: Vec<String> = command.value.iter().map(|word| word.value.clone()).collect();
    let wrong = match words.first() {
        None => Some("it names no program"),
        Some(program) if !program.starts_with('/') => Some("the program's path must begin with /: nothing is searched for"),
        Some(_) if words.len() > MOST_WORDS => Some("at most 32 words"),
        Some(_) if words.iter().any(|word| word.contains('\0')) => Some("no argument can hold a zero byte"),
        Some(_) => None,
    };
    if let Some(wrong) = wrong {
        let complaint = Complaint::new(Code::E0206, &command.place, "`command` cannot be run").key("acme.dns.command");
        complaints.push(complaint.label(wrong));
        return None;
    }
    Some(Provider::Exec(words))
}

/// A name in the DNS, in lower case and without the dot at its end.
pub fn name(written: &Placed<String>, key: &str, complaints: &mut Vec<Complaint>) -> Option<String> {
    let name = written.value.strip_suffix('.').unwrap_or(&written.value).to_ascii_lowercase();
    let fits = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        plain && !label.is_empty() && label.len() <= 63 && !label.starts_with('-')
    };
    if name.len() <= 253 && name.split('.').all(fits) {
        return Some(name);
    }
    let complaint = Complaint::new(Code::E0206, &written.place, format!("`{key}` is no name in DNS"));
    complaints
        .push(complaint.label("letters, digits, hyphens and underscores, with dots between").key(format!("acme.dns.{key}")));
    None
}

fn address(written: &Placed<String>, key: &str, complaints: &mut Vec<Complaint>) -> Option<SocketAddr> {
    let whole = written.value.parse::<SocketAddr>().ok();
    let address = whole.or_else(|| Some((written.value.parse::<IpAddr>().ok()?, 53).into()));
    let address = address.filter(|address| address.port() != 0 && !address.ip().is_unspecified());
    if address.is_none() {
        let complaint = Complaint::new(Code::E0206, &written.place, format!("`{}` is no address of a server", written.value));
        let complaint = complaint.label("such as \"192.0.2.53:53\" or \"[2001:db8::53]:53\"").key(key);
        complaints.push(complaint.help("an address, not a name: who asks for names cannot be asked for by name"));
    }
    address
}

/// `acme.resolvers`
pub fn resolvers(written: Option<&Placed<Vec<Placed<String>>>>, complaints: &mut Vec<Complaint>) -> Vec<SocketAddr> {
    let Some(list) = written else { return Vec::new() };
    let resolvers: Vec<SocketAddr> =
        list.value.iter().filter_map(|written| address(written, "acme.resolvers", complaints)).collect();
    if list.value.is_empty() || list.value.len() > MOST_RESOLVERS {
        let complaint = Complaint::new(Code::E0206, &list.place, "`resolvers` must name one to eight servers");
        complaints.push(complaint.label("the system's are asked if you remove it").key("acme.resolvers"));
    }
    resolvers
}

/// The name at which a host, or all under a wildcard, is proven; without the star (RFC 8555 section 8.4).
pub fn proving(host: &Host) -> String {
    format!("_acme-challenge.{host}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::compile_text;

    const KEY: &str = "bm90IGEgcmVhbCBrZXksIGJ1dCBsb25nIGVub3VnaA==";

    fn compiled(table: &str) -> Result<DnsPolicy, Vec<(&'static str, String)>> {
        let text = format!(
            "[acme]\nagree_tos = true\n[acme.dns]\n{table}\n[[app]]\nhost = \"a.example\"\nupstream = \"http://127.0.0.1:1\"\n"
        );
        let told = |complaints: Vec<Complaint>| complaints.into_iter().map(|one| (one.code.name(), one.message)).collect();
        compile_text(&text).map(|compiled| compiled.plan.acme.clone().expect("on").dns.expect("written")).map_err(told)
    }

    #[test]
    fn each_provider_has_its_keys() {
        let policy = compiled(&format!(
            "provider = \"rfc2136\"\nserver = \"192.0.2.53\"\nkey_name = \"Doorward.\"\nalgorithm = \"hmac-sha512\"\nsecret = \"{KEY}\""
        ))
        .expect("compiles");
        let Provider::Rfc2136 { server, zone, key: Some(key) } = &policy.provider else { panic!("{policy:?}") };
        assert_eq!((server.to_string().as_str(), zone), ("192.0.2.53:53", &None));
        assert_eq!((key.name.as_str(), key.algorithm), ("doorward", KeyAlgorithm::Sha512));
        assert!(key.secret.same_as(b"not a real key, but long enough"));
        assert_eq!(policy.timeout, TIMEOUT);
        let other =
            compiled("provider = \"exec\"\ncommand = [\"/usr/local/bin/hook\", \"x\"]\ntimeout = \"20s\"").expect("compiles");
        assert_eq!(other.provider, Provider::Exec(vec!["/usr/local/bin/hook".to_owned(), "x".to_owned()]));
        let open =
            compiled("provider = \"rfc2136\"\nserver = \"[2001:db8::53]:5353\"\nzone = \"_x.example.\"").expect("compiles");
        let Provider::Rfc2136 { key: None, zone, .. } = open.provider else { panic!("no key") };
        assert_eq!(zone.as_deref(), Some("_x.example"));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let server = "provider = \"rfc2136\"\nserver = \"192.0.2.53\"\n";
        for (table, code) in [
            ("timeout = \"1m\"".to_owned(), "E0202"),
            ("provider = \"cloudflair\"".to_owned(), "E0206"),
            ("provider = \"cloudflare\"".to_owned(), "E0202"),
            ("provider = \"cloudflare\"\ncredentials = { api_token = \" \" }".to_owned(), "E0206"),
            ("provider = \"cloudflare\"\ncredentials = { api_token = \"t\", email = \"x\" }".to_owned(), "E0203"),
            ("provider = \"cloudflare\"\ncredentials = { api_token = \"t\" }\nserver = \"192.0.2.53\"".to_owned(), "E0206"),
            (format!("{server}credentials = {{ api_token = \"t\" }}"), "E0206"),
            (format!("{server}ca_file = \"x.pem\""), "E0206"),
            ("provider = \"rfc2136\"".to_owned(), "E0202"),
            ("provider = \"rfc2136\"\nserver = \"ns1.example\"".to_owned(), "E0206"),
            ("provider = \"rfc2136\"\nserver = \"0.0.0.0:53\"".to_owned(), "E0206"),
            (format!("{server}key_name = \"k\""), "E0202"),
            (format!("{server}secret = \"{KEY}\""), "E0202"),
            (format!("{server}algorithm = \"hmac-sha256\""), "E0202"),
            (format!("{server}algorithm = \"hmac-md5\""), "E0206"),
            (format!("{server}key_name = \"k\"\nsecret = \"c2hvcnQ=\""), "E0206"),
            (format!("{server}key_name = \"k\"\nsecret = \"not base64!\""), "E0206"),
            (format!("{server}key_name = \"$(x)\"\nsecret = \"{KEY}\""), "E0206"),
            (format!("{server}command = [\"/x\"]"), "E0206"),
            (format!("{server}zone = \"a..b\""), "E0206"),
            (format!("{server}timeout = \"2h\""), "E0206"),
            ("provider = \"exec\"".to_owned(), "E0202"),
            ("provider = \"exec\"\ncommand = []".to_owned(), "E0206"),
            ("provider = \"exec\"\ncommand = [\"hook\"]".to_owned(), "E0206"),
            ("provider = \"exec\"\ncommand = [\"/hook\"]\nserver = \"192.0.2.53\"".to_owned(), "E0206"),
        ] {
            let codes: Vec<_> = compiled(&table).expect_err(&table).into_iter().map(|(code, _)| code).collect();
            assert_eq!(codes, [code], "{table}");
        }
    }

    /// The attack: a complaint, a comparison or a log that shows the key to whoever reads it.
    #[test]
    fn the_key_is_never_shown() {
        let server = "provider = \"rfc2136\"\nserver = \"192.0.2.53\"\nkey_name = \"k\"\n";
        let policy = compiled(&format!("{server}secret = \"{KEY}\"")).expect("compiles");
        for shown in [format!("{policy:?}"), policy.to_string()] {
            assert!(!shown.contains("bm90") && !shown.contains("real") && !shown.contains("110, 111"), "{shown}");
        }
        let told = compiled(&format!("{server}secret = \"hunter2hunter2\"")).expect_err("no base64");
        assert!(!told.iter().any(|(_, message)| message.contains("hunter2")), "{told:?}");
    }
}
