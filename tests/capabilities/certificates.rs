//! How a name is proven to an authority: answered while an order waits for it, and never a way to an app. Orders themselves are
//! tried against Pebble (`tests/e2e/pebble.py`).

use doorward::admin::certificates::{CertificateAnswer, CertificateWish, Origin, State};
use doorward::admin::wish::{Answer, RefusedKind, Wish};
use doorward::policy::host::Host;

use crate::kit::app::App;
use crate::kit::frames::{Frames, Outcome};
use crate::kit::gateway::{Gateway, HOST, one_app, until};
use crate::kit::wire::{Wire, statuses};

/// A directory where nobody answers.
const NOBODY: &str = "[acme]\nagree_tos = true\ndirectory = \"https://127.0.0.1:1/\"\nchallenge = \"http-01\"\n";

async fn plain(gateway: &Gateway, method: &str, target: &str, host: &str) -> (u16, String) {
    let mut wire = Wire::plain(gateway.http()).await;
    wire.write(format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await.expect("written");
    let answer = wire.rest().await;
    (statuses(&answer).first().copied().unwrap_or_default(), String::from_utf8_lossy(&answer).into_owned())
}

/// The attack: the way that authorities take past every redirect is taken to an app, or asked what else it knows.
#[tokio::test]
async fn port_80_answers_pending_tokens_of_their_own_host_and_nothing_else() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let host = Host::parse(HOST).expect("a host");
    let shown = gateway.running().services().challenges.answer_token(&host, "tok-en_1", "tok-en_1.thumb");
    let path = "/.well-known/acme-challenge/";
    let (status, answer) = plain(&gateway, "GET", &format!("{path}tok-en_1"), HOST).await;
    assert!(status == 200 && answer.ends_with("tok-en_1.thumb"), "{answer}");
    assert_eq!(plain(&gateway, "HEAD", &format!("{path}tok-en_1"), &format!("{HOST}:80")).await.0, 200);
    assert_eq!(plain(&gateway, "POST", &format!("{path}tok-en_1"), HOST).await.0, 405);
    assert_eq!(plain(&gateway, "GET", &format!("{path}tok-en_1"), "other.example").await.0, 421);
    for target in ["tok-en_2", "", ".", "..", "tok-en_1/", "tok-en_1?x", "tok%2den_1", "./tok-en_1", "x/../tok-en_1", "TOK-EN_1"]
    {
        let (status, answer) = plain(&gateway, "GET", &format!("{path}{target}"), HOST).await;
        assert!([308, 400, 404].contains(&status) && !answer.contains("thumb"), "{target}: {answer}");
    }
    for target in
        ["/.well-known//acme-challenge/tok-en_1", "/.Well-Known/acme-challenge/tok-en_1", "//.well-known/acme-challenge/tok-en_1"]
    {
        assert!(!plain(&gateway, "GET", target, HOST).await.1.contains("thumb"), "{target}");
    }
    // Over TLS it is a path like any other: nobody gets to the app without a session.
    let mut stranger = gateway.stranger();
    let answer = stranger.get(&format!("{path}tok-en_1")).await;
    assert!(answer.status == 302 || answer.status == 401, "{}", answer.status);
    drop(shown);
    assert_eq!(plain(&gateway, "GET", &format!("{path}tok-en_1"), HOST).await.0, 308, "the order is over");
    assert_eq!(app.count(), 0, "no request reached the app");
}

/// Targets that somebody might take for the way of challenges, or that leave it by a way that somebody might take.
const SPELLINGS: &[&str] = &[
    "/.well-known/acme-challenge/tok-en_2",
    "/.well-known/acme-challenge/tok-en_3",
    "/.well-known/acme-challenge/tok-en_1%00",
    "/.well-known/acme-challenge/tok-en_1/..",
    "/.well-known/acme-challenge/%74ok-en_1",
    "/.well-known/acme-challenge/tok-en_1;x",
    "/.well-known/acme-challenge/tok-en_1%2f..%2f..%2fadmin",
    "/.well-known/acme-challenge/tok-en_1\\..\\x",
    "/.well-known/acme-challenge/%2e%2e/%2e%2e/admin",
    "/.well-known/acme-challenge/..;/admin",
    "/.well-known/acme-challenge/../../admin",
    "/.well-known/acme-challenge//tok-en_1",
    "/.well-known/acme-challenge%2ftok-en_1",
    "/%2ewell-known/acme-challenge/tok-en_1",
    "/x/../.well-known/acme-challenge/tok-en_1",
    "/.well-known/./acme-challenge/tok-en_1",
    "/.WELL-KNOWN/ACME-CHALLENGE/tok-en_1",
];

/// The attack: the way of challenges taken with every spelling, method and protocol that may be read in two ways, for a token of
/// another host, and for one whose order is over.
#[tokio::test]
async fn no_spelling_of_the_way_of_challenges_leads_to_an_app_or_tells_a_token() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "").replace(HOST, "app.example.com"));
    let (own, other) = (Host::parse("app.example.com").expect("a host"), Host::parse("other.example.com").expect("a host"));
    let challenges = &gateway.running().services().challenges;
    let shown =
        [challenges.answer_token(&own, "tok-en_1", "tok-en_1.thumb"), challenges.answer_token(&other, "tok-en_2", "secret")];
    let over = challenges.answer_token(&own, "tok-en_3", "tok-en_3.thumb");
    drop(over);
    let path = "/.well-known/acme-challenge/";
    for spelling in SPELLINGS {
        for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "PROPFIND"] {
            let (status, answer) = plain(&gateway, method, spelling, "app.example.com").await;
            assert!([308, 400, 404, 405, 501].contains(&status), "{method} {spelling}: {answer}");
            assert!(!answer.contains("thumb") && !answer.contains("secret"), "{method} {spelling}: {answer}");
        }
    }
    // The absolute form counts by the host that it names, whatever the field says (RFC 9112 section 3.2.2).
    for (target, host) in [
        (format!("http://other.example.com{path}tok-en_1"), "app.example.com"),
        (format!("http://app.example.com{path}tok-en_2"), "other.example.com"),
        (format!("http://app.example.com{path}tok-en_2"), "app.example.com"),
        (format!("https://app.example.com{path}tok-en_2"), "app.example.com"),
    ] {
        let (status, answer) = plain(&gateway, "GET", &target, host).await;
        assert!(status >= 300 && !answer.contains("thumb") && !answer.contains("secret"), "{target} {host}: {answer}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"] {
        let (status, answer) = plain(&gateway, method, &format!("{path}tok-en_1"), "app.example.com").await;
        assert!(status >= 400 && !answer.contains("thumb"), "{method}: {answer}");
    }
    // Over TLS a token that waits is a path like any other, with HTTP/2 too: nobody passes without a session.
    let reach = gateway.reach();
    for target in
        [format!("{path}tok-en_1"), format!("{path}../../admin"), format!("{path}%2e%2e/admin"), format!("{path}tok-en_2")]
    {
        let request = format!("GET {target} HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n\r\n");
        let mut wire = Wire::over(Wire::shake(&reach, "app.example.com", &[b"http/1.1"]).await.expect("a handshake"));
        wire.write(request).await.expect("written");
        let answer = wire.rest().await;
        let (status, answer) = (statuses(&answer), String::from_utf8_lossy(&answer).into_owned());
        assert!([vec![302], vec![400], vec![401]].contains(&status) && !answer.contains("thumb"), "{target}: {answer}");
        let outcome = Frames::request(b"GET", b"app.example.com", target.as_bytes()).send(&reach, "app.example.com").await;
        let refused = [302, 400, 401].map(Outcome::Answered);
        assert!(refused.contains(&outcome) || matches!(outcome, Outcome::Reset | Outcome::Closed), "{target}: {outcome:?}");
    }
    // HTTP/2 without TLS, by those who just begin with it (RFC 9113 section 3.3).
    let mut wire = Wire::plain(gateway.http()).await;
    wire.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("written");
    let answer = wire.rest().await;
    assert!(statuses(&answer).iter().all(|status| *status >= 400), "{}", String::from_utf8_lossy(&answer));
    drop(shown);
    assert_eq!(app.count(), 0, "no request reached the app");
}

/// The attack: a handshake in the authority's protocol that goes on with requests, or that asks for a name nobody orders for.
#[tokio::test]
async fn acme_tls_is_spoken_only_for_a_pending_order_and_leads_nowhere() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let (reach, host) = (gateway.reach(), Host::parse(HOST).expect("a host"));
    Wire::shake(&reach, HOST, &[b"acme-tls/1"]).await.expect_err("no order waits");
    let challenges = &gateway.running().services().challenges;
    let shown = challenges.show_certificate(&host, &[7; 32], &gateway.clock).expect("made");
    // The certificate is nobody's, so a client that verifies, as ours does, ends the handshake: that it got one tells it is shown.
    let fault = Wire::shake(&reach, HOST, &[b"acme-tls/1"]).await.expect_err("not trusted");
    assert!(fault.to_string().contains("certificate"), "{fault}");
    Wire::shake(&reach, "other.example", &[b"acme-tls/1"]).await.expect_err("not ours");
    // Beside other protocols it is a client of the app like any other.
    let stream = Wire::shake(&reach, HOST, &[b"acme-tls/1", b"http/1.1"]).await.expect("a handshake");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    drop(shown);
    assert!(challenges.certificate(&host).is_none());
}

#[tokio::test]
async fn a_name_that_waits_shows_the_local_certificate_and_says_why() {
    let app = App::start().await;
    let gateway = Gateway::start(&format!("{NOBODY}{}", one_app(&app.url(), "").replace(HOST, "app.example.com")));
    // The local authority's certificate verifies, so the name is served from the first moment.
    Wire::shake(&gateway.reach(), "app.example.com", &[b"http/1.1"]).await.expect("a handshake");
    let directory = gateway.running();
    let warned = || directory.reloader().status().warnings.iter().any(|warning| warning.contains("127.0.0.1 cannot be reached"));
    until("the order fails", warned).await;
    let wish = |ask| Wish::Certificates { ask };
    let Answer::Certificates { said: CertificateAnswer::List(all) } = gateway.ask(&wish(CertificateWish::List)).await else {
        panic!("a list")
    };
    let one = &all[0];
    assert_eq!((one.host.as_str(), one.source, one.state), ("app.example.com", Origin::Acme, State::Waiting));
    assert!(
        one.trouble.as_ref().is_some_and(|trouble| trouble.sentence.contains("see that this machine may connect")),
        "{one:?}"
    );
    let renew = |host: &str| CertificateWish::Renew { host: Some(host.to_owned()), force: false };
    let Answer::Certificates { said: CertificateAnswer::Renewing(renewing) } = gateway.ask(&wish(renew("app.example.com"))).await
    else {
        panic!("an answer")
    };
    assert_eq!(renewing.started, ["app.example.com"]);
    let refused = gateway.ask(&wish(renew("other.example.com"))).await;
    assert!(matches!(refused, Answer::Refused { kind: RefusedKind::NotFound, .. }), "{refused:?}");
    // What it came to is on disk, so that a restart does not begin from nothing.
    let history = gateway.home().join("data/certs/acme/app.example.com.json");
    assert!(std::fs::read_to_string(history).expect("kept").contains("cannot be reached"));
}

#[tokio::test]
async fn without_acme_nothing_is_ordered() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let renew = CertificateWish::Renew { host: None, force: true };
    let refused = gateway.ask(&Wish::Certificates { ask: renew }).await;
    assert!(matches!(refused, Answer::Refused { kind: RefusedKind::NotFound, .. }), "{refused:?}");
}

/// A record that outlives its order is a standing proof for nobody, but clutter in the owner's zone: whoever was killed before it
/// was removed removes it at the next start.
#[tokio::test]
async fn a_wildcard_is_ordered_and_what_a_killed_gateway_left_in_dns_is_removed() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let (home, certs) = (gateway.home().to_owned(), gateway.home().join("data/certs/acme"));
    std::fs::create_dir_all(&certs).expect("made");
    let left = r#"[{"name":"_acme-challenge.example.com","value":"left-over_1","since":1799999999}]"#;
    std::fs::write(certs.join("dns_records.json"), left).expect("written");
    let (hook, called) = (home.join("hook"), home.join("called"));
    std::fs::write(&hook, format!("echo \"$@\" >> {}", called.display())).expect("written");
    let acme = format!(
        "{}dns = {{ provider = \"exec\", command = [\"/bin/sh\", \"{}\", \"x\"] }}\n",
        NOBODY.replace("http-01", "auto"),
        hook.display()
    );
    let text = format!("portal = \"https://example.com\"\n{acme}{}", one_app(&app.url(), "").replace(HOST, "*.example.com"));
    let gateway = gateway.restarted(&text).await;
    until("the left-over is removed", || {
        !std::fs::read_to_string(certs.join("dns_records.json")).expect("kept").contains("left-over")
    })
    .await;
    assert_eq!(std::fs::read_to_string(&called).expect("called"), "x cleanup _acme-challenge.example.com. left-over_1\n");
    let wish = |ask| Wish::Certificates { ask };
    let Answer::Certificates { said: CertificateAnswer::List(all) } = gateway.ask(&wish(CertificateWish::List)).await else {
        panic!("a list")
    };
    let states: Vec<_> = all.iter().map(|one| (one.host.as_str(), one.source, one.state)).collect();
    assert_eq!(states, [("*.example.com", Origin::Acme, State::Waiting), ("example.com", Origin::Acme, State::Waiting)]);
    let renew = CertificateWish::Renew { host: Some("*.example.com".to_owned()), force: false };
    let Answer::Certificates { said: CertificateAnswer::Renewing(renewing) } = gateway.ask(&wish(renew)).await else {
        panic!("an answer")
    };
    assert_eq!(renewing.started, ["*.example.com"]);
    // Until it is issued, names under it are served over the local authority's, each only if it is one label in front.
    Wire::shake(&gateway.reach(), "one.example.com", &[b"http/1.1"]).await.expect("a handshake");
    Wire::shake(&gateway.reach(), "a.one.example.com", &[b"http/1.1"]).await.expect_err("not ours");
}
