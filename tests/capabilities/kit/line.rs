//! One TLS connection to the gateway on which HTTP is spoken as agreed.

use doorward::base::task;
use doorward::wire::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::kit::gateway::Reach;
use crate::kit::wire::Wire;

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    Http2,
}

pub const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// A connection; it can carry many requests.
pub struct Line {
    sender: Sender,
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Line {
    /// Connects with `name` in the handshake.
    pub async fn open(reach: &Reach, name: &str, protocol: Protocol) -> Self {
        let alpn: &[u8] = if protocol == Protocol::Http2 { b"h2" } else { b"http/1.1" };
        let stream = Wire::shake(reach, name, &[alpn]).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
        let io = TokioIo::new(stream);
        let sender = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(io).await.expect("HTTP/1.1");
                task::start("client", async { drop(connection.with_upgrades().await) });
                Sender::Http1(sender)
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
                task::start("client", async { drop(connection.await) });
                Sender::Http2(sender)
            }
        };
        Self { sender }
    }

    /// Sends a request and waits for the answer's head.
    pub async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Sends a request over HTTP/2 without waiting for those before it.
    pub fn begin(&mut self, request: Request<Body>) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        match &mut self.sender {
            Sender::Http2(sender) => sender.send_request(request),
            Sender::Http1(_) => panic!("one after the other"),
        }
    }

    /// Whether the gateway has closed it.
    pub fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }
}
