//! `[listen]`

use std::time::Duration;

use crate::config::placed::Placed;
use crate::config::reader::Reader;

/// `[listen]`
#[derive(Clone, Debug, Default)]
pub struct ListenTable {
    /// Addresses for TLS.
    pub https: Option<Placed<Vec<Placed<String>>>>,
    /// Addresses for plain HTTP.
    pub http: Option<Placed<Vec<Placed<String>>>>,
    /// Longest wait for a request head.
    pub header_timeout: Option<Placed<Duration>>,
    /// Longest wait when stopping.
    pub drain_timeout: Option<Placed<Duration>>,
    /// Most connections at once.
    pub max_connections: Option<Placed<u64>>,
    /// Most connections at once from one network.
    pub max_connections_per_network: Option<Placed<u64>>,
    /// Whose word on where a request comes from is believed.
    pub trusted_proxies: Option<Placed<Vec<Placed<String>>>>,
    /// The field they say it in.
    pub client_ip_header: Option<Placed<String>>,
    /// Where metrics are told.
    pub metrics: Option<Placed<String>>,
}

impl ListenTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            https: reader.list("https"),
            http: reader.list("http"),
            header_timeout: reader.duration("header_timeout"),
            drain_timeout: reader.duration("drain_timeout"),
            max_connections: reader.integer("max_connections", 1, 1_000_000),
            max_connections_per_network: reader.integer("max_connections_per_network", 1, 1_000_000),
            trusted_proxies: reader.list("trusted_proxies"),
            client_ip_header: reader.string("client_ip_header"),
            metrics: reader.string("metrics"),
        }
    }
}
