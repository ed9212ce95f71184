//! All we know of one finished request.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::clock::Timestamp;

/// All we know of one finished request. Built in one place, from what the steps of its journey returned.
#[derive(Debug, Clone)]
pub struct Record {
    /// Names the request in the log and on every refusal.
    pub id: Box<str>,
    /// Which configuration it met: the version of its plan.
    pub plan: u64,
    /// When its head was complete.
    pub received: Timestamp,
    /// The other end of the connection, as far as it may be logged.
    pub peer: SocketAddr,
    /// Whom the request counts for, as far as it may be logged.
    pub client: IpAddr,
    /// The name asked for in the ClientHello.
    pub sni: Option<Box<str>>,
    /// `HTTP/1.1` and so on, as Caddy writes it.
    pub protocol: &'static str,
    /// The method.
    pub method: Box<str>,
    /// The host, canonical where it could be read.
    pub host: Box<str>,
    /// The target, with secrets taken out.
    pub uri: Box<str>,
    /// The beginning of the `User-Agent`, as it was sent.
    pub agent: Option<Box<[u8]>>,
    /// The beginning of the `Referer`, with secrets taken out; `None` too where the log has no place for it.
    pub referer: Option<Box<[u8]>>,
    /// The app that owns the host.
    pub app: Option<Box<str>>,
    /// Whose session it was.
    pub user: Option<Box<str>>,
    /// Why it was refused, by the refusal's stable name.
    pub refusal: Option<&'static str>,
    /// The status answered.
    pub status: u16,
    /// Bytes of the response's body that were sent.
    pub sent: u64,
    /// From the complete head to the end of the answer.
    pub took: Duration,
}
