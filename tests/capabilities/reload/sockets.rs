//! What is open across a reload: WebSockets, streams, listening sockets and the connections on them.

use std::net::SocketAddr;
use std::time::Duration;

use doorward::wire::body::Body;
use futures_util::{SinkExt, StreamExt};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Channel};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::kit::app::App;
use crate::kit::gateway::{Gateway, HOST, within};
use crate::kit::line::BOTH;
use crate::kit::socket::{self, echo_app};
use crate::kit::visitor::Visitor;
use crate::reload::{app, file, listening, pair, reload};

/// An open WebSocket.
pub struct Socket(socket::Socket);

impl Socket {
    /// Opens one over the visitor's protocol.
    pub async fn open(visitor: &mut Visitor) -> Self {
        Self(socket::open(visitor, "/echo").await.expect("agreed"))
    }

    /// Whether a message still comes back.
    pub async fn is_alive(&mut self) -> bool {
        let message = Message::text("still there?");
        if within("sending", self.0.send(message.clone())).await.is_err() {
            return false;
        }
        within("an echo", self.0.next()).await.is_some_and(|echo| echo.is_ok_and(|echo| echo == message))
    }

    /// Waits until it ends.
    pub async fn ended(&mut self) {
        within("the end of a socket", async { while let Some(Ok(_)) = self.0.next().await {} }).await;
    }
}

/// Two tabs of somebody signed in: at the first host and at `other`.
pub async fn guest_at_both(gateway: &Gateway, other: &str) -> (Visitor, Visitor) {
    let mut first = gateway.guest("alice").await;
    let mut second = Visitor::new(gateway.reach(), other);
    second.follow(&mut first).await;
    (first, second)
}

#[tokio::test]
async fn sockets_of_apps_that_stay_live_on_and_those_of_others_end() {
    const OTHER: &str = "other.example";
    let (mine, theirs) = (echo_app().await, echo_app().await);
    let text = |more: &str| file(&(app(HOST, &mine.url(), "") + &app(OTHER, &theirs.url(), more)));
    let gateway = Gateway::from_file(&text(""));
    let (here, there) = guest_at_both(&gateway, OTHER).await;
    for protocol in BOTH {
        reload(&gateway, &text("")).await;
        let mut stays = Socket::open(&mut here.clone().over(protocol)).await;
        let mut changes = Socket::open(&mut there.clone().over(protocol)).await;
        let files = pair(gateway.home(), "new", &[OTHER]);
        let certificate = format!("certificate = \"{}\"\nprivate_key = \"{}\"", files.0.display(), files.1.display());
        for harmless in ["# a comment", "name = \"Theirs\"", certificate.as_str(), ""] {
            reload(&gateway, &text(harmless)).await;
            assert!(stays.is_alive().await && changes.is_alive().await, "{harmless}");
        }
        reload(&gateway, &text("deny = [\"/admin/\"]")).await;
        changes.ended().await;
        assert!(stays.is_alive().await);
        let mut again = Socket::open(&mut there.clone().over(protocol)).await;
        reload(&gateway, &file(&app(HOST, &mine.url(), ""))).await;
        again.ended().await;
        assert!(stays.is_alive().await);
        let answer = here.clone().over(protocol).fetch("GET", "/").await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn what_changed_has_the_drain_timeout_left() {
    let upstream = echo_app().await;
    let text = |more: &str| file(&app(HOST, &upstream.url(), more)).replace("\"0s\"", "\"2s\"");
    let gateway = Gateway::from_file(&text(""));
    let mut guest = gateway.guest("alice").await;
    let mut socket = Socket::open(&mut guest).await;
    let before = tokio::time::Instant::now();
    reload(&gateway, &text("deny = [\"/admin/\"]")).await;
    assert!(socket.is_alive().await);
    socket.ended().await;
    assert!(before.elapsed() >= Duration::from_secs(2), "{:?}", before.elapsed());
}

/// The attack: a stream begun under a rule that is gone goes on for ever.
#[tokio::test]
async fn streams_of_an_app_that_changed_end_too() {
    let upstream = App::streaming(|_| async {
        let (mut sender, body) = Channel::<bytes::Bytes, doorward::wire::body::Fault>::new(1);
        doorward::base::task::start("events", async move {
            while sender.send_data(bytes::Bytes::from_static(b"data: tick\n\n")).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Response::new(Body::wrapped(body))
    })
    .await;
    let text = |more: &str| file(&app(HOST, &upstream.url(), more));
    let gateway = Gateway::from_file(&text(""));
    let mut guest = gateway.guest("alice").await;
    for protocol in BOTH {
        guest.protocol = protocol;
        reload(&gateway, &text("")).await;
        let mut line = guest.line().await;
        let request = guest.call("GET", "/events");
        let mut events = guest.start_on(&mut line, request).await.into_body();
        reload(&gateway, &text("# nothing")).await;
        for _ in 0..50 {
            within("an event", events.frame()).await.expect("goes on").expect("an event");
        }
        reload(&gateway, &text("deny = [\"/admin/\"]")).await;
        within("the end", async { while let Some(Ok(_)) = events.frame().await {} }).await;
    }
}

#[tokio::test]
async fn a_new_address_is_served_and_one_that_is_gone_is_not() {
    let upstream = App::start().await;
    let apps = app(HOST, &upstream.url(), "");
    let gateway = Gateway::from_file(&file(&apps));
    let guest = gateway.guest("alice").await;
    let first = gateway.reach();
    let mut held = guest.line().await;
    let told = reload(&gateway, &listening("\"127.0.0.1:0\", \"127.0.0.1:0\"", &apps)).await;
    assert_eq!(told.https[0], first.https, "bound once");
    let mut second = first.clone();
    second.https = told.https[1];
    let mut visitor = guest.clone();
    visitor.reach = second.clone();
    assert_eq!(visitor.fetch("GET", "/").await.status, StatusCode::OK);
    // The first is kept, being the first with what was written; to give it up, the second is named outright.
    let told = reload(&gateway, &listening(&format!("\"{}\"", second.https), &apps)).await;
    assert_eq!(told.https, [second.https]);
    refused(first.https).await;
    assert_eq!(visitor.fetch("GET", "/").await.status, StatusCode::OK);
    for _ in 0..3 {
        let request = guest.call("GET", "/");
        assert_eq!(guest.clone().send_on(&mut held, request).await.status, StatusCode::OK, "an open connection lives on");
    }
}

/// Waits until an address takes no more connections.
async fn refused(address: SocketAddr) {
    within("an address to be given up", async { while TcpStream::connect(address).await.is_ok() {} }).await;
}

#[tokio::test]
async fn links_lead_to_the_port_that_is_served() {
    let upstream = App::start().await;
    let apps = app(HOST, &upstream.url(), "");
    let gateway = Gateway::from_file(&file(&apps));
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    reload(&gateway, &listening(&format!("\"{free}\""), &apps)).await;
    let link = match gateway
        .ask(&doorward::admin::wish::Wish::UserAdd {
            name: "carol".to_owned(),
            credentials: None,
            details: doorward::admin::wish::Details::default(),
        })
        .await
    {
        doorward::admin::wish::Answer::User(user) => user.setup_link.expect("a link"),
        other => panic!("{other:?}"),
    };
    assert!(link.starts_with(&format!("https://{HOST}:{}/", free.port())), "{link}");
}
