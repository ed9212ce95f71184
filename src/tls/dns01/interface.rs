//! A provider's interface on the web: spoken to by a process of its own, which is this program once more.
//!
//! Its client is a library with a client of its own inside: it reads answers of any length, and keeps credentials in memory that is
//! not wiped. In a process that lives for one change, with a limit on its memory and its time, neither does any harm.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::dns::update::Change;
use crate::plan::dns_interface::Interface;
use crate::tls::dns01::program;
use crate::tls::dns01::program::{Call, LIMIT, Why};

/// This program, also where its file has been replaced since it was started.
const OURSELVES: &str = "/proc/self/exe";
/// The command that reads a [`Job`] and does it.
pub const VERB: &str = "dns-change";
/// Who vouches for the provider's address: a variable that the library's client looks for.
const AUTHORITIES: &str = "SSL_CERT_FILE";
/// Has the allocator set no gigabyte aside, which would count as used where memory is limited.
const FRUGAL: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "0");
/// What is shorter is no secret, and stands in sentences by chance.
const SHORTEST_SECRET: usize = 6;

/// A change that a process is to make.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job<T: Ord> {
    /// The provider's name.
    pub provider: T,
    /// What lets us in there.
    pub credentials: BTreeMap<T, T>,
    /// The zone.
    pub zone: T,
    /// The record's name.
    pub name: T,
    /// What it is to say, beside what it says already, or to say no longer.
    pub value: T,
    /// Whether it is to say it.
    pub present: bool,
}

/// Has `name` in `zone` say `value`, or no longer say it.
///
/// # Errors
/// Why it was not done, and what was said about it, without secrets.
pub async fn run(interface: &Interface, zone: &str, change: Change, (name, value): (&str, &str)) -> Result<(), (Why, String)> {
    let input = written(&Job {
        provider: interface.provider.name,
        credentials: interface.credentials.iter().map(|(key, value)| (*key, value.expose().as_str())).collect(),
        zone,
        name,
        value,
        present: change == Change::Add,
    });
    let authorities = interface.ca_file.as_deref().map(|file: &Path| (AUTHORITIES, file));
    let variables = [(FRUGAL.0, Path::new(FRUGAL.1))].into_iter().chain(authorities).collect();
    let call = Call { program: OURSELVES, arguments: vec![VERB], variables, input: &input };
    program::run(&call, LIMIT).await.map_err(|(why, said)| (why, without_secrets(said, interface)))
}

/// In one piece of memory, which is wiped.
fn written(job: &Job<&str>) -> Zeroizing<Vec<u8>> {
    let credentials: usize = job.credentials.iter().map(|(key, value)| key.len() + value.len()).sum();
    // A character becomes six at most.
    let mut text = Zeroizing::new(Vec::with_capacity(6 * (credentials + job.name.len() + job.zone.len()) + 1_024));
    serde_json::to_writer(&mut *text, job).expect("texts become JSON");
    text
}

/// Some providers take their tokens in addresses, which stand in what is said about a failure.
fn without_secrets(mut said: String, interface: &Interface) -> String {
    for (key, value) in &interface.credentials {
        let value = value.expose();
        if *key == "url" || value.len() < SHORTEST_SECRET {
            continue;
        }
        let escaped = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string();
        said = said.replace(value.as_str(), "…").replace(&escaped, "…");
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::plan::dns_providers;

    fn interface(token: &str) -> Interface {
        let provider = dns_providers::named("duckdns").expect("known");
        let credentials = BTreeMap::from([("api_token", Secret::new(token.to_owned()))]);
        Interface { provider, credentials, zone: None, ca_file: None }
    }

    /// The attack: a provider that takes its token in the address, and a log that everybody in the house reads.
    #[test]
    fn what_is_said_holds_no_secret() {
        let said = "cannot reach https://dns.example/update?token=a+b/c%2Fd&x, nor https://dns.example/?t=a%2Bb%2Fc%252Fd";
        assert_eq!(
            without_secrets(said.to_owned(), &interface("a+b/c%2Fd")),
            "cannot reach https://dns.example/update?token=…&x, nor https://dns.example/?t=…"
        );
        assert_eq!(without_secrets("an eu zone".to_owned(), &interface("eu")), "an eu zone");
    }

    #[test]
    fn a_job_is_read_as_it_was_written() {
        let token = "\"\u{1}\\ü".repeat(50);
        let job = Job {
            provider: "duckdns",
            credentials: BTreeMap::from([("api_token", token.as_str())]),
            zone: "a.example",
            name: "_acme-challenge.a.example",
            value: "v",
            present: true,
        };
        let text = written(&job);
        let read: Job<String> = serde_json::from_slice(&text).expect("a job");
        assert_eq!((read.credentials["api_token"].as_str(), read.present), (token.as_str(), true));
    }
}
