//! A provider's interface on the web: spoken to by a process of its own, which is this program once more.
//!
//! Its client is a library with a client of its own inside: it reads answers of any length, and keeps credentials in memory that is
//! not wiped. In a process that lives for one change, with a limit on its memory and its time, neither does any harm.

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::dns::update::Change;
use crate::plan::dns_interface::Interface;
use crate::tls::dns01::program;
use crate::tls::dns01::program::{Call, LIMIT, Why};
use crate::tls::dns01::redaction;

/// This program, also where its file has been replaced since it was started.
const OURSELVES: &str = "/proc/self/exe";
/// The command that reads a [`Job`] and does it.
pub const VERB: &str = "dns-change";
/// Who vouches for the provider's address: a variable that the library's client looks for.
const AUTHORITIES: &str = "SSL_CERT_FILE";
/// Where this machine keeps its own, if that is nowhere usual.
const USUAL: [&str; 2] = [AUTHORITIES, "SSL_CERT_DIR"];
/// What it is called in a list of processes.
const NAME: &str = "doorward";
/// Has the allocator set no gigabyte aside, which would count as used where memory is limited.
const FRUGAL: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "0");

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
    /// The file of those who vouch for the provider's address, if the owner names one.
    pub ca_file: Option<T>,
}

/// Has `name` in `zone` say `value`, or no longer say it.
///
/// # Errors
/// Why it was not done, and what was said about it, without secrets.
pub async fn run(interface: &Interface, zone: &str, change: Change, (name, value): (&str, &str)) -> Result<(), (Why, String)> {
    let ca_file = interface.ca_file.as_ref().map(|file| file.display().to_string());
    let input = written(&Job {
        provider: interface.provider.name,
        credentials: interface.credentials.iter().map(|(key, value)| (*key, value.expose().as_str())).collect(),
        zone,
        name,
        value,
        present: change == Change::Add,
        ca_file: ca_file.as_deref(),
    });
    let mut variables = authorities(interface);
    variables.push((FRUGAL.0, PathBuf::from(FRUGAL.1)));
    let call = Call { program: OURSELVES, called: Some(NAME), arguments: vec![VERB], variables, input: &input };
    program::run(&call, LIMIT).await.map_err(|(why, said)| (why, redaction::without_secrets(&said, interface)))
}

#[expect(clippy::disallowed_methods, reason = "no settings of ours: where this machine keeps its authorities")]
fn authorities(interface: &Interface) -> Vec<(&'static str, PathBuf)> {
    match &interface.ca_file {
        Some(file) => vec![(AUTHORITIES, file.clone())],
        None => USUAL.iter().filter_map(|name| Some((*name, env::var_os(name)?.into()))).collect(),
    }
}

/// In one piece of memory, which is wiped.
fn written(job: &Job<&str>) -> Zeroizing<Vec<u8>> {
    let credentials: usize = job.credentials.iter().map(|(key, value)| key.len() + value.len()).sum();
    let others = job.name.len() + job.zone.len() + job.ca_file.map_or(0, str::len);
    // A character becomes six at most.
    let mut text = Zeroizing::new(Vec::with_capacity(6 * (credentials + others) + 1_024));
    serde_json::to_writer(&mut *text, job).expect("texts become JSON");
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ca_file: None,
        };
        let text = written(&job);
        let read: Job<String> = serde_json::from_slice(&text).expect("a job");
        assert_eq!(text.iter().position(|byte| *byte == b'\n'), Some(text.len() - 1), "one line");
        assert_eq!((read.credentials["api_token"].as_str(), read.present), (token.as_str(), true));
    }
}
