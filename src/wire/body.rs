//! One body type for everything that goes through the house.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

/// The body of a request or a response. Streams; never buffers what it streams.
#[derive(Debug, Default)]
pub enum Body {
    /// No body.
    #[default]
    Empty,
    /// All of it, in memory: our own pages.
    Full(Bytes),
    /// Straight from the peer.
    Incoming(Incoming),
    /// From the peer, with limits or duties wrapped around it.
    Wrapped(UnsyncBoxBody<Bytes, Fault>),
}

/// Why a body ended before its time.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The peer's side failed.
    #[error("the body could not be read")]
    Peer(#[from] hyper::Error),
    /// Nothing came for too long.
    #[error("the body stood still for too long")]
    Idle,
    /// More came than is allowed.
    #[error("the body is larger than allowed")]
    TooLarge,
    /// The session that permitted it has ended.
    #[error("the session ended")]
    SessionEnded,
    /// The app it belongs to is no longer served as it was.
    #[error("the app's configuration changed")]
    AppChanged,
}

impl Body {
    /// Wraps a body that keeps limits or duties of its own.
    pub fn wrapped<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes, Error = Fault> + Send + 'static,
    {
        Self::Wrapped(body.boxed_unsync())
    }
}

impl From<Incoming> for Body {
    fn from(body: Incoming) -> Self {
        Self::Incoming(body)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let body = self.get_mut();
        match body {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *body = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Incoming(incoming) => Poll::Ready(ready!(Pin::new(incoming).poll_frame(context)).map(|frame| Ok(frame?))),
            Self::Wrapped(wrapped) => Pin::new(wrapped).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Incoming(incoming) => incoming.is_end_stream(),
            Self::Wrapped(wrapped) => wrapped.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Incoming(incoming) => incoming.size_hint(),
            Self::Wrapped(wrapped) => wrapped.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_body_is_given_once() {
        let body = Body::from("hello");
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(body.collect().await.expect("in memory").to_bytes(), "hello");
        assert!(Body::from("").is_end_stream());
    }
}
