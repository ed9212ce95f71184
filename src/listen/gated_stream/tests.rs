//! The gate with hyper behind it, over a pipe in memory and with time by hand.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::base::task::start;

/// A request as a service behind hyper saw it: method, target, and its body if that came whole.
type Seen = (String, String, Option<Vec<u8>>);

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A server on one end of a pipe, and the pipe's other end.
struct Served {
    client: DuplexStream,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Lets a request to `/wait` be answered.
    go_on: Arc<Notify>,
    valve: Valve,
    server: JoinHandle<hyper::Result<()>>,
}

impl Served {
    fn start() -> Self {
        let (client, server) = duplex(64 * 1024);
        let gated = GatedStream::new(server, Patience::default());
        let (seen, go_on, valve) = (Arc::default(), Arc::<Notify>::default(), gated.valve());
        let server = serve(hyper_settings(), gated, Arc::clone(&seen), Arc::clone(&go_on), valve.clone());
        Self { client, seen, go_on, valve, server }
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.expect("the pipe is open");
    }

    /// Everything the server says until it closes.
    async fn hear(&mut self) -> String {
        let mut answer = Vec::new();
        self.client.read_to_end(&mut answer).await.expect("the pipe is open");
        String::from_utf8(answer).expect("ASCII")
    }

    /// What the server says up to and with `end`.
    async fn hear_until(&mut self, end: &str) -> String {
        let mut answer = String::new();
        while !answer.ends_with(end) {
            answer.push(char::from(self.client.read_u8().await.expect("more to come")));
        }
        answer
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("not poisoned").clone()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "handles made for this server")]
fn serve<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    settings: http1::Builder,
    stream: T,
    seen: Arc<Mutex<Vec<Seen>>>,
    go_on: Arc<Notify>,
    valve: Valve,
) -> JoinHandle<hyper::Result<()>> {
    let service = service_fn(move |request: Request<Incoming>| {
        let (seen, go_on, valve) = (Arc::clone(&seen), Arc::clone(&go_on), valve.clone());
        async move { Ok::<_, Infallible>(answer(request, &seen, &go_on, &valve).await) }
    });
    start("test server", settings.serve_connection(TokioIo::new(stream), service).with_upgrades())
}

/// Reads the request whole and answers 200; an upgrade to `/echo` gets a tunnel that echoes.
async fn answer(mut request: Request<Incoming>, seen: &Mutex<Vec<Seen>>, go_on: &Notify, valve: &Valve) -> Response<Full<Bytes>> {
    let (method, target) = (request.method().to_string(), request.uri().to_string());
    let respond = |status: u16, text: String| {
        let mut response = Response::new(Full::new(Bytes::from(text)));
        *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        response
    };
    if target.starts_with("/unread") {
        seen.lock().expect("not poisoned").push((method, target, None));
        return respond(413, "no".to_owned());
    }
    let body = (&mut request).into_body_bytes().await;
    let whole = body.is_some();
    seen.lock().expect("not poisoned").push((method, target.clone(), body));
    if target == "/wait" {
        go_on.notified().await;
    }
    if target == "/echo" && request.headers().contains_key("upgrade") {
        go_on.notified().await;
        valve.open();
        start("test tunnel", async move {
            let mut tunnel = TokioIo::new(hyper::upgrade::on(request).await.expect("an upgrade"));
            let (mut from, mut to) = tokio::io::split(&mut tunnel);
            tokio::io::copy(&mut from, &mut to).await.expect("a tunnel");
            to.shutdown().await.expect("a tunnel");
        });
        let mut response = respond(101, String::new());
        response.headers_mut().insert("connection", http::HeaderValue::from_static("upgrade"));
        response.headers_mut().insert("upgrade", http::HeaderValue::from_static("echo"));
        return response;
    }
    if whole { respond(200, format!("ok {target}")) } else { respond(502, "cut".to_owned()) }
}

trait IntoBodyBytes {
    async fn into_body_bytes(self) -> Option<Vec<u8>>;
}

impl IntoBodyBytes for &mut Request<Incoming> {
    async fn into_body_bytes(self) -> Option<Vec<u8>> {
        let collected = self.body_mut().collect().await.ok()?;
        Some(collected.to_bytes().to_vec())
    }
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_are_answered_in_order() {
    let mut served = Served::start();
    served.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\r\n").await;
    served.send(b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nDigest: x\r\n\r\n").await;
    served.send(b"GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let text = served.hear().await;
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3, "{text}");
    let expected: [Seen; 3] = [
        ("POST".into(), "/a".into(), Some(b"hello".to_vec())),
        ("POST".into(), "/b".into(), Some(b"hi".to_vec())),
        ("GET".into(), "/c".into(), Some(Vec::new())),
    ];
    assert_eq!(served.seen(), expected);
    served.server.await.expect("no panic").expect("a clean end");
}

#[tokio::test(start_paused = true)]
async fn a_large_body_passes_whole() {
    let mut served = Served::start();
    let body: Vec<u8> = (0..3_000_000u32).map(|at| at as u8).collect();
    let head = format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
    served.send(head.as_bytes()).await;
    served.send(&body).await;
    served.hear_until("ok /a").await;
    assert_eq!(served.seen()[0].2.as_deref(), Some(&body[..]));
}

#[tokio::test(start_paused = true)]
async fn the_largest_head_passes() {
    let mut served = Served::start();
    let head = |value: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "b".repeat(value));
    let most = SECTION_MAX - head(0).len();
    served.send(head(most).as_bytes()).await;
    served.hear_until("ok /").await;
    served.send(head(most + 1).as_bytes()).await;
    assert!(served.hear().await.starts_with("HTTP/1.1 431 "));
    assert_eq!(served.seen().len(), 1);
}

/// The attack: a request smuggled behind two lengths, of which hyper would drop one.
#[tokio::test(start_paused = true)]
async fn a_refused_head_never_reaches_hyper_and_is_answered_by_the_gate() {
    let mut served = Served::start();
    served.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX").await;
    let text = served.hear().await;
    assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"), "{text}");
    assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");
    assert_eq!(served.seen(), []);
    assert_eq!(served.valve.refusal().map(|refusal| refusal.violation), Some(Violation::LengthAndCoding));
    drop(served.client);
    served.server.await.expect("no panic").expect("a clean end");
}

/// The attack: a malformed request pipelined behind a good one, so that the refusal lands inside the good one's answer
/// or cuts it off.
#[tokio::test(start_paused = true)]
async fn a_refusal_waits_for_the_answers_before_it() {
    let mut served = Served::start();
    served.send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(served.valve.refusal().map(|refusal| refusal.violation), None);
    served.go_on.notify_one();
    let text = served.hear().await;
    let (first, second) = text.split_once("ok /wait").expect("the first answer");
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(second.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
    assert_eq!(served.seen().len(), 1);
}

/// The attack: a chunk that ends nowhere. The service has the request already, so its answer is the only one.
#[tokio::test(start_paused = true)]
async fn a_violation_in_a_body_is_the_services_to_answer() {
    let mut served = Served::start();
    served.send(b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloGET /admin HTTP/1.1\r\n").await;
    let text = served.hear().await;
    assert!(text.starts_with("HTTP/1.1 502 "), "{text}");
    assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");
    assert_eq!(served.seen(), [("POST".to_owned(), "/a".to_owned(), None)]);
    assert_eq!(served.valve.refusal().map(|refusal| refusal.violation), Some(Violation::ChunkEnd));
}

/// The attack: a body left unread by an early answer is read as the next request.
#[tokio::test(start_paused = true)]
async fn an_unread_body_is_never_a_request() {
    let mut served = Served::start();
    served.send(b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n").await;
    served.send(GET).await;
    let text = served.hear().await;
    assert!(text.starts_with("HTTP/1.1 413 "), "{text}");
    assert_eq!(text.matches("HTTP/1.1").count(), 1, "{text}");
    assert_eq!(served.seen().len(), 1);
}

/// The attack: a second request behind a fake upgrade is relayed before the upstream has answered 101.
#[tokio::test(start_paused = true)]
async fn client_bytes_behind_an_upgrade_wait_for_the_valve() {
    let mut served = Served::start();
    served.send(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
    served.send(GET).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(served.seen().len(), 1);
    served.go_on.notify_one();
    let head = served.hear_until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    served.send(b" then\0\r\n").await;
    served.client.shutdown().await.expect("half closed");
    assert_eq!(served.hear().await, format!("{} then\0\r\n", String::from_utf8_lossy(GET)));
    assert_eq!(served.seen().len(), 1);
}

/// The attack: the upgrade is refused and the bytes behind it become a request after all.
#[tokio::test(start_paused = true)]
async fn nothing_is_read_behind_a_refused_upgrade() {
    let mut served = Served::start();
    served.send(b"GET /no HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    served.send(GET).await;
    let before = Instant::now();
    let text = served.hear().await;
    assert_eq!(text.matches("HTTP/1.1 200").count(), 1, "{text}");
    assert_eq!(served.seen().len(), 1);
    // The service did not say `Connection: close`; the idle time ends it.
    assert!(before.elapsed() >= Duration::from_secs(60));
}

/// The attack: an earlier `open`, that had nothing to open, opens a later upgrade before anybody granted it.
#[tokio::test(start_paused = true)]
async fn a_valve_opened_too_early_is_closed_again() {
    let mut served = Served::start();
    served.valve.open();
    served.send(b"GET /no HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n").await;
    served.send(GET).await;
    served.hear().await;
    assert_eq!(served.seen().len(), 1);
}

/// The attack: slowloris, one header byte now and then.
#[tokio::test(start_paused = true)]
async fn a_slow_head_is_answered_408_ten_seconds_after_its_first_byte() {
    let mut served = Served::start();
    tokio::time::sleep(Duration::from_secs(50)).await;
    let begun = Instant::now();
    for byte in GET.iter().take(8) {
        served.send(&[*byte]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let text = served.hear().await;
    assert!(text.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{text}");
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(served.seen(), []);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_silently_after_a_minute() {
    let mut served = Served::start();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(59)).await;
        served.send(b"\r\n").await;
        served.send(GET).await;
        served.hear_until("ok /").await;
    }
    let idle = Instant::now();
    // An empty line is no request.
    served.send(b"\r\n").await;
    assert_eq!(served.hear().await, "");
    assert_eq!(idle.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_its_time_is_not_idleness() {
    let mut served = Served::start();
    served.send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\nGET /b HT").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    served.go_on.notify_one();
    served.hear_until("ok /wait").await;
    served.send(b"TP/1.1\r\nHost: a\r\n\r\n").await;
    served.hear_until("ok /b").await;
}

/// The attack: slow POST, a byte now and then keeps a connection and its upstream busy.
#[tokio::test(start_paused = true)]
async fn a_body_that_only_drips_is_cut_off() {
    let mut served = Served::start();
    served.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").await;
    let begun = Instant::now();
    for _ in 0..9 {
        served.send(b"x").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(served.hear().await.starts_with("HTTP/1.1 502 "));
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!(served.valve.refusal().map(|refusal| refusal.violation), Some(Violation::BodyTimeout));
}

#[tokio::test(start_paused = true)]
async fn a_body_at_the_allowed_rate_takes_as_long_as_it_takes() {
    let mut served = Served::start();
    served.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 102400\r\n\r\n").await;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        served.send(&[b'x'; 1024]).await;
    }
    served.hear_until("ok /a").await;
}

/// The attack: a refused client neither reads nor closes, or sends for ever, and so keeps its connection.
#[tokio::test(start_paused = true)]
async fn a_refused_client_is_not_waited_for_long() {
    let mut served = Served::start();
    served.send(b"GET / HTTP/1.1\n").await;
    let begun = Instant::now();
    (&mut served.server).await.expect("no panic").expect("a clean end");
    assert_eq!(begun.elapsed().as_secs(), 1);

    let mut served = Served::start();
    let flood = [b'x'; 1024];
    let mut sent = 0;
    while served.client.write_all(&flood).await.is_ok() {
        sent += flood.len();
    }
    assert!(sent < 512 * 1024, "{sent}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_the_work_for_it() {
    let mut served = Served::start();
    served.send(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(served.client);
    assert!(served.server.await.expect("no panic").is_err());
}

#[tokio::test(start_paused = true)]
async fn half_a_request_is_no_request() {
    for cut in 1..GET.len() {
        let mut served = Served::start();
        served.send(&GET[..cut]).await;
        served.client.shutdown().await.expect("half closed");
        assert_eq!(served.hear().await, "");
        assert_eq!(served.seen(), []);
        served.server.await.expect("no panic").expect("a clean end");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_holds_no_buffer() {
    let (mut client, server) = duplex(64 * 1024);
    let mut gated = GatedStream::new(server, Patience::default());
    let mut given = Vec::new();
    for cut in [0, 10, GET.len()] {
        client.write_all(&GET[..cut]).await.expect("open");
        client.write_all(&GET[cut..]).await.expect("open");
        while !given.ends_with(GET) {
            let mut some = [0; 7];
            let length = gated.read(&mut some).await.expect("open");
            given.extend_from_slice(&some[..length]);
        }
        given.clear();
        assert_eq!(gated.kept.capacity(), 0);
    }
    assert!(std::mem::size_of::<GatedStream<()>>() < 512, "{}", std::mem::size_of::<GatedStream<()>>());
}

/// The requests that hyper sees on `bytes`, sent in pieces of `piece` bytes, and what the client hears.
fn seen_by_hyper(bytes: &[u8], piece: usize, gate: bool) -> (Vec<Seen>, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let (mut client, server) = duplex(piece);
        let (seen, go_on) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::default());
        let connection = if gate {
            let gated = GatedStream::new(server, Patience::default());
            let valve = gated.valve();
            serve(hyper_settings(), gated, Arc::clone(&seen), go_on, valve)
        } else {
            serve(hyper_settings(), server, Arc::clone(&seen), go_on, Valve::default())
        };
        let (done, heard) = oneshot::channel();
        let bytes = bytes.to_vec();
        start("test client", async move {
            let (mut from, mut to) = tokio::io::split(&mut client);
            let send = async {
                // The server may close at any byte. With the gate, the end of its patience ends the connection.
                let _ = to.write_all(&bytes).await;
                if !gate {
                    let _ = to.shutdown().await;
                }
            };
            let mut text = Vec::new();
            let (_, _) = tokio::join!(send, from.read_to_end(&mut text));
            let _ = done.send(String::from_utf8_lossy(&text).into_owned());
        });
        let text = heard.await.expect("no panic in the client");
        let _ = connection.await.expect("no panic in the server");
        let seen = seen.lock().expect("not poisoned").clone();
        (seen, text)
    })
}

/// The requests that the machine believes it let pass, the last one's body whole or not.
fn believed(mut bytes: &[u8]) -> (Vec<Seen>, Option<Violation>) {
    let (mut examiner, mut seen, mut chunked, mut raw) = (Examiner::default(), Vec::<Seen>::new(), false, Vec::new());
    loop {
        let length = match examiner.examine(bytes) {
            Finding::Head(length) => {
                let head = String::from_utf8_lossy(&bytes[..length]).to_ascii_lowercase();
                chunked = head.contains("\r\ntransfer-encoding:");
                let mut words = bytes[..length].trim_ascii_start().split(|byte| *byte == b' ');
                let mut word = || String::from_utf8_lossy(words.next().expect("judged")).into_owned();
                let (method, target) = (word(), word());
                // hyper's type writes an absolute target without a path with one. A path it leaves as it came.
                let target = target.parse::<Uri>().map_or(target, |uri| uri.to_string());
                seen.push((method, target, None));
                raw.clear();
                length
            }
            Finding::Body(length) => {
                raw.extend_from_slice(&bytes[..length]);
                length
            }
            Finding::Refuse(violation) => return (seen, Some(violation)),
            Finding::More | Finding::Hold | Finding::Tunnel => return (seen, None),
        };
        if examiner.place() != Place::Body {
            let last = seen.last_mut().expect("a body has a head");
            last.2 = Some(if chunked { decode_chunks(&raw) } else { raw.clone() });
        }
        bytes = &bytes[length..];
    }
}

/// The data of a chunked body that has been judged.
fn decode_chunks(mut raw: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some(end) = raw.iter().position(|byte| *byte == b'\r') {
        let line = std::str::from_utf8(&raw[..end]).expect("judged");
        let size = usize::from_str_radix(line.split(';').next().expect("a size"), 16).expect("judged");
        if size == 0 {
            break;
        }
        data.extend_from_slice(&raw[end + 2..end + 2 + size]);
        raw = &raw[end + 4 + size..];
    }
    data
}

/// Honest requests: GET without a body, POST with a length, PUT in chunks.
fn honest() -> impl Strategy<Value = Vec<u8>> {
    let target = prop::sample::select(vec!["/", "/a/b?c=d", "/%2e%2e/;x", "http://a/y", "/q?[]|{}"]);
    let field =
        prop::sample::select(vec!["", "A: b\r\n", "X-Y:  z \r\n", "Expect: 100-continue\r\n", "Connection: keep-alive\r\n"]);
    let chunk = (prop::collection::vec(any::<u8>(), 1..20), prop::sample::select(vec!["", ";x", ";a=\"b c\""]));
    let body = prop_oneof![
        Just(None),
        prop::collection::vec(any::<u8>(), 0..60)
            .prop_map(|body| { Some(("POST", [format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes(), body].concat())) }),
        (prop::collection::vec(chunk, 0..4), prop::sample::select(vec!["", "Digest: x\r\n"])).prop_map(|(chunks, trailer)| {
            let mut text = b"Transfer-Encoding: chunked\r\n\r\n".to_vec();
            for (data, extension) in chunks {
                text.extend(format!("{:x}{extension}\r\n", data.len()).into_bytes());
                text.extend(data);
                text.extend(b"\r\n");
            }
            text.extend(format!("0\r\n{trailer}\r\n").into_bytes());
            Some(("PUT", text))
        }),
    ];
    (target, field, body, any::<bool>()).prop_map(|(target, field, body, blank)| {
        let (method, rest) = body.unwrap_or(("GET", b"\r\n".to_vec()));
        let blank = if blank { "\r\n" } else { "" };
        [format!("{blank}{method} {target} HTTP/1.1\r\nHost: a\r\n{field}").into_bytes(), rest].concat()
    })
}

/// Streams of requests with a few bytes inserted, changed or removed.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let splice = prop::sample::select(vec![
        "\n",
        "\r",
        "\r\n",
        " ",
        "\0",
        ":",
        "\r\n ",
        "Host: b\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
        "5\r\n",
        "GET /admin HTTP/1.1\r\nHost: a\r\n\r\n",
        "",
        "#",
        ";",
        ",",
    ]);
    let damage = prop::collection::vec((any::<prop::sample::Index>(), splice, 0..3usize), 0..3);
    (prop::collection::vec(honest(), 1..5), damage).prop_map(|(requests, damage)| {
        let mut bytes = requests.concat();
        for (at, text, removed) in damage {
            let at = at.index(bytes.len() + 1);
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, text.bytes());
        }
        bytes
    })
}

proptest! {
    /// The attack: hyper and the gate disagree where a message ends, so a request hides in what the gate took for a body.
    #[test]
    fn hyper_sees_exactly_what_the_gate_believes(bytes in damaged(), piece in 1..200usize) {
        let (believed, violation) = believed(&bytes);
        let (seen, text) = seen_by_hyper(&bytes, piece, true);
        // hyper may refuse by itself what passed the gate (its URI type), but never see more or other than what passed.
        prop_assert!(seen.len() <= believed.len(), "{:?} {:?}", seen, believed);
        prop_assert_eq!(&seen[..], &believed[..seen.len()], "{}", bytes.escape_ascii());
        let refused_by_hyper = text.contains("HTTP/1.1 400 Bad Request\r\ncontent-length: 0");
        let cut = seen.last().is_some_and(|last| last.2.is_none());
        if seen.len() < believed.len() {
            prop_assert!(refused_by_hyper || text.contains("connection: close"), "{} {}", bytes.escape_ascii(), text);
        } else if let Some(violation) = violation && !cut && !text.contains("connection: close") {
            prop_assert!(text.contains(violation.sentence()), "{}: {}", bytes.escape_ascii(), text);
        }
    }

    /// The gate takes nothing from honest clients: hyper sees the same with it and without.
    #[test]
    fn the_gate_is_transparent_for_honest_streams(requests in prop::collection::vec(honest(), 1..5), piece in 1..200usize) {
        let bytes = requests.concat();
        let (believed, violation) = believed(&bytes);
        prop_assert_eq!(violation, None);
        prop_assert_eq!(believed.len(), requests.len());
        let gated = seen_by_hyper(&bytes, piece, true);
        prop_assert_eq!(&gated.0, &believed);
        prop_assert_eq!(&seen_by_hyper(&bytes, piece, false).0, &gated.0);
    }
}
