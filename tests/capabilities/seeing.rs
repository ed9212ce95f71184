//! What an owner sees of a running gateway: metrics as Prometheus reads them, and the state at one look.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use doorward::admin::status::Status;
use doorward::admin::wish::{Answer, Wish};
use http::StatusCode;

use crate::kit::app::App;
use crate::kit::gateway::{Gateway, HOST, until};
use crate::kit::line::{BOTH, Line, Protocol};
use crate::kit::wire::Wire;

/// A configuration with metrics, and an app that is not there.
fn file(upstream: &str, listen: &str) -> String {
    format!(
        "[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = [\"127.0.0.1:0\"]\n{listen}\n[log]\nfile = \"access.log\"\naccess = \"combined\"\n\
         [[app]]\nname = \"docs\"\nhost = \"{HOST}\"\nupstream = \"{upstream}\"\ndeny = [\"/admin/\"]\nbypass = [\"/health\"]\n\
         [[app]]\nhost = \"gone.example\"\nupstream = \"http://127.0.0.1:9\"\nbypass = [\"/\"]\n"
    )
}

const METRICS: &str = "metrics = \"127.0.0.1:0\"";

async fn status(gateway: &Gateway) -> Status {
    match gateway.ask(&Wish::Status).await {
        Answer::Status(status) => *status,
        other => panic!("{other:?}"),
    }
}

/// What the metrics' listener answers.
async fn asked(gateway: &Gateway, head: &str) -> String {
    let address = status(gateway).await.listeners.metrics[0];
    let mut wire = Wire::plain(address).await;
    wire.write(head).await.expect("written");
    String::from_utf8(wire.rest().await).expect("UTF-8")
}

async fn metrics(gateway: &Gateway) -> String {
    let answer = asked(gateway, "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/plain; version=0.0.4"), "{head}");
    body.to_owned()
}

/// Every sample by name and labels. Panics where the text breaks the exposition format or what `promtool` asks for.
fn parsed(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let (mut family, mut kind) = ("", "");
    let mut lines = text.lines().peekable();
    assert!(text.ends_with('\n'));
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').expect("words");
            assert!(!words.is_empty() && seen.insert(name), "{name} twice");
            let is_name =
                |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            assert!(is_name(name), "{name}");
            let (named, its) = lines.next().and_then(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).expect("a type");
            assert_eq!(named, name);
            assert_eq!(its == "counter", name.ends_with("_total"), "{name}");
            (family, kind) = (name, its);
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a sample");
        let name = series.split('{').next().expect("a name");
        let suffix = name.strip_prefix(family).expect("of its family");
        assert!(if kind == "histogram" { ["_bucket", "_sum", "_count"].contains(&suffix) } else { suffix.is_empty() }, "{line}");
        let value: f64 = value.parse().expect("a number");
        assert!(samples.insert(series.to_owned(), value).is_none(), "{series} twice");
    }
    for (series, value) in &samples {
        if let Some((before, _)) = series.split_once("le=\"+Inf\"}") {
            let count = before.replace("_bucket{", "_count{");
            let count = count.trim_end_matches([',', '{']).to_owned() + if count.contains('"') { "}" } else { "" };
            assert_eq!(samples.get(&count), Some(value), "{count}");
        }
    }
    samples
}

fn near(text: &BTreeMap<String, f64>, series: &str) -> f64 {
    *text.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", text.keys().collect::<Vec<_>>()))
}

/// A gateway that has seen something of everything.
async fn busy() -> (Gateway, App) {
    let upstream = App::start().await;
    let gateway = Gateway::from_file(&file(&upstream.url(), METRICS));
    let mut guest = gateway.guest("alice").await;
    assert_eq!(guest.fetch("GET", "/a?token=secret").await.status, StatusCode::OK);
    assert_eq!(guest.fetch("PROPFIND", "/a").await.status, StatusCode::OK);
    assert_eq!(guest.fetch("GET", "/admin/").await.status, StatusCode::NOT_FOUND);
    let mut stranger = gateway.stranger();
    assert_eq!(stranger.fetch("GET", "/health").await.status, StatusCode::OK);
    assert_eq!(stranger.fetch("GET", "/").await.status, StatusCode::UNAUTHORIZED);
    stranger.host = "gone.example".to_owned();
    assert_eq!(stranger.fetch("GET", "/").await.status, StatusCode::BAD_GATEWAY);
    let mut wire = Wire::open(&gateway.reach()).await;
    wire.write("GET / HTTP/1.1\r\n\r\n").await.expect("written");
    wire.rest().await;
    (gateway, upstream)
}

#[tokio::test]
async fn what_happened_is_told_in_the_form_that_prometheus_reads() {
    let (gateway, _upstream) = busy().await;
    until("everything is counted", || gateway.running().services().metrics.refusals().count() >= 4).await;
    let text = metrics(&gateway).await;
    let samples = parsed(&text);
    for (series, value) in [
        ("doorward_http_requests_total{app=\"docs\",method=\"other\",code=\"2xx\"}", 1.0),
        ("doorward_http_requests_total{app=\"gone.example\",method=\"GET\",code=\"5xx\"}", 1.0),
        ("doorward_policy_decisions_total{app=\"docs\",action=\"allow\"}", 2.0),
        ("doorward_policy_decisions_total{app=\"docs\",action=\"deny\"}", 1.0),
        ("doorward_policy_decisions_total{app=\"docs\",action=\"bypass\"}", 1.0),
        ("doorward_policy_decisions_total{app=\"gone.example\",action=\"bypass\"}", 1.0),
        ("doorward_upstream_response_duration_seconds_count{app=\"docs\"}", 3.0),
        ("doorward_upstream_errors_total{app=\"gone.example\",kind=\"unreachable\"}", 1.0),
        ("doorward_upstream_up{app=\"gone.example\",upstream=\"127.0.0.1:9\"}", 0.0),
        ("doorward_refusals_total{refusal=\"blocked\"}", 1.0),
        ("doorward_refusals_total{refusal=\"upstream-unreachable\"}", 1.0),
        ("doorward_auth_attempts_total{method=\"password\",result=\"success\"}", 1.0),
        ("doorward_auth_attempts_total{method=\"code\",result=\"success\"}", 1.0),
        ("doorward_auth_duration_seconds_count{method=\"password\"}", 1.0),
        ("doorward_sessions{state=\"active\"}", 1.0),
        ("doorward_config_last_reload_success", 1.0),
        ("doorward_store_up", 1.0),
        ("doorward_http_requests_in_flight{app=\"docs\"}", 0.0),
        ("doorward_websockets{app=\"docs\"}", 0.0),
    ] {
        assert_eq!(near(&samples, series), value, "{series}");
    }
    for series in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"] {
        assert!(near(&samples, series) > 0.0, "{series}");
    }
    assert!(near(&samples, &format!("doorward_cert_not_after_timestamp_seconds{{host=\"{HOST}\"}}")) > 1_800_000_000.0);
    for secret in ["alice", "token", "/admin", "127.0.0.1:0"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

/// The attack: ten thousand made-up hosts, paths, methods and names, for ten thousand series and a full memory.
#[tokio::test]
async fn what_clients_make_up_adds_no_series() {
    let (gateway, _upstream) = busy().await;
    let hostile = async |from: usize| {
        let reach = gateway.reach();
        let mut line = Line::open(&reach, HOST, Protocol::Http2).await;
        for number in from..from + 200 {
            let mut visitor = gateway.stranger().over(Protocol::Http2);
            if number % 2 == 0 {
                visitor.host = format!("made-up-{number}.example");
            }
            let request = visitor.call(&format!("METHOD{number}"), &format!("/path-{number}?user=u{number}"));
            drop(visitor.send_on(&mut line, request).await);
        }
    };
    hostile(0).await;
    let series = |text: String| parsed(&text).into_keys().collect::<BTreeSet<_>>();
    let before = series(metrics(&gateway).await);
    hostile(200).await;
    assert_eq!(series(metrics(&gateway).await), before);
}

/// The attack: reading the metrics from outside: at a public address, as a page whose name points here, by another method.
#[tokio::test]
async fn the_metrics_are_told_at_their_own_address_alone() {
    let (gateway, upstream) = busy().await;
    upstream.take();
    for protocol in BOTH {
        let answer = gateway.stranger().over(protocol).fetch("GET", "/metrics").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(upstream.count(), 0);
    let mut wire = Wire::plain(gateway.http()).await;
    wire.write(format!("GET /metrics HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")).await.expect("written");
    assert!(wire.rest().await.starts_with(b"HTTP/1.1 308 "));
    for (head, status) in [
        (format!("GET /metrics HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), 403),
        ("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n".to_owned(), 403),
        ("GET /metrics HTTP/1.1\r\n\r\n".to_owned(), 403),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 404),
        ("POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".to_owned(), 405),
    ] {
        let answer = asked(&gateway, &head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && !answer.contains("doorward_"), "{head}: {answer}");
    }
}

#[tokio::test]
async fn a_reload_opens_moves_and_closes_the_metrics_and_keeps_every_count() {
    let (gateway, upstream) = busy().await;
    let reload = async |listen: &str| {
        std::fs::write(gateway.home().join("gateway.toml"), file(&upstream.url(), listen)).expect("written");
        gateway.ask(&Wish::Reload { file: None, confirm_secs: None, colour: false }).await
    };
    let first = status(&gateway).await.listeners.metrics[0];
    assert!(matches!(reload("").await, Answer::Reloaded(_)));
    assert!(status(&gateway).await.listeners.metrics.is_empty());
    until("nobody listens", || std::net::TcpStream::connect(first).is_err()).await;
    assert!(matches!(reload(METRICS).await, Answer::Reloaded(_)));
    let samples = parsed(&metrics(&gateway).await);
    assert_eq!(near(&samples, "doorward_policy_decisions_total{app=\"docs\",action=\"allow\"}"), 2.0);
    assert_eq!(near(&samples, "doorward_config_reloads_total{result=\"success\"}"), 2.0);
    assert!(matches!(reload("metrics = \"0.0.0.0:9464\"").await, Answer::Complaints(_)));
    let samples = parsed(&metrics(&gateway).await);
    assert_eq!(near(&samples, "doorward_config_last_reload_success"), 0.0);
    let refused = status(&gateway).await.configuration.refused.expect("remembered");
    assert!(refused.why.contains("E0206"), "{refused:?}");
}

fn doorward(home: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
    command.args(words).current_dir(home).env_remove("RUNTIME_DIRECTORY").env_remove("STATE_DIRECTORY");
    command.output().expect("the program runs")
}

#[tokio::test]
async fn the_state_is_seen_at_one_look() {
    let (gateway, _upstream) = busy().await;
    let status = status(&gateway).await;
    assert_eq!((status.sessions, status.users, status.store_ok, status.configuration.version), (Some(1), Some(1), true, 1));
    let [docs, gone] = &status.apps[..] else { panic!("{:?}", status.apps) };
    assert_eq!((docs.name.as_str(), docs.up, gone.up), ("docs", Some(true), Some(false)));
    assert_eq!(gone.last_failure.as_ref().map(|failure| failure.refusal.as_str()), Some("upstream-unreachable"));
    assert_eq!(status.certificates.len(), 2);
    assert_eq!(status.access_log.format, "combined");
    let home = gateway.home().to_owned();
    let said = tokio::task::spawn_blocking(move || doorward(&home, &["status", "--data-dir", "data"])).await.expect("no panic");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(said.status.code(), Some(0));
    for words in
        ["1 session, 1 user; store well; access log combined", "upstream-unreachable", "not tried", HOST, "metrics 127.0.0.1:"]
    {
        assert!(words == "not tried" || text.contains(words), "{words}: {text}");
    }
    let home = gateway.home().to_owned();
    let said = tokio::task::spawn_blocking(move || doorward(&home, &["status", "--data-dir", "data", "--json"])).await;
    let json: serde_json::Value = serde_json::from_slice(&said.expect("no panic").stdout).expect("JSON");
    assert_eq!(json["apps"][0]["name"], "docs");
}

#[test]
fn without_a_gateway_there_is_nothing_to_see_and_a_way_on_is_named() {
    let home = tempfile::tempdir().expect("a folder");
    for words in [&["status", "--data-dir", "data"][..], &["status", "--watch", "--json", "--data-dir", "data"]] {
        let said = doorward(home.path(), words);
        assert_eq!(said.status.code(), Some(5));
        let text = [said.stdout, said.stderr].concat();
        assert!(String::from_utf8_lossy(&text).contains("doorward run"), "{}", String::from_utf8_lossy(&text));
    }
}

/// The attack: whatever a client can write into a line, to make it two, or to shift its fields.
#[tokio::test]
async fn an_access_line_cannot_be_forged() {
    let (gateway, _upstream) = busy().await;
    let forged = "x\" 200 1 \"-\" \"y\\";
    let mut wire = Wire::open(&gateway.reach()).await;
    let referer = format!("https://a.example/?token=secret&q={forged}\t\x7f").replace('\x7f', "\u{9b}");
    let head = format!(
        "GET /%22%0d%0a?token=secret&x=1 HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: {forged}\t\u{9b}31m\r\nReferer: {referer}\r\nConnection: close\r\n\r\n"
    );
    wire.write(head).await.expect("written");
    wire.rest().await;
    let log = gateway.ended().await;
    let line = log.lines().find(|line| line.contains("31m")).unwrap_or_else(|| panic!("{log}"));
    assert_eq!(line.matches('"').count(), 6, "{line}");
    let fields: Vec<&str> = line.split('"').collect();
    assert_eq!(
        fields[3],
        "https://a.example/?token=REDACTED&q=x\\x22\\xEF\\xBF\\xBD200\\xEF\\xBF\\xBD1\\xEF\\xBF\\xBD\\x22-\\x22\\xEF\\xBF\\xBD\\x22y\\x5C\\xEF\\xBF\\xBD\\xEF\\xBF\\xBD"
    );
    assert_eq!(fields[5], "x\\x22 200 1 \\x22-\\x22 \\x22y\\x5C\\x09\\xC2\\x9B31m");
    assert!(!log.contains("secret") && log.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')), "{log}");
}

#[tokio::test]
#[ignore = "needs promtool"]
async fn promtool_finds_nothing_to_complain_about() {
    let (gateway, _upstream) = busy().await;
    let text = metrics(&gateway).await;
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-programs/usr/bin/promtool");
    let program = if own.exists() { own } else { "promtool".into() };
    let file = gateway.home().join("metrics.txt");
    std::fs::write(&file, text).expect("written");
    let said = Command::new(program).args(["check", "metrics"]).stdin(std::fs::File::open(file).expect("written")).output();
    let said = said.expect("promtool runs");
    assert!(said.status.success() && said.stdout.is_empty() && said.stderr.is_empty(), "{said:?}");
}
