//! Asks the name service what the world is told about a name. Never the hosts file: authorities and visitors do not have it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{ResolverBuilder, TokioResolver};

use crate::policy::caa;
use crate::policy::caa::Record;
use crate::policy::host::Host;

/// For one question at one server; each is asked twice.
const PATIENCE: Duration = Duration::from_secs(3);
/// Records of a name that are looked at.
const MOST: usize = 64;

/// Asks name servers.
#[derive(Clone)]
pub struct Resolver(TokioResolver);

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

/// A name could not be looked up: nothing is known of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unknown(pub String);

impl From<NetError> for Unknown {
    fn from(fault: NetError) -> Self {
        Self(fault.to_string())
    }
}

impl Resolver {
    /// One that asks the servers of this system. Reads a file.
    ///
    /// # Errors
    /// [`Unknown`] when none are set up.
    pub fn system() -> Result<Self, Unknown> {
        Self::made(TokioResolver::builder_tokio()?)
    }

    /// One that asks `servers`.
    ///
    /// # Errors
    /// [`Unknown`] when the library refuses.
    pub fn asking(servers: &[SocketAddr]) -> Result<Self, Unknown> {
        let named = |server: &SocketAddr| {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            NameServerConfig::new(server.ip(), true, connections.into())
        };
        let config = ResolverConfig::from_name_servers(servers.iter().map(named).collect());
        Self::made(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
    }

    fn made(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<Self, Unknown> {
        let options = builder.options_mut();
        (options.use_hosts_file, options.timeout, options.attempts) = (ResolveHosts::Never, PATIENCE, 2);
        Ok(Self(builder.build()?))
    }

    /// The addresses of a host, IPv4 first; empty if it has none.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, Unknown> {
        let (four, six) = tokio::join!(self.records(host.as_str(), RecordType::A), self.records(host.as_str(), RecordType::AAAA));
        let address = |data: RData| match data {
            RData::A(address) => Some(IpAddr::V4(address.0)),
            RData::AAAA(address) => Some(IpAddr::V6(address.0)),
            _ => None,
        };
        Ok(four?.into_iter().chain(six?).filter_map(address).take(MOST).collect())
    }

    /// The CAA records that hold for a host, and the domain that has them; `None` if there are none up to the root.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn caa(&self, host: &Host) -> Result<Option<(String, Vec<Record>)>, Unknown> {
        for domain in caa::domains(host) {
            let found = self.records(domain, RecordType::CAA).await?;
            let record = |data: RData| match data {
                RData::CAA(caa) => Some(Record {
                    critical: caa.issuer_critical,
                    tag: caa.tag.clone(),
                    value: String::from_utf8_lossy(&caa.value).into_owned(),
                }),
                _ => None,
            };
            let records: Vec<Record> = found.into_iter().filter_map(record).take(MOST).collect();
            if !records.is_empty() {
                return Ok(Some((domain.to_owned(), records)));
            }
        }
        Ok(None)
    }

    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, Unknown> {
        let mut name = Name::from_ascii(name).map_err(|fault| Unknown(fault.to_string()))?;
        // Nothing is tried behind it: the search list is this machine's alone.
        name.set_fqdn(true);
        match self.0.lookup(name, kind).await {
            Ok(found) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
            Err(fault) if fault.is_no_records_found() => Ok(Vec::new()),
            Err(fault) => Err(fault.into()),
        }
    }
}
