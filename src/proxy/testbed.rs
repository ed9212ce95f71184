//! What the tests of this room share: an upstream that follows a script, apps, grants and pools.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self as http2_client, SendRequest};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::base::clock::{Clock, Timestamp};
use crate::base::entropy::Entropy;
use crate::base::task;
use crate::model::identity::Identity;
use crate::model::session::{Proofs, Session, SessionRecord};
use crate::model::strength::Strength;
use crate::plan::app::App;
use crate::plan::kit;
use crate::policy::decide::{Grant, Verdict, decide};
use crate::policy::requirement::Requirement;
use crate::policy::rule::Judgement;
use crate::policy::target::Target;
use crate::proxy::forward::{Facts, forward};
use crate::proxy::handshake;
use crate::proxy::pool::{Pool, Tunnels};
use crate::wire::body::{Body, Fault};

/// What a scripted upstream does next on a connection.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Reads a request, body and all, and answers with these bytes.
    Say(&'static str),
    /// Reads a request's head alone and answers.
    Interrupt(&'static str),
    /// Speaks without having been asked.
    Blurt(&'static str),
    /// Reads a request and closes.
    HangUp,
    /// Waits until the other side closes, and reports `<closed>`.
    Wait,
    /// Reads a request and answers with a 101 that agrees to its WebSocket handshake, and these bytes right behind it.
    Agree(&'static str),
    /// Sends back whatever comes.
    Echo,
}

/// Starts an upstream: one list of steps per connection. What it reads arrives on the channel, one text per request.
pub async fn upstream(conversations: &[&[Step]]) -> (App, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (report, heard) = mpsc::unbounded_channel();
    let conversations: Vec<Vec<Step>> = conversations.iter().map(|steps| steps.to_vec()).collect();
    task::start("scripted upstream", async move {
        for steps in conversations {
            let (stream, _) = listener.accept().await.expect("a connection");
            task::start("scripted conversation", converse(stream, steps, report.clone()));
        }
    });
    (app(port), heard)
}

async fn converse(mut stream: TcpStream, steps: Vec<Step>, report: mpsc::UnboundedSender<String>) {
    for step in steps {
        match step {
            Step::Say(answer) => {
                let Some(request) = read_request(&mut stream).await else { break };
                let _ = report.send(request);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            Step::Interrupt(answer) => {
                let Some(request) = read_until(&mut stream, "\r\n\r\n").await else { break };
                let _ = report.send(request);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            Step::Blurt(answer) => {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            Step::HangUp => {
                let Some(request) = read_request(&mut stream).await else { break };
                let _ = report.send(request);
                return;
            }
            Step::Wait => while stream.read(&mut [0; 1024]).await.is_ok_and(|read| read > 0) {},
            Step::Agree(more) => {
                let Some(request) = read_request(&mut stream).await else { break };
                let key = request.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).expect("a key");
                let accept = handshake::answer(&HeaderValue::from_str(key).expect("a value"));
                let head =
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\nX-App: 1\r\n";
                let _ = stream.write_all(format!("{head}Sec-WebSocket-Accept: {accept}\r\n\r\n{more}").as_bytes()).await;
                let _ = report.send(request);
            }
            Step::Echo => {
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            }
        }
    }
    let _ = report.send("<closed>".to_owned());
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let head = read_until(stream, "\r\n\r\n").await?;
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().expect("digits"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8(body).expect("text");
    if head.contains("transfer-encoding: chunked\r\n") {
        let mut chunks = String::new();
        while !chunks.starts_with("0\r\n") && !chunks.contains("\r\n0\r\n") || !chunks.ends_with("\r\n\r\n") {
            chunks.push_str(&read_until(stream, "\r\n").await?);
        }
        return Some(head + &chunks);
    }
    Some(head + &body)
}

/// Reads up to and including `end`; `None` at the end of the stream.
pub async fn read_until<S: tokio::io::AsyncRead + Unpin>(stream: &mut S, end: &str) -> Option<String> {
    let mut text = String::new();
    while !text.ends_with(end) {
        text.push(char::from(stream.read_u8().await.ok()?));
    }
    Some(text)
}

/// An app at this port, without any timeout but the one for connecting.
pub fn app(port: u16) -> App {
    kit::app("test", vec![], port)
}

/// The moment at which the clock of a test stands at first.
pub const START: Timestamp = Timestamp::from_secs(1_000_000);

/// A pool whose clock is moved by hand, and that clock.
pub fn pool() -> (Pool, Clock) {
    let clock = Clock::manual(START);
    (Pool::new(clock.clone(), Entropy, Tunnels::default()), clock)
}

/// A public grant.
pub fn open_grant(target: &str) -> Grant {
    judged(Judgement::Open, target, Identity::Anonymous)
}

/// A grant that hangs on a session.
pub fn grant_of(session: &Arc<Session>, target: &str) -> Grant {
    judged(Judgement::Required(Requirement::default()), target, Identity::User(Arc::clone(session)))
}

fn judged(judgement: Judgement, target: &str, identity: Identity) -> Grant {
    match decide(judgement, Target::parse(target).expect("a target"), identity, START) {
        Verdict::Grant(grant) => grant,
        other => panic!("no grant: {other:?}"),
    }
}

/// A session that began at [`START`], lasts an hour and idles after ten minutes.
pub fn session() -> Arc<Session> {
    let new = SessionRecord::imagined("alice".parse().expect("a name"), Strength::TwoFactor, START);
    Arc::new(Session::from(SessionRecord {
        proofs: Proofs::default(),
        expires_at: START.plus(Duration::from_secs(3600)),
        idle_timeout: Some(Duration::from_secs(600)),
        ..new
    }))
}

/// Facts of a request to `https://a.example`.
pub fn facts() -> Facts<'static> {
    Facts {
        client: "192.0.2.1".parse().expect("an address"),
        host_header: HeaderValue::from_static("a.example"),
        request_id: "id1",
        body_limit: None,
    }
}

/// The same, with the limit of an app.
pub fn facts_for(app: &App) -> Facts<'static> {
    Facts { body_limit: app.rules.body_limit, ..facts() }
}

/// A request with this method, these header lines and this body.
pub fn request(method: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri("/never-used");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body).expect("a request")
}

/// A body of unknown length made of these frames.
pub fn frames(frames: impl IntoIterator<Item = Frame<Bytes>>) -> Body {
    Body::wrapped(Frames(frames.into_iter().collect()))
}

struct Frames(VecDeque<Frame<Bytes>>);

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// A body that gives what is sent on the channel, and ends when the channel closes.
pub fn fed() -> (mpsc::UnboundedSender<&'static str>, Body) {
    let (feed, eat) = mpsc::unbounded_channel();
    (feed, Body::wrapped(Fed(eat)))
}

struct Fed(mpsc::UnboundedReceiver<&'static str>);

impl HttpBody for Fed {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.0.poll_recv(context).map(|text| text.map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
    }
}

/// A gateway in front of a scripted app, for one client connection; a refusal shows as the fault's name.
#[derive(Clone, Debug)]
pub struct Gate {
    /// The app.
    pub app: Arc<App>,
    /// The connections to it.
    pub pool: Pool,
    /// What the session is judged by.
    pub clock: Clock,
    /// Under which everything is granted.
    pub session: Arc<Session>,
}

impl Gate {
    /// A gateway and what its app reads.
    pub async fn before(conversations: &[&[Step]]) -> (Self, mpsc::UnboundedReceiver<String>) {
        let (app, heard) = upstream(conversations).await;
        let (pool, clock) = pool();
        (Self { app: Arc::new(app), pool, clock, session: session() }, heard)
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let grant = grant_of(&self.session, request.uri().path());
        let fault = match forward(grant, &self.app, &self.pool, request.map(Body::from), facts_for(&self.app)).await {
            Ok(answer) => return Ok(answer),
            Err(fault) => fault,
        };
        let mut refusal = Response::new(Body::from(format!("{fault:?}")));
        *refusal.status_mut() = StatusCode::BAD_GATEWAY;
        Ok(refusal)
    }

    /// A raw HTTP/1.1 client connection.
    pub fn http1(&self) -> DuplexStream {
        let (client, server) = duplex(65_536);
        let gate = self.clone();
        let service = service_fn(move |request| gate.clone().answer(request));
        task::start("test server", async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(server), service).with_upgrades().await;
        });
        client
    }

    /// An HTTP/2 client connection that knows the server's settings.
    pub async fn http2(&self) -> SendRequest<Body> {
        let (client, server) = duplex(65_536);
        let gate = self.clone();
        let service = service_fn(move |request| gate.clone().answer(request));
        task::start("test server", async move {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            let _ = builder.enable_connect_protocol().serve_connection(TokioIo::new(server), service).await;
        });
        let (mut sender, connection) =
            http2_client::handshake(TokioExecutor::new(), TokioIo::new(client)).await.expect("a handshake");
        task::start("test client", connection);
        // Any answer shows that the server's settings were seen; before that a client may not use extended CONNECT.
        let refused =
            sender.send_request(Request::builder().method("TRACE").uri("https://a.example/").body(Body::Empty).expect("valid"));
        assert_eq!(refused.await.expect("an answer").status(), StatusCode::BAD_GATEWAY);
        sender
    }
}
