//! `doorward status`: the running gateway at one look, or at one a second.

use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::Duration;

use crate::admin::status::{AppLine, CertificateLine, Status};
use crate::admin::wish::{Answer, Wish};
use crate::base::units::in_words;
use crate::command::diff::{ask, unexpected};
use crate::command::exit::Failure;
use crate::command::output::{Output, table};
use crate::command::place::Named;
use crate::config::report::harmless;
use crate::daemon::place::Place;

/// How often `--watch` looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Clears a terminal and goes to its top.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Carries out `status`.
///
/// # Errors
/// [`Failure::Unreachable`] when no gateway answers, with `watch` also when it answers no more.
pub fn status(named: &Named, watch: bool, output: Output) -> Result<(), Failure> {
    let place = named.running()?;
    if !watch {
        let status = look(&place)?;
        output.result(&status, || text(&status));
        return Ok(());
    }
    let clear = io::stdout().is_terminal() && !output.json;
    loop {
        let status = look(&place)?;
        let shown = match (output.json, clear) {
            (true, _) => serde_json::to_string(&status).unwrap_or_default(),
            (false, true) => format!("{CLEAR}{}", text(&status)),
            (false, false) => format!("{}\n", text(&status)),
        };
        let mut out = io::stdout().lock();
        // Whoever read this has gone away: nobody watches any more.
        if writeln!(out, "{shown}").and_then(|()| out.flush()).is_err() {
            return Ok(());
        }
        drop(out);
        thread::sleep(LOOK_EVERY);
    }
}

fn look(place: &Place) -> Result<Status, Failure> {
    match ask(place, &Wish::Status)? {
        Answer::Status(status) => Ok(*status),
        other => Err(unexpected(other)),
    }
}

fn text(status: &Status) -> String {
    let mut lines = head(status);
    lines.push(String::new());
    let rows: Vec<Vec<String>> = status.apps.iter().map(|app| app_row(app, status.now)).collect();
    lines.push(table(&["APP", "HOST", "UPSTREAM", "REACHED", "REQUESTS", "WEBSOCKETS", "LAST FAILURE"], &rows));
    lines.push(String::new());
    let rows: Vec<Vec<String>> = status.certificates.iter().map(|line| certificate_row(line, status.now)).collect();
    lines.push(table(&["CERTIFICATE OF", "ISSUER", "ENDS", "FILE"], &rows));
    if !status.warnings.is_empty() {
        lines.push("\nWarnings".to_owned());
        lines.extend(status.warnings.iter().map(|warning| format!("  {}", harmless(warning))));
    }
    lines.join("\n")
}

fn head(status: &Status) -> Vec<String> {
    let memory = status.memory_bytes.map(|bytes| format!(", {} MiB of memory", bytes.div_ceil(1 << 20))).unwrap_or_default();
    let configuration = &status.configuration;
    let file = configuration.file.as_ref().map_or("the command line".to_owned(), |file| harmless(&file.display().to_string()));
    let mut lines = vec![
        format!("doorward {} has run for {} as process {}{memory}", status.version, span(status.since, status.now), status.pid),
        format!("configuration {} from {file}, loaded {}", configuration.version, ago(configuration.loaded, status.now)),
    ];
    if let Some(refused) = &configuration.refused {
        lines.push(format!("  refused {}: {}", ago(refused.at, status.now), harmless(&refused.why)));
        lines.push("  `doorward check` says more; the configuration in force stays".to_owned());
    }
    if let Some(secs) = configuration.trial_secs {
        let left = in_words(Duration::from_secs(secs));
        lines.push(format!("  on trial for another {left}: `doorward reload --keep` keeps it"));
    }
    let listeners = &status.listeners;
    let all = [("https", &listeners.https), ("http", &listeners.http), ("metrics", &listeners.metrics)];
    let listens = all.iter().flat_map(|(kind, list)| list.iter().map(move |address| format!("{kind} {address}")));
    lines.push(format!("listens: {}", listens.collect::<Vec<_>>().join(", ")));
    let count = |count: Option<usize>, one: &str| match count {
        Some(1) => format!("1 {one}"),
        Some(count) => format!("{count} {one}s"),
        None => format!("{one}s unknown"),
    };
    let store = if status.store_ok { "store well" } else { "STORE BROKEN: look at the disk, then restart" };
    let log = &status.access_log;
    let trouble = if log.failing { ", CANNOT BE WRITTEN" } else { "" };
    let lost = if log.lost > 0 { format!(", {} lines lost", log.lost) } else { String::new() };
    let (connections, sessions) = (count(Some(status.connections), "connection"), count(status.sessions, "session"));
    let users = count(status.users, "user");
    lines.push(format!("{connections}, {sessions}, {users}; {store}; access log {}{trouble}{lost}", log.format));
    if status.bans > 0 {
        lines.push(format!("{} barred from signing in: `doorward ban list` says which", count(Some(status.bans), "network")));
    }
    lines.push(format!("data in {}", harmless(&status.data_dir.display().to_string())));
    lines
}

fn app_row(app: &AppLine, now: i64) -> Vec<String> {
    let up = match app.up {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "not tried",
    };
    let failure = app.last_failure.as_ref().map(|failure| format!("{} {}", failure.refusal, ago(failure.at, now)));
    vec![
        harmless(&app.name),
        first_of(&app.hosts),
        harmless(&app.upstream),
        up.to_owned(),
        app.open_requests.to_string(),
        app.websockets.to_string(),
        failure.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn certificate_row(line: &CertificateLine, now: i64) -> Vec<String> {
    let ends = match line.until {
        Some(until) if until <= now => format!("ENDED {}", ago(until, now)),
        Some(until) => format!("in {}", span(now, until)),
        None => "made when first asked for".to_owned(),
    };
    let file = line.file.as_ref().map_or("-".to_owned(), |file| harmless(&file.display().to_string()));
    vec![first_of(&line.hosts), harmless(&line.issuer), ends, file]
}

/// The first, and how many more there are: whole, since half a name names nothing.
fn first_of(hosts: &[String]) -> String {
    match hosts {
        [] => "-".to_owned(),
        [one] => harmless(one),
        [first, more @ ..] => format!("{} and {} more", harmless(first), more.len()),
    }
}

fn ago(at: i64, now: i64) -> String {
    if at >= now { "just now".to_owned() } else { format!("{} ago", span(at, now)) }
}

fn span(from: i64, to: i64) -> String {
    in_words(Duration::from_secs(u64::try_from(to.saturating_sub(from)).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status() -> Status {
        serde_json::from_value(json!({
            "version": "0.1.0", "pid": 7, "now": 1000, "since": 400,
            "configuration": {
                "version": 3, "file": "/etc/gateway.toml", "loaded": 880,
                "refused": { "at": 940, "why": "gateway.toml:3:1: error[E0203]: unknown key" }, "trial_secs": 90,
            },
            "listeners": { "https": ["[::]:443"], "http": [], "metrics": ["127.0.0.1:9464"] },
            "apps": [{
                "name": "paper\u{1b}[31m", "hosts": ["a.example", "b.example"], "upstream": "127.0.0.1:8000", "up": false,
                "open_requests": 2, "websockets": 1, "last_failure": { "at": 990, "refusal": "upstream-unreachable" },
            }],
            "certificates": [{ "hosts": ["a.example"], "issuer": "R11", "until": 90_000, "file": null }],
            "sessions": 1, "users": 2, "store_ok": true,
            "access_log": { "format": "json", "failing": false, "lost": 0 },
            "connections": 4, "memory_bytes": 1_000_000, "warnings": ["look"], "data_dir": "/d",
        }))
        .expect("a status")
    }

    #[test]
    fn a_look_says_all_of_it_in_columns() {
        let expected = "\
            doorward 0.1.0 has run for 10 minutes as process 7, 1 MiB of memory\n\
            configuration 3 from /etc/gateway.toml, loaded 2 minutes ago\n  \
              refused 1 minute ago: gateway.toml:3:1: error[E0203]: unknown key\n  \
              `doorward check` says more; the configuration in force stays\n  \
              on trial for another 90 seconds: `doorward reload --keep` keeps it\n\
            listens: https [::]:443, metrics 127.0.0.1:9464\n\
            4 connections, 1 session, 2 users; store well; access log json\n\
            data in /d\n\n\
            APP         HOST                  UPSTREAM        REACHED  REQUESTS  WEBSOCKETS  LAST FAILURE\n\
            paper\u{fffd}[31m  a.example and 1 more  127.0.0.1:8000  NO       2         1           upstream-unreachable 10 seconds ago\n\n\
            CERTIFICATE OF  ISSUER  ENDS         FILE\n\
            a.example       R11     in 25 hours  -\n\n\
            Warnings\n  look";
        assert_eq!(text(&status()), expected);
    }
}
