//! From a byte stream to requests: HTTP/2 as agreed by ALPN, HTTP/1 behind the byte gate.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use crate::gate::finish::Logged;
use crate::gate::handle::handle;
use crate::gate::plain;
use crate::listen::door::Door;
use crate::wire::body::Body;
use crate::wire::connection::{Connection, Protocol};

/// Header bytes of one request at most, as in `rulings` for both versions.
const MAX_HEAD: u32 = 32 * 1024;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// What a client may send ahead on one stream, and on a connection, before we take it.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// An HTTP/2 connection on which nothing is asked is closed after this long.
const HTTP2_IDLE: Duration = Duration::from_secs(180);

/// Serves one TLS connection until it ends or the door drains.
pub async fn serve(door: &Arc<Door>, stream: TlsStream<TcpStream>, connection: Arc<Connection>) {
    match connection.protocol {
        Protocol::Http1 => http1(door, stream, connection).await,
        Protocol::Http2 => http2(door, stream, connection).await,
    }
}
