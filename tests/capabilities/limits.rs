//! Limits: how large a head may be, how long one may take, and how many may come.

use crate::kit::app::App;
use crate::kit::frames::{Frames, Outcome};
use crate::kit::gateway::{Gateway, HOST, one_app, until};
use crate::kit::line::{BOTH, Line, Protocol};
use crate::kit::wire::{Wire, statuses};

async fn open_app() -> (App, String) {
    let app = App::start().await;
    let toml = one_app(&app.url(), "bypass = [{ path = \"/\", reason = \"test\" }]");
    (app, toml)
}

async fn answered(gateway: &Gateway, head: &str) -> Vec<u16> {
    let mut wire = Wire::open(&gateway.reach()).await;
    // The gateway may have refused it before all was written.
    let _ = wire.write(format!("{head}Connection: close\r\n\r\n")).await;
    statuses(&wire.rest().await)
}

/// The attack: heads that cost much to read.
#[tokio::test]
async fn heads_are_bounded_over_both_protocols() {
    let (app, toml) = open_app().await;
    let gateway = Gateway::start(&toml);
    let fields = |count: usize| (0..count).map(|number| format!("x{number}: y\r\n")).collect::<String>();
    let start = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n");
    // `Host` and `Connection` count too.
    assert_eq!(answered(&gateway, &format!("{start}{}", fields(98))).await, [200]);
    assert_eq!(answered(&gateway, &format!("{start}{}", fields(99))).await, [431]);
    let value = |length: usize| format!("{start}x: {}\r\n", "y".repeat(length));
    assert_eq!(answered(&gateway, &value(31 * 1024)).await, [200]);
    assert_eq!(answered(&gateway, &value(32 * 1024)).await, [431]);
    assert_eq!(answered(&gateway, &value(4 * 1024 * 1024)).await, [431]);
    let line = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: {HOST}\r\n", "x".repeat(length - 1));
    assert_eq!(answered(&gateway, &line(8_192)).await, [200]);
    assert_eq!(answered(&gateway, &line(8_193)).await, [414]);
    assert_eq!(answered(&gateway, &line(1024 * 1024)).await, [414]);
    assert_eq!(app.take().len(), 3);

    let host = HOST.as_bytes();
    let many = |count: usize| (0..count).fold(Frames::request(b"GET", host, b"/"), |frames, _| frames.field(b"x", b"y"));
    let large = |length: usize| Frames::request(b"GET", host, b"/").field(b"x", &vec![b'y'; length]).in_pieces(3);
    let long = |length: usize| Frames::request(b"GET", host, format!("/{}", "x".repeat(length - 1)).as_bytes());
    let reach = gateway.reach();
    assert_eq!(many(100).send(&reach, HOST).await, Outcome::Answered(200));
    assert_eq!(many(101).send(&reach, HOST).await, Outcome::Answered(431));
    assert_eq!(large(31 * 1024).send(&reach, HOST).await, Outcome::Answered(200));
    assert_eq!(large(33 * 1024).send(&reach, HOST).await, Outcome::Answered(431));
    assert_eq!(long(8_192).send(&reach, HOST).await, Outcome::Answered(200));
    assert_eq!(long(8_193).send(&reach, HOST).await, Outcome::Answered(414));
    assert_eq!(app.count(), 3);
}

/// The attack: connections that begin and never get on (slowloris), before, in and after the handshake.
#[tokio::test]
async fn those_who_dawdle_are_shown_out() {
    let (app, toml) = open_app().await;
    let gateway = Gateway::start(&format!("[listen]\nheader_timeout = \"1s\"\n{toml}"));
    let mut silent = Wire::plain(gateway.reach().https).await;
    let mut half_shaken = Wire::plain(gateway.reach().https).await;
    half_shaken.write(b"\x16\x03\x01\x02\x00\x01").await.expect("written");
    let mut half = Wire::open(&gateway.reach()).await;
    half.write(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: ")).await.expect("written");
    let mut plain = Wire::plain(gateway.http()).await;
    plain.write("GET / HT").await.expect("written");
    assert_eq!(statuses(&half.rest().await), [408]);
    assert_eq!(statuses(&plain.rest().await), [408]);
    silent.rest().await;
    half_shaken.rest().await;
    assert_eq!(app.connections(), 0);
    assert_eq!(gateway.stranger().fetch("GET", "/").await.status, 200);
}

/// The attack: one client opens all connections there are.
#[tokio::test]
async fn connections_are_bounded_and_places_come_back() {
    let (_app, toml) = open_app().await;
    let gateway = Gateway::start(&format!("[listen]\nmax_connections_per_network = 4\n{toml}"));
    let mut lines = Vec::new();
    for protocol in BOTH.into_iter().cycle().take(4) {
        lines.push(Line::open(&gateway.reach(), HOST, protocol).await);
    }
    for _ in 0..3 {
        assert!(Wire::shake(&gateway.reach(), HOST, &[b"h2"]).await.is_err(), "a fifth");
        assert!(Wire::plain(gateway.http()).await.rest().await.is_empty());
    }
    let mut stranger = gateway.stranger();
    for (line, protocol) in lines.iter_mut().zip(BOTH.into_iter().cycle()) {
        stranger.protocol = protocol;
        let request = stranger.call("GET", "/");
        assert_eq!(stranger.send_on(line, request).await.status, 200, "those inside are served");
    }
    lines.pop();
    crate::kit::gateway::within("a place", async {
        while Wire::shake(&gateway.reach(), HOST, &[b"h2"]).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// The attack: more streams at once on one connection than anybody needs.
#[tokio::test]
async fn streams_of_a_connection_are_bounded() {
    let app = App::streaming(|_| std::future::pending::<http::Response<doorward::wire::body::Body>>()).await;
    let gateway = Gateway::start(&one_app(&app.url(), "bypass = [{ path = \"/\", reason = \"test\" }]"));
    let visitor = gateway.stranger().over(Protocol::Http2);
    let mut line = visitor.line().await;
    let mut waiting = Vec::new();
    for _ in 0..250 {
        let request = visitor.dressed(visitor.call("GET", "/"));
        waiting.push(line.begin(request));
    }
    let all = doorward::base::task::start("streams", futures_util::future::join_all(waiting));
    until("a hundred", || app.count() >= 100).await;
    // As many more would have come by the time a whole other request is answered.
    assert_eq!(gateway.stranger().get("/.doorward/login").await.status, 200);
    assert_eq!(app.count(), 100);
    all.abort();
}
