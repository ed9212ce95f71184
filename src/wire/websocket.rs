//! The name of the WebSocket protocol, and how HTTP/2 asks for it.

use http::{Method, Request};
use hyper::ext::Protocol;

/// What stands in `Upgrade` (RFC 6455 section 4.1) and in `:protocol` (RFC 8441 section 5).
pub const PROTOCOL: &str = "websocket";

/// Whether this is an extended CONNECT that asks for a WebSocket. A CONNECT without `:protocol`, or with another, asks for a
/// tunnel, and there is none here.
pub fn is_connect<B>(request: &Request<B>) -> bool {
    let protocol = request.extensions().get::<Protocol>();
    request.method() == Method::CONNECT && protocol.is_some_and(|protocol| protocol.as_str() == PROTOCOL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_connect_that_names_the_protocol_asks_for_a_websocket() {
        let connect = |protocol: Option<&'static str>| {
            let mut request = Request::new(());
            *request.method_mut() = Method::CONNECT;
            protocol.map(|protocol| request.extensions_mut().insert(Protocol::from_static(protocol)));
            request
        };
        assert!(is_connect(&connect(Some("websocket"))));
        assert!(!is_connect(&connect(Some("connect-udp"))) && !is_connect(&connect(None)));
        let mut get = connect(Some("websocket"));
        *get.method_mut() = Method::GET;
        assert!(!is_connect(&get));
    }
}
