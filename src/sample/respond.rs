//! What the sample app answers.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use hyper::body::Incoming;

use crate::base::task;
use crate::sample::echo;
use crate::wire::body::{Body, Fault};

const PAGE: &str = include_str!("assets/index.html");
const ADMIN: &str = include_str!("assets/admin.html");
const SCRIPT: &str = include_str!("assets/app.js");
const WORKER: &str = include_str!("assets/worker.js");
const STYLE: &str = include_str!("assets/app.css");

/// Answers one request.
pub async fn respond(mut request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/echo") => echo::accept(&mut request).unwrap_or_else(|| status(StatusCode::UPGRADE_REQUIRED)),
        (&Method::POST, "/upload") => upload(request.into_body()).await,
        (&Method::GET | &Method::HEAD, _) => page(&path, &request),
        _ => {
            let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
            response
        }
    }
}

fn page(path: &str, request: &Request<Incoming>) -> Response<Body> {
    match path {
        "/" => text("text/html; charset=utf-8", PAGE.into()),
        "/app.js" => text("text/javascript; charset=utf-8", SCRIPT.into()),
        "/app.css" => text("text/css; charset=utf-8", STYLE.into()),
        "/worker.js" => text("text/javascript; charset=utf-8", WORKER.into()),
        "/headers" => text("text/plain; charset=utf-8", headers_seen(request).into()),
        "/events" => events(),
        _ if path == "/admin" || path.starts_with("/admin/") => text("text/html; charset=utf-8", ADMIN.into()),
        _ => status(StatusCode::NOT_FOUND),
    }
}

/// The request as the app sees it, so that people can see what the gateway adds and takes away.
fn headers_seen(request: &Request<Incoming>) -> String {
    let mut seen = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        // Writing to a string cannot fail.
        let _ = writeln!(seen, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    seen
}

/// Counts the upload while it streams by; keeps none of it.
async fn upload(mut body: Incoming) -> Response<Body> {
    let mut received: u64 = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => received += frame.data_ref().map_or(0, |data| data.len() as u64),
            Err(_) => return status(StatusCode::BAD_REQUEST),
        }
    }
    text("text/plain; charset=utf-8", format!("{received} bytes received\n").into())
}

/// A tick a second until the reader leaves.
fn events() -> Response<Body> {
    let (mut sender, channel) = Channel::<Bytes, Fault>::new(1);
    task::start("sample events", async move {
        for count in 1_u64.. {
            let event = Bytes::from(format!("id: {count}\ndata: tick {count}\n\n"));
            if sender.send(Frame::data(event)).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut response = Response::new(Body::wrapped(channel));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = text("text/plain; charset=utf-8", format!("{status}\n").into());
    *response.status_mut() = status;
    response
}
