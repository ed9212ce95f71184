//! `doorward doctor APP --probe`: does the app serve a denied path under another spelling, and would Doorward let that spelling
//! through? Asks the app that the configuration names, and nobody else, with GET requests that carry no credentials.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use crate::base::chain::Chain;
use crate::base::clock::{Clock, Timestamp};
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::command::place::{Named, load_whole};
use crate::command::wish::block_on;
use crate::config::report::harmless;
use crate::daemon::configuration::Loaded;
use crate::model::identity::Identity;
use crate::plan::app::App;
use crate::plan::explain::{Finding as Seen, Question, explain};
use crate::policy::pattern::Pattern;
use crate::policy::rule::{Action, Judgement};
use crate::policy::spelling::spellings;
use crate::proxy::peer::Peer;
use crate::tls::fault::Fault;
use crate::tls::upstream::Proofs;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is read of an answer at most, in bytes.
const MOST: usize = 256 * 1024;
/// Denied paths that are probed at most; each means some three hundred requests.
const MOST_PATHS: usize = 20;
/// Spellings between two words about progress.
const STEP: usize = 100;
/// Answers in a row that do not come, after which the app is left alone.
const MOST_SILENCES: usize = 5;
/// Any moment does: nobody is signed in.
const NOW: Timestamp = Timestamp::from_secs(1);
/// A path that no app has.
const NOWHERE: &str = "/doorward-probe-of-nothing";

/// Words of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorWords {
    /// The app, by its name or one of its hosts
    pub app: String,
    /// Ask the app for its denied paths in other spellings, with GET and without credentials
    #[arg(long, required = true)]
    pub probe: bool,
}

/// An answer, reduced to what tells one page from another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    status: u16,
    /// Without its query, in which apps repeat the path that was asked for.
    location: String,
    body: Vec<u8>,
}

/// What came of probing one denied path.
#[derive(Debug)]
struct Finding {
    path: String,
    asked: usize,
    /// Whether the app's answer can be told from its answer for nothing.
    tells: bool,
    /// Spellings under which the app serves it.
    served: usize,
    /// Those of them that Doorward would let through.
    through: Vec<String>,
}

/// Carries out `doctor`.
///
/// # Errors
/// [`Failure::NotFound`] for an app that is not configured, [`Failure::Failed`] if it does not answer, [`Failure::Found`] if it serves
/// a denied path under a spelling that would pass.
pub fn doctor(named: &Named, words: &DoctorWords, output: Output) -> Result<(), Failure> {
    let loaded = load_whole(&named.required_config()?)?;
    let app = loaded.plan.apps.iter().find(|app| is_meant(app, &words.app));
    let app =
        app.ok_or_else(|| Failure::NotFound(format!("no app is called `{}`, nor has it as a host", harmless(&words.app))))?;
    let paths = denied_paths(app);
    if paths.is_empty() {
        let text = format!("{} denies no plain path, so there is nothing to probe", app.name);
        output.result(&json!({ "app": app.name, "ok": true, "paths": [] }), || text);
        return Ok(());
    }
    Proofs::read(&loaded.plan, &Clock::system()).map_err(unreadable)?.adopt(&loaded.plan.apps);
    let unanswered = |fault: io::Error| Failure::Failed(format!("{} at {} cannot be probed: {fault}", app.name, place(app)));
    let findings = block_on(probe(&loaded, app, &paths, output))?.map_err(unanswered)?;
    let leaks = findings.iter().map(|finding| finding.through.len()).sum::<usize>();
    let value = json!({ "app": app.name, "ok": leaks == 0, "paths": findings.iter().map(Finding::json).collect::<Vec<_>>() });
    output.result(&value, || told(app, &findings));
    if leaks > 0 { Err(Failure::Found) } else { Ok(()) }
}

/// What upstreams over TLS have to prove stands in files.
fn unreadable(faults: Vec<Fault>) -> Failure {
    let told = faults.iter().map(|fault| Chain(fault).to_string()).collect::<Vec<_>>().join("\n");
    Failure::Failed(told)
}

async fn probe(loaded: &Loaded, app: &App, paths: &[String], output: Output) -> io::Result<Vec<Finding>> {
    let mut probe = Probe { loaded, app, nothing: Look::of(b"") };
    probe.nothing = probe.ask(NOWHERE).await?;
    let mut findings = Vec::new();
    for path in paths {
        findings.push(probe.path(path, output).await?);
    }
    Ok(findings)
}

fn is_meant(app: &Arc<App>, word: &str) -> bool {
    app.name == word || app.hosts.iter().any(|host| host.as_str().eq_ignore_ascii_case(word))
}

/// What the app denies to everybody, as the app sees it, with something in place of each `*` and `?`.
fn denied_paths(app: &App) -> Vec<String> {
    let prefix = stripped(app);
    let seen = |path: String| path.strip_prefix(&prefix).map(str::to_owned).unwrap_or(path);
    let by_rule = app.rules.rules.iter().filter(|rule| rule.action == Action::Deny).flat_map(|rule| &rule.paths);
    let mut paths: Vec<String> = app.rules.deny.iter().chain(by_rule).filter_map(plain).map(seen).collect();
    paths.dedup();
    paths.truncate(MOST_PATHS);
    paths
}

fn plain(pattern: &Pattern) -> Option<String> {
    let text = pattern.to_string().replace("**", "x").replace(['*', '?'], "x");
    // A regular expression, or letters that would have to be escaped first.
    let odd = text.contains(['(', '[', '\\', '+', '^', '$', '|', '{']) || text.bytes().any(|byte| !byte.is_ascii_graphic());
    (!odd && !text.trim_matches('/').is_empty()).then_some(text)
}

/// An app that is asked.
struct Probe<'a> {
    loaded: &'a Loaded,
    app: &'a App,
    nothing: Look,
}

impl Probe<'_> {
    async fn path(&self, path: &str, output: Output) -> io::Result<Finding> {
        let protected = self.ask(path).await?;
        let tells = !protected.is_like(&self.nothing);
        let mut finding = Finding { path: path.to_owned(), asked: 0, tells, served: 0, through: Vec::new() };
        let all = if tells { spellings(path) } else { Vec::new() };
        let mut silences = 0;
        for spelling in &all {
            if finding.asked.is_multiple_of(STEP) {
                output.remark(&format!("{path}: {} of {} spellings asked, {} served", finding.asked, all.len(), finding.served));
            }
            finding.asked += 1;
            match self.ask(spelling).await {
                Ok(look) if look.is_like(&protected) && !look.is_like(&self.nothing) => {
                    finding.served += 1;
                    if self.lets_pass(spelling) {
                        finding.through.push(spelling.clone());
                    }
                    silences = 0;
                }
                Ok(_) => silences = 0,
                Err(fault) if silences == MOST_SILENCES => return Err(fault),
                Err(_) => silences += 1,
            }
        }
        Ok(finding)
    }

    /// Whether anybody at all would get through with it, by the code that judges requests.
    fn lets_pass(&self, spelling: &str) -> bool {
        let target = format!("{}{spelling}", stripped(self.app));
        let mut hosts = self.app.patterns().map(|host| host.example());
        hosts.any(|host| {
            let (method, client) = (&Method::GET, IpAddr::V4(Ipv4Addr::LOCALHOST));
            let question = Question { host: &host, target: &target, method, client, identity: Identity::Anonymous, now: NOW };
            match explain(&self.loaded.plan, &self.loaded.document, question) {
                Seen::App(explained) => match explained.trace.judgement {
                    Judgement::Denied(_) | Judgement::Redirected(_) => false,
                    Judgement::Required(_) | Judgement::Open => true,
                },
                Seen::UnknownHost
                | Seen::Refused(_)
                | Seen::Resolved { .. }
                | Seen::NoSuchPath
                | Seen::SeveralApps
                | Seen::OwnPage(_)
                | Seen::Disguised
                | Seen::Portal { .. } => false,
            }
        })
    }

    /// Asks for exactly these bytes, on a connection of its own.
    async fn ask(&self, target: &str) -> io::Result<Look> {
        let until = Instant::now() + PATIENCE;
        let proof = self.app.trust.proof();
        let mut stream = timeout_at(until, Peer::connect(self.app, proof.as_deref())).await?.map_err(io::Error::other)?;
        let host = self.app.patterns().next().map(|host| host.example().to_string()).unwrap_or_default();
        let head =
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: doorward\r\nAccept: */*\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut bytes = Vec::new();
        let read = async {
            while bytes.len() < MOST && stream.read_buf(&mut bytes).await? > 0 {}
            io::Result::Ok(())
        };
        match timeout_at(until, read).await {
            // Cut off in the middle, what came until then still tells.
            Ok(Err(fault)) if bytes.is_empty() => Err(fault),
            Err(late) if bytes.is_empty() => Err(late.into()),
            Ok(_) | Err(_) => Ok(Look::of(&bytes)),
        }
    }
}

impl Look {
    fn of(answer: &[u8]) -> Self {
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(answer.len());
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let header = |line: &str| {
            line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("location")).map(|(_, to)| to.trim().to_owned())
        };
        let location = head.lines().find_map(header).unwrap_or_default();
        let location = location.split('?').next().unwrap_or_default().to_owned();
        Self { status, location, body: answer.get(end + 4..).unwrap_or_default().to_vec() }
    }

    /// Whether both are the same page. Tokens and times differ from answer to answer, so bodies count as alike that are about as
    /// long and begin alike.
    fn is_like(&self, other: &Self) -> bool {
        let (one, two) = (self.body.len(), other.body.len());
        let lengths = one.abs_diff(two) * 20 <= one.max(two);
        let head = one.min(two).min(64);
        let begin = self.body[..head] == other.body[..head];
        self.status == other.status && self.location == other.location && (self.body == other.body || (lengths && begin))
    }
}

impl Finding {
    fn json(&self) -> Value {
        let Self { path, asked, tells, served, through } = self;
        json!({ "path": path, "tells": tells, "asked": asked, "served": served, "through": through })
    }

    fn sentence(&self) -> String {
        let Self { path, asked, tells, served, through } = self;
        if !tells {
            return format!("{path}: the app answers this as it answers a path that does not exist, so nothing can be shown");
        }
        let shown: Vec<String> = through.iter().map(|spelling| format!("\n    {}", harmless(spelling))).collect();
        match through.len() {
            0 => {
                format!("{path}: the app serves it under {served} of {asked} other spellings; Doorward lets none of them through")
            }
            count => format!(
                "{path}: the app serves it under {served} of {asked} other spellings; Doorward lets {count} through:{}",
                shown.concat()
            ),
        }
    }
}

fn told(app: &App, findings: &[Finding]) -> String {
    let sentences: Vec<String> = findings.iter().map(Finding::sentence).collect();
    format!("{} at {}\n  {}", app.name, place(app), sentences.join("\n  "))
}

fn place(app: &App) -> String {
    app.upstream.origin.place()
}

/// What the app does not see of a path that visitors ask for.
fn stripped(app: &App) -> String {
    if app.mount.strips() { app.mount.prefix() } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(head: &str, body: &str) -> Look {
        Look::of(format!("HTTP/1.1 {head}\r\n\r\n{body}").as_bytes())
    }

    #[test]
    fn pages_are_told_apart_by_status_place_and_beginning() {
        let page = look("200 OK", "<html><title>Administration</title><input value=\"tokentokentoken1\">");
        assert!(page.is_like(&look("200 OK", "<html><title>Administration</title><input value=\"tokentokentoken2\">")));
        assert!(!page.is_like(&look("404 Not Found", "<html><title>Administration</title>")));
        assert!(!page.is_like(&look("200 OK", "<html><title>Home</title>")));
        let sent = look("302 Found\r\nLocation: /admin/login/?next=/admin/", "");
        assert!(sent.is_like(&look("302 Found\r\nlocation: /admin/login/?next=/%61dmin/", "")));
        assert!(!sent.is_like(&look("302 Found\r\nLocation: /", "")));
        assert_eq!(Look::of(b"").status, 0);
    }

    #[test]
    fn patterns_become_paths_that_can_be_asked_for() {
        for (pattern, path) in [
            ("/admin/", Some("/admin/")),
            ("/api/*/keys", Some("/api/x/keys")),
            ("/**/.git/", Some("/x/.git/")),
            ("/", None),
            ("/café/", None),
        ] {
            assert_eq!(plain(&Pattern::parse(pattern).expect(pattern)).as_deref(), path, "{pattern}");
        }
        assert_eq!(plain(&Pattern::regex("/(a|b)").expect("a regular expression")), None);
    }
}
