//! One connection for one request of ours.

use std::error::Error;
use std::sync::Arc;

use http::header::HOST;
use http::{HeaderValue, Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tracing::debug;

use crate::base::task;
use crate::fetch::fault::Fault;

/// The connection behind an answer. It ends when this is dropped, whatever is still to be said on it.
#[derive(Debug)]
pub struct Line(JoinHandle<()>);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends `request`, whose URI is absolute, over TLS unless it begins with `http:`, and waits for the head of its answer, of at most
/// `head` bytes. How long that may take is for the caller to say.
///
/// # Errors
/// [`Fault`].
pub async fn send<B>(mut request: Request<B>, tls: Arc<ClientConfig>, head: usize) -> Result<(Response<Incoming>, Line), Fault>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let secure = request.uri().scheme_str() != Some("http");
    let authority = request.uri().authority().ok_or(Fault::NoHost)?.clone();
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let named = HeaderValue::from_str(authority.as_str()).map_err(|_| Fault::NoHost)?;
    request.headers_mut().insert(HOST, named);
    *request.uri_mut() = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse().map_err(|_| Fault::NoHost)?;
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(Fault::Connect)?;
    if !secure {
        return speak(stream, request, head).await;
    }
    let name = ServerName::try_from(host).map_err(|_| Fault::NoHost)?;
    speak(TlsConnector::from(tls).connect(name, stream).await.map_err(Fault::Tls)?, request, head).await
}

async fn speak<B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<B>,
    head: usize,
) -> Result<(Response<Incoming>, Line), Fault>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (mut sender, connection) = Builder::new().max_buf_size(head).handshake(TokioIo::new(stream)).await?;
    let line = Line(task::start("outgoing request", async {
        if let Err(error) = connection.await {
            debug!(%error, "an outgoing connection failed");
        }
    }));
    Ok((sender.send_request(request).await?, line))
}
