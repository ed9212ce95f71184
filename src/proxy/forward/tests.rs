//! Requests and answers through the forwarder, against an app that says byte for byte what it is told to say.

use http::header::{CONNECTION, CONTENT_LENGTH, SET_COOKIE, TRAILER};
use http::{HeaderMap, HeaderName};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant};

use super::*;
use crate::base::clock::Clock;
use crate::base::lifeline::Lifeline;
use crate::plan::compile;
use crate::plan::routes::Routes;
use crate::proxy::fault::Side;
use crate::proxy::testbed::{
    Gate, Step, app, facts, facts_for, fed, frames, grant_of, open_grant, pool, read_until, request, session, upstream,
};
use crate::wire::body::Fault as BodyFault;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

struct Bed {
    app: Arc<App>,
    pool: Pool,
    clock: Clock,
}

impl Bed {
    fn of(app: App) -> Self {
        let (pool, clock) = pool();
        Self { app: Arc::new(app), pool, clock }
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Body>, Fault> {
        forward(open_grant("/a/b?c=d"), &self.app, &self.pool, request, facts_for(&self.app)).await
    }

    async fn get(&self) -> String {
        text(self.send(request("GET", &[], Body::Empty)).await.expect("an answer")).await
    }
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// What the app reads of one request.
async fn told(request: Request<Body>) -> String {
    let (app, mut heard) = upstream(&[&[Step::Say(OK)]]).await;
    let answer = Bed::of(app).send(request).await.expect("an answer");
    assert_eq!(text(answer).await, "ok");
    heard.recv().await.expect("a request")
}

fn lines_of(head: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = head.split("\r\n\r\n").next().expect("a head").lines().skip(1).collect();
    lines.sort_unstable();
    lines
}

const FORWARDED: [&str; 7] = [
    "host: a.example",
    "x-forwarded-for: 192.0.2.1",
    "x-forwarded-host: a.example",
    "x-forwarded-port: 443",
    "x-forwarded-proto: https",
    "x-real-ip: 192.0.2.1",
    "x-request-id: id1",
];

#[tokio::test]
async fn the_judged_target_is_sent_with_host_and_forwarding_fields() {
    let heard = told(request("GET", &[("accept", "*/*"), ("host", "a.example")], Body::Empty)).await;
    assert!(heard.starts_with("GET /a/b?c=d HTTP/1.1\r\n"), "{heard}");
    let expected: Vec<&str> = ["accept: */*"].into_iter().chain(FORWARDED).collect();
    assert_eq!(lines_of(&heard), expected);
}

/// The attack: a client names the fields we set in `Connection`, so that the app gets none of them and believes that
/// nobody is in front of it (CVE-2024-45410, CVE-2026-29054, CVE-2025-48865).
#[tokio::test]
async fn connection_tokens_take_away_nothing_of_ours() {
    let tricks = "close, X-Forwarded-For, x-forwarded-proto, X-Real-Ip, host, x-request-id, content-length, transfer-encoding";
    let heard = told(request("POST", &[("connection", tricks), ("content-length", "5")], Body::from("hello"))).await;
    let expected: Vec<&str> = ["content-length: 5"].into_iter().chain(FORWARDED).collect();
    assert_eq!(lines_of(&heard), expected);
    assert!(heard.ends_with("\r\n\r\nhello"));
}

/// The attack: identity, forwarding and override headers of the client's own, and a session token for the app to steal.
#[tokio::test]
async fn what_is_ours_to_say_never_comes_from_the_client() {
    let heard = told(request(
        "GET",
        &[
            ("remote-user", "root"),
            ("remote_user", "root"),
            ("x.forwarded.user", "root"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-original-url", "/admin/"),
            ("x-http-method-override", "DELETE"),
            ("cookie", "a=1; __Host-doorward=token; b=2"),
            ("cookie", "__Host-Doorward-pre=x"),
            ("cookie", "c=3"),
            ("authorization", "Bearer of-the-app"),
            ("expect", "100-continue"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("proxy-authorization", "Basic x"),
        ],
        Body::Empty,
    ))
    .await;
    let mut expected: Vec<&str> =
        ["authorization: Bearer of-the-app", "cookie: a=1; b=2; c=3"].into_iter().chain(FORWARDED).collect();
    expected.sort_unstable();
    assert_eq!(lines_of(&heard), expected);
}

#[tokio::test]
async fn framing_is_made_from_the_body_and_not_from_what_was_written() {
    let of = |heard: &str| {
        let framing = |line: &&str| line.starts_with("content-length") || line.starts_with("transfer-encoding");
        lines_of(heard).into_iter().filter(framing).map(str::to_owned).collect::<Vec<_>>()
    };
    let chunks = || frames([Frame::data("hel".into()), Frame::data("lo".into())]);
    assert_eq!(of(&told(request("GET", &[], Body::Empty)).await), Vec::<String>::new());
    assert_eq!(of(&told(request("DELETE", &[("content-length", "7")], Body::Empty)).await), ["content-length: 0"]);
    assert_eq!(of(&told(request("POST", &[], Body::Empty)).await), ["content-length: 0"]);
    assert_eq!(of(&told(request("PUT", &[("content-length", "9")], Body::from("hello"))).await), ["content-length: 5"]);
    for method in ["POST", "GET", "PROPFIND"] {
        let heard = told(request(method, &[("transfer-encoding", "gzip, chunked")], chunks())).await;
        assert_eq!(of(&heard), ["transfer-encoding: chunked"], "{method}");
        assert!(heard.ends_with("\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), "{heard}");
    }
}

/// The attack: a trailer that an app merges into its headers, naming who the visitor is or where the body ends.
#[tokio::test]
async fn trailers_pass_to_the_app_but_none_that_identify_or_frame() {
    let mut trailers = HeaderMap::new();
    for name in ["digest", "remote-user", "x-forwarded-for", "content-length", "authorization", "unannounced"] {
        trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
    }
    let body = frames([Frame::data("x".into()), Frame::trailers(trailers)]);
    let announced = "Digest, Remote-User, X-Forwarded-For, Content-Length, Authorization";
    let heard = told(request("POST", &[("trailer", announced), ("te", "gzip, trailers;q=0.5, Trailers")], body)).await;
    assert!(heard.contains("trailer: digest\r\n") && heard.contains("te: trailers\r\nconnection: te\r\n"), "{heard}");
    assert!(heard.ends_with("1\r\nx\r\n0\r\ndigest: v\r\n\r\n"), "{heard}");
}

#[tokio::test]
async fn an_answer_passes_but_for_what_belongs_to_the_connection() {
    let (app, _) = upstream(&[&[Step::Say(
        "HTTP/1.0 299 Fine By Me\r\nConnection: close, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nServer: s\r\nX_Odd: kept\r\n\
         Proxy-Authenticate: Basic\r\nUpgrade: h2c\r\nSet-Cookie: a=1\r\nSet-Cookie: __Host-doorward=evil; Path=/\r\nSet-Cookie: b=2\r\n\r\nto the end",
    )]])
    .await;
    let answer = Bed::of(app).send(request("GET", &[], Body::Empty)).await.expect("an answer");
    assert_eq!((answer.status().as_u16(), answer.version()), (299, http::Version::HTTP_11));
    let names: Vec<_> = answer.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(answer.headers().get_all(SET_COOKIE).iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(text(answer).await, "to the end");
}

#[tokio::test]
async fn trailers_of_an_answer_pass_behind_its_body() {
    let (app, _) = upstream(&[&[Step::Say(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status, Set-Cookie\r\n\r\n1\r\nx\r\n0\r\nGrpc-Status: 0\r\nSet-Cookie: a=1\r\n\r\n",
    )]])
    .await;
    let answer = Bed::of(app).send(request("GET", &[("te", "trailers")], Body::Empty)).await.expect("an answer");
    assert_eq!(answer.headers()[TRAILER], "grpc-status");
    let whole = answer.into_body().collect().await.expect("a whole body");
    let trailers = whole.trailers().expect("trailers").clone();
    assert_eq!((trailers.len(), trailers["grpc-status"].to_str().expect("ASCII")), (1, "0"));
    assert_eq!(whole.to_bytes(), "x");
}

#[tokio::test]
async fn answers_without_a_body_keep_the_length_they_speak_of_and_the_connection() {
    let (app, mut heard) = upstream(&[&[
        Step::Say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        Step::Say("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: x\r\n\r\n"),
        Step::Say("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
        Step::Say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3,3\r\n\r\nabc"),
    ]])
    .await;
    let bed = Bed::of(app);
    for (method, expected) in [("HEAD", Some("9")), ("GET", Some("9")), ("GET", None), ("GET", Some("3"))] {
        let answer = bed.send(request(method, &[], Body::Empty)).await.expect("an answer");
        let lengths: Vec<_> = answer.headers().get_all(CONTENT_LENGTH).iter().map(|line| line.to_str().expect("ASCII")).collect();
        assert_eq!(lengths, expected.into_iter().collect::<Vec<_>>());
        text(answer).await;
        heard.recv().await.expect("a request");
    }
}

/// The attack: an upstream whose answer ends at two places, one for us and one for the client.
#[tokio::test]
async fn contradictory_answers_are_not_passed_on() {
    let answers = [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nok",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 2, 3\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX y: z\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ];
    for answer in answers {
        let (app, mut heard) = upstream(&[&[Step::Say(answer), Step::Wait]]).await;
        let fault = Bed::of(app).send(request("GET", &[("upgrade", "h2c")], Body::Empty)).await.expect_err(answer);
        assert_eq!(fault.side(), Side::Upstream, "{answer}");
        heard.recv().await.expect("a request");
        assert_eq!(heard.recv().await.as_deref(), Some("<closed>"), "{answer}");
    }
}

/// The attack: informational answers for ever, each of them skipped in silence; and a head without an end.
#[tokio::test]
async fn what_comes_before_an_answer_is_bounded() {
    let early: &str = Box::leak("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(20_000).into_boxed_str());
    let endless: &str = Box::leak(format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(300_000)).into_boxed_str());
    for flood in [early, endless] {
        let (app, _) = upstream(&[&[Step::Say(flood), Step::Wait]]).await;
        let fault = Bed::of(app).send(request("GET", &[], Body::Empty)).await.expect_err("a flood");
        assert!(matches!(fault, Fault::Closed(_)), "{fault:?}");
    }
    let few = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (app, _) = upstream(&[&[Step::Say(few)]]).await;
    assert_eq!(Bed::of(app).get().await, "ok");
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let (app, mut heard) = upstream(&[&[Step::Say(OK), Step::Say(OK), Step::Say(OK), Step::Wait]]).await;
    let bed = Bed::of(app);
    for _ in 0..2 {
        assert_eq!(bed.get().await, "ok");
    }
    let posted = bed.send(request("POST", &[], Body::from("hello"))).await.expect("an answer");
    assert_eq!(text(posted).await, "ok");
    for _ in 0..3 {
        assert_ne!(heard.recv().await.as_deref(), Some("<closed>"));
    }
}

#[tokio::test]
async fn apps_do_not_share_connections() {
    let (first, _) = upstream(&[&[Step::Say(OK), Step::Wait], &[Step::Say(OK)]]).await;
    let bed = Bed::of(first);
    assert_eq!(bed.get().await, "ok");
    let other = Bed {
        app: Arc::new(App { lifeline: Lifeline::new(), ..App::clone(&bed.app) }),
        pool: bed.pool.clone(),
        clock: bed.clock.clone(),
    };
    assert!(other.pool.take(&other.app).is_none());
    assert_eq!(other.get().await, "ok");
}

/// The attack: a connection that was left in the middle of one visitor's answer or upload is used for the next visitor.
#[tokio::test]
async fn a_connection_is_not_used_again_after_an_incomplete_body() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    let (app, mut heard) =
        upstream(&[&[Step::Say(half), Step::Wait], &[Step::Interrupt(OK), Step::Wait], &[Step::Say(OK)]]).await;
    let bed = Bed::of(app);
    let mut answer = bed.send(request("GET", &[], Body::Empty)).await.expect("an answer");
    answer.body_mut().frame().await.expect("a frame").expect("half");
    drop(answer);
    assert!(heard.recv().await.expect("a request").starts_with("GET"));
    assert_eq!(heard.recv().await.as_deref(), Some("<closed>"));

    let (feed, body) = fed();
    feed.send("some").expect("wanted");
    let answer = bed.send(request("POST", &[], body)).await.expect("an early answer");
    assert_eq!(text(answer).await, "ok");
    assert!(heard.recv().await.expect("a request").starts_with("POST"));
    assert_eq!(heard.recv().await.as_deref(), Some("<closed>"));
    assert_eq!(bed.get().await, "ok");
}

/// The attack: an upstream says more than it was asked for, hoping that it is taken for the next visitor's answer.
#[tokio::test]
async fn surplus_bytes_end_the_connection() {
    let surplus = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let (app, _) =
        upstream(&[&[Step::Say(surplus), Step::Wait], &[Step::Say(OK), Step::Blurt("HTTP/1.1 200 OK\r\n\r\n"), Step::Wait]])
            .await;
    let bed = Bed::of(app);
    assert_eq!(bed.get().await, "ok");
    assert_eq!(bed.get().await, "ok");
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced_once_where_that_is_harmless() {
    let (app, mut heard) = upstream(&[&[Step::Say(OK), Step::HangUp], &[Step::Say(OK), Step::HangUp], &[Step::Say(OK)]]).await;
    let bed = Bed::of(app);
    for _ in 0..2 {
        assert_eq!(bed.get().await, "ok");
    }
    let fault = bed.send(request("POST", &[], Body::from("pay"))).await.expect_err("not repeated");
    assert!(matches!(fault, Fault::Closed(_)), "{fault:?}");
    assert_eq!(bed.get().await, "ok");
    let mut methods = vec![];
    for _ in 0..5 {
        methods.push(heard.recv().await.expect("a request")[..4].to_owned());
    }
    assert_eq!(methods, ["GET ", "GET ", "GET ", "POST", "GET "]);
}

#[tokio::test]
async fn an_upload_is_sent_anew_if_its_kept_connection_was_closed_before() {
    let (app, mut heard) = upstream(&[&[Step::Say(OK)], &[Step::Say(OK)]]).await;
    let bed = Bed::of(app);
    assert_eq!(bed.get().await, "ok");
    heard.recv().await.expect("a request");
    assert_eq!(heard.recv().await.as_deref(), Some("<closed>"));
    let answer = bed.send(request("POST", &[], Body::from("once"))).await.expect("an answer");
    assert_eq!(text(answer).await, "ok");
    assert!(heard.recv().await.expect("a request").ends_with("\r\n\r\nonce"));
}

#[tokio::test]
async fn a_fresh_connection_that_breaks_is_not_tried_again() {
    let (app, _) = upstream(&[&[Step::HangUp], &[Step::Say(OK)]]).await;
    let fault = Bed::of(app).send(request("GET", &[], Body::Empty)).await.expect_err("broken off");
    assert!(matches!(fault, Fault::Closed(_)), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn old_connections_are_closed_without_being_asked_for() {
    let (app, mut heard) = upstream(&[&[Step::Say(OK), Step::Wait]]).await;
    let bed = Bed::of(app);
    assert_eq!(bed.get().await, "ok");
    heard.recv().await.expect("a request");
    let begun = Instant::now();
    assert_eq!(heard.recv().await.as_deref(), Some("<closed>"));
    assert!((60..=90).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_app_that_is_not_running_is_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let fault = Bed::of(app(port)).send(request("GET", &[], Body::Empty)).await.expect_err("refused");
    assert!(matches!(&fault, Fault::Connect(error) if error.kind() == std::io::ErrorKind::ConnectionRefused), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn an_app_that_does_not_answer_is_given_up_in_time() {
    let (mut app, mut heard) = upstream(&[&[Step::Wait]]).await;
    app.upstream.response_timeout = Some(Duration::from_millis(2500));
    let begun = Instant::now();
    let fault = Bed::of(app).send(request("GET", &[], Body::Empty)).await.expect_err("too late");
    assert!(matches!(fault, Fault::Timeout), "{fault:?}");
    assert!((2500..2600).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!(heard.recv().await.as_deref(), Some("<closed>"));
}

#[tokio::test(start_paused = true)]
async fn a_long_upload_is_no_silence_of_the_app() {
    let (mut app, _) = upstream(&[&[Step::Say(OK)]]).await;
    app.upstream.response_timeout = Some(Duration::from_secs(3));
    let (feed, body) = fed();
    let feeding = async move {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            feed.send("more").expect("wanted");
        }
    };
    let bed = Bed::of(app);
    let (answer, ()) = tokio::join!(bed.send(request("POST", &[], body)), feeding);
    assert_eq!(text(answer.expect("an answer")).await, "ok");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read_or_as_soon_as_it_shows() {
    let (mut app, mut heard) = upstream(&[&[Step::Wait], &[Step::Say(OK)]]).await;
    app.rules.body_limit = Some(5);
    let bed = Bed::of(app);
    let fault = bed.send(request("POST", &[], Body::from("sixsix"))).await.expect_err("announced");
    assert!(matches!(fault, Fault::TooLarge), "{fault:?}");
    assert!(heard.try_recv().is_err());
    let chunks = frames([Frame::data("five5".into()), Frame::data("x".into())]);
    let fault = bed.send(request("POST", &[], chunks)).await.expect_err("streamed");
    assert!(matches!(fault, Fault::TooLarge), "{fault:?}");
    let answer = bed.send(request("POST", &[], Body::from("five5"))).await.expect("an answer");
    assert_eq!(text(answer).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_sending_is_given_up_and_so_is_an_app() {
    let silent = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome";
    let (mut app, _) = upstream(&[&[Step::Wait], &[Step::Say(silent), Step::Wait]]).await;
    app.upstream.idle_timeout = Some(Duration::from_secs(5));
    let bed = Bed::of(app);
    let (feed, body) = fed();
    feed.send("some").expect("wanted");
    let fault = bed.send(request("POST", &[], body)).await.expect_err("stalled");
    assert!(matches!(fault, Fault::Stalled), "{fault:?}");

    let answer = bed.send(request("GET", &[], Body::Empty)).await.expect("a head");
    let begun = Instant::now();
    let fault = answer.into_body().collect().await.expect_err("stalled");
    assert!(matches!(fault, BodyFault::Idle), "{fault:?}");
    assert!((5..=6).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n";

/// The attack: somebody is signed out or disabled, but the stream they opened before keeps telling them everything.
#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_session_within_two_seconds() {
    for revoked in [true, false] {
        let (app, mut heard) = upstream(&[&[Step::Say(STREAM), Step::Wait]]).await;
        let bed = Bed::of(app);
        let session = session();
        let sent = forward(grant_of(&session, "/events"), &bed.app, &bed.pool, request("GET", &[], Body::Empty), facts());
        let mut body = sent.await.expect("a head").into_body();
        body.frame().await.expect("a frame").expect("an event");
        tokio::time::timeout(Duration::from_secs(300), body.frame()).await.expect_err("a stream may be silent");
        if revoked {
            session.lifeline.cut()
        } else {
            bed.clock.advance(Duration::from_secs(3600))
        }
        let begun = Instant::now();
        let fault = body.frame().await.expect("an end").expect_err("cut off");
        assert!(matches!(fault, BodyFault::SessionEnded), "{fault:?}");
        assert!(begun.elapsed() <= Duration::from_secs(2));
        heard.recv().await.expect("a request");
        assert_eq!(heard.recv().await.as_deref(), Some("<closed>"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_yet_ends_with_its_session_too() {
    let (app, _) = upstream(&[&[Step::Wait]]).await;
    let bed = Bed::of(app);
    let session = session();
    let line = session.lifeline.clone();
    let sent = forward(grant_of(&session, "/poll"), &bed.app, &bed.pool, request("GET", &[], Body::Empty), facts());
    let cutting = async {
        tokio::time::sleep(Duration::from_secs(100)).await;
        line.cut();
    };
    let (fault, ()) = tokio::join!(sent, cutting);
    assert!(matches!(fault.expect_err("cut off"), Fault::SessionEnded));
}

#[tokio::test(start_paused = true)]
async fn an_upload_keeps_its_session_from_idling() {
    let (app, _) = upstream(&[&[Step::Say(OK)]]).await;
    let bed = Bed::of(app);
    let session = session();
    bed.clock.advance(Duration::from_secs(500));
    let sent = forward(grant_of(&session, "/up"), &bed.app, &bed.pool, request("POST", &[], Body::from("x")), facts());
    text(sent.await.expect("an answer")).await;
    assert_eq!(session.last_seen(), bed.clock.now());
}

#[tokio::test]
async fn connect_and_trace_are_not_forwarded() {
    for method in ["CONNECT", "TRACE"] {
        let fault = Bed::of(app(1)).send(request(method, &[], Body::Empty)).await.expect_err("refused");
        assert!(matches!(fault, Fault::BadMethod), "{fault:?}");
    }
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let (app, mut heard) = upstream(&[&[Step::Interrupt("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"), Step::Echo]]).await;
    let bed = Bed::of(app);
    let (feed, body) = fed();
    let mut answer = bed.send(request("POST", &[], body)).await.expect("an early head");
    assert_eq!(answer.headers().get(CONNECTION), None);
    heard.recv().await.expect("a request");
    for word in ["one", "two"] {
        feed.send(word).expect("wanted");
        let mut echoed = String::new();
        while !echoed.ends_with("\r\n") || !echoed.contains(word) {
            let frame = answer.body_mut().frame().await.expect("a frame").expect("echoed");
            echoed.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text"));
        }
        assert_eq!(echoed, format!("3\r\n{word}\r\n"));
    }
    assert!(!answer.body().is_end_stream());
}

#[tokio::test]
async fn trailers_reach_an_http1_client_that_takes_them() {
    let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n1\r\nx\r\n0\r\nDigest: d\r\n\r\n";
    for (takes, end) in [("TE: trailers\r\n", "1\r\nx\r\n0\r\ndigest: d\r\n\r\n"), ("", "1\r\nx\r\n0\r\n\r\n")] {
        let (gate, _) = Gate::before(&[&[Step::Say(answer)]]).await;
        let mut client = gate.http1();
        client.write_all(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{takes}\r\n").as_bytes()).await.expect("written");
        let head = read_until(&mut client, "\r\n\r\n").await.expect("a head");
        assert!(head.contains("trailer: digest\r\n"), "{head}");
        assert_eq!(read_until(&mut client, end).await.as_deref(), Some(end));
    }
}

/// The attack: an `Expect` that one side takes for granted and the other does not, so that they disagree about which
/// bytes are a body.
#[tokio::test]
async fn an_expectation_is_met_by_us_and_never_passed_on() {
    let (gate, mut heard) = Gate::before(&[&[Step::Say(OK)]]).await;
    let mut client = gate.http1();
    let head = "POST / HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    client.write_all(head.as_bytes()).await.expect("written");
    assert_eq!(read_until(&mut client, "\r\n\r\n").await.as_deref(), Some("HTTP/1.1 100 Continue\r\n\r\n"));
    client.write_all(b"hello").await.expect("written");
    assert!(read_until(&mut client, "\r\n\r\nok").await.expect("an answer").starts_with("HTTP/1.1 200 OK"));
    let asked = heard.recv().await.expect("a request");
    assert!(asked.ends_with("\r\n\r\nhello") && !asked.contains("expect"), "{asked}");
}

/// The attack: the body of a request that was refused unread is taken for the client's next request.
#[tokio::test]
async fn a_body_refused_unread_is_not_the_next_request() {
    let (mut gate, mut heard) = Gate::before(&[&[Step::Say(OK)]]).await;
    Arc::get_mut(&mut gate.app).expect("unshared").rules.body_limit = Some(5);
    let mut client = gate.http1();
    let hidden = "GET /admin/ HTTP/1.1\r\nHost: a.example\r\n\r\n".repeat(3000);
    let request = format!("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: {}\r\n\r\n", hidden.len());
    client.write_all(request.as_bytes()).await.expect("written");
    let (mut reader, mut writer) = tokio::io::split(client);
    let mut answers = String::new();
    let (_, _) = tokio::join!(writer.write_all(hidden.as_bytes()), reader.read_to_string(&mut answers));
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn over_http2_cookies_are_joined_and_a_body_without_length_comes_in_chunks() {
    let (gate, mut heard) =
        Gate::before(&[&[Step::Say("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")]]).await;
    let mut client = gate.http2().await;
    let builder = Request::post("https://a.example/a?b").header("cookie", "a=1").header("cookie", "__Host-doorward=t");
    let body = frames([Frame::data("hel".into()), Frame::data("lo".into())]);
    let answer = client.send_request(builder.header("cookie", "b=2").body(body).expect("valid")).await.expect("an answer");
    assert_eq!((answer.status(), answer.headers().get(CONNECTION)), (StatusCode::OK, None));
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "ok");
    let asked = heard.recv().await.expect("a request");
    assert!(asked.contains("cookie: a=1; b=2\r\n") && asked.contains("transfer-encoding: chunked\r\n"), "{asked}");
    assert!(asked.contains("host: a.example\r\n") && asked.ends_with("0\r\n\r\n"), "{asked}");
}

#[tokio::test]
async fn a_client_that_goes_away_takes_the_upstream_request_with_it() {
    let (gate, mut heard) = Gate::before(&[&[Step::Interrupt(""), Step::Wait]]).await;
    let mut client = gate.http1();
    client.write_all(b"GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n").await.expect("written");
    heard.recv().await.expect("a request");
    drop(client);
    assert_eq!(heard.recv().await.as_deref(), Some("<closed>"));
}

/// An upstream's app with these settings of the owner.
fn with_settings(app: App, settings: &str) -> App {
    let text = format!("[[app]]\nhost = \"a.example\"\nupstream = \"{}\"\n{settings}", app.upstream.origin);
    let mut plan = compile::compile_text(&text).expect("sound").plan;
    plan.hosts = Routes::default();
    Arc::into_inner(plan.apps.remove(0)).expect("nobody else's")
}

#[tokio::test]
async fn the_owners_headers_are_set_behind_ours_on_either_way() {
    let answer = "HTTP/1.1 200 OK\r\nServer: x\r\nX-Frame-Options: DENY\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok";
    let (app, mut heard) = upstream(&[&[Step::Say(answer)]]).await;
    let settings = "request_headers = { set = { X-Api-Key = \"k\" }, remove = [\"Accept\"] }\n\
                    response_headers = { set = { X-Frame-Options = \"SAMEORIGIN\" }, remove = [\"server\"] }";
    let theirs = [("accept", "*/*"), ("x-api-key", "theirs"), ("x-api-key", "again")];
    let answer = Bed::of(with_settings(app, settings)).send(request("GET", &theirs, Body::Empty)).await.expect("an answer");
    let expected: Vec<&str> = FORWARDED[..6].iter().copied().chain(["x-api-key: k", FORWARDED[6]]).collect();
    let mut heard = lines_of(&heard.recv().await.expect("a request")).join("\n");
    for line in expected {
        assert!(heard.contains(line), "{line} in {heard}");
        heard = heard.replacen(line, "", 1);
    }
    assert_eq!(heard.trim(), "");
    let left: HeaderMap = [("x-frame-options", "SAMEORIGIN"), ("set-cookie", "a=b"), ("content-length", "2")]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    assert_eq!(answer.headers(), &left);
}

/// The attack: what the owner sets is sent by the client behind the body instead.
#[tokio::test]
async fn a_trailer_does_not_stand_in_for_the_owners_header() {
    let (app, mut heard) = upstream(&[&[Step::Say(OK)]]).await;
    let trailers =
        [("x-api-key", "theirs")].map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let body = frames([Frame::data("x".into()), Frame::trailers(HeaderMap::from_iter(trailers))]);
    let bed = Bed::of(with_settings(app, "request_headers = { set = { X-Api-Key = \"k\" } }"));
    bed.send(request("POST", &[("trailer", "x-api-key")], body)).await.expect("an answer");
    let heard = heard.recv().await.expect("a request");
    assert!(heard.contains("x-api-key: k") && !heard.contains("theirs") && !heard.contains("trailer"), "{heard}");
}
