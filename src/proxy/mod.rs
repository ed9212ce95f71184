//! One granted request, sent on to the app's server and its answer brought back: headers cleaned and set, framing made
//! anew, bodies streamed under limits, WebSockets relayed, connections kept. Decides nothing about who may pass; the only
//! way in is [`forward::forward`] with a grant. Speaks HTTP/1.1 over TCP, TLS or a Unix socket to apps.

pub mod exchange;
pub mod fault;
pub mod forward;
pub mod forwarded;
pub mod guard;
pub mod handshake;
pub mod hop;
pub mod link;
pub mod peer;
pub mod permit;
pub mod pool;
pub mod relay;
pub mod request;
pub mod response;
pub mod socket;
#[cfg(test)]
pub mod testbed;
pub mod tls_trouble;
pub mod tunnel;
