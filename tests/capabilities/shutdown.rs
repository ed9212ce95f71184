//! Stopping and starting again: what is open finishes, what is new is not taken, and who was signed in still is.

use std::time::Duration;

use bytes::Bytes;
use doorward::wire::body::{Body, Fault};
use http::Response;
use http_body::Frame;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::kit::app::App;
use crate::kit::gateway::{Gateway, one_app, within};
use crate::kit::line::BOTH;
use crate::kit::visitor::read;

type Senders = mpsc::UnboundedReceiver<Sender<Bytes, Fault>>;

/// An app whose answers are sent piece by piece by the test.
async fn piecewise() -> (App, Senders) {
    let (send, take) = mpsc::unbounded_channel();
    let app = App::streaming(move |_| {
        let (sender, channel) = Channel::<Bytes, Fault>::new(1);
        send.send(sender).expect("listened to");
        async { Response::new(Body::wrapped(channel)) }
    })
    .await;
    (app, take)
}

#[tokio::test]
async fn draining_finishes_what_is_open_and_takes_nothing_new() {
    let (app, mut senders) = piecewise().await;
    let gateway = Gateway::before(&app.url());
    let mut guest = gateway.guest("alice").await;
    let mut open = Vec::new();
    for protocol in BOTH {
        guest.protocol = protocol;
        let mut line = guest.line().await;
        let request = guest.call("GET", "/slow");
        let response = guest.start_on(&mut line, request).await;
        open.push((line, response, senders.recv().await.expect("asked")));
    }
    let idle = [guest.clone().over(BOTH[0]).line().await, guest.clone().over(BOTH[1]).line().await];
    let (https, http) = (gateway.reach().https, gateway.http());
    gateway.running().drain();
    for address in [https, http] {
        within("the door to close", async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    within("idle connections to close", async {
        while !idle.iter().all(crate::kit::line::Line::is_closed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    for (_, response, mut sender) in open {
        sender.send(Frame::data(Bytes::from_static(b"the end"))).await.expect("sent");
        drop(sender);
        assert_eq!(within("the rest", read(response)).await.expect("whole").text(), "the end");
    }
    within("all workers", gateway.running().drained()).await;
    assert!(gateway.ended().await.contains("/slow"), "and the log has been written");
}

#[tokio::test]
async fn a_second_signal_does_not_wait() {
    let (app, mut senders) = piecewise().await;
    let gateway = Gateway::start(&format!("[listen]\ndrain_timeout = \"1h\"\n{}", one_app(&app.url(), "")));
    let mut guest = gateway.guest("alice").await;
    let mut line = guest.line().await;
    let request = guest.call("GET", "/endless");
    let mut response = guest.start_on(&mut line, request).await;
    let _held = senders.recv().await.expect("asked");
    gateway.running().drain();
    gateway.running().stop();
    within("all workers", gateway.running().drained()).await;
    assert!(!matches!(within("the end", response.frame()).await, Some(Ok(_))), "cut off, not finished");
}

#[tokio::test]
async fn draining_ends_in_time_whatever_is_open() {
    let (app, mut senders) = piecewise().await;
    let gateway = Gateway::start(&format!("[listen]\ndrain_timeout = \"1s\"\n{}", one_app(&app.url(), "")));
    let mut guest = gateway.guest("alice").await;
    let mut line = guest.line().await;
    let request = guest.call("GET", "/endless");
    let _response = guest.start_on(&mut line, request).await;
    let _held = senders.recv().await.expect("asked");
    gateway.running().drain();
    within("all workers", gateway.running().drained()).await;
}

#[tokio::test]
async fn sessions_outlive_a_restart_and_ended_ones_stay_ended() {
    let app = App::start().await;
    let gateway = Gateway::before(&app.url());
    let (mut alice, bob) = (gateway.guest("alice").await, gateway.guest("bob").await);
    gateway.end_sessions_of("bob").await;
    let gateway = gateway.restarted(&one_app(&app.url(), "")).await;
    for (who, status) in [(&mut alice, 200), (&mut bob.clone(), 401)] {
        who.reach = gateway.reach();
        assert_eq!(who.fetch("GET", "/").await.status, status);
    }
    let mut again = gateway.stranger();
    gateway.next_code();
    again.sign_in(&gateway.person("bob")).await;
}
