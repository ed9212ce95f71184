//! One request over HTTPS and the whole of its answer, both bounded.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::fetch::fault::Fault;
use crate::fetch::line;

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
    // An authority's answers name where to ask next; what they name must not lead us away from TLS.
    if request.uri().scheme_str() != Some("https") {
        return Err(Fault::NotSecure);
    }
    let (answer, _line) = line::send(request.map(Full::new), tls, HEAD).await?;
    whole(answer).await
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
    use rustls::RootCertStore;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::base::task;
    use crate::fetch::kit::localhost;
    use crate::fetch::roots;

    /// Answers one connection with a body of so many bytes.
    async fn server(bytes: usize) -> (String, Arc<ClientConfig>) {
        let (listener, port, acceptor, trusting) = localhost().await;
        task::start("server", async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(buffer[..count].starts_with(b"POST /a?b HTTP/1.1\r\n"));
            let head = format!("HTTP/1.1 404 Not Found\r\nContent-Length: {bytes}\r\n\r\n");
            // A client that has had enough closes.
            drop(stream.write_all(head.as_bytes()).await);
            drop(stream.write_all(&vec![b'x'; bytes]).await);
            drop(stream.flush().await);
        });
        (format!("https://localhost:{port}/a?b"), trusting)
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
