//! One request over HTTPS and the whole of its answer, both bounded.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::Builder;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tracing::debug;

use crate::base::task;
use crate::fetch::fault::Fault;

/// For everything together: looking the name up, connecting, sending, the whole answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Most bytes of an answer's head.
const HEAD: usize = 32 * 1024;
/// Most bytes of its body: certificate chains have a few thousand.
const BODY: usize = 512 * 1024;

/// Sends `request`, whose URI is absolute, and reads the answer, whatever its status. Redirects are answers like any other.
///
/// # Errors
/// [`Fault`].
pub async fn exchange(request: Request<Bytes>, tls: Arc<ClientConfig>) -> Result<Response<Bytes>, Fault> {
    timeout(PATIENCE, attempt(request, tls)).await.unwrap_or(Err(Fault::TooSlow))
}

async fn attempt(request: Request<Bytes>, tls: Arc<ClientConfig>) -> Result<Response<Bytes>, Fault> {
    let (mut parts, body) = request.into_parts();
    // An authority's answers name where to ask next; what they name must not lead us away from TLS.
    if parts.uri.scheme_str() != Some("https") {
        return Err(Fault::NotSecure);
    }
    let authority = parts.uri.authority().ok_or(Fault::NoHost)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(443);
    parts.headers.insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| Fault::NoHost)?);
    parts.uri = parts.uri.path_and_query().map_or("/", |path| path.as_str()).parse().map_err(|_| Fault::NoHost)?;
    let name = ServerName::try_from(host.clone()).map_err(|_| Fault::NoHost)?;
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(Fault::Connect)?;
    let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(Fault::Tls)?;
    let (mut sender, connection) = Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream)).await?;
    let driver = task::start("outgoing request", async {
        if let Err(error) = connection.await {
            debug!(%error, "an outgoing connection failed");
        }
    });
    let answer = whole(sender.send_request(Request::from_parts(parts, Full::new(body))).await?).await;
    driver.abort();
    answer
}

async fn whole(answer: Response<hyper::body::Incoming>) -> Result<Response<Bytes>, Fault> {
    let (parts, body) = answer.into_parts();
    let read = Limited::new(body, BODY).collect().await.map_err(|fault| match fault.downcast::<hyper::Error>() {
        Ok(broken) => Fault::Broken(*broken),
        Err(other) => {
            debug_assert!(other.is::<LengthLimitError>());
            Fault::TooLarge
        }
    })?;
    Ok(Response::from_parts(parts, read.to_bytes()))
}
