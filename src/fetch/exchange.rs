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

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::{RootCertStore, ServerConfig};
    use rustls_pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::fetch::roots;

    /// Answers one connection with a body of so many bytes.
    async fn server(bytes: usize) -> (String, Arc<ClientConfig>) {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/a?b", listener.local_addr().unwrap().port());
        task::start("server", async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(buffer[..count].starts_with(b"POST /a?b HTTP/1.1\r\n"));
            let head = format!("HTTP/1.1 404 Not Found\r\nContent-Length: {bytes}\r\n\r\n");
            // A client that has had enough closes.
            drop(stream.write_all(head.as_bytes()).await);
            drop(stream.write_all(&vec![b'x'; bytes]).await);
            drop(stream.flush().await);
        });
        let mut trusted = RootCertStore::empty();
        trusted.add(cert.der().clone()).unwrap();
        (url, roots::trusting(trusted))
    }

    fn request(url: &str) -> Request<Bytes> {
        Request::post(url).body(Bytes::new()).unwrap()
    }

    /// The attack: an authority, or whoever has taken it over, whose answer fills the memory.
    #[tokio::test]
    async fn answers_are_whole_and_bounded() {
        let (url, tls) = server(BODY).await;
        let answer = exchange(request(&url), tls).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().len()), (404, BODY));
        let (url, tls) = server(BODY + 1).await;
        assert!(matches!(exchange(request(&url), tls).await.unwrap_err(), Fault::TooLarge));
    }

    /// The attack: an answer that names an address without TLS to ask next, where everybody reads along.
    #[tokio::test]
    async fn nothing_is_asked_in_the_clear() {
        for url in ["http://localhost:1/", "ftp://localhost:1/"] {
            let fault = exchange(request(url), roots::trusting(RootCertStore::empty())).await.unwrap_err();
            assert!(matches!(fault, Fault::NotSecure) && !fault.may_pass(), "{fault:?}");
        }
    }
}
