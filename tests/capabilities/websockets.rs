//! WebSockets: opened by RFC 6455 and RFC 8441, carried byte for byte, ended with the session.

use std::path::Path;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use data_encoding::BASE64;
use doorward::wire::body::Body;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use crate::kit::app::{self, App, read_head};
use crate::kit::authority::{Authority, Manner, front};
use crate::kit::gateway::{Gateway, HOST, one_app, within};
use crate::kit::line::BOTH;
use crate::kit::socket::{Socket, echo_app, handshake, open, open_with};
use crate::kit::visitor::{Visitor, minutes};
use crate::kit::wire::{Wire, statuses};

/// Within this an open socket follows its session.
pub const AT_ONCE: Duration = Duration::from_secs(2);

const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[tokio::test]
async fn messages_come_back_over_both_protocols() {
    let app = echo_app().await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut socket = open(&mut guest, "/echo?room=1").await.expect("agreed");
        let seen = app.take().remove(0);
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/echo?room=1"));
        assert_eq!((seen.header("upgrade"), seen.header("x-forwarded-proto")), ("websocket", "https"));
        assert_eq!(seen.header("cookie"), "", "ours alone, so none");
        for message in [Message::text("hello"), Message::binary(vec![7; 300_000]), Message::text("")] {
            within("sending", socket.send(message.clone())).await.expect("sent");
            assert_eq!(within("an echo", socket.next()).await.expect("open").expect("a message"), message, "{protocol:?}");
        }
        within("closing", socket.close(None)).await.expect("closed");
        while let Some(Ok(message)) = within("the end", socket.next()).await {
            assert!(message.is_close(), "{message:?}");
        }
    }
}

#[tokio::test]
async fn messages_come_back_over_tls_to_the_app() {
    let (app, home, authority) = (echo_app().await, tempfile::tempdir().expect("a folder"), Authority::new());
    let port = front(&app.url(), &authority.issue("localhost"), Manner::default()).await;
    let ca = authority.file(home.path(), "ca.pem");
    let tls = |ca: &Path| format!("upstream_tls = {{ ca = \"{}\" }}", ca.display());
    let gateway = Gateway::start(&one_app(&format!("https://localhost:{port}"), &tls(&ca)));
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut socket = open(&mut guest, "/echo").await.expect("agreed");
        for message in [Message::text("hello"), Message::binary(vec![7; 300_000])] {
            within("sending", socket.send(message.clone())).await.expect("sent");
            assert_eq!(within("an echo", socket.next()).await.expect("open").expect("a message"), message, "{protocol:?}");
        }
        gateway.end_sessions_of("alice").await;
        let ended = tokio::time::timeout(AT_ONCE, async { while let Some(Ok(_)) = socket.next().await {} }).await;
        assert!(ended.is_ok(), "{protocol:?}: it ends with its session");
        gateway.next_code();
        guest = gateway.stranger();
        guest.sign_in(&gateway.person("alice")).await;
    }
    let strange = Authority::new().file(home.path(), "strange.pem");
    let gateway = Gateway::start(&one_app(&format!("https://localhost:{port}"), &tls(&strange)));
    let mut guest = gateway.guest("alice").await;
    app.take();
    for protocol in BOTH {
        guest.protocol = protocol;
        assert_eq!(open(&mut guest, "/echo").await.err(), Some(StatusCode::BAD_GATEWAY), "{protocol:?}");
    }
    assert_eq!(app.count(), 0);
}

#[tokio::test]
async fn a_side_that_has_finished_still_hears_the_other() {
    let url = app::speaking(|mut stream, _| async move {
        read_head(&mut stream).await;
        stream.write_all(AGREED.as_bytes()).await.expect("written");
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.expect("read");
        stream.write_all(&[b"heard: ", &all[..]].concat()).await.expect("written");
    })
    .await;
    let gateway = Gateway::before(&url);
    let guest = gateway.guest("alice").await;
    let mut wire = upgraded(&gateway, &guest, "").await;
    wire.write("all I have to say").await.expect("written");
    wire.finish().await;
    assert_eq!(String::from_utf8_lossy(&wire.rest().await), "heard: all I have to say");
}

/// The attack: a page of another site opens a socket with the visitor's cookies and reads along.
#[tokio::test]
async fn a_foreign_origin_opens_no_socket() {
    let app = echo_app().await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    let port = gateway.reach().https.port();
    let foreign = [
        "https://evil.example".to_owned(),
        format!("https://evil.example:{port}"),
        format!("http://{HOST}:{port}"),
        format!("https://{HOST}"),
        format!("https://{HOST}:{}", port ^ 1),
        format!("https://{HOST}.evil.example:{port}"),
        format!("https://x.{HOST}:{port}"),
        "null".to_owned(),
        String::new(),
        "file://".to_owned(),
    ];
    for protocol in BOTH {
        guest.protocol = protocol;
        for origin in &foreign {
            let mut request = handshake(&guest, "/echo");
            request.headers_mut().insert("origin", origin.parse().expect("a value"));
            assert_eq!(open_with(&mut guest, request).await.err(), Some(StatusCode::FORBIDDEN), "{protocol:?} {origin}");
        }
        let mut request = handshake(&guest, "/echo");
        request.headers_mut().append("origin", HeaderValue::from_static("https://evil.example"));
        assert_eq!(open_with(&mut guest, request).await.err(), Some(StatusCode::FORBIDDEN), "two origins");
    }
    assert_eq!(app.count(), 0);
}

/// The attack: a tunnel of another kind through which requests pass unjudged (h2c smuggling).
#[tokio::test]
async fn nothing_but_a_websocket_is_tunnelled() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let url = app::speaking(move |mut stream, _| {
        let tell = tell.clone();
        async move {
            loop {
                let head = read_head(&mut stream).await.to_lowercase();
                if head.is_empty() || tell.send(head).is_err() {
                    return;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.expect("written");
            }
        }
    })
    .await;
    let gateway = Gateway::before(&url);
    let guest = gateway.guest("alice").await;
    let cookie = guest.session_cookie().expect("signed in");
    for upgrade in [
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nConnection: Upgrade, HTTP2-Settings",
        "Upgrade: TLS/1.0\r\nConnection: Upgrade",
        "Upgrade: websocket, h2c\r\nConnection: Upgrade",
        "Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short",
        "Upgrade: websocket\r\nConnection: keep-alive\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ] {
        let mut wire = Wire::open(&gateway.reach()).await;
        let head = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nCookie: __Host-doorward={cookie}\r\n{upgrade}\r\n\r\n");
        wire.write(format!("{head}GET /admin/ HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await.expect("written");
        let answer = wire.rest().await;
        assert_eq!(statuses(&answer), [200], "{upgrade}: an ordinary answer, and what follows is not a request");
        let head = within("the request", told.recv()).await.expect("one");
        assert!(!head.contains("upgrade") && !head.contains("http2-settings"), "{upgrade}: {head}");
        assert!(told.try_recv().is_err(), "{upgrade}: nothing more reached the app");
    }
}

/// The attack: bytes sent ahead of the app's agreement become requests there, unjudged (RUSTSEC-2026-0033).
#[tokio::test]
async fn not_a_byte_passes_before_the_app_agrees() {
    let url = app::speaking(|mut stream, number| async move {
        read_head(&mut stream).await;
        let early = tokio::time::timeout(Duration::from_millis(300), stream.read_u8()).await;
        assert!(early.is_err(), "nothing came before the agreement");
        if number == 0 {
            stream.write_all(AGREED.as_bytes()).await.expect("written");
            let mut first = [0; 5];
            stream.read_exact(&mut first).await.expect("read");
            stream.write_all(&first).await.expect("written");
        } else {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno").await.expect("written");
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            assert!(rest.is_empty(), "nothing came after the refusal");
        }
    })
    .await;
    let gateway = Gateway::before(&url);
    let guest = gateway.guest("alice").await;
    let mut wire = upgraded(&gateway, &guest, "early").await;
    assert_eq!(wire.some(5).await.expect("an echo"), b"early");

    let mut wire = Wire::open(&gateway.reach()).await;
    wire.write(format!("{}GET /x HTTP/1.1\r\nHost: {HOST}\r\n\r\n", upgrade_head(&guest))).await.expect("written");
    assert_eq!(statuses(&wire.rest().await), [200], "the app's own answer, then the end");
}

/// The attack: an app, or somebody between, switches protocols unasked, or to another one.
#[tokio::test]
async fn an_app_that_switches_in_another_way_is_502() {
    for answer in [
        AGREED.replace("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        AGREED.replace("Upgrade: websocket", "Upgrade: h2c"),
        AGREED.replace("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""),
    ] {
        let url = app::speaking(move |mut stream, _| {
            let answer = answer.clone();
            async move {
                read_head(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.expect("written");
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        })
        .await;
        let gateway = Gateway::before(&url);
        let mut guest = gateway.guest("alice").await;
        for protocol in BOTH {
            guest.protocol = protocol;
            // Over HTTP/2 the key is the gateway's own, so that even the usual answer does not fit.
            assert_eq!(open(&mut guest, "/").await.err(), Some(StatusCode::BAD_GATEWAY), "{protocol:?}");
        }
        assert_eq!(guest.fetch("GET", "/").await.status, StatusCode::BAD_GATEWAY, "unasked");
    }
}

/// The attack: a stolen laptop with an open tab, after its owner has ended the session elsewhere.
#[tokio::test]
async fn ending_the_session_ends_its_sockets_on_both_sides() {
    let (gateway, mut closed) = watched().await;
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut socket = open(&mut guest, "/").await.expect("agreed");
        let answer = tokio::time::timeout(Duration::from_millis(50), closed.recv()).await;
        assert!(answer.is_err(), "open until then");
        assert_eq!(gateway.end_sessions_of("alice").await, 1);
        ended_at_once(&mut socket, &mut closed, AT_ONCE).await;
        assert_eq!(open(&mut guest, "/").await.err(), Some(StatusCode::UNAUTHORIZED));
        gateway.next_code();
        guest.sign_in(&gateway.person("alice")).await;
    }
}

#[tokio::test]
async fn a_socket_ends_when_the_time_of_its_session_is_over() {
    let (gateway, mut closed) = watched().await;
    let mut guest = gateway.guest("alice").await;
    let mut socket = open(&mut guest, "/").await.expect("agreed");
    gateway.clock.advance(minutes(12 * 60 - 1));
    socket.send(Message::text("still here")).await.expect("sent");
    // The message keeps it from idling once it has been read, which the app tells.
    within("the message", closed.recv()).await.expect("read");
    gateway.clock.advance(minutes(12 * 60 - 1));
    assert_eq!(guest.fetch("GET", "/.doorward/session").await.status, StatusCode::OK, "a socket in use keeps its session");
    gateway.clock.advance(minutes(12 * 60));
    ended_at_once(&mut socket, &mut closed, 2 * AT_ONCE).await;
}

/// A gateway before an app that tells what it reads and when its side ends (with nothing).
async fn watched() -> (Gateway, mpsc::UnboundedReceiver<usize>) {
    let (tell, told) = mpsc::unbounded_channel();
    let app = App::streaming(move |mut request| {
        let tell = tell.clone();
        let answer = agreement(&request);
        let upgraded = hyper::upgrade::on(&mut request);
        doorward::base::task::start("watch", async move {
            let Ok(stream) = upgraded.await else { return };
            let mut stream = TokioIo::new(stream);
            let mut piece = [0; 1024];
            loop {
                let read = stream.read(&mut piece).await.unwrap_or(0);
                if tell.send(read).is_err() || read == 0 {
                    return;
                }
            }
        });
        async { answer }
    })
    .await;
    (Gateway::start(&one_app(&app.url(), "")), told)
}

/// The 101 that fits a handshake, as the sample app gives it, without its echo.
fn agreement(request: &Request<Incoming>) -> Response<Body> {
    let key = request.headers().get("sec-websocket-key").map(HeaderValue::as_bytes).unwrap_or_default();
    let proof = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat());
    let accept = BASE64.encode(proof.as_ref());
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let response = response.header("connection", "Upgrade").header("upgrade", "websocket").header("sec-websocket-accept", accept);
    response.body(Body::Empty).expect("a response")
}

async fn ended_at_once(socket: &mut Socket, closed: &mut mpsc::UnboundedReceiver<usize>, limit: Duration) {
    let both = async {
        let heard = socket.next().await;
        assert!(!matches!(heard, Some(Ok(_))), "no frame of ours is put into a tunnel: {heard:?}");
        assert_eq!(closed.recv().await, Some(0), "the app's side ends too");
    };
    tokio::time::timeout(limit, both).await.expect("both sides end in time");
}

fn upgrade_head(guest: &Visitor) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {HOST}\r\nCookie: __Host-doorward={}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        guest.session_cookie().expect("signed in")
    )
}

/// A tunnel in bytes, with some sent ahead of the agreement.
async fn upgraded(gateway: &Gateway, guest: &Visitor, ahead: &str) -> Wire {
    let mut wire = Wire::open(&gateway.reach()).await;
    wire.write(format!("{}{ahead}", upgrade_head(guest))).await.expect("written");
    let answer = wire.until(b"\r\n\r\n").await;
    assert_eq!(statuses(&answer), [101], "{}", String::from_utf8_lossy(&answer));
    wire
}
