//! Proxying: what goes in comes out, both ways, byte for byte, and no faster than the slower side takes it.

use std::collections::HashSet;

use bytes::Bytes;
use doorward::wire::body::{Body, Fault};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::kit::app::{self, App, read_head};
use crate::kit::flood::{flood, with_trailers};
use crate::kit::gateway::{Gateway, HOST, one_app, within};
use crate::kit::line::BOTH;
use crate::kit::visitor::{Visitor, read};
use crate::kit::wire::{Wire, statuses};

const MIB: u64 = 1024 * 1024;

/// Bytes that the sockets and buffers between a stalled reader and an app may hold, generously.
const BETWEEN: u64 = 40 * MIB;

/// The head of a request over a bare wire, but for its last line break.
fn head(guest: &Visitor, line: &str) -> String {
    format!("{line}\r\nHost: {HOST}\r\nCookie: __Host-doorward={}\r\n", guest.session_cookie().expect("signed in"))
}

#[tokio::test]
async fn a_request_passes_unchanged() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut line = guest.line().await;
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "MKCOL", "REPORT", "M-SEARCH", "get"] {
            let target = "/a//b%20c;v=1/%C3%A9?x=1&y=%2F&z=a+b&?#"[..].trim_end_matches('#');
            let mut request = guest.call(method, target);
            let headers = request.headers_mut();
            headers.insert("authorization", HeaderValue::from_static("Basic YXBwOm93bg=="));
            headers.insert("x-csrf-token", HeaderValue::from_bytes(b"caf\xc3\xa9 \xff").expect("opaque bytes"));
            headers.insert("x-empty", HeaderValue::from_static(""));
            headers.append("x-twice", HeaderValue::from_static("one"));
            headers.append("x-twice", HeaderValue::from_static("two, three"));
            *request.body_mut() = Body::from("a body of some length");
            assert_eq!(guest.send_on(&mut line, request).await.status, StatusCode::OK, "{protocol:?} {method}");
            let seen = app.take().remove(0);
            assert_eq!((seen.method.as_str(), seen.target.as_str()), (method, target));
            assert_eq!(seen.body, b"a body of some length");
            assert_eq!(seen.header("host"), guest.authority(), "the host is kept, port and all");
            assert_eq!(seen.header("authorization"), "Basic YXBwOm93bg==");
            assert_eq!(seen.headers["x-csrf-token"].as_bytes(), b"caf\xc3\xa9 \xff");
            assert_eq!(seen.headers["x-empty"], "");
            assert_eq!(seen.headers.get_all("x-twice").iter().collect::<Vec<_>>(), ["one", "two, three"]);
        }
    }
}

#[tokio::test]
async fn an_answer_passes_unchanged() {
    const ANSWER: &str = "HTTP/1.1 200 Fine\r\nServer: app/1.0\r\nX-Powered-By: PHP/5\r\nContent-Encoding: gzip\r\n\
        Content-Security-Policy: default-src *\r\nStrict-Transport-Security: max-age=1\r\nETag: \"x\"\r\nVary: Cookie\r\n\
        Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2\r\nLocation: http://127.0.0.1/x\r\nWWW-Authenticate: Basic realm=x\r\n\
        X-Opaque: caf\u{e9}\r\nContent-Length: 4\r\n\r\n";
    let url = app::speaking(|mut stream, _| async move {
        while !read_head(&mut stream).await.is_empty() {
            stream.write_all(&[ANSWER.as_bytes(), b"\x1f\x8b\x00\xff"].concat()).await.expect("written");
        }
    })
    .await;
    let gateway = Gateway::before(&url);
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let answer = guest.fetch("GET", "/").await;
        assert_eq!(&answer.body[..], b"\x1f\x8b\x00\xff", "not decompressed, not touched");
        let names: HashSet<&str> = answer.headers.keys().map(|name| name.as_str()).collect();
        let mut expected: HashSet<&str> = HashSet::from([
            "server",
            "x-powered-by",
            "content-encoding",
            "content-security-policy",
            "strict-transport-security",
            "etag",
            "vary",
            "set-cookie",
            "location",
            "www-authenticate",
            "x-opaque",
            "content-length",
        ]);
        // RFC 9110 section 6.6.1: a recipient with a clock adds the date that is missing.
        expected.extend(names.get("date"));
        assert_eq!(names, expected, "nothing added, nothing taken away");
        assert_eq!(answer.headers.get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1; Path=/", "b=2"]);
        assert_eq!(answer.header("location"), "http://127.0.0.1/x");
        assert_eq!(answer.headers["x-opaque"].as_bytes(), "caf\u{e9}".as_bytes());
    }
}

#[tokio::test]
async fn answers_without_a_body_stay_without() {
    let app = App::answering(|seen| {
        let response = Response::builder().header("etag", "\"1\"");
        match seen.target.as_str() {
            "/204" => response.status(204).body(Body::Empty),
            "/304" => response.status(304).body(Body::Empty),
            "/empty" => response.header("content-length", "0").body(Body::Empty),
            _ => {
                response.header("content-length", "1234").body(if seen.method == "HEAD" { Body::Empty } else { Body::from("?") })
            }
        }
        .expect("a response")
    })
    .await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut line = guest.line().await;
        // One connection for all: were a body left over, the next answer would not be read.
        for (method, path, status, length) in [
            ("GET", "/204", 204, ""),
            ("GET", "/304", 304, ""),
            ("HEAD", "/1234", 200, "1234"),
            ("GET", "/empty", 200, "0"),
            ("HEAD", "/304", 304, ""),
        ] {
            let request = guest.call(method, path);
            let answer = guest.send_on(&mut line, request).await;
            assert_eq!((answer.status.as_u16(), answer.header("etag")), (status, "\"1\""), "{protocol:?} {method} {path}");
            assert_eq!((answer.header("content-length"), answer.body.len()), (length, 0), "{protocol:?} {method} {path}");
        }
    }
}

#[tokio::test]
async fn bodies_of_unknown_length_and_their_trailers_pass_both_ways() {
    let app = App::answering(|seen| {
        let mut trailers = HeaderMap::new();
        trailers.insert("digest", HeaderValue::from_static("sha-256=x"));
        let response = Response::builder().header("trailer", "digest").header("x-length", seen.length);
        response.body(with_trailers("an answer", trailers)).expect("a response")
    })
    .await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut request = guest.call("POST", "/");
        request.headers_mut().insert("trailer", HeaderValue::from_static("checksum"));
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        let mut trailers = HeaderMap::new();
        trailers.insert("checksum", HeaderValue::from_static("1"));
        *request.body_mut() = with_trailers("a body", trailers);
        let answer = guest.send(request).await;
        assert_eq!(answer.text(), "an answer");
        assert_eq!(answer.trailers.expect("trailers")["digest"], "sha-256=x", "{protocol:?}");
        let seen = app.take().remove(0);
        assert_eq!((seen.body.as_slice(), seen.header("transfer-encoding")), (&b"a body"[..], "chunked"));
        assert_eq!(seen.trailers.expect("trailers")["checksum"], "1", "{protocol:?}");
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_is_told_by_us() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let guest = gateway.guest("alice").await;
    let mut wire = Wire::open(&gateway.reach()).await;
    let head = head(&guest, "POST /upload HTTP/1.1");
    wire.write(format!("{head}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")).await.expect("written");
    assert_eq!(statuses(&wire.until(b"\r\n\r\n").await), [100]);
    wire.write("hello").await.expect("written");
    assert_eq!(statuses(&wire.until(b"app\n").await), [200]);
    let seen = app.only();
    assert_eq!((seen.body.as_slice(), seen.header("expect")), (&b"hello"[..], ""));
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let (send, take) = tokio::sync::mpsc::channel::<http_body_util::channel::Sender<Bytes, Fault>>(4);
    let app = App::streaming(move |_| {
        let send = send.clone();
        async move {
            let (sender, channel) = Channel::<Bytes, Fault>::new(1);
            send.send(sender).await.expect("listened to");
            Response::builder().header("content-type", "text/event-stream").body(Body::wrapped(channel)).expect("a response")
        }
    })
    .await;
    let mut take = take;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut line = guest.line().await;
        let request = guest.call("GET", "/events");
        let mut response = guest.start_on(&mut line, request).await;
        let mut events = within("the app", take.recv()).await.expect("a sender");
        for number in 0..5 {
            let event = Bytes::from(format!("data: {number}\n\n"));
            // The next is sent only when this one has been read: nothing may wait for more to come.
            events.send(Frame::data(event.clone())).await.expect("sent");
            let mut read = Vec::new();
            while read.len() < event.len() {
                let frame = within("an event", response.frame()).await.expect("more").expect("a frame");
                read.extend_from_slice(&frame.into_data().expect("data"));
            }
            assert_eq!(read, event, "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_large_upload_and_a_large_download_pass() {
    let app =
        App::answering(|seen| Response::new(if seen.method == "GET" { flood(64 * MIB).0 } else { Body::from("got it") })).await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut request = guest.call("PUT", "/upload");
        let (body, taken) = flood(64 * MIB);
        *request.body_mut() = body;
        assert_eq!(guest.send(request).await.text(), "got it");
        assert_eq!((taken.bytes(), app.take()[0].length), (64 * MIB, 64 * MIB), "{protocol:?}");
        assert_eq!(guest.fetch("GET", "/download").await.body.len() as u64, 64 * MIB, "{protocol:?}");
        app.take();
    }
}

/// The attack: a reader who stops reading, to have a whole answer held in memory for each connection.
#[tokio::test]
async fn a_reader_who_stalls_stops_the_app() {
    let (bodies, mut taken) = tokio::sync::mpsc::unbounded_channel();
    let app = App::streaming(move |_| {
        let (body, taken) = flood(512 * MIB);
        bodies.send(taken).expect("listened to");
        async { Response::new(body) }
    })
    .await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut line = guest.line().await;
        let request = guest.call("GET", "/");
        let mut response = guest.start_on(&mut line, request).await;
        let taken = taken.recv().await.expect("asked");
        let held = taken.settled().await;
        assert!(held < BETWEEN, "{protocol:?}: {held} bytes taken from the app for a reader who reads nothing");
        within("more", response.frame()).await.expect("more").expect("a frame");
        drop(response);
    }
}

/// The attack: the same the other way, with an app that does not read what it is sent.
#[tokio::test]
async fn an_app_that_stalls_stops_the_client() {
    let app = App::streaming(|request| async move {
        let _kept = request;
        std::future::pending::<Response<Body>>().await
    })
    .await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut line = guest.line().await;
        let mut request = guest.call("PUT", "/");
        let (body, taken) = flood(512 * MIB);
        *request.body_mut() = body;
        let request = guest.dressed(request);
        let sending = doorward::base::task::start("upload", async move { line.send(request).await.map(drop) });
        within("the app", async {
            while taken.bytes() == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let held = taken.settled().await;
        assert!(held < BETWEEN, "{protocol:?}: {held} bytes taken from the client for an app that reads nothing");
        sending.abort();
    }
}

#[tokio::test]
async fn an_app_that_is_not_there_is_502_and_one_that_is_silent_504() {
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        format!("http://{}", listener.local_addr().expect("bound"))
    };
    let gateway = Gateway::before(&nobody);
    let mut guest = gateway.guest("alice").await;
    let answer = guest.get("/").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(answer.text().contains(HOST) && answer.header("content-type").starts_with("text/html"), "{}", answer.text());
    assert!(!answer.text().contains("127.0.0.1"), "where the app is, is nobody's business");
    let problem = guest.fetch("GET", "/").await;
    assert_eq!((problem.status, problem.header("content-type")), (StatusCode::BAD_GATEWAY, "application/problem+json"));

    let silent = app::speaking(|mut stream, _| async move { drop(stream.read_to_end(&mut Vec::new()).await) }).await;
    let gateway = Gateway::start(&one_app(&silent, "response_timeout = \"1s\""));
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        assert_eq!(guest.get("/").await.status, StatusCode::GATEWAY_TIMEOUT, "{protocol:?}");
    }
}

/// The attack: an app, or whoever answers in its place, whose answer two readers would end at different places.
#[tokio::test]
async fn answers_that_contradict_themselves_are_502() {
    for answer in [
        "not HTTP at all\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello!",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n",
        "",
    ] {
        let url = app::speaking(move |mut stream, _| async move {
            read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.expect("written");
        })
        .await;
        let gateway = Gateway::before(&url);
        let mut guest = gateway.guest("alice").await;
        for protocol in BOTH {
            guest.protocol = protocol;
            assert_eq!(guest.fetch("POST", "/").await.status, StatusCode::BAD_GATEWAY, "{protocol:?} {answer:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_cut_short_is_not_passed_off_as_whole() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n",
    ] {
        let url = app::speaking(move |mut stream, _| async move {
            read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.expect("written");
        })
        .await;
        let gateway = Gateway::before(&url);
        let mut guest = gateway.guest("alice").await;
        for protocol in BOTH {
            guest.protocol = protocol;
            let mut line = guest.line().await;
            let request = guest.call("GET", "/");
            let response = guest.start_on(&mut line, request).await;
            assert!(within("the end", read(response)).await.is_err(), "{protocol:?} {answer:?}");
        }
    }
}

#[tokio::test]
async fn informational_answers_of_an_app_are_not_the_answer() {
    let url = app::speaking(|mut stream, _| async move {
        read_head(&mut stream).await;
        let early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
        stream
            .write_all(format!("{early}HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok").as_bytes())
            .await
            .expect("written");
    })
    .await;
    let gateway = Gateway::before(&url);
    let answer = gateway.guest("alice").await.fetch("GET", "/").await;
    assert_eq!((answer.status, answer.text().as_str(), answer.header("link")), (StatusCode::CREATED, "ok", ""));
}

#[tokio::test]
async fn a_kept_connection_that_died_unnoticed_is_replaced() {
    // The first connection answers once and breaks at the second request; the next ones answer everything.
    let url = app::speaking(|mut stream, number| async move {
        let mut answered = 0;
        while !read_head(&mut stream).await.is_empty() {
            if number == 0 && answered == 1 {
                return;
            }
            let body = format!("{number}");
            stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{body}").as_bytes()).await.expect("written");
            answered += 1;
        }
    })
    .await;
    let gateway = Gateway::before(&url);
    let mut guest = gateway.guest("alice").await;
    // One line, so one worker, so one pool.
    let mut line = guest.line().await;
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let request = guest.call("GET", "/");
        bodies.push(guest.send_on(&mut line, request).await.text());
    }
    assert_eq!(bodies, ["0", "1", "1"], "asked again over a fresh connection, which is kept then");
}

/// The attack: an app that breaks off has the gateway send an order twice.
#[tokio::test]
async fn what_may_have_had_an_effect_is_not_repeated() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let url = app::speaking(move |mut stream, _| {
        let tell = tell.clone();
        async move {
            let mut answered = 0;
            loop {
                let head = read_head(&mut stream).await;
                if head.starts_with("POST") {
                    tell.send(()).expect("listened to");
                }
                if head.is_empty() || answered == 1 {
                    return;
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("written");
                answered += 1;
            }
        }
    })
    .await;
    let gateway = Gateway::before(&url);
    let mut guest = gateway.guest("alice").await;
    let mut line = guest.line().await;
    let request = guest.call("GET", "/");
    assert_eq!(guest.send_on(&mut line, request).await.status, StatusCode::OK);
    let request = guest.call("POST", "/order");
    assert_eq!(guest.send_on(&mut line, request).await.status, StatusCode::BAD_GATEWAY);
    assert!(told.try_recv().is_ok() && told.try_recv().is_err(), "once");
}

#[tokio::test]
async fn many_requests_on_one_connection_get_each_its_own_answer() {
    let app = App::answering(|seen| Response::new(Body::from(format!("answer to {}", seen.target)))).await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut line = guest.line().await;
        for number in 0..100 {
            let request = guest.call("GET", &format!("/{number}"));
            assert_eq!(guest.send_on(&mut line, request).await.text(), format!("answer to /{number}"), "{protocol:?}");
        }
    }
    let mut wire = Wire::open(&gateway.reach()).await;
    let all: String = (0..50).map(|number| format!("{}\r\n", head(&guest, &format!("GET /p{number} HTTP/1.1")))).collect();
    let last = format!("{}Connection: close\r\n\r\n", head(&guest, "GET /last HTTP/1.1"));
    wire.write(all + &last).await.expect("written");
    let text = String::from_utf8_lossy(&wire.rest().await).into_owned();
    let answers: Vec<&str> = text.matches("answer to /p").collect();
    assert_eq!((answers.len(), text.ends_with("answer to /last")), (50, true), "{text}");
    for number in 1..50 {
        let place = |number| text.find(&format!("answer to /p{number}HTTP")).expect("answered");
        assert!(place(number - 1) < place(number), "in order");
    }
}

#[tokio::test]
async fn many_requests_at_once_get_each_its_own_answer() {
    let app = App::answering(|seen| Response::new(Body::from(format!("answer to {}", seen.target)))).await;
    let gateway = Gateway::before(&app.url());
    let guest = gateway.guest("alice").await;
    let tasks: Vec<_> = (0..40)
        .map(|tab| {
            let mut tab_guest = guest.clone().over(BOTH[tab % 2]);
            doorward::base::task::start("tab", async move {
                let mut line = tab_guest.line().await;
                for number in 0..10 {
                    let request = tab_guest.call("GET", &format!("/{tab}/{number}"));
                    assert_eq!(tab_guest.send_on(&mut line, request).await.text(), format!("answer to /{tab}/{number}"));
                }
            })
        })
        .collect();
    for task in tasks {
        within("a tab", task).await.expect("each its own");
    }
    assert_eq!(app.count(), 400);
}

#[tokio::test]
async fn an_http_1_0_client_gets_an_answer_it_can_read() {
    let app = App::answering(|_| Response::new(flood(100_000).0)).await;
    let gateway = Gateway::before(&app.url());
    let guest = gateway.guest("alice").await;
    let mut wire = Wire::open(&gateway.reach()).await;
    wire.write(format!("{}\r\n", head(&guest, "GET / HTTP/1.0"))).await.expect("written");
    let answer = wire.rest().await;
    let text = String::from_utf8_lossy(&answer).to_lowercase();
    let (head, _) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("http/1.0 200") || head.starts_with("http/1.1 200"), "{head}");
    assert!(!head.contains("transfer-encoding"), "{head}");
    assert_eq!(answer.iter().filter(|byte| **byte == 0).count(), 100_000, "all of it, ended by closing");
    assert_eq!(app.only().version, http::Version::HTTP_11);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_announced_or_not() {
    let app = App::start().await;
    let gateway = Gateway::start(&one_app(&app.url(), "body_limit = \"1MiB\""));
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut request = guest.call("POST", "/");
        *request.body_mut() = Body::from(vec![b'x'; 1024 * 1024].iter().map(|byte| char::from(*byte)).collect::<String>());
        assert_eq!(guest.send(request).await.status, StatusCode::OK, "exactly the limit");
        assert_eq!(app.take()[0].length, MIB);
    }
    let mut wire = Wire::open(&gateway.reach()).await;
    let announced = head(&guest, "POST /big HTTP/1.1") + "Content-Length: 1048577\r\n\r\n";
    wire.write(announced).await.expect("written");
    assert_eq!(statuses(&wire.rest().await), [413]);
    assert_eq!(app.count(), 0, "not even begun");
    let mut wire = Wire::open(&gateway.reach()).await;
    let mut unannounced = (head(&guest, "POST /big HTTP/1.1") + "Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    unannounced.extend(b"100001\r\n");
    unannounced.extend(vec![b'x'; 0x10_0001]);
    unannounced.extend(b"\r\n0\r\n\r\n");
    // The gateway may close before it has all been written.
    let _ = wire.write(unannounced).await;
    // What follows a whole body is a request again, or the connection is closed.
    let _ = wire.write(format!("{}Connection: close\r\n\r\n", head(&guest, "GET /next HTTP/1.1"))).await;
    let statuses = statuses(&wire.rest().await);
    assert!([&[413][..], &[413, 200]].contains(&statuses.as_slice()), "{statuses:?}");
}
