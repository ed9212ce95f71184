//! Every metric there is, as Prometheus reads them. Names are promises: alerts are written against them.
//!
//! Labels come from closed lists and from the configuration, never from a request: no path, no user, no address.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::observe::exposition::{Exposition, Kind};
use crate::observe::metrics::Metrics;
use crate::observe::process::Process;
use crate::observe::tally::{CLASSES, Decision, METHODS, Sum, Tally};
use crate::plan::whole::Plan;
use crate::store::open::Store;
use crate::tls::directory::{Certificate, Directory};

/// Sessions that were used within this time are active.
const RECENT: Duration = Duration::from_secs(300);

/// Where the numbers come from.
#[derive(Debug)]
pub struct Sources<'a> {
    /// What was counted.
    pub metrics: &'a Metrics,
    /// The configuration in force.
    pub plan: &'a Plan,
    /// Sessions.
    pub store: &'a Store,
    /// Certificates.
    pub directory: &'a Directory,
    /// Access lines that could not be written.
    pub lines_lost: u64,
    /// Open connections of clients.
    pub connections: usize,
    /// The moment.
    pub now: Timestamp,
}

/// The whole text. Looks at every app, host and session, and at files of the kernel's: for a thread that may wait.
pub fn text(sources: &Sources<'_>) -> String {
    let mut text = Exposition::default();
    requests(&mut text, sources.metrics);
    upstreams(&mut text, sources);
    sign_in(&mut text, sources);
    configuration(&mut text, sources);
    process(&mut text, sources);
    text.into_text()
}

fn requests(text: &mut Exposition, metrics: &Metrics) {
    let apps: Vec<(Box<str>, Sum)> = metrics.apps().into_iter().map(|(name, tally)| (name, tally.sum())).collect();
    let mut family =
        text.family("doorward_http_requests_total", Kind::Counter, "Requests answered, by app, method and class of status.");
    for (app, sum) in &apps {
        for (method, classes) in METHODS.iter().zip(sum.requests) {
            for (class, count) in CLASSES.iter().zip(classes).filter(|(_, count)| *count > 0) {
                family.sample(&[("app", app), ("method", method), ("code", class)], count);
            }
        }
    }
    let help = "From the head of a request to the end of its answer.";
    let mut family = text.family("doorward_http_request_duration_seconds", Kind::Histogram, help);
    apps.iter().for_each(|(app, sum)| family.histogram(&[("app", app)], &sum.took));
    let help = "From the head of a request to the head of the app's answer.";
    let mut family = text.family("doorward_upstream_response_duration_seconds", Kind::Histogram, help);
    apps.iter().filter(|(app, _)| !app.is_empty()).for_each(|(app, sum)| family.histogram(&[("app", app)], &sum.waited));
    let mut family = text.family("doorward_http_requests_in_flight", Kind::Gauge, "Requests being answered.");
    apps.iter().for_each(|(app, sum)| family.sample(&[("app", app)], sum.open));
    let mut family = text.family("doorward_websockets", Kind::Gauge, "Open WebSockets.");
    apps.iter().filter(|(app, _)| !app.is_empty()).for_each(|(app, sum)| family.sample(&[("app", app)], sum.websockets));
    let mut family = text.family("doorward_policy_decisions_total", Kind::Counter, "What was decided about requests for apps.");
    for (app, sum) in apps.iter().filter(|(app, _)| !app.is_empty()) {
        for (decision, count) in Decision::ALL.iter().zip(sum.decisions) {
            family.sample(&[("app", app), ("action", decision.name())], count);
        }
    }
    let mut family = text.family("doorward_refusals_total", Kind::Counter, "Requests refused, by the name in the access log.");
    metrics.refusals().for_each(|(name, count)| family.sample(&[("refusal", name)], count));
}

fn upstreams(text: &mut Exposition, sources: &Sources<'_>) {
    let help = "Whether the app's server could be connected to when that was last tried.";
    let mut family = text.family("doorward_upstream_up", Kind::Gauge, help);
    let places: BTreeSet<(&str, String)> =
        sources.plan.apps.iter().map(|app| (app.name.as_str(), app.upstream.origin.place())).collect();
    for (app, upstream) in &places {
        let up = sources.metrics.app(app).as_deref().and_then(Tally::is_up);
        if let Some(up) = up {
            family.sample(&[("app", app), ("upstream", upstream)], u8::from(up));
        }
    }
    let mut family =
        text.family("doorward_upstream_errors_total", Kind::Counter, "Requests that an app did not answer as it should.");
    for (app, tally) in sources.metrics.apps() {
        tally.errors().for_each(|(kind, count)| family.sample(&[("app", &app), ("kind", kind)], count));
    }
}

fn sign_in(text: &mut Exposition, sources: &Sources<'_>) {
    let metrics = sources.metrics;
    let mut family = text.family("doorward_auth_attempts_total", Kind::Counter, "Tries to prove who one is.");
    for (method, attempt, count) in metrics.attempts() {
        family.sample(&[("method", method.name()), ("result", attempt.name())], count);
    }
    let mut family =
        text.family("doorward_auth_duration_seconds", Kind::Histogram, "How long passwords and codes were looked at.");
    metrics.attempts_took().for_each(|(method, took)| family.histogram(&[("method", method.name())], &took));
    let (active, idle) = sources.store.count_sessions(sources.now, RECENT);
    let mut family = text.family("doorward_sessions", Kind::Gauge, "Live sessions; active ones were used within five minutes.");
    family.sample(&[("state", "active")], active);
    family.sample(&[("state", "idle")], idle);
    let mut family = text.family("doorward_sessions_revoked_total", Kind::Counter, "Sessions that were ended before their time.");
    metrics.endings().for_each(|(ending, count)| family.sample(&[("reason", ending.name())], count));
    let help = "Networks from which nobody may sign in.";
    text.single("doorward_bans", Kind::Gauge, help, sources.store.bans().len());
    let help = "Whether the store can be read and written.";
    text.single("doorward_store_up", Kind::Gauge, help, u8::from(!sources.store.is_broken()));
}

fn configuration(text: &mut Exposition, sources: &Sources<'_>) {
    let metrics = sources.metrics;
    certificates(text, &sources.directory.certificates());
    let mut family = text.family("doorward_cert_renewals_total", Kind::Counter, "Certificate files that changed.");
    metrics.renewals().for_each(|(renewal, count)| family.sample(&[("result", renewal.name())], count));
    let mut family = text.family("doorward_config_reloads_total", Kind::Counter, "Reloads of the configuration.");
    metrics.reloads().for_each(|(reload, count)| family.sample(&[("result", reload.name())], count));
    let (success, at) = metrics.last_reload();
    text.single("doorward_config_last_reload_success", Kind::Gauge, "Whether the last reload succeeded.", u8::from(success));
    let help = "When the configuration was last reloaded, or tried to be.";
    text.single("doorward_config_last_reload_timestamp_seconds", Kind::Gauge, help, at);
    let help = "The configuration in force, as in the access log.";
    text.single("doorward_config_version", Kind::Gauge, help, sources.plan.version);
    let (version, commit) = (env!("CARGO_PKG_VERSION"), option_env!("DOORWARD_COMMIT").unwrap_or("unknown"));
    let mut family = text.family("doorward_build_info", Kind::Gauge, "Which program this is.");
    family.sample(&[("version", version), ("commit", commit)], 1);
}

fn certificates(text: &mut Exposition, shown: &[Certificate]) {
    let help = "When certificates began that are in use; not those of the local authority, which never run late.";
    let mut family = text.family("doorward_cert_not_before_timestamp_seconds", Kind::Gauge, help);
    for (certificate, from) in shown.iter().filter_map(|shown| Some((shown, shown.not_before?))) {
        family.sample(&[("host", &certificate.host.to_string())], from.secs());
    }
    let help = "When certificates end that are in use.";
    let mut family = text.family("doorward_cert_not_after_timestamp_seconds", Kind::Gauge, help);
    for (certificate, until) in shown.iter().filter_map(|shown| Some((shown, shown.not_after?))) {
        family.sample(&[("host", &certificate.host.to_string())], until.secs());
    }
}

fn process(text: &mut Exposition, sources: &Sources<'_>) {
    text.single("doorward_connections", Kind::Gauge, "Open connections of clients.", sources.connections);
    let help = "Connections closed at once because there were too many.";
    text.single("doorward_connections_refused_total", Kind::Counter, help, sources.metrics.all_turned_away());
    let help = "Access lines that could not be written.";
    text.single("doorward_access_lines_lost_total", Kind::Counter, help, sources.lines_lost);
    let process = Process::look();
    let gauges = [
        ("process_resident_memory_bytes", "Memory in use.", process.resident),
        ("process_virtual_memory_bytes", "Memory asked for.", process.virtual_size),
        ("process_open_fds", "Open file descriptors.", process.files),
        ("process_max_fds", "The most file descriptors there may be.", process.most_files),
        ("process_threads", "Threads.", process.threads),
    ];
    for (name, help, value) in gauges {
        if let Some(value) = value {
            text.single(name, Kind::Gauge, help, value);
        }
    }
    let help = "When the process started, in seconds since 1970.";
    text.single("process_start_time_seconds", Kind::Gauge, help, sources.metrics.started_at());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::wildcard::HostPattern;
    use crate::tls::directory::Source;

    #[test]
    fn what_is_left_of_a_certificate_can_be_told_as_a_fraction() {
        let one = |host: &str, source, from: Option<i64>, until: Option<i64>| Certificate {
            host: HostPattern::parse(host).expect("a host"),
            issuer: "R11".to_owned(),
            not_before: from.map(Timestamp::from_secs),
            not_after: until.map(Timestamp::from_secs),
            file: None,
            source,
        };
        let shown = [
            one("a.example", Source::Acme, Some(100), Some(900)),
            one("b.localhost", Source::Local, None, Some(500)),
            one("c.localhost", Source::Local, None, None),
        ];
        let mut text = Exposition::default();
        certificates(&mut text, &shown);
        let text = text.into_text();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let expected = [
            "doorward_cert_not_before_timestamp_seconds{host=\"a.example\"} 100",
            "doorward_cert_not_after_timestamp_seconds{host=\"a.example\"} 900",
            "doorward_cert_not_after_timestamp_seconds{host=\"b.localhost\"} 500",
        ];
        assert_eq!(samples, expected);
    }
}
