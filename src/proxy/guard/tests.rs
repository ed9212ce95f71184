//! Limits of bodies, and what becomes of the connection when one is broken off.

use http_body_util::BodyExt;

use super::*;
use crate::proxy::testbed::{app, fed, grant_of, pool, session};

fn guarded(inner: Body, left: Option<u64>) -> Guarded {
    let (pool, clock) = pool();
    let permit = Permit::of(&grant_of(&session(), "/"), &app(80), clock);
    drop(pool);
    Guarded::new(inner, Way::Up { left }, Arc::new(Progress::default()), permit, None)
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes_and_is_known_to_be_complete() {
    let mut body = guarded(Body::from("five5"), Some(5));
    assert_eq!(body.size_hint().exact(), Some(5));
    body.frame().await.expect("a frame").expect("within the limit");
    // Nobody asks a body of known length for its end once all of it was given.
    assert!(body.is_end_stream() && body.progress.request_is_complete());
}

#[tokio::test]
async fn nothing_follows_a_fault() {
    let (feed, body) = fed();
    feed.send("too much").expect("wanted");
    feed.send("more").expect("wanted");
    let mut body = guarded(body, Some(3));
    let fault = body.frame().await.expect("a frame").expect_err("over the limit");
    assert!(matches!(fault, BodyFault::TooLarge), "{fault:?}");
    assert!(body.frame().await.is_none());
    assert!(matches!(body.progress.request_fault(), Some(Fault::TooLarge)));
}

#[tokio::test(start_paused = true)]
async fn silence_is_counted_from_the_last_frame() {
    let (feed, inner) = fed();
    let mut body = guarded(inner, None);
    body.idle_timeout = Some(Duration::from_secs(10));
    let feeding = async move {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_secs(9)).await;
            feed.send("x").expect("wanted");
        }
        tokio::time::sleep(Duration::from_secs(100)).await;
        drop(feed);
    };
    let begun = Instant::now();
    let eating = async {
        while let Some(frame) = body.frame().await {
            if let Err(fault) = frame {
                assert!(matches!(fault, BodyFault::Idle), "{fault:?}");
                return begun.elapsed();
            }
        }
        panic!("not given up");
    };
    let (given_up, ()) = tokio::join!(eating, feeding);
    assert!((55..=56).contains(&given_up.as_secs()), "{given_up:?}");
}
