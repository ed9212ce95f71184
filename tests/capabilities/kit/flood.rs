//! A large body that says how much of it was taken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use doorward::wire::body::{Body, Fault};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use http_body_util::StreamBody;

use crate::kit::gateway::within;

const PIECE: u64 = 64 * 1024;

/// How much of a flood was taken so far.
#[derive(Clone, Default)]
pub struct Taken(Arc<AtomicU64>);

impl Taken {
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until nothing more is taken, and tells how much was.
    pub async fn settled(&self) -> u64 {
        within("the flow to stop", async {
            let mut before = u64::MAX;
            while self.bytes() != before {
                before = self.bytes();
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
            before
        })
        .await
    }
}

/// `bytes` zeros, made as they are asked for.
pub fn flood(bytes: u64) -> (Body, Taken) {
    let taken = Taken::default();
    (Body::wrapped(Flood { left: bytes, taken: taken.clone() }), taken)
}

struct Flood {
    left: u64,
    taken: Taken,
}

impl HttpBody for Flood {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let flood = self.get_mut();
        let piece = flood.left.min(PIECE);
        if piece == 0 {
            return Poll::Ready(None);
        }
        flood.left -= piece;
        flood.taken.0.fetch_add(piece, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; usize::try_from(piece).expect("small")])))))
    }
}

/// A body with trailers behind it.
pub fn with_trailers(text: &'static str, trailers: HeaderMap) -> Body {
    let frames = [Ok(Frame::data(Bytes::from_static(text.as_bytes()))), Ok(Frame::trailers(trailers))];
    Body::wrapped(StreamBody::new(futures_util::stream::iter(frames)))
}
