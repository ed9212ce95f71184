//! From TCP to TLS: the ClientHello decides which host's certificate and settings answer.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};
use tracing::debug;

use crate::listen::door::Door;
use crate::listen::http;
use crate::listen::stall::StallGuard;
use crate::tls::acme::challenge::ACME_TLS;
use crate::tls::alert;
use crate::wire::connection::{Connection, Protocol};

/// Shakes hands and serves what is then spoken. A name that no app owns gets the alert that says so, and nothing else: there
/// is no default app.
pub async fn serve(door: &Arc<Door>, stream: Stream, (peer, local): (SocketAddr, SocketAddr)) {
    match timeout(door.header_timeout(), shake(door, stream, local)).await {
        Ok(Some((stream, sni))) => {
            let protocol = if stream.get_ref().1.alpn_protocol() == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 };
            let connection = Arc::new(Connection::new(peer, sni, protocol));
            http::serve(door, stream, connection).await;
        }
        Ok(None) => {}
        Err(_) => debug!(%peer, "the handshake took too long"),
    }
}

/// A TCP connection as it was taken.
pub type Stream = StallGuard<TcpStream>;

type Shaken = (TlsStream<Stream>, Option<Box<str>>);

/// Whether this is an authority that wants to see a proof (RFC 8737 section 4): it speaks that protocol and no other, so that no
/// client of an app is ever taken for one.
fn asks_for_proof(start: &StartHandshake<Stream>) -> bool {
    start.client_hello().alpn().is_some_and(|mut protocols| protocols.next() == Some(ACME_TLS) && protocols.next().is_none())
}

/// Shows the proof that an order waits for, and closes. Without such an order there is nobody of that name.
async fn prove(door: &Door, start: StartHandshake<Stream>, name: Option<&str>) {
    let Some(config) = door.directory.proof(name) else { return refuse(start).await };
    match start.into_stream(config).await {
        // The handshake was all there is to see.
        Ok(mut stream) => drop(stream.shutdown().await),
        Err(fault) => debug!(%fault, "the handshake with an authority failed"),
    }
}

async fn refuse(start: StartHandshake<Stream>) {
    let mut stream = start.io;
    // The client may be gone already; there is nobody to tell then.
    let _gone = stream.write_all(&alert::UNRECOGNIZED_NAME).await;
    let _gone = stream.shutdown().await;
}

async fn shake(door: &Door, stream: Stream, local: SocketAddr) -> Option<Shaken> {
    let mut acceptor = LazyConfigAcceptor::new(Acceptor::default(), stream);
    let start = match (&mut acceptor).await {
        Ok(start) => start,
        Err(fault) => {
            debug!(%fault, "not a TLS handshake");
            return None;
        }
    };
    let asked = start.client_hello().server_name().map(str::to_owned);
    if asks_for_proof(&start) {
        prove(door, start, asked.as_deref()).await;
        return None;
    }
    match door.directory.choose(asked.as_deref(), local.ip()) {
        Ok((host, config)) => match start.into_stream(config).await {
            Ok(stream) => Some((stream, asked.map(|_| host.as_str().into()))),
            Err(fault) => {
                debug!(%fault, "the handshake failed");
                None
            }
        },
        Err(unknown) => {
            debug!(%unknown, "a handshake for a name of no app");
            refuse(start).await;
            None
        }
    }
}
