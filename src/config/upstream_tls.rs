//! `app.upstream_tls`

use crate::config::placed::{Place, Placed};
use crate::config::reader::Reader;

/// `app.upstream_tls`
#[derive(Clone, Debug, Default)]
pub struct UpstreamTlsTable {
    /// The table, if it is written.
    pub place: Option<Place>,
    /// File of the only authorities that are believed.
    pub ca: Option<Placed<String>>,
    /// The name the upstream has to prove.
    pub server_name: Option<Placed<String>>,
    /// File of the chain we show.
    pub client_cert: Option<Placed<String>>,
    /// File of its key.
    pub client_key: Option<Placed<String>>,
    /// Whether anybody is believed.
    pub insecure_skip_verify: Option<Placed<bool>>,
}

impl UpstreamTlsTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            place: Some(reader.place()).filter(|place| !place.is_empty()),
            ca: reader.string("ca"),
            server_name: reader.string("server_name"),
            client_cert: reader.string("client_cert"),
            client_key: reader.string("client_key"),
            insecure_skip_verify: reader.boolean("insecure_skip_verify"),
        }
    }
}
