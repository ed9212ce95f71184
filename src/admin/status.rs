//! What an owner sees of a running gateway at one look.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::observe::metrics::Metrics;
use crate::observe::tally::Tally;
use crate::plan::app::App;
use crate::plan::whole::Plan;
use crate::tls::directory::{Certificate, Directory};

/// Certificates told at most; ten thousand hosts would hide what matters.
const MOST_CERTIFICATES: usize = 1_000;

/// The state of a running gateway. Moments are seconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The moment of this look.
    pub now: i64,
    /// When it started.
    pub since: i64,
    /// What it runs from.
    pub configuration: Configuration,
    /// Where it listens.
    pub listeners: Listening,
    /// Its apps, in written order.
    pub apps: Vec<AppLine>,
    /// Its certificates, those that end first at the top.
    pub certificates: Vec<CertificateLine>,
    /// Live sessions; `None` if the store does not say.
    pub sessions: Option<usize>,
    /// Accounts.
    pub users: Option<usize>,
    /// Networks from which nobody may sign in.
    #[serde(default)]
    pub bans: usize,
    /// Whether the store can be read and written.
    pub store_ok: bool,
    /// Whether access lines can be written, and how many could not.
    pub access_log: AccessLogState,
    /// Open connections of clients.
    pub connections: usize,
    /// Memory in use, in bytes.
    pub memory_bytes: Option<u64>,
    /// What the owner should look at.
    pub warnings: Vec<String>,
    /// The data folder.
    pub data_dir: PathBuf,
}

/// The configuration in force.
#[derive(Debug, Serialize, Deserialize)]
pub struct Configuration {
    /// Its version, as in the access log.
    pub version: u64,
    /// Its file; `None` if it came from the command line.
    pub file: Option<PathBuf>,
    /// When it came into force.
    pub loaded: i64,
    /// The last reload that was refused since, and why.
    pub refused: Option<RefusedReload>,
    /// Seconds until the one before comes back, unless it is confirmed.
    pub trial_secs: Option<u64>,
}

/// A reload that was refused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefusedReload {
    /// When.
    pub at: i64,
    /// In one line.
    pub why: String,
}

/// Where it listens, with real ports.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listening {
    /// TLS.
    pub https: Vec<SocketAddr>,
    /// Plain HTTP.
    pub http: Vec<SocketAddr>,
    /// Metrics.
    pub metrics: Vec<SocketAddr>,
}

/// One app.
#[derive(Debug, Serialize, Deserialize)]
pub struct AppLine {
    /// Its name.
    pub name: String,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// Where its requests go.
    pub upstream: String,
    /// Whether that could be connected to when it was last tried; `None` if it never was.
    pub up: Option<bool>,
    /// Requests being answered.
    pub open_requests: u64,
    /// Open WebSockets.
    pub websockets: u64,
    /// The last time it did not answer as it should.
    pub last_failure: Option<FailureLine>,
}

/// A failure of an app.
#[derive(Debug, Serialize, Deserialize)]
pub struct FailureLine {
    /// When.
    pub at: i64,
    /// The refusal's name, as in the access log.
    pub refusal: String,
}

/// One certificate.
#[derive(Debug, Serialize, Deserialize)]
pub struct CertificateLine {
    /// The hosts that show it.
    pub hosts: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// Until when it is valid; `None` if the local authority has not made it yet.
    pub until: Option<i64>,
    /// The owner's file.
    pub file: Option<PathBuf>,
}

/// How the access log fares.
#[derive(Debug, Serialize, Deserialize)]
pub struct AccessLogState {
    /// As in the configuration: `json`, `combined`, `common` or `off`.
    pub format: String,
    /// Whether the last lines could not be written.
    pub failing: bool,
    /// Lines that could not be written since the start.
    pub lost: u64,
}

/// The apps of a plan with what was counted of them.
pub fn apps(plan: &Plan, metrics: &Metrics) -> Vec<AppLine> {
    let line = |app: &App| {
        let tally = metrics.app(&app.name);
        let sum = tally.as_deref().map(Tally::sum).unwrap_or_default();
        let failure = tally.as_deref().and_then(Tally::last_failure);
        AppLine {
            name: app.name.clone(),
            hosts: app.patterns().map(|host| host.to_string()).collect(),
            upstream: app.upstream.origin.place(),
            up: tally.as_deref().and_then(Tally::is_up),
            open_requests: sum.open,
            websockets: sum.websockets,
            last_failure: failure.map(|failure| FailureLine { at: failure.at.secs(), refusal: failure.refusal.to_owned() }),
        }
    };
    plan.apps.iter().map(|app| line(app)).collect()
}

/// Certificates in files are one for all their hosts, those of the local authority one for each.
pub fn certificates(directory: &Directory) -> Vec<CertificateLine> {
    let mut lines: Vec<CertificateLine> = Vec::new();
    let mut by_file: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for Certificate { host, issuer, not_before: _, not_after, file, source: _ } in directory.certificates() {
        let host = host.to_string();
        if let Some(at) = file.as_ref().and_then(|file| by_file.get(file)) {
            lines[*at].hosts.push(host);
            continue;
        }
        if let Some(file) = &file {
            by_file.insert(file.clone(), lines.len());
        }
        lines.push(CertificateLine { hosts: vec![host], issuer, until: not_after.map(|until| until.secs()), file });
    }
    lines.sort_by_key(|line| line.until.unwrap_or(i64::MAX));
    lines.truncate(MOST_CERTIFICATES);
    lines
}
