//! The sample app behind `doorward demo`: a page, `/admin/`, a WebSocket echo, an upload, a stream of server-sent events and
//! a service worker that answers from its cache first. It is an app like any other: it listens on loopback, knows nothing of
//! sign-in, and anybody who can reach its port may use it.

pub mod echo;
pub mod respond;
pub mod serve;
