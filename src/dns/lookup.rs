//! What the world is told about a host. Never the hosts file: authorities and visitors do not have it.

use std::net::{IpAddr, SocketAddr};

use crate::dns::ask::{Asker, Found, Kind};
use crate::dns::fault::Fault;
use crate::dns::{system, zone};
use crate::policy::caa;
use crate::policy::caa::Record;
use crate::policy::host::Host;

/// Asks resolvers.
#[derive(Clone, Debug)]
pub struct Resolver(Asker);

impl Resolver {
    /// One that asks `servers`, or those of this system if there are none. Reads a file then.
    pub fn new(servers: &[SocketAddr]) -> Self {
        let servers = if servers.is_empty() { system::resolvers() } else { servers.to_vec() };
        Self(Asker { servers, recursive: true })
    }

    /// The addresses of a host, IPv4 first; empty if it has none.
    ///
    /// # Errors
    /// [`Fault`]: nothing is known of it.
    pub async fn addresses(&self, host: &Host) -> Result<Vec<IpAddr>, Fault> {
        let name = zone::follow(&self.0, host.as_str()).await?;
        let (four, six) = tokio::join!(self.0.ask(&name, Kind::A), self.0.ask(&name, Kind::Aaaa));
        let address = |found: Found| match found {
            Found::Address(address) => Some(address),
            Found::Name(_) | Found::Words(_) | Found::Zone | Found::Caa(_) => None,
        };
        Ok(four?.found.into_iter().chain(six?.found).filter_map(address).collect())
    }

    /// The CAA records that hold for a host, and the domain that has them; `None` if there are none up to the root.
    ///
    /// # Errors
    /// [`Fault`]: nothing is known of them.
    pub async fn caa(&self, host: &Host) -> Result<Option<(String, Vec<Record>)>, Fault> {
        for domain in caa::domains(host) {
            // The records of where it leads count as its own (RFC 8659 section 3).
            let name = zone::follow(&self.0, domain).await?;
            let record = |found: Found| match found {
                Found::Caa(record) => Some(record),
                Found::Name(_) | Found::Words(_) | Found::Zone | Found::Address(_) => None,
            };
            let records: Vec<Record> = self.0.ask(&name, Kind::Caa).await?.found.into_iter().filter_map(record).collect();
            if !records.is_empty() {
                return Ok(Some((domain.to_owned(), records)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::kit::Server;

    fn host(text: &str) -> Host {
        Host::parse(text).expect("a host")
    }

    #[tokio::test]
    async fn addresses_are_those_where_a_name_leads() {
        let records =
            ["far.example CNAME near.example", "near.example AAAA 2001:db8::1", "near.example A 192.0.2.1", "example SOA"];
        let server = Server::start(&records).await;
        let resolver = Resolver::new(&[server.address]);
        let both: Vec<IpAddr> = ["192.0.2.1", "2001:db8::1"].map(|address| address.parse().expect("one")).to_vec();
        for name in ["near.example", "far.example"] {
            assert_eq!(resolver.addresses(&host(name)).await.expect("an answer"), both, "{name}");
        }
        assert_eq!(resolver.addresses(&host("none.example")).await.expect("an answer"), Vec::<IpAddr>::new());
        let nobody = Resolver::new(&["127.0.0.1:1".parse().expect("an address")]);
        assert!(nobody.addresses(&host("near.example")).await.is_err());
    }

    #[tokio::test]
    async fn the_nearest_caa_records_upwards_hold() {
        let records = [
            "a.b.example CNAME other.example",
            "other.example CAA 128 issue ca.example",
            "b.example CAA 0 issuewild",
            "b.example CAA 0 issuewild ca.example",
            "far SOA",
        ];
        let server = Server::start(&records).await;
        let resolver = Resolver::new(&[server.address]);
        let (domain, records) = resolver.caa(&host("a.b.example")).await.expect("an answer").expect("records");
        let expected = Record { critical: true, tag: "issue".to_owned(), value: "ca.example".to_owned() };
        assert_eq!((domain.as_str(), records), ("a.b.example", vec![expected]));
        let (domain, records) = resolver.caa(&host("x.c.b.example")).await.expect("an answer").expect("records");
        assert_eq!((domain.as_str(), records.len(), records[0].tag.as_str()), ("b.example", 2, "issuewild"));
        assert_eq!(resolver.caa(&host("a.far")).await.expect("an answer"), None);
    }
}
