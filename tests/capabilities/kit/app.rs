//! The app behind the gateway: it records whatever reaches it and answers as the test says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use doorward::base::task;
use doorward::wire::body::Body;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Bytes of a body that are kept; all are counted.
const KEPT: usize = 64 * 1024;

/// A request as it reached the app.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    pub target: String,
    pub version: Version,
    pub headers: HeaderMap,
    /// The first bytes of the body.
    pub body: Vec<u8>,
    /// How many there were.
    pub length: u64,
    pub trailers: Option<HeaderMap>,
}

impl Seen {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }
}

/// A running app.
pub struct App {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

type Script = Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

impl App {
    /// An app that reads each request to its end and says hello.
    pub async fn start() -> Self {
        Self::answering(|_| Response::new(Body::from("hello from the app\n"))).await
    }

    /// An app that reads each request to its end, then answers.
    pub async fn answering(answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) -> Self {
        let answer = Arc::new(answer);
        Self::run(|state| {
            Arc::new(move |request| {
                let (state, answer) = (Arc::clone(&state), Arc::clone(&answer));
                Box::pin(async move {
                    let seen = whole(request).await;
                    let response = answer(&seen);
                    state.seen.lock().expect("not poisoned").push(seen);
                    response
                })
            })
        })
        .await
    }

    /// An app that does as it likes with a request whose head alone was recorded.
    pub async fn streaming<F>(answer: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        Self::run(|state| {
            Arc::new(move |request| {
                state.seen.lock().expect("not poisoned").push(head(&request));
                Box::pin(answer(request))
            })
        })
        .await
    }

    async fn run(script: impl FnOnce(Arc<State>) -> Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State::default());
        let script = script(Arc::clone(&state));
        let counted = Arc::clone(&state);
        task::start("app", async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.connections.fetch_add(1, Ordering::SeqCst);
                let script = Arc::clone(&script);
                task::start("app connection", serve(stream, script));
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request that reached the app.
    pub fn requests(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("not poisoned").clone()
    }

    pub fn count(&self) -> usize {
        self.state.seen.lock().expect("not poisoned").len()
    }

    /// The one request that reached the app.
    pub fn only(&self) -> Seen {
        let mut all = self.requests();
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }

    /// Takes the requests so far out of the record.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.state.seen.lock().expect("not poisoned"))
    }

    /// Connections taken so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: TcpStream, script: Script) {
    let service = service_fn(move |request| {
        let script = Arc::clone(&script);
        async move { Ok::<_, Infallible>(script(request).await) }
    });
    // How it ends is the gateway's business; the record says what came.
    drop(
        http1::Builder::new()
            .max_headers(200)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await,
    );
}

fn head(request: &Request<Incoming>) -> Seen {
    Seen {
        method: request.method().clone(),
        target: request.uri().to_string(),
        version: request.version(),
        headers: request.headers().clone(),
        body: Vec::new(),
        length: 0,
        trailers: None,
    }
}

async fn whole(request: Request<Incoming>) -> Seen {
    let mut seen = head(&request);
    let mut body = request.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        match frame.into_data() {
            Ok(data) => {
                seen.length += data.len() as u64;
                let room = KEPT.saturating_sub(seen.body.len());
                seen.body.extend_from_slice(&data[..data.len().min(room)]);
            }
            Err(frame) => seen.trailers = frame.into_trailers().ok(),
        }
    }
    seen
}

/// An app that speaks in bytes: `speak` gets each connection and its number, from 0.
pub async fn speaking<F>(speak: impl Fn(TcpStream, usize) -> F + Send + Sync + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    task::start("app", async move {
        let mut number = 0;
        while let Ok((stream, _)) = listener.accept().await {
            task::start("app connection", speak(stream, number));
            number += 1;
        }
    });
    url
}

/// Reads one request head off a connection; empty when there is none.
pub async fn read_head(stream: &mut TcpStream) -> String {
    use tokio::io::AsyncReadExt;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).expect("ASCII")
}
