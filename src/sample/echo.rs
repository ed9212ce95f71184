//! The sample app's WebSocket: sends every message back.

use futures_util::{SinkExt, StreamExt};
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::base::task;
use crate::proxy::handshake;
use crate::wire::body::Body;

/// Largest message sent back, in bytes.
const LARGEST: usize = 1 << 20;

/// Accepts a WebSocket handshake and echoes from then on; `None` if the request is none.
pub fn accept(request: &mut Request<Incoming>) -> Option<Response<Body>> {
    let asked = request.headers().get(UPGRADE)?.as_bytes().eq_ignore_ascii_case(b"websocket");
    let key = request.headers().get(SEC_WEBSOCKET_KEY).filter(|_| asked)?;
    let answer = HeaderValue::try_from(handshake::answer(key)).ok()?;
    let upgraded = hyper::upgrade::on(request);
    task::start("sample echo", async move {
        if let Ok(stream) = upgraded.await {
            let limits = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
            echo(WebSocketStream::from_raw_socket(TokioIo::new(stream), Role::Server, Some(limits)).await).await;
        }
    });
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    handshake::agree(response.headers_mut());
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, answer);
    Some(response)
}

async fn echo(mut socket: WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>) {
    while let Some(Ok(message)) = socket.next().await {
        let more = !message.is_close();
        // Pings are answered by the library; sending one back would be a message nobody asked for.
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
        if !more {
            return;
        }
    }
}
