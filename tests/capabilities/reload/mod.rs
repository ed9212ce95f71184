//! Reload: the next configuration for the next request, and nothing lost of what did not change.

mod load;
mod mutants;
mod named_files;
mod program;
mod sockets;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorward::admin::wish::{Answer, RefusedKind, Reloaded, Wish};
use doorward::plan::difference::Effect;
use http::StatusCode;
use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::kit::app::App;
use crate::kit::gateway::{Gateway, HOST, within};
use crate::kit::line::BOTH;

/// A configuration on ports of the system's choice, whose drained streams end at once.
fn file(apps: &str) -> String {
    listening("\"127.0.0.1:0\"", apps)
}

fn listening(https: &str, apps: &str) -> String {
    format!(
        "[listen]\nhttps = [{https}]\nhttp = [\"127.0.0.1:0\"]\ndrain_timeout = \"0s\"\n\n[log]\nfile = \"access.log\"\n\n{apps}"
    )
}

fn app(host: &str, upstream: &str, more: &str) -> String {
    format!("[[app]]\nhost = \"{host}\"\nupstream = \"{upstream}\"\n{more}\n")
}

fn rewrite(gateway: &Gateway, text: &str) {
    fs::write(gateway.home().join("gateway.toml"), text).expect("written");
}

fn wish(confirm_secs: Option<u64>) -> Wish {
    Wish::Reload { file: None, confirm_secs, colour: false }
}

/// Puts another text into the file and has it taken up.
async fn reload(gateway: &Gateway, text: &str) -> Reloaded {
    rewrite(gateway, text);
    match gateway.ask(&wish(None)).await {
        Answer::Reloaded(reloaded) => *reloaded,
        other => panic!("{other:#?}"),
    }
}

#[tokio::test]
async fn the_next_request_meets_the_next_configuration() {
    let upstream = App::start().await;
    let before = file(&app(HOST, &upstream.url(), "deny = [\"/admin/\"]"));
    let gateway = Gateway::from_file(&before);
    let guest = gateway.guest("alice").await;
    for protocol in BOTH {
        let mut guest = guest.clone().over(protocol);
        let mut line = guest.line().await;
        let mut status = async |path: &str| {
            let request = guest.call("GET", path);
            guest.send_on(&mut line, request).await.status
        };
        assert_eq!([status("/").await, status("/admin/").await], [StatusCode::OK, StatusCode::NOT_FOUND]);
        let told = reload(&gateway, &file(&app(HOST, &upstream.url(), "only = [\"/admin/\"]"))).await;
        assert_eq!([status("/").await, status("/admin/").await], [StatusCode::NOT_FOUND, StatusCode::OK], "one connection");
        assert_eq!(told.changes.iter().map(|change| change.effect).collect::<Vec<_>>(), [Effect::Opens, Effect::Closes]);
        reload(&gateway, &before).await;
    }
    let log = gateway.ended().await;
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let admin = lines.iter().filter(|line| line["request"]["uri"] == "/admin/");
    let met: Vec<_> =
        admin.map(|line| (line["plan"].as_u64().expect("a number"), line["status"].as_u64().expect("a number"))).collect();
    assert_eq!(met, [(1, 404), (2, 200), (3, 404), (4, 200)]);
}

#[tokio::test]
async fn a_file_with_errors_changes_nothing_and_is_complained_about() {
    let upstream = App::start().await;
    let good = file(&app(HOST, &upstream.url(), "deny = [\"/admin/\"]"));
    let gateway = Gateway::from_file(&good);
    let mut guest = gateway.guest("alice").await;
    let missing = "certificate = \"no.pem\"\nprivate_key = \"no.key\"";
    let bad = [
        "not TOML".to_owned(),
        good.replace("deny", "dney"),
        good.replace("[\"/admin/\"]", "\"/x\""),
        good.replace("http://", "gopher://"),
        file(""),
        file(&app(HOST, &upstream.url(), missing)),
    ];
    for text in &bad {
        rewrite(&gateway, text);
        match gateway.ask(&wish(None)).await {
            Answer::Complaints(told) => {
                assert_eq!(told.json["ok"], false);
                assert!(told.text.contains("nothing was applied") && told.text.contains("gateway.toml"), "{}", told.text);
            }
            other => panic!("{text}\n{other:#?}"),
        }
    }
    fs::remove_file(gateway.home().join("gateway.toml")).expect("removed");
    assert!(matches!(gateway.ask(&wish(None)).await, Answer::Complaints(_)));
    assert_eq!(guest.fetch("GET", "/admin/").await.status, StatusCode::NOT_FOUND);
    assert_eq!(guest.fetch("GET", "/").await.status, StatusCode::OK);
    assert_eq!(gateway.running().services().plan.get().version, 1);
    assert_eq!(reload(&gateway, &good).await.version, 2);
}

#[tokio::test]
async fn what_cannot_be_had_here_changes_nothing_either() {
    let upstream = App::start().await;
    let good = file(&app(HOST, &upstream.url(), ""));
    let gateway = Gateway::from_file(&good);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound");
    let pem = pair(gateway.home(), "one", &[HOST]);
    let other = pair(gateway.home(), "other", &[HOST]);
    let mixed = format!("certificate = \"{}\"\nprivate_key = \"{}\"", pem.0.display(), other.1.display());
    let cases = [
        (listening(&format!("\"127.0.0.1:0\", \"{address}\""), &app(HOST, &upstream.url(), "")), "cannot listen on"),
        (file(&app(HOST, &upstream.url(), &mixed)), "does not belong to"),
    ];
    for (text, reason) in cases {
        rewrite(&gateway, &text);
        match gateway.ask(&wish(None)).await {
            Answer::Refused { kind: RefusedKind::NotApplied, message } => assert!(message.contains(reason), "{message}"),
            other => panic!("{other:#?}"),
        }
    }
    assert_eq!(gateway.running().services().plan.get().version, 1);
    assert_eq!(gateway.stranger().get("/").await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn keys_that_need_a_restart_are_named() {
    let upstream = App::start().await;
    let good = file(&app(HOST, &upstream.url(), ""));
    let gateway = Gateway::from_file(&good);
    let other = format!("data_dir = \"elsewhere\"\n{}", good.replace("access.log", "other.log"));
    assert_eq!(reload(&gateway, &other).await.needs_restart, ["data_dir", "log.file"]);
    assert_eq!(reload(&gateway, &other).await.needs_restart, ["data_dir", "log.file"], "still");
    assert!(reload(&gateway, &good).await.needs_restart.is_empty());
}

/// A chain and key for these hosts, as files.
fn pair(dir: &Path, name: &str, hosts: &[&str]) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().expect("a key");
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let chain = CertificateParams::new(hosts).expect("names").self_signed(&key).expect("signed").pem();
    let files = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    fs::write(&files.0, chain).expect("written");
    fs::write(&files.1, key.serialize_pem()).expect("written");
    files
}

/// Whether a client that trusts this certificate alone is content with the first host.
async fn is_shown(gateway: &Gateway, chain: &Path) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(chain).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = versions.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(gateway.reach().https).await.expect("a connection");
    let name = ServerName::try_from(HOST).expect("a name");
    within("the handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await.is_ok()
}

#[tokio::test]
async fn certificate_files_are_read_again() {
    let upstream = App::start().await;
    let plain = file(&app(HOST, &upstream.url(), ""));
    let gateway = Gateway::from_file(&plain);
    let one = pair(gateway.home(), "one", &[HOST]);
    let two = pair(gateway.home(), "two", &[HOST]);
    assert!(!is_shown(&gateway, &one.0).await);
    // Relative to the file, not to where the gateway was started.
    let text = file(&app(HOST, &upstream.url(), "certificate = \"live.pem\"\nprivate_key = \"live.key\""));
    let turn = |files: &(PathBuf, PathBuf)| {
        fs::copy(&files.0, gateway.home().join("live.pem")).expect("copied");
        fs::copy(&files.1, gateway.home().join("live.key")).expect("copied");
    };
    turn(&one);
    reload(&gateway, &text).await;
    assert!(is_shown(&gateway, &one.0).await);
    turn(&two);
    reload(&gateway, &text).await;
    assert!(is_shown(&gateway, &two.0).await && !is_shown(&gateway, &one.0).await);
    fs::copy(&one.1, gateway.home().join("live.key")).expect("copied");
    let refused = gateway.ask(&wish(None)).await;
    assert!(matches!(refused, Answer::Refused { kind: RefusedKind::NotApplied, .. }), "{refused:?}");
    assert!(is_shown(&gateway, &two.0).await, "the old pair stays");
    reload(&gateway, &plain).await;
    assert!(!is_shown(&gateway, &two.0).await);
}
