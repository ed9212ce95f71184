//! The metrics' own listener: plain HTTP on a loopback address, one request a connection, one page.
//!
//! Nobody signs in here, so only who is on this machine may ask, and says so in `Host`: a page in a browser of this machine that
//! had its name pointed at a loopback address (DNS rebinding) names itself, and so does a proxy that keeps the visitor's host.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::debug;

use crate::admin::metrics::{self, Sources};
use crate::base::task;
use crate::listen::door::Door;
use crate::policy::host::Authority;
use crate::wire::body::Body;

/// Those who may ask at once, over all workers.
pub const MOST: usize = 8;
/// The longest that one of them may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a request's head at most.
const LONGEST_HEAD: usize = 16 * 1024;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const EXPOSITION: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Serves one connection in a task of its own; one too many is closed.
pub fn admit(door: &Arc<Door>, stream: TcpStream) {
    let Ok(place) = Arc::clone(&door.scrapes).try_acquire_owned() else {
        debug!("too many ask for metrics; this one is closed");
        return;
    };
    let door = Arc::clone(door);
    let tracked = door.open.clone();
    let serving = async move {
        let _place = place;
        drop(timeout(PATIENCE, serve(door, stream)).await);
    };
    task::start("metrics", tracked.track_future(serving));
}

async fn serve(door: Arc<Door>, stream: TcpStream) {
    let service = service_fn(move |request: Request<Incoming>| {
        let door = Arc::clone(&door);
        async move { Ok::<_, Infallible>(answer(door, &request).await) }
    });
    let mut settings = http1::Builder::new();
    settings.keep_alive(false).max_buf_size(LONGEST_HEAD).timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    if let Err(fault) = settings.serve_connection(TokioIo::new(stream), service).await {
        debug!(%fault, "whoever asked for metrics did not wait for them");
    }
}

async fn answer(door: Arc<Door>, request: &Request<Incoming>) -> Response<Body> {
    if !is_local(request.headers()) {
        return say(StatusCode::FORBIDDEN, "Metrics are for programs on this machine: ask for them at a loopback address.\n");
    }
    if request.uri().path() != "/metrics" {
        return say(StatusCode::NOT_FOUND, "The metrics are at /metrics.\n");
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = say(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD.\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    // Ten thousand apps take a while to write down, and the worker's requests must not wait for it.
    let Ok(text) = spawn_blocking(move || text(&door)).await else {
        return say(StatusCode::INTERNAL_SERVER_ERROR, "The metrics could not be put together; the log says why.\n");
    };
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, EXPOSITION);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text(door: &Door) -> String {
    let services = &door.services;
    metrics::text(&Sources {
        metrics: &services.metrics,
        plan: &services.plan.get(),
        store: &services.store,
        directory: &door.directory,
        lines_lost: services.access.lost(),
        connections: door.slots.open(),
        now: services.clock.now(),
    })
}

/// Whether the one `Host` is a loopback address or `localhost`.
fn is_local(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(HOST).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let authority = line.to_str().ok().and_then(|line| Authority::parse(line).ok());
    authority.is_some_and(|authority| {
        let local = |address: IpAddr| address.to_canonical().is_loopback();
        authority.host.ip().map_or(authority.host.as_str() == "localhost", local)
    })
}

fn say(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attack: a page whose name was pointed at 127.0.0.1 reads the metrics through a browser of this machine.
    #[test]
    fn only_who_names_this_machine_is_answered() {
        let asks = |hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(HOST, HeaderValue::from_static(host));
            }
            is_local(&headers)
        };
        for host in ["127.0.0.1:9464", "localhost:9464", "LOCALHOST", "[::1]:9464", "127.8.8.8"] {
            assert!(asks(&[host]), "{host}");
        }
        for host in
            ["evil.example:9464", "paperless.example.com", "localhost.evil.example", "10.0.0.1", "0.0.0.0", "", "127.0.0.1@x"]
        {
            assert!(!asks(&[host]), "{host}");
        }
        assert!(!asks(&[]) && !asks(&["127.0.0.1", "127.0.0.1"]));
    }
}
