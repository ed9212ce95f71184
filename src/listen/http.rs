//! From a byte stream to requests: HTTP/2 as agreed by ALPN, HTTP/1 behind the byte gate.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::base::chain::Chain;
use crate::gate::finish::{self, Logged};
use crate::gate::handle::handle;
use crate::gate::plain;
use crate::listen::courtesy;
use crate::listen::door::Door;
use crate::listen::gated_stream::{GatedStream, hyper_settings};
use crate::listen::handshake::Stream;
use crate::listen::lines::SECTION_MAX;
use crate::listen::patience::Patience;
use crate::listen::valve::{Refusal, Valve};
use crate::wire::body::Body;
use crate::wire::connection::{Connection, Protocol};

/// Header bytes of one request at most: as many as the byte gate lets through over HTTP/1.
const MAX_HEAD: u32 = SECTION_MAX as u32;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// What a client may send ahead on one stream, and on a connection, before we take it.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// An HTTP/2 connection on which nothing was asked for this long is closed; it is looked at this often, so it may take twice as
/// long.
const HTTP2_IDLE: Duration = Duration::from_secs(180);

/// Serves one TLS connection until it ends or the door drains.
pub async fn serve(door: &Arc<Door>, stream: TlsStream<Stream>, connection: Arc<Connection>) {
    match connection.protocol {
        Protocol::Http1 | Protocol::Plain => http1(door, stream, connection).await,
        Protocol::Http2 => http2(door, stream, connection).await,
    }
}

/// Serves one plain connection: HTTP/1 only, behind the same byte gate.
pub async fn serve_plain(door: &Arc<Door>, stream: Stream, peer: SocketAddr) {
    let connection = Arc::new(Connection::new(peer, None, Protocol::Plain));
    let service = {
        let (door, connection) = (Arc::clone(door), Arc::clone(&connection));
        service_fn(move |request: Request<Incoming>| {
            let response = plain::handle(&door.services, &connection, request.map(Body::from));
            std::future::ready(Ok::<_, Infallible>(response))
        })
    };
    let (gated, valve) = gate(door, stream);
    let mut serving = pin!(hyper_settings().serve_connection(TokioIo::new(gated), service));
    tokio::select! {
        served = &mut serving => note(served),
        () = door.drain.severed() => {
            serving.as_mut().graceful_shutdown();
            note(serving.await);
        }
    }
    log_refusal(door, &connection, &valve);
}

async fn http1<S>(door: &Arc<Door>, stream: S, connection: Arc<Connection>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (gated, valve) = gate(door, stream);
    let service = {
        let (door, connection, valve) = (Arc::clone(door), Arc::clone(&connection), valve.clone());
        service_fn(move |request: Request<Incoming>| {
            let (door, connection, valve) = (Arc::clone(&door), Arc::clone(&connection), valve.clone());
            async move { Ok::<_, Infallible>(answer_http1(&door, &connection, &valve, request).await) }
        })
    };
    let mut serving = pin!(hyper_settings().serve_connection(TokioIo::new(gated), service).with_upgrades());
    tokio::select! {
        served = &mut serving => note(served),
        () = door.drain.severed() => {
            serving.as_mut().graceful_shutdown();
            note(serving.await);
        }
    }
    log_refusal(door, &connection, &valve);
}

/// What the byte gate refused never became a request; it gets its line all the same, under the id that its answer carries.
fn log_refusal(door: &Door, connection: &Connection, valve: &Valve) {
    if let Some(Refusal { violation, id }) = valve.refusal() {
        finish::note_unread(&door.services, connection, id.as_str(), (violation.name(), violation.status()));
    }
}

/// After a request to upgrade, the byte gate holds the client's bytes back until the app has agreed; if it has not, the
/// connection ends with the answer, since nobody knows what those bytes were meant for.
async fn answer_http1(door: &Door, connection: &Arc<Connection>, valve: &Valve, request: Request<Incoming>) -> Response<Logged> {
    let upgrade = request.headers().contains_key(UPGRADE);
    let mut response = handle(&door.services, &door.pool, connection, request.map(Body::from)).await;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        valve.open();
    } else if upgrade {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn http2<S>(door: &Arc<Door>, stream: S, connection: Arc<Connection>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = {
        let (door, connection) = (Arc::clone(door), Arc::clone(&connection));
        service_fn(move |request: Request<Incoming>| {
            let (door, connection) = (Arc::clone(&door), Arc::clone(&connection));
            async move {
                let (head, body) = request.into_parts();
                let (body, claim) = courtesy::lend(Body::from(body));
                let request = Request::from_parts(head, body);
                let response = handle(&door.services, &door.pool, &connection, request).await;
                Ok::<_, Infallible>(response.map(|answer| claim.before_the_end_of(answer)))
            }
        })
    };
    let mut serving = pin!(http2_settings().serve_connection(TokioIo::new(stream), service));
    let mut idle = tokio::time::interval(HTTP2_IDLE);
    idle.reset();
    let (mut closing, mut begun) = (false, 0);
    loop {
        tokio::select! {
            served = &mut serving => return note(served),
            () = door.drain.severed(), if !closing => {
                closing = true;
                serving.as_mut().graceful_shutdown();
            }
            _ = idle.tick(), if !closing => {
                if connection.is_idle() && connection.begun() == begun {
                    closing = true;
                    serving.as_mut().graceful_shutdown();
                }
                begun = connection.begun();
            }
        }
    }
}

/// The stream behind the byte gate, and the hold on it.
fn gate<S>(door: &Door, stream: S) -> (GatedStream<S>, Valve) {
    let gated = GatedStream::new(stream, Patience { head: door.header_timeout(), ..Patience::default() });
    let valve = gated.valve();
    (gated, valve)
}

fn http2_settings() -> http2::Builder<TokioExecutor> {
    let mut settings = http2::Builder::new(TokioExecutor::new());
    settings
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .max_local_error_reset_streams(Some(64))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    settings
}

fn note(served: hyper::Result<()>) {
    if let Err(fault) = served {
        debug!(fault = %Chain(&fault), "a connection ended early");
    }
}
