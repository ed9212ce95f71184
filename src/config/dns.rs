//! `acme.dns`

use std::time::Duration;

use crate::config::placed::{Place, Placed};
use crate::config::reader::Reader;
use crate::config::secret::WrittenSecret;

/// `acme.dns.algorithm`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenAlgorithm {
    /// `"hmac-sha256"`
    Sha256,
    /// `"hmac-sha384"`
    Sha384,
    /// `"hmac-sha512"`
    Sha512,
}

/// `acme.dns`
#[derive(Clone, Debug, Default)]
pub struct DnsTable {
    /// The table, if it is written.
    pub place: Option<Place>,
    /// Who changes the zone.
    pub provider: Option<Placed<String>>,
    /// The zone's primary server.
    pub server: Option<Placed<String>>,
    /// The zone.
    pub zone: Option<Placed<String>>,
    /// The key's name.
    pub key_name: Option<Placed<String>>,
    /// How it signs.
    pub algorithm: Option<Placed<WrittenAlgorithm>>,
    /// The key.
    pub secret: Option<WrittenSecret>,
    /// What lets us in at the provider, by the provider's own names.
    pub credentials: Vec<(Placed<String>, WrittenSecret)>,
    /// Who vouches for the provider's address.
    pub ca_file: Option<Placed<String>>,
    /// A program and its first arguments.
    pub command: Option<Placed<Vec<Placed<String>>>>,
    /// How long name servers may take to show a record.
    pub timeout: Option<Placed<Duration>>,
}

impl DnsTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let algorithms = [
            ("hmac-sha256", WrittenAlgorithm::Sha256),
            ("hmac-sha384", WrittenAlgorithm::Sha384),
            ("hmac-sha512", WrittenAlgorithm::Sha512),
        ];
        Self {
            place: Some(reader.place()).filter(|place| !place.is_empty()),
            provider: reader.string("provider"),
            server: reader.string("server"),
            zone: reader.string("zone"),
            key_name: reader.string("key_name"),
            algorithm: reader.choice("algorithm", &algorithms),
            secret: reader.secret("secret"),
            credentials: reader.secrets("credentials"),
            ca_file: reader.string("ca_file"),
            command: reader.list("command"),
            timeout: reader.duration("timeout"),
        }
    }
}
