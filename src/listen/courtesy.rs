//! The rest of a request that was answered before it was read whole.
//!
//! Over HTTP/2 a request body that nobody holds any more is reset by h2 as soon as the answer has ended. RFC 9113 section 8.1
//! allows that and says that clients must not discard the answer for it; some do all the same, curl until version 8 among
//! them. So an answer ends only when its request has: what the client still sends is thrown away for a moment, as
//! `listen/ending.rs` does over HTTP/1. Who asks for more than that gets the end of the answer, then RST_STREAM(NO_ERROR).
//!
//! Nobody in between has to think of it: a body that is dropped unread, wherever that happens, comes back here.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::wire::body::{Body, Fault};

/// How long an ended answer waits for the end of its request, and how many bytes of it are thrown away meanwhile: as over
/// HTTP/1, and as much as a client may send on one stream before it hears of us.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: u64 = 256 * 1024;

/// The claim on what is left of a request's body when its answer has ended.
#[derive(Debug)]
pub struct Claim(Option<Arc<Mutex<Whereabouts>>>);

/// Where a request's body is.
#[derive(Debug)]
enum Whereabouts {
    /// With those who may read it; whom to tell when it comes back.
    Lent(Option<Waker>),
    /// Dropped before its end.
    Returned(Body),
    /// Read to its end, or never there.
    Over,
}

/// A request's body that comes back when it is dropped before its end.
#[derive(Debug)]
struct Lent {
    body: Body,
    whereabouts: Arc<Mutex<Whereabouts>>,
}

/// Lends a request's body out. A request without a body costs nothing.
pub fn lend(body: Body) -> (Body, Claim) {
    if body.is_end_stream() {
        return (body, Claim(None));
    }
    let whereabouts = Arc::new(Mutex::new(Whereabouts::Lent(None)));
    (Body::wrapped(Lent { body, whereabouts: Arc::clone(&whereabouts) }), Claim(Some(whereabouts)))
}

impl Claim {
    /// The answer's body, which ends when the request's has or the courtesy is used up.
    pub fn before_the_end_of<B>(self, answer: B) -> Courteous<B> {
        Courteous { answer: Some(answer), claim: self, rest: None }
    }

    fn is_settled(&self) -> bool {
        self.0.as_ref().is_none_or(|whereabouts| matches!(*lock(whereabouts), Whereabouts::Over))
    }

    /// Waits until the body has come back. `None` if it was read to its end.
    fn poll_returned(&self, context: &Context<'_>) -> Poll<Option<Body>> {
        let Some(whereabouts) = &self.0 else { return Poll::Ready(None) };
        let mut whereabouts = lock(whereabouts);
        match std::mem::replace(&mut *whereabouts, Whereabouts::Over) {
            Whereabouts::Lent(_) => {
                *whereabouts = Whereabouts::Lent(Some(context.waker().clone()));
                Poll::Pending
            }
            Whereabouts::Returned(body) => Poll::Ready(Some(body)),
            Whereabouts::Over => Poll::Ready(None),
        }
    }
}

impl Lent {
    fn tell(&self, news: Whereabouts) {
        let before = std::mem::replace(&mut *lock(&self.whereabouts), news);
        if let Whereabouts::Lent(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let lent = self.get_mut();
        let frame = ready!(Pin::new(&mut lent.body).poll_frame(context));
        if lent.body.is_end_stream() || !matches!(frame, Some(Ok(_))) {
            lent.body = Body::Empty;
            lent.tell(Whereabouts::Over);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let body = std::mem::take(&mut self.body);
        self.tell(if body.is_end_stream() { Whereabouts::Over } else { Whereabouts::Returned(body) });
    }
}

/// An answer's body that does not end before its request.
#[derive(Debug)]
pub struct Courteous<B> {
    /// Dropped at its end: what hangs on it, as its line in the log, does not wait.
    answer: Option<B>,
    claim: Claim,
    rest: Option<Box<Rest>>,
}

/// What is left of the request, and of our courtesy.
#[derive(Debug)]
struct Rest {
    body: Option<Body>,
    left: u64,
    timer: Pin<Box<Sleep>>,
}

impl Rest {
    fn poll(&mut self, claim: &Claim, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(body) = &mut self.body else {
                match claim.poll_returned(context) {
                    Poll::Ready(Some(body)) => self.body = Some(body),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return self.timer.as_mut().poll(context),
                }
                continue;
            };
            if body.size_hint().lower() > self.left {
                return Poll::Ready(());
            }
            let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else { return self.timer.as_mut().poll(context) };
            let Some(Ok(frame)) = frame else { return Poll::Ready(()) };
            // A frame without data costs us something too.
            let cost = frame.data_ref().map_or(1, |data| data.len().max(1) as u64);
            match self.left.checked_sub(cost) {
                Some(left) => self.left = left,
                None => return Poll::Ready(()),
            }
        }
    }
}

impl<B> HttpBody for Courteous<B>
where
    B: HttpBody<Data = Bytes, Error = Fault> + Unpin,
{
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let courteous = self.get_mut();
        if let Some(answer) = &mut courteous.answer {
            if let Some(frame) = ready!(Pin::new(answer).poll_frame(context)) {
                return Poll::Ready(Some(frame));
            }
            courteous.answer = None;
        }
        if courteous.claim.is_settled() && courteous.rest.is_none() {
            return Poll::Ready(None);
        }
        let new = || Box::new(Rest { body: None, left: LINGER_BYTES, timer: Box::pin(sleep(LINGER)) });
        // The body is kept until the answer has ended: h2 says NO_ERROR only of a stream on which we are done.
        ready!(courteous.rest.get_or_insert_with(new).poll(&courteous.claim, context));
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.claim.is_settled() && self.rest.is_none() && self.answer.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.answer {
            // An answer without a body gets no length from hyper, which would give one to a 204 and a 304 too.
            Some(answer) if !answer.is_end_stream() => answer.size_hint(),
            Some(_) | None => SizeHint::default(),
        }
    }
}

fn lock(whereabouts: &Mutex<Whereabouts>) -> MutexGuard<'_, Whereabouts> {
    whereabouts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use http_body_util::channel::{Channel, Sender};
    use http_body_util::{BodyExt, StreamBody};
    use tokio::time::Instant;

    use super::*;

    fn uploading() -> (Sender<Bytes, Fault>, Body, Claim) {
        let (client, body) = Channel::new(8);
        let (body, claim) = lend(Body::wrapped(body));
        (client, body, claim)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_when_its_request_does() {
        let (mut client, body, claim) = uploading();
        drop(body);
        let mut answer = claim.before_the_end_of(Body::from("no"));
        let before = Instant::now();
        let first = answer.frame().await.expect("a frame").expect("no fault");
        assert_eq!(first.data_ref().map(Bytes::as_ref), Some(&b"no"[..]), "what there is comes at once");
        assert_eq!(before.elapsed(), Duration::ZERO);
        let sending = async {
            tokio::time::sleep(LINGER / 2).await;
            client.send_data(Bytes::from_static(b"late")).await.expect("taken");
            drop(client);
        };
        let (end, ()) = tokio::join!(answer.frame(), sending);
        assert!(end.is_none());
        assert_eq!(before.elapsed(), LINGER / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_for_those_who_still_read() {
        let (client, body, claim) = uploading();
        let answer = claim.before_the_end_of(Body::Empty);
        let before = Instant::now();
        let reading = async {
            tokio::time::sleep(LINGER / 2).await;
            drop(client);
            body.collect().await
        };
        let (end, read) = tokio::join!(answer.collect(), reading);
        assert!(end.is_ok() && read.is_ok());
        assert_eq!(before.elapsed(), LINGER / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_whole_delays_nothing() {
        let (client, body, claim) = uploading();
        drop(client);
        body.collect().await.expect("whole");
        let answer = claim.before_the_end_of(Body::Empty);
        assert!(answer.is_end_stream());
        let (_, claim) = lend(Body::Empty);
        assert!(claim.before_the_end_of(Body::Empty).is_end_stream());
    }

    /// The attack: a client that never ends its request, to hold what belongs to it.
    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_for_long() {
        let (_client, body, claim) = uploading();
        let before = Instant::now();
        let waited = claim.before_the_end_of(Body::Empty).collect().await;
        assert!(waited.is_ok() && before.elapsed() == LINGER, "the body is still with somebody");
        drop(body);

        let (_client, body, claim) = uploading();
        drop(body);
        let before = Instant::now();
        claim.before_the_end_of(Body::Empty).collect().await.expect("an end");
        assert_eq!(before.elapsed(), LINGER, "nothing comes");
    }

    /// The attack: a client that never stops sending, in large frames or in empty ones.
    #[tokio::test(start_paused = true)]
    async fn nobody_is_listened_to_for_long() {
        for size in [0, 1024, 1024 * 1024] {
            let mut frames = 0_u64;
            let endless = futures_util::stream::repeat_with(move || Ok(Frame::data(Bytes::from(vec![0; size]))));
            let counted = Body::wrapped(StreamBody::new(endless)).map_frame(move |frame| {
                frames += 1;
                assert!(frames * (size as u64).max(1) <= LINGER_BYTES + (size as u64).max(1), "{frames} of {size}");
                frame
            });
            let (body, claim) = lend(Body::wrapped(counted));
            drop(body);
            claim.before_the_end_of(Body::Empty).collect().await.expect("an end");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_answer_gets_no_length() {
        let (_client, _body, claim) = uploading();
        let answer = claim.before_the_end_of(Body::Empty);
        assert_eq!((answer.is_end_stream(), answer.size_hint().exact()), (false, None));
    }
}
