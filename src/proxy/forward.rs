//! The only way to an app.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, Request, Response, StatusCode};

use crate::plan::app::App;
use crate::policy::decide::Grant;
use crate::proxy::exchange::Exchange;
use crate::proxy::fault::Fault;
use crate::proxy::handshake;
use crate::proxy::permit::Permit;
use crate::proxy::pool::Pool;
use crate::proxy::request;
use crate::proxy::response;
use crate::proxy::tunnel;
use crate::wire::body::Body;

/// What forwarding needs to know of a request besides the request.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Where it comes from.
    pub client: IpAddr,
    /// The `Host` as the client wrote it; over HTTP/2 its `:authority`.
    pub host_header: HeaderValue,
    /// The id the request has in our log.
    pub request_id: &'a str,
    /// The most bytes its body may have; `None` for any number.
    pub body_limit: Option<u64>,
}

/// Sends a granted request to its app and returns the answer's head with its body still streaming.
///
/// What is sent on the request line is the target in the grant, never the request's own. For a WebSocket the answer is
/// the 101 (HTTP/1.1) or 200 (HTTP/2) to give; the tunnel starts by itself once hyper has sent that answer, which takes
/// a server connection that allows upgrades (and `enable_connect_protocol` over HTTP/2).
///
/// # Errors
/// [`Fault`], where no answer of the app can be given. Nothing was sent to the client then.
pub async fn forward(
    grant: Grant,
    app: &Arc<App>,
    pool: &Pool,
    request: Request<Body>,
    facts: Facts<'_>,
) -> Result<Response<Body>, Fault> {
    let target = request::origin_form(grant.target())?;
    let permit = Permit::of(&grant, app, pool.clock().clone());
    if let Some(asked) = handshake::asked(&request)? {
        let (exchange, _) = Exchange::begin((app, pool), permit, Body::Empty, None)?;
        return tunnel::open(&exchange, request, asked, target, &facts).await;
    }
    let (head, body) = request.into_parts();
    let (exchange, body) = Exchange::begin((app, pool), permit, body, facts.body_limit)?;
    let (response, lease) = exchange.send(request::build(head, body, target, app, &facts)).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Fault::BadUpgrade);
    }
    response::pass(response, lease, &exchange)
}

#[cfg(test)]
mod tests;
