//! The far end of an upstream connection: over TCP, a Unix socket, or TLS with whoever has proven the right name.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::debug;

use crate::plan::app::App;
use crate::plan::upstream::{Address, Origin};
use crate::proxy::fault::Fault;
use crate::proxy::tls_trouble::{self, TlsTrouble};
use crate::wire::trust::Proof;

/// A connection to an upstream.
#[derive(Debug)]
pub enum Peer {
    /// `http://`
    Tcp(TcpStream),
    /// `unix:`
    Unix(UnixStream),
    /// `https://`
    Tls(Box<TlsStream<TcpStream>>),
}

impl Peer {
    /// Connects to an app's upstream, and over TLS has it prove who it is. Where it does not, there is no connection: nothing
    /// is tried without TLS, or without the proof.
    ///
    /// # Errors
    /// [`Fault::Connect`], [`Fault::ConnectTimeout`], [`Fault::Tls`].
    pub async fn connect(app: &App, proof: Option<&Proof>) -> Result<Self, Fault> {
        let connecting = async {
            match &app.upstream.origin {
                Origin::Http(address) => Ok(Self::Tcp(tcp(address).await?)),
                Origin::Unix(path) => {
                    Ok(Self::Unix(UnixStream::connect(path).await.map_err(|fault| socket_fault(path, &fault))?))
                }
                Origin::Https(address) => {
                    let proof = proof.ok_or(Fault::Tls { trouble: TlsTrouble::NotReady, source: None })?;
                    tls(tcp(address).await?, proof).await
                }
            }
        };
        timeout(app.upstream.connect_timeout, connecting).await.map_err(|_| Fault::ConnectTimeout)?
    }
}

async fn tcp(address: &Address) -> Result<TcpStream, Fault> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(Fault::Connect)?;
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "the upstream connection keeps Nagle's algorithm");
    }
    Ok(stream)
}

async fn tls(stream: TcpStream, proof: &Proof) -> Result<Peer, Fault> {
    let connector = TlsConnector::from(Arc::clone(&proof.config));
    match connector.connect(proof.name.clone(), stream).await {
        Ok(stream) => Ok(Peer::Tls(Box::new(stream))),
        Err(fault) => Err(Fault::Tls { trouble: tls_trouble::of(&fault), source: Some(fault.into()) }),
    }
}

/// The system's words for a socket that cannot be had do not say what to do about it.
fn socket_fault(path: &Path, fault: &io::Error) -> Fault {
    let advice = match fault.kind() {
        io::ErrorKind::NotFound => "there is no such socket; does the app run, and can this process see its folder?",
        io::ErrorKind::PermissionDenied => {
            "permission denied; the user the gateway runs as has to be able to write to the socket"
        }
        io::ErrorKind::ConnectionRefused => "nobody listens there; the app has ended, or this is no socket",
        _ => return Fault::Connect(io::Error::new(fault.kind(), format!("{}: {fault}", path.display()))),
    };
    Fault::Connect(io::Error::new(fault.kind(), format!("{}: {advice}", path.display())))
}

/// Does the same with whatever the connection is made of.
macro_rules! delegate {
    ($peer:expr, $stream:ident => $call:expr) => {
        match $peer.get_mut() {
            Self::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Self::Unix(stream) => {
                let $stream = Pin::new(stream);
                $call
            }
            Self::Tls(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Peer {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        delegate!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        delegate!(self, stream => stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        delegate!(self, stream => stream.poll_shutdown(context))
    }
}
