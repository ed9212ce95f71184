//! WebSockets as browsers open them, over HTTP/1.1 and HTTP/2.

use doorward::sample::echo;
use doorward::wire::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::ext::Protocol as ConnectProtocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::kit::app::App;
use crate::kit::gateway::within;
use crate::kit::line::Protocol;
use crate::kit::visitor::Visitor;

/// An open WebSocket.
pub type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A handshake as a browser makes it over the visitor's protocol.
pub fn handshake(visitor: &Visitor, path: &str) -> Request<Body> {
    let mut request = visitor.call("GET", path);
    if visitor.protocol == Protocol::Http2 {
        *request.method_mut() = Method::CONNECT;
        request.extensions_mut().insert(ConnectProtocol::from_static("websocket"));
    } else {
        let headers = request.headers_mut();
        headers.insert("connection", HeaderValue::from_static("Upgrade"));
        headers.insert("upgrade", HeaderValue::from_static("websocket"));
        headers.insert("sec-websocket-key", HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
    }
    let headers = request.headers_mut();
    headers.insert("sec-websocket-version", HeaderValue::from_static("13"));
    headers.insert("origin", format!("https://{}", visitor.authority()).parse().expect("a value"));
    request
}

/// Opens a socket; the status if it was not agreed to.
pub async fn open(visitor: &mut Visitor, path: &str) -> Result<Socket, StatusCode> {
    let request = handshake(visitor, path);
    open_with(visitor, request).await
}

/// The same by a handshake of one's own.
pub async fn open_with(visitor: &mut Visitor, request: Request<Body>) -> Result<Socket, StatusCode> {
    let mut line = visitor.line().await;
    if visitor.protocol == Protocol::Http2 {
        // The settings that allow an extended CONNECT come with the first answer at the latest.
        let plain = visitor.call("GET", "/.doorward/session");
        visitor.send_on(&mut line, plain).await;
    }
    let response = visitor.start_on(&mut line, request).await;
    let agreed = if visitor.protocol == Protocol::Http2 { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS };
    if response.status() != agreed {
        return Err(response.status());
    }
    let stream = within("the upgrade", hyper::upgrade::on(response)).await.expect("upgraded");
    Ok(WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Client, None).await)
}

/// An app that echoes on WebSockets and says hello otherwise.
pub async fn echo_app() -> App {
    App::streaming(|mut request| async move {
        echo::accept(&mut request).unwrap_or_else(|| Response::new(Body::from("hello from the app\n")))
    })
    .await
}
