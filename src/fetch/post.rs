//! One POST, and whether it was taken.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::fetch::fault::Fault;
use crate::fetch::line;
use crate::wire::body::Body;

/// For everything together: looking the name up, connecting, sending, the head of the answer.
const PATIENCE: Duration = Duration::from_secs(15);
/// Most bytes of an answer's head. Its body is not read.
const BUFFER: usize = 16 * 1024;

/// Posts `body` to `url`. The answer counts by its status alone.
///
/// # Errors
/// [`Fault`].
pub async fn post(url: &Uri, tls: Arc<ClientConfig>, headers: HeaderMap, body: String) -> Result<(), Fault> {
    timeout(PATIENCE, attempt(url, tls, headers, body)).await.unwrap_or(Err(Fault::TooSlow))
}

async fn attempt(url: &Uri, tls: Arc<ClientConfig>, headers: HeaderMap, body: String) -> Result<(), Fault> {
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.clone();
    *request.headers_mut() = headers;
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(concat!("doorward/", env!("CARGO_PKG_VERSION"))));
    request.headers_mut().entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
    // Whatever else there is to say is not listened to.
    let (answer, _line) = line::send(request, tls, BUFFER).await?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => Err(Fault::Redirect(status)),
        status => Err(Fault::Refused(status)),
    }
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::base::task;
    use crate::fetch::kit::localhost;
    use crate::fetch::roots;

    /// Answers one connection with `answer` after it has read a request, and gives what it read.
    async fn server(answer: &'static str) -> (Uri, tokio::task::JoinHandle<String>, Arc<ClientConfig>) {
        let (listener, port, acceptor, trusting) = localhost().await;
        let url = format!("https://localhost:{port}/hook?key=secret");
        let served = task::start("server", async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return String::new() };
            let (mut read, mut buffer) = (String::new(), [0; 4096]);
            while !read.ends_with("hello") {
                let count = stream.read(&mut buffer).await.unwrap();
                read.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            read
        });
        (url.parse().unwrap(), served, trusting)
    }

    #[tokio::test]
    async fn what_is_posted_arrives() {
        let (url, served, tls) = server("HTTP/1.1 204 No Content\r\n\r\n").await;
        post(&url, tls, HeaderMap::new(), "hello".to_owned()).await.unwrap();
        let read = served.await.unwrap();
        assert!(read.starts_with("POST /hook?key=secret HTTP/1.1\r\n"), "{read}");
        assert!(read.contains(&format!("host: {}\r\n", url.authority().unwrap())), "{read}");
    }

    /// The attack: the address was taken over, and sends what we know on to somebody else, or to a service inside.
    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let (url, served, tls) =
            server("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n").await;
        let fault = post(&url, tls, HeaderMap::new(), "hello".to_owned()).await.unwrap_err();
        assert!(matches!(fault, Fault::Redirect(_)) && !fault.may_pass(), "{fault}");
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_refusal_is_told_apart_from_a_failure_that_may_pass() {
        for (answer, passes) in [
            ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", false),
            ("nonsense\r\n\r\n", true),
        ] {
            let (url, served, tls) = server(answer).await;
            let fault = post(&url, tls, HeaderMap::new(), "hello".to_owned()).await.unwrap_err();
            assert_eq!(fault.may_pass(), passes, "{answer} {fault}");
            served.await.unwrap();
        }
    }

    /// The attack: somebody stands between us and the machine that is to be told.
    #[tokio::test]
    async fn a_certificate_that_nobody_vouches_for_gets_nothing() {
        let (url, served, _) = server("HTTP/1.1 200 OK\r\n\r\n").await;
        let fault = post(&url, roots::trusting(RootCertStore::empty()), HeaderMap::new(), "hello".to_owned()).await.unwrap_err();
        assert!(matches!(fault, Fault::Tls(_)), "{fault:?}");
        assert_eq!(served.await.unwrap(), "");
    }
}
