//! `acme.dns` with a provider that is built in: its credentials, each by the name that the provider gives it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::base::secret::Secret;
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::nearest::nearest;
use crate::config::placed::{Place, Placed};
use crate::config::secret::WrittenSecret;
use crate::plan::dns;
use crate::plan::dns_providers::{DnsProvider, Need};
use crate::plan::settings;

/// Longest credential in bytes: a private key in PEM, or a service account in JSON.
const LONGEST_CREDENTIAL: usize = 16 * 1024;
/// The shops of OVHcloud, as the library names them.
const OVH: [&str; 7] = ["ovh-eu", "ovh-us", "ovh-ca", "kimsufi-eu", "kimsufi-ca", "soyoustart-eu", "soyoustart-ca"];

/// A provider's interface, and what lets us in.
#[derive(Clone, Debug)]
pub struct Interface {
    /// The provider.
    pub provider: &'static DnsProvider,
    /// By the provider's names; all that are needed are there.
    pub credentials: BTreeMap<&'static str, Secret<String>>,
    /// The zone, if the owner says it.
    pub zone: Option<String>,
    /// Who vouches for the provider's address, and nobody else.
    pub ca_file: Option<PathBuf>,
}

impl PartialEq for Interface {
    fn eq(&self, other: &Self) -> bool {
        (self.provider, &self.zone, &self.ca_file) == (other.provider, &other.zone, &other.ca_file) && self.is_let_in_as(other)
    }
}

impl Eq for Interface {}

impl Interface {
    /// Whether the credentials are the same.
    pub fn is_let_in_as(&self, other: &Self) -> bool {
        let same = |(key, value): (&&str, &Secret<String>)| {
            other.credentials.get(*key).is_some_and(|other| value.same_as(other.expose().as_bytes()))
        };
        self.credentials.len() == other.credentials.len() && self.credentials.iter().all(same)
    }
}

/// What `acme.dns` says of a provider that is built in.
pub fn compile(
    document: &Document,
    provider: &'static DnsProvider,
    place: &Place,
    complaints: &mut Vec<Complaint>,
) -> Option<Interface> {
    let table = &document.acme.dns;
    let ca_file = settings::path(document, table.ca_file.as_ref(), "acme.dns.ca_file", complaints);
    let zone = table.zone.as_ref().and_then(|written| dns::name(written, "zone", complaints));
    let mut credentials = BTreeMap::new();
    for (key, written) in &table.credentials {
        let Some((known, _)) = provider.credentials.iter().find(|(known, _)| *known == key.value) else {
            alien(key, provider, complaints);
            continue;
        };
        if let Some(value) = credential(key, written, complaints) {
            credentials.insert(*known, value);
        }
    }
    let written = |key: &str| table.credentials.iter().any(|(written, _)| written.value == key);
    let those = |wanted: Need| provider.credentials.iter().filter(move |(_, need)| *need == wanted).map(|(key, _)| *key);
    let quoted = |keys: Vec<&str>, word: &str| keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(word);
    let mut missing: Vec<_> = those(Need::Always).filter(|key| !written(key)).collect();
    let mut message = quoted(missing.clone(), " and ");
    let either: Vec<_> = those(Need::Either).collect();
    if missing.is_empty() && !either.is_empty() && !either.iter().any(|key| written(key)) {
        message = quoted(either.clone(), " or ");
        missing = either;
    }
    if let Some(first) = missing.first() {
        let message = format!("\"{}\" needs {message} in `credentials`", provider.name);
        let complaint = Complaint::new(Code::E0202, place, message).label("what lets us in there?");
        let example = format!("add `credentials = {{ {first} = {{ file = \"…\" }} }}`");
        complaints.push(complaint.help(example).key("acme.dns.credentials"));
        return None;
    }
    Some(Interface { provider, credentials, zone, ca_file })
}

fn alien(key: &Placed<String>, provider: &DnsProvider, complaints: &mut Vec<Complaint>) {
    let message = format!("unknown key `{}` in the credentials of \"{}\"", key.value, provider.name);
    let complaint = Complaint::new(Code::E0203, &key.place, message).key("acme.dns.credentials");
    let names = || provider.credentials.iter().map(|(name, _)| *name);
    complaints.push(match nearest(&key.value, names()) {
        Some(meant) => complaint.label(format!("did you mean `{meant}`?")).fix(meant),
        None => complaint.label("no such key").help(format!("known here: {}", names().collect::<Vec<_>>().join(", "))),
    });
}

/// Without the line's end that a file has.
fn credential(key: &Placed<String>, written: &WrittenSecret, complaints: &mut Vec<Complaint>) -> Option<Secret<String>> {
    let Some(text) = &written.value else {
        dns::unread(written, "acme.dns.credentials", complaints);
        return None;
    };
    let text = text.expose().trim();
    if let Some(label) = wrong(&key.value, text) {
        let complaint = Complaint::new(Code::E0206, &written.place, format!("`{}` cannot be right", key.value));
        complaints.push(complaint.label(label).key("acme.dns.credentials"));
        return None;
    }
    Some(Secret::new(text.to_owned()))
}

/// What is wrong with it, as far as that can be told before the provider is asked, without showing it.
fn wrong(key: &str, text: &str) -> Option<&'static str> {
    let is_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match key {
        _ if text.is_empty() => Some("it is empty"),
        _ if text.len() > LONGEST_CREDENTIAL => Some("it is longer than 16 KiB"),
        "private_key" if !text.starts_with("-----BEGIN") => Some("it must be a key in PEM, as `{ file = \"…\" }` reads it"),
        "service_account" if !text.starts_with('{') => Some("it must be what the JSON file says, as `{ file = \"…\" }` reads it"),
        "private_key" | "service_account" => None,
        _ if text.chars().any(char::is_control) => Some("it has more than one line, or letters that nobody sees"),
        "url" if !is_plain_address(text) => {
            Some("it must be an address such as \"https://dns.example.com:8443\", without a user or a query")
        }
        "region" if text.len() > 64 || !text.bytes().all(is_region) => {
            Some("it must be of a-z, 0-9 and hyphens, such as \"eu-west-1\"")
        }
        "endpoint" if !OVH.contains(&text) => {
            Some("it must be \"ovh-eu\", \"ovh-us\", \"ovh-ca\", or one of the others in docs/dns-providers.md")
        }
        _ => None,
    }
}

fn is_plain_address(text: &str) -> bool {
    let parsed =
        text.parse::<http::Uri>().ok().filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none());
    parsed.is_some_and(|uri| uri.authority().is_some_and(|authority| !authority.as_str().contains('@')) && !text.contains('#'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::compile_text;
    use crate::plan::dns::{DnsPolicy, Provider};

    fn compiled(table: &str) -> Result<DnsPolicy, Vec<Complaint>> {
        let text = format!(
            "[acme]\nagree_tos = true\n[acme.dns]\n{table}\n[[app]]\nhost = \"a.example\"\nupstream = \"http://127.0.0.1:1\"\n"
        );
        compile_text(&text).map(|compiled| compiled.plan.acme.clone().expect("on").dns.expect("written"))
    }

    #[test]
    fn a_provider_is_let_in_by_its_credentials() {
        let table =
            |token: &str| format!("provider = \"cloudflare\"\nzone = \"a.example\"\ncredentials = {{ api_token = \"{token}\" }}");
        let policy = compiled(&table("hunter2 \\n")).expect("compiles");
        let Provider::Interface(interface) = &policy.provider else { panic!("{policy:?}") };
        assert_eq!((interface.provider.title, interface.zone.as_deref()), ("Cloudflare", Some("a.example")));
        assert!(interface.credentials["api_token"].same_as(b"hunter2"), "without the line's end");
        let (same, other) = (compiled(&table("hunter2")).expect("compiles"), compiled(&table("hunter3")).expect("compiles"));
        assert!(policy == same && !policy.has_other_secret(&same));
        assert!(policy != other && policy.has_other_secret(&other));
    }

    /// The attack: a complaint, a comparison or a log that shows the token to whoever reads it.
    #[test]
    fn no_credential_is_shown() {
        let policy = compiled("provider = \"cloudflare\"\ncredentials = { api_token = \"hunter2\" }").expect("compiles");
        assert!(!format!("{policy:?}{policy}").contains("hunter2"));
        let told = compiled("provider = \"cloudflare\"\ncredentials = { api_tokn = \"hunter2\" }").expect_err("another name");
        assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
        assert!(told.iter().any(|one| one.label.as_deref() == Some("did you mean `api_token`?")), "{told:?}");
    }

    #[test]
    fn what_cannot_be_right_is_told_before_anybody_is_asked() {
        let table = |provider: &str, credentials: &str| format!("provider = \"{provider}\"\ncredentials = {{ {credentials} }}");
        for (provider, credentials) in [
            ("powerdns", "api_key = \"k\", url = \"http://admin:hunter2@127.0.0.1\""),
            ("powerdns", "api_key = \"k\", url = \"127.0.0.1:8081\""),
            ("powerdns", "api_key = \"k\", url = \"ftp://a.example\""),
            ("powerdns", "api_key = \"two\\nlines\", url = \"http://127.0.0.1\""),
            ("ovh", "application_key = \"a\", application_secret = \"b\", consumer_key = \"c\", endpoint = \"ovh_eu\""),
            ("huaweicloud", "access_key = \"a\", secret_key = \"b\", region = \"EU_WEST\""),
            ("transip", "login = \"a\", private_key = \"/etc/key.pem\""),
            ("googlecloud", "project_id = \"a\", service_account = \"/etc/account.json\""),
        ] {
            let told = compiled(&table(provider, credentials)).expect_err(credentials);
            assert!(told.iter().any(|one| one.message.ends_with("cannot be right")), "{credentials}: {told:?}");
            assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
        }
        let told = compiled(&table("cloudns", "auth_password = \"p\"")).expect_err("whose?");
        assert_eq!(told[0].message, "\"cloudns\" needs `auth_id` or `sub_auth_id` in `credentials`");
        compiled(&table("cloudns", "sub_auth_id = \"1\", auth_password = \"p\"")).expect("one is enough");
        compiled(&table("powerdns", "api_key = \"k\", url = \"http://127.0.0.1:8081\"")).expect("an address");
    }

    #[test]
    fn what_is_missing_is_named_all_at_once() {
        let told = compiled("provider = \"ovh\"\ncredentials = { consumer_key = \"c\" }").expect_err("two are missing");
        assert_eq!(told[0].message, "\"ovh\" needs `application_key` and `application_secret` in `credentials`");
    }
}
