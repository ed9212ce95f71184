//! From a socket to requests.
//!
//! The lower half stands here: a byte gate between the decrypted stream and hyper's HTTP/1 server. hyper forgives
//! request heads that two programs can read in two ways (both lengths, equal lengths twice, bare line feeds, chunk
//! extensions, no `Host`) and hands them to us as clean requests, so what it forgives is refused before it sees it.
//! `examine` is the judgement without I/O, built from `lines`, `head` and `chunks`; `gated_stream` applies it to a
//! stream, keeps the time limits of `patience` and ends it by `ending`; `valve` is the hold that the layer above has on one connection.
//!
//! Limits: HTTP/1 only (h2 judges its own frames), requests only, and only how a request is framed: hosts, targets and
//! header meanings are judged further up.

pub mod accept;
pub mod chunks;
pub mod courtesy;
pub mod door;
pub mod ending;
pub mod examine;
pub mod gated_stream;
pub mod handshake;
pub mod head;
pub mod http;
pub mod limit;
pub mod lines;
pub mod metrics;
pub mod patience;
pub mod stall;
pub mod valve;
pub mod violation;
