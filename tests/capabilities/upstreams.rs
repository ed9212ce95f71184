//! Where requests go: over TLS to whoever proves the right name and to nobody else, over Unix sockets, and what is done while
//! the owner has closed an app.

use std::fs;
use std::path::Path;

use doorward::admin::wish::{Answer, Wish};
use doorward::plan::compile::compile_text;
use doorward::wire::body::Body;
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use tokio::net::UnixListener;

use crate::kit::app::App;
use crate::kit::authority::{Authority, Issued, Manner, front};
use crate::kit::flood::flood;
use crate::kit::gateway::{Gateway, HOST, one_app, until};
use crate::kit::line::BOTH;
use crate::kit::program::doorward;
use crate::kit::wire::{Wire, statuses};

const OPEN: &str = "bypass = [{ path = \"/\", reason = \"test\" }]";

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// An app under `https://localhost:PORT` with these settings of `upstream_tls`, open to everybody.
fn over_tls(port: u16, settings: &str) -> String {
    one_app(&format!("https://localhost:{port}"), &format!("{OPEN}\nupstream_tls = {{ {settings} }}"))
}

fn refusals(log: &str) -> Vec<String> {
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    lines.map(|line| line["refusal"].as_str().unwrap_or("none").to_owned()).collect()
}

#[tokio::test]
async fn an_upstream_over_tls_is_asked_once_it_has_proven_its_name() {
    let (app, home, authority) = (App::start().await, tempfile::tempdir().expect("a folder"), Authority::new());
    let port = front(&app.url(), &authority.issue("localhost"), Manner::default()).await;
    let ca = authority.file(home.path(), "ca.pem");
    let gateway = Gateway::start(&over_tls(port, &format!("ca = {}", quoted(&ca))));
    for protocol in BOTH {
        let mut stranger = gateway.stranger().over(protocol);
        for _ in 0..3 {
            let answer = stranger.fetch("POST", "/x?y").await;
            assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello from the app\n".to_owned()));
        }
        let seen = app.take().remove(0);
        assert_eq!((seen.target.as_str(), seen.header("host")), ("/x?y", stranger.authority().as_str()));
        assert_eq!(seen.header("x-forwarded-proto"), "https");
        let (body, taken) = flood(1024 * 1024);
        let mut request = stranger.call("POST", "/");
        *request.body_mut() = body;
        assert_eq!(stranger.send(request).await.status, StatusCode::OK);
        assert_eq!((app.take().remove(0).length, taken.bytes()), (1024 * 1024, 1024 * 1024));
    }
    assert!(app.connections() <= 2, "one for each worker, and kept");
}

/// The attack: somebody else answers at the upstream's address, with whatever certificate can be had.
#[tokio::test]
async fn nothing_is_sent_to_whoever_does_not_prove_the_right_name() {
    let (app, home, authority) = (App::start().await, tempfile::tempdir().expect("a folder"), Authority::new());
    let ca = quoted(&authority.file(home.path(), "ca.pem"));
    let own = format!("ca = {ca}");
    let good = |issued: Issued| (issued, Manner::default(), own.clone(), "upstream-certificate");
    let cases = [
        ("another name", good(authority.issue("other.example"))),
        ("an address instead of the name", good(authority.issue("127.0.0.1"))),
        ("expired", good(authority.issue_for("localhost", (-30, -1)))),
        ("not valid yet", good(authority.issue_for("localhost", (1, 30)))),
        ("another authority", good(Authority::new().issue("localhost"))),
        ("unknown to the system", (authority.issue("localhost"), Manner::default(), String::new(), "upstream-certificate")),
        (
            "the name asked for instead",
            (
                authority.issue("localhost"),
                Manner::default(),
                format!("{own}, server_name = \"nas.internal\""),
                "upstream-certificate",
            ),
        ),
        ("no HTTP/1.1", (authority.issue("localhost"), Manner { alpn: b"h2", clients_of: None }, own.clone(), "upstream-tls")),
        (
            "a certificate wanted of us",
            (
                authority.issue("localhost"),
                Manner { clients_of: Some(authority.roots()), ..Manner::default() },
                own.clone(),
                "upstream-tls",
            ),
        ),
    ];
    for (what, (issued, manner, settings, name)) in cases {
        let port = front(&app.url(), &issued, manner).await;
        let gateway = Gateway::start(&over_tls(port, &settings));
        for protocol in BOTH {
            let mut stranger = gateway.stranger().over(protocol);
            let answer = stranger.get("/secret").await;
            assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{what}");
            assert!(answer.text().contains(HOST) && answer.text().contains(answer.header("x-request-id")), "{}", answer.text());
            assert!(!answer.text().contains("certificate"), "{what}: a matter of the owner");
            assert_eq!(stranger.fetch("POST", "/secret").await.status, StatusCode::BAD_GATEWAY, "{what}");
        }
        assert_eq!(refusals(&gateway.ended().await), [name; 4], "{what}");
    }
    let plain = Gateway::start(&over_tls(app.url().rsplit(':').next().expect("a port").parse().expect("a port"), &own));
    assert_eq!(plain.stranger().get("/").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(refusals(&plain.ended().await), ["upstream-tls"]);
    assert_eq!(app.count(), 0, "not a byte of a request");
}

#[tokio::test]
async fn the_owner_says_which_name_is_to_be_proven_and_whether_any_is() {
    let (app, home, authority) = (App::start().await, tempfile::tempdir().expect("a folder"), Authority::new());
    let port = front(&app.url(), &authority.issue("nas.internal"), Manner::default()).await;
    let ca = quoted(&authority.file(home.path(), "ca.pem"));
    for settings in [format!("ca = {ca}, server_name = \"nas.internal\""), "insecure_skip_verify = true".to_owned()] {
        let gateway = Gateway::start(&over_tls(port, &settings));
        assert_eq!(gateway.stranger().get("/").await.status, StatusCode::OK, "{settings}");
    }
    let warnings = compile_text(&over_tls(port, "insecure_skip_verify = true")).expect("compiles").warnings;
    assert!(warnings.iter().any(|warning| warning.code.name() == "W0510"), "{warnings:#?}");
}

#[tokio::test]
async fn an_upstream_may_ask_who_we_are() {
    let (app, home, authority) = (App::start().await, tempfile::tempdir().expect("a folder"), Authority::new());
    let ca = quoted(&authority.file(home.path(), "ca.pem"));
    let manner = || Manner { clients_of: Some(authority.roots()), ..Manner::default() };
    let port = front(&app.url(), &authority.issue("localhost"), manner()).await;
    // The upstream goes by the system's clock.
    for (issuer, status) in [(&authority, StatusCode::OK), (&Authority::new(), StatusCode::BAD_GATEWAY)] {
        let (chain, key) = issuer.issue_for("doorward", (-3_650, 3_650)).files(home.path(), "client");
        let settings = format!("ca = {ca}, client_cert = {}, client_key = {}", quoted(&chain), quoted(&key));
        let gateway = Gateway::start(&over_tls(port, &settings));
        assert_eq!(gateway.stranger().get("/").await.status, status);
    }
    assert_eq!(app.count(), 1);
}

/// The attack: an authority that is not trusted any more, on a connection that was kept from before.
#[tokio::test]
async fn a_reload_reads_the_files_again_and_keeps_no_connection_that_proved_something_else() {
    let (app, home, authority) = (App::start().await, tempfile::tempdir().expect("a folder"), Authority::new());
    let port = front(&app.url(), &authority.issue("localhost"), Manner::default()).await;
    let ca = authority.file(home.path(), "ca.pem");
    let listen = "[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = []\n\n[log]\nfile = \"access.log\"\n\n";
    let gateway = Gateway::from_file(&format!("{listen}{}", over_tls(port, &format!("ca = {}", quoted(&ca)))));
    let reload = async || gateway.ask(&Wish::Reload { file: None, confirm_secs: None, colour: false }).await;
    let mut stranger = gateway.stranger();
    let mut line = stranger.line().await;
    let mut status = async || {
        let request = stranger.call("GET", "/");
        stranger.send_on(&mut line, request).await.status
    };
    assert_eq!(status().await, StatusCode::OK);
    assert!(matches!(reload().await, Answer::Reloaded(_)));
    assert_eq!((status().await, app.connections()), (StatusCode::OK, 1), "nothing changed, the connection is kept");

    Authority::new().file(home.path(), "ca.pem");
    assert_eq!(status().await, StatusCode::OK, "not read before it is asked for");
    assert!(matches!(reload().await, Answer::Reloaded(_)));
    assert_eq!(status().await, StatusCode::BAD_GATEWAY);

    authority.file(home.path(), "ca.pem");
    assert!(matches!(reload().await, Answer::Reloaded(_)));
    assert_eq!((status().await, app.connections()), (StatusCode::OK, 2));

    fs::write(&ca, "-----BEGIN CERTIFICATE-----\nnonsense").expect("written");
    assert!(matches!(reload().await, Answer::Refused { .. }));
    assert_eq!((status().await, app.connections()), (StatusCode::OK, 2), "what cannot be read changes nothing");
    fs::remove_file(&ca).expect("removed");
    assert!(matches!(reload().await, Answer::Complaints(_)));
    assert_eq!(status().await, StatusCode::OK);
}

/// What a trial read from the files goes with the trial: the authority of before is trusted again, though the file still
/// holds the other one.
#[tokio::test]
async fn a_trial_that_goes_back_takes_the_authority_it_read_with_it() {
    let (app, home, authority) = (App::start().await, tempfile::tempdir().expect("a folder"), Authority::new());
    let port = front(&app.url(), &authority.issue("localhost"), Manner::default()).await;
    let ca = authority.file(home.path(), "ca.pem");
    let listen = "[listen]\nhttps = [\"127.0.0.1:0\"]\nhttp = []\n\n[log]\nfile = \"access.log\"\n\n";
    let gateway = Gateway::from_file(&format!("{listen}{}", over_tls(port, &format!("ca = {}", quoted(&ca)))));
    let mut stranger = gateway.stranger();
    assert_eq!(stranger.fetch("GET", "/").await.status, StatusCode::OK);
    Authority::new().file(home.path(), "ca.pem");
    let trial = Wish::Reload { file: None, confirm_secs: Some(2), colour: false };
    assert!(matches!(gateway.ask(&trial).await, Answer::Reloaded(_)));
    assert_eq!(stranger.fetch("GET", "/").await.status, StatusCode::BAD_GATEWAY);
    until("the former configuration", || gateway.running().services().plan.get().version == 3).await;
    assert_eq!(stranger.fetch("GET", "/").await.status, StatusCode::OK);
}

/// The doctor asks the app as the gateway does: over TLS, with the same trust, and says so where there is none.
#[tokio::test]
async fn the_doctor_asks_an_upstream_over_tls() {
    let app = App::answering(|seen| {
        let mut response = Response::new(Body::from("Papers"));
        if !seen.target.to_lowercase().starts_with("/admin") {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    })
    .await;
    let (home, authority) = (tempfile::tempdir().expect("a folder"), Authority::new());
    // The program goes by the real clock.
    let port = front(&app.url(), &authority.issue_for("localhost", (-3_650, 36_500)), Manner::default()).await;
    let probe = async |authority: &Authority| {
        let ca = quoted(&authority.file(home.path(), "ca.pem"));
        let settings = format!("name = \"Papers\"\ndeny = [\"/admin/\"]\nupstream_tls = {{ ca = {ca} }}");
        fs::write(home.path().join("gateway.toml"), one_app(&format!("https://localhost:{port}"), &settings)).expect("written");
        doorward(home.path(), &["doctor", "Papers", "--probe"], &[]).await
    };
    let told = probe(&authority).await;
    assert!(told.status.success(), "{told:?}");
    let seen = app.take();
    assert!(seen.len() > 20 && seen.iter().any(|seen| seen.target.to_lowercase().contains("admin")), "{}", seen.len());
    let told = probe(&Authority::new()).await;
    assert_eq!((told.status.code(), app.count()), (Some(1), 0), "{told:?}");
}

#[tokio::test]
async fn an_upstream_may_be_a_unix_socket() {
    let (app, home) = (App::start().await, tempfile::tempdir().expect("a folder"));
    let path = home.path().join("app.sock");
    let toml = one_app(&format!("unix:{}", path.display()), OPEN);
    let gateway = Gateway::start(&toml);
    let answer = gateway.stranger().get("/").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "nobody is there");
    assert!(answer.text().contains(HOST) && !answer.text().contains("app.sock"), "{}", answer.text());
    fs::write(&path, "").expect("written");
    assert_eq!(gateway.stranger().get("/").await.status, StatusCode::BAD_GATEWAY, "no socket");
    fs::remove_file(&path).expect("removed");
    let listener = UnixListener::bind(&path).expect("bound");
    let behind = app.url().replace("http://", "");
    doorward::base::task::start("socket", async move {
        while let Ok((mut outer, _)) = listener.accept().await {
            let mut inner = tokio::net::TcpStream::connect(&behind).await.expect("the app");
            doorward::base::task::start("socket connection", async move {
                drop(tokio::io::copy_bidirectional(&mut outer, &mut inner).await);
            });
        }
    });
    for protocol in BOTH {
        let mut stranger = gateway.stranger().over(protocol);
        assert_eq!(stranger.get("/a").await.status, StatusCode::OK);
        assert_eq!(app.take()[0].header("host"), stranger.authority());
    }
    assert_eq!(refusals(&gateway.ended().await)[..2], ["upstream-unreachable", "upstream-unreachable"]);
}

#[tokio::test]
async fn an_app_may_get_a_host_of_its_own() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), &format!("{OPEN}\npreserve_host = false")));
    for protocol in BOTH {
        let mut stranger = gateway.stranger().over(protocol);
        stranger.get("/").await;
        let seen = app.take().remove(0);
        assert_eq!(seen.header("host"), app.url().replace("http://", ""));
        assert_eq!(seen.header("x-forwarded-host"), stranger.authority());
        assert_eq!(seen.headers.get_all("host").iter().count(), 1);
    }
}

/// The attack: what maintenance is said of tells strangers what there is, or opens what is denied.
#[tokio::test]
async fn a_closed_app_says_so_to_those_who_may_pass() {
    let app = App::start().await;
    let more = |maintenance: &str| {
        format!(
            "maintenance = {maintenance}\ndeny = [\"/admin/\"]\nredirect = [{{ from = \"/old\", to = \"/new\" }}]\n\
             bypass = [{{ path = \"/health\", reason = \"test\" }}]"
        )
    };
    let gateway = Gateway::start(&one_app(&app.url(), &more("\"Back at <b>six</b>.\"")));
    for protocol in BOTH {
        let mut stranger = gateway.stranger().over(protocol);
        assert_eq!(stranger.get("/").await.status, StatusCode::FOUND, "a stranger signs in first");
        assert_eq!(stranger.get("/admin/").await.status, StatusCode::NOT_FOUND);
        assert_eq!(stranger.get("/old").await.location(), "/new");
        let open = stranger.fetch("GET", "/health").await;
        assert_eq!((open.status, open.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "300"));
        assert_eq!(open.header("content-type"), "application/problem+json");
        assert!(open.json()["detail"].as_str().expect("text").contains("Back at <b>six</b>."), "{}", open.text());
    }
    let mut guest = gateway.guest("alice").await;
    let page = guest.get("/").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text().contains("Back at &#60;b&#62;six&#60;/b&#62;.") && page.text().contains(HOST), "{}", page.text());
    assert!(page.text().contains(page.header("x-request-id")));
    assert_eq!(guest.get("/admin/").await.status, StatusCode::NOT_FOUND);
    assert_eq!(guest.get("/.doorward/session").await.status, StatusCode::OK, "our own pages stay");
    assert_eq!(app.connections(), 0);
    assert!(refusals(&gateway.ended().await).contains(&"maintenance".to_owned()));

    let usual = Gateway::start(&one_app(&app.url(), &more("true")));
    assert!(usual.stranger().get("/health").await.text().contains("closed for now while somebody works on it"));
    let off = Gateway::start(&one_app(&app.url(), &more("false")));
    assert_eq!(off.stranger().get("/health").await.status, StatusCode::OK);
}

/// The attack: what is open to everybody is flooded by anybody.
#[tokio::test]
async fn bodies_of_public_paths_are_small_unless_the_owner_says_otherwise() {
    const MIB: u64 = 1024 * 1024;
    let app = App::start().await;
    let rules = "[[app.rule]]\npath = \"/large/\"\naction = \"bypass\"\nbody_limit = \"2MiB\"\nreason = \"test\"\n\
                 [[app.rule]]\npath = \"/small/\"\nbody_limit = \"1KiB\"\n\
                 [[app.rule]]\npath = \"/hook\"\naction = \"bypass\"\nreason = \"test\"\n";
    let gateway =
        Gateway::start(&one_app(&app.url(), &format!("bypass = [{{ path = \"/open/\", reason = \"test\" }}]\n{rules}")));
    let guest = gateway.guest("alice").await;
    for protocol in BOTH {
        let strangers = gateway.stranger();
        for (visitor, path, limit) in [
            (&strangers, "/open/x", Some(MIB)),
            (&strangers, "/hook", Some(MIB)),
            (&strangers, "/large/x", Some(2 * MIB)),
            (&guest, "/small/x", Some(1024)),
            (&guest, "/open/x", Some(MIB)),
            (&guest, "/", None),
        ] {
            let visitor = visitor.clone().over(protocol);
            let post = async |mark: &str, bytes: u64| {
                let mut request = visitor.call("POST", &format!("{path}?{mark}"));
                *request.body_mut() = flood(bytes).0;
                let mut line = visitor.line().await;
                line.send(visitor.dressed(request)).await
            };
            let whole = post("whole", limit.unwrap_or(3 * MIB)).await.expect("an answer");
            assert_eq!(whole.status(), StatusCode::OK, "{protocol:?} {path}");
            // The app may still be at the body that was cut off before.
            let seen = app.take().into_iter().find(|seen| seen.target.ends_with("?whole")).expect("it came");
            assert_eq!(seen.length, limit.unwrap_or(3 * MIB));
            if let Some(limit) = limit {
                // Unannounced, so it is counted on its way; over HTTP/1 the answer may be lost with the connection.
                if let Ok(answer) = post("more", limit + 1).await {
                    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{protocol:?} {path}");
                    let text = answer.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                    assert!(text.is_empty() || String::from_utf8_lossy(&text).contains(HOST), "{text:?}");
                }
            }
        }
    }
    let mut wire = Wire::open(&gateway.reach()).await;
    let announced = format!("POST /hook HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n", MIB + 1);
    wire.write(announced).await.expect("written");
    assert_eq!(statuses(&wire.rest().await), [413]);
    assert!(app.take().iter().all(|seen| seen.target != "/hook"), "not even begun");
}
