//! WebSockets: the handshake with the app, and the client's side of it answered in the client's own protocol.

use http::header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use crate::proxy::exchange::Exchange;
use crate::proxy::fault::Fault;
use crate::proxy::forward::Facts;
use crate::proxy::handshake::{self, Asked};
use crate::proxy::hop;
use crate::proxy::pool::Lease;
use crate::proxy::relay::{self, Ends, Limits};
use crate::proxy::request;
use crate::proxy::response;
use crate::wire::body::Body;

/// Opens a tunnel. Not a byte behind the client's request passes before the app has agreed; if it does not, its answer
/// is the client's answer, and over HTTP/1.1 the client's connection ends with it.
///
/// # Errors
/// [`Fault::WebSocketsOff`], [`Fault::ForeignOrigin`], [`Fault::BadUpgrade`], and those of sending.
pub async fn open(
    exchange: &Exchange<'_>,
    mut request: Request<Body>,
    asked: Asked,
    target: Uri,
    facts: &Facts<'_>,
) -> Result<Response<Body>, Fault> {
    let rules = &exchange.app.websocket;
    if !rules.enabled {
        return Err(Fault::WebSocketsOff);
    }
    handshake::check_origin(request.headers(), &facts.host_header, &rules.origins)?;
    let client = hyper::upgrade::on(&mut request);
    let mut headers = request.into_parts().0.headers;
    request::dress(&mut headers, exchange.app, facts);
    let (key, over_http2) = match asked {
        Asked::Upgrade(key) => (key, false),
        Asked::Connect => (handshake::draw_key(exchange.pool.entropy()), true),
    };
    handshake::ask(&mut headers, key.clone());
    let (response, lease) = exchange.send(request::assemble(Method::GET, target, headers, Body::Empty)).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return decline(response, lease, exchange, over_http2);
    }
    if !handshake::agrees(response.headers(), &key) {
        return Err(Fault::BadUpgrade);
    }
    Ok(accept(response, lease, exchange, Client { upgrade: client, over_http2 }))
}

struct Client {
    upgrade: OnUpgrade,
    over_http2: bool,
}

fn accept(mut response: Response<Incoming>, lease: Lease, exchange: &Exchange<'_>, client: Client) -> Response<Body> {
    let upstream = hyper::upgrade::on(&mut response);
    lease.link.hand_over();
    let limits = Limits::of(&exchange.app.websocket, exchange.permit.clone());
    relay::start(Ends { client: client.upgrade, upstream }, limits, exchange.pool.tunnels().enter(&exchange.app.name));
    let (mut head, _) = response.into_parts();
    hop::remove(&mut head.headers);
    response::drop_our_cookies(&mut head.headers, &exchange.app.name);
    exchange.app.response_headers.apply(&mut head.headers);
    head.headers.remove(CONTENT_LENGTH);
    if client.over_http2 {
        head.headers.remove(SEC_WEBSOCKET_ACCEPT);
        head.status = StatusCode::OK;
    } else {
        handshake::agree(&mut head.headers);
    }
    head.version = Version::HTTP_11;
    head.extensions.clear();
    Response::from_parts(head, Body::Empty)
}

fn decline(
    response: Response<Incoming>,
    lease: Lease,
    exchange: &Exchange<'_>,
    over_http2: bool,
) -> Result<Response<Body>, Fault> {
    // A 2xx would open the stream of an extended CONNECT, with nobody at the other end.
    if over_http2 && response.status().is_success() {
        return Err(Fault::BadUpgrade);
    }
    let mut response = response::pass(response, lease, exchange)?;
    if !over_http2 {
        // What the client sent ahead of the answer was meant for a tunnel; it must not be read as its next request.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

#[cfg(test)]
mod tests;
