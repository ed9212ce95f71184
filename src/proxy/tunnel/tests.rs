//! WebSockets between a client, the gateway and an app, over HTTP/1.1 and HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

use super::*;
use crate::plan::websocket::WebSockets;
use crate::proxy::testbed::{Gate, Step, read_until};

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: a.example\r\nOrigin: https://a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: chat\r\n";

/// A client that has opened a WebSocket over HTTP/1.1.
async fn open_http1(gate: &Gate) -> DuplexStream {
    let mut client = gate.http1();
    client.write_all(HANDSHAKE.as_bytes()).await.expect("written");
    client.write_all(b"\r\n").await.expect("written");
    let head = read_until(&mut client, "\r\n\r\n").await.expect("a head");
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    for line in ["connection: Upgrade", "upgrade: websocket", "x-app: 1", "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="] {
        assert!(head.contains(&format!("{line}\r\n")), "{line} in {head}");
    }
    client
}

fn extended_connect() -> Request<Body> {
    let builder = Request::connect("https://a.example/ws").extension(Protocol::from_static("websocket"));
    let builder = builder.header("origin", "https://a.example").header("sec-websocket-version", "13");
    builder.header("sec-websocket-protocol", "chat").body(Body::Empty).expect("a request")
}

async fn open_http2(gate: &Gate) -> (SendRequest<Body>, TokioIo<Upgraded>, HeaderMap) {
    let mut sender = gate.http2().await;
    let answer = sender.send_request(extended_connect()).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let headers = answer.headers().clone();
    (sender, TokioIo::new(hyper::upgrade::on(answer).await.expect("a stream")), headers)
}

async fn exchange_words<S: AsyncReadExt + AsyncWriteExt + Unpin>(stream: &mut S) {
    for word in ["one", "two"] {
        stream.write_all(word.as_bytes()).await.expect("written");
        assert_eq!(read_until(stream, word).await.as_deref(), Some(word));
    }
}

#[tokio::test]
async fn a_websocket_over_http1_is_relayed_byte_for_byte() {
    let (gate, mut heard) = Gate::before(&[&[Step::Agree("early"), Step::Echo]]).await;
    let mut client = open_http1(&gate).await;
    let asked = heard.recv().await.expect("a request");
    for line in [
        "connection: Upgrade",
        "upgrade: websocket",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-protocol: chat",
        "origin: https://a.example",
        "x-forwarded-for: 192.0.2.1",
    ] {
        assert!(asked.contains(&format!("{line}\r\n")), "{line} in {asked}");
    }
    assert_eq!(read_until(&mut client, "early").await.as_deref(), Some("early"));
    assert_eq!(gate.pool.tunnels().count(), 1);
    exchange_words(&mut client).await;
    drop(client);
    assert_eq!(heard.recv().await.as_deref(), Some("<closed>"));
    while gate.pool.tunnels().count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_websocket_over_http2_reaches_the_app_as_an_upgrade() {
    let (gate, mut heard) = Gate::before(&[&[Step::Agree("early"), Step::Echo]]).await;
    let (_sender, mut stream, headers) = open_http2(&gate).await;
    assert_eq!((headers.get("sec-websocket-accept"), headers.get("upgrade")), (None, None));
    assert_eq!(headers["x-app"], "1");
    let asked = heard.recv().await.expect("a request");
    assert!(asked.starts_with("GET /ws HTTP/1.1\r\n") && asked.contains("sec-websocket-key: "), "{asked}");
    assert_eq!(read_until(&mut stream, "early").await.as_deref(), Some("early"));
    exchange_words(&mut stream).await;
    stream.shutdown().await.expect("closed");
    assert_eq!(heard.recv().await.as_deref(), Some("<closed>"));
}

/// The attack: a second request hides behind a handshake that the app will not agree to, and reaches it unjudged
/// (RUSTSEC-2026-0033, CVE-2026-73548).
#[tokio::test]
async fn nothing_behind_a_handshake_passes_before_the_app_agrees() {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    let (gate, mut heard) = Gate::before(&[&[Step::Say(refusal), Step::Wait]]).await;
    let mut client = gate.http1();
    client
        .write_all(format!("{HANDSHAKE}\r\nGET /admin/ HTTP/1.1\r\nHost: a.example\r\n\r\n").as_bytes())
        .await
        .expect("written");
    let mut answers = String::new();
    client.read_to_string(&mut answers).await.expect("closed behind the answer");
    assert!(answers.starts_with("HTTP/1.1 403 Forbidden\r\n") && answers.contains("connection: close\r\n"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "{answers}");
    assert!(heard.recv().await.expect("a request").starts_with("GET /ws"));
    drop(gate);
    assert_eq!(heard.recv().await.as_deref(), Some("<closed>"));
}

/// The attack: an upstream "agrees" to something that was not asked, or opens an HTTP/2 stream nobody listens on.
#[tokio::test]
async fn a_false_agreement_is_none() {
    let wrong_accept = "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n";
    let other_protocol =
        "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let (gate, _) = Gate::before(&[
        &[Step::Say(wrong_accept)],
        &[Step::Say(other_protocol)],
        &[Step::Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")],
    ])
    .await;
    for _ in 0..2 {
        let mut client = gate.http1();
        client.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).await.expect("written");
        assert!(read_until(&mut client, "BadUpgrade").await.expect("a refusal").starts_with("HTTP/1.1 502"));
    }
    let mut sender = gate.http2().await;
    let answer = sender.send_request(extended_connect()).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn an_apps_refusal_is_the_clients_answer_over_http2_too() {
    let (gate, _) = Gate::before(&[&[Step::Say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")]]).await;
    let mut sender = gate.http2().await;
    let answer = sender.send_request(extended_connect()).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "no");
}

#[tokio::test]
async fn a_foreign_page_opens_no_websocket() {
    let (gate, mut heard) = Gate::before(&[&[Step::Agree("")]]).await;
    let mut client = gate.http1();
    let foreign = HANDSHAKE.replace("https://a.example", "https://evil.example");
    client.write_all(format!("{foreign}\r\n").as_bytes()).await.expect("written");
    assert!(read_until(&mut client, "ForeignOrigin").await.is_some());
    assert!(heard.try_recv().is_err());
}

/// The attack: somebody is signed out or disabled, and goes on through the socket they opened before.
#[tokio::test(start_paused = true)]
async fn tunnels_end_with_their_session_within_two_seconds() {
    for revoked in [true, false] {
        let (gate, mut heard) = Gate::before(&[&[Step::Agree(""), Step::Echo], &[Step::Agree(""), Step::Echo]]).await;
        let mut client = open_http1(&gate).await;
        let (_sender, mut stream, _) = open_http2(&gate).await;
        exchange_words(&mut client).await;
        exchange_words(&mut stream).await;
        sleep(Duration::from_secs(300)).await;
        assert_eq!(gate.pool.tunnels().count(), 2);
        let begun = Instant::now();
        if revoked {
            gate.session.lifeline.cut()
        } else {
            gate.clock.advance(Duration::from_secs(3600))
        }
        assert_eq!(client.read(&mut [0; 16]).await.expect("closed, without a word of ours"), 0);
        assert!(!matches!(stream.read(&mut [0; 16]).await, Ok(1..)), "a word of ours");
        assert!(begun.elapsed() <= Duration::from_secs(2), "{:?}", begun.elapsed());
        for _ in 0..2 {
            heard.recv().await.expect("a request");
        }
        for _ in 0..2 {
            assert_eq!(heard.recv().await.as_deref(), Some("<closed>"));
        }
        assert_eq!(gate.pool.tunnels().count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_client_says_keeps_its_session_and_what_the_app_says_does_not() {
    let (gate, _) = Gate::before(&[&[Step::Agree("early"), Step::Echo]]).await;
    let mut client = open_http1(&gate).await;
    let before = gate.session.last_seen();
    gate.clock.advance(Duration::from_secs(60));
    read_until(&mut client, "early").await.expect("from the app");
    assert_eq!(gate.session.last_seen(), before);
    exchange_words(&mut client).await;
    assert_eq!(gate.session.last_seen(), gate.clock.now());
}

#[tokio::test]
async fn one_side_may_finish_before_the_other() {
    let (gate, _) = Gate::before(&[&[Step::Agree(""), Step::Echo]]).await;
    let mut client = open_http1(&gate).await;
    client.write_all(b"last words").await.expect("written");
    client.shutdown().await.expect("half closed");
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.expect("the app's side to its end");
    assert_eq!(rest, "last words");
}

/// A gateway whose app has these WebSocket settings and echoes twice.
async fn limited(websocket: WebSockets) -> Gate {
    let (mut gate, _) = Gate::before(&[&[Step::Agree(""), Step::Echo], &[Step::Agree(""), Step::Echo]]).await;
    Arc::get_mut(&mut gate.app).expect("not shared yet").websocket = websocket;
    gate
}

/// How long it takes until a tunnel in which something is said every ten seconds, `words` times, is closed.
async fn life_of(websocket: WebSockets, words: usize) -> u64 {
    let gate = limited(websocket).await;
    let mut client = open_http1(&gate).await;
    let begun = Instant::now();
    for _ in 0..words {
        exchange_words(&mut client).await;
        sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(client.read(&mut [0; 16]).await.expect("closed, without a word of ours"), 0);
    begun.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_ends_at_its_longest_life_and_after_its_longest_silence() {
    let span = Some(Duration::from_secs(300));
    let mortal = WebSockets { max_lifetime: span, ..WebSockets::default() };
    // Waiting for the loopback moves the clock of a test on by ticks.
    assert!((295..=305).contains(&life_of(mortal.clone(), 0).await));
    assert!((295..=305).contains(&life_of(mortal, 10).await));
    let patient = WebSockets { idle_timeout: span, ..WebSockets::default() };
    assert!((295..=305).contains(&life_of(patient.clone(), 0).await));
    assert!((390..=450).contains(&life_of(patient, 10).await));
}

#[tokio::test]
async fn an_app_without_websockets_hears_of_none() {
    let gate = limited(WebSockets { enabled: false, ..WebSockets::default() }).await;
    let mut client = gate.http1();
    client.write_all(format!("{HANDSHAKE}\r\n").as_bytes()).await.expect("written");
    assert!(read_until(&mut client, "WebSocketsOff").await.is_some());
    let answer = gate.http2().await.send_request(extended_connect()).await.expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "WebSocketsOff");
}
