//! Where a name's records really are: at the end of its CNAME records, in which zone, on which servers.

use std::net::SocketAddr;

use crate::dns::ask::{Asker, Found, Kind};
use crate::dns::fault::Fault;
use crate::dns::name;

/// CNAME records that are followed.
const HOPS: usize = 8;
/// Names above a name that are asked for their zone.
const LEVELS: usize = 24;
/// Name servers of a zone that are looked at: there are at most thirteen for the root.
const SERVERS: usize = 13;
/// Addresses of one of them.
const ADDRESSES: usize = 4;

/// The name at the end of the CNAME records of `name`.
///
/// # Errors
/// [`Fault`]: of asking, a circle, an odd name.
pub async fn follow(asker: &Asker, name: &str) -> Result<String, Fault> {
    let mut name = name.to_owned();
    for _ in 0..HOPS {
        match asker.ask(&name, Kind::Cname).await?.found.into_iter().next() {
            Some(Found::Name(Some(target))) => name = target,
            Some(Found::Name(None)) => return Err(Fault::OddTarget),
            Some(Found::Address(_) | Found::Caa(_) | Found::Words(_) | Found::Zone) | None => return Ok(name),
        }
    }
    Err(Fault::Circle)
}

/// The zone that `name` is in.
///
/// # Errors
/// [`Fault::NoZone`], or the fault of asking.
pub async fn of(asker: &Asker, name: &str) -> Result<String, Fault> {
    let (mut above, mut last) = (Some(name), None);
    for _ in 0..LEVELS {
        let Some(candidate) = above else { break };
        match asker.ask(candidate, Kind::Soa).await {
            Ok(answer) if answer.found.contains(&Found::Zone) => return Ok(candidate.to_owned()),
            Ok(answer) => {
                if let Some(zone) = answer.zone.filter(|zone| name::is_within(name, zone)) {
                    return Ok(zone);
                }
            }
            // A server that is asked for what is not its own refuses, and may still have the name above.
            Err(fault) if matches!(fault.bare(), Fault::Said(_)) => last = Some(fault),
            Err(fault) => return Err(fault),
        }
        above = name::parent(candidate);
    }
    Err(last.unwrap_or_else(|| Fault::NoZone(name.to_owned())))
}

/// The servers of a zone, each with its name, at most so many.
///
/// # Errors
/// [`Fault`].
pub async fn servers(asker: &Asker, zone: &str) -> Result<Vec<(String, SocketAddr)>, Fault> {
    let answer = asker.ask(zone, Kind::Ns).await?;
    let names = answer.found.into_iter().filter_map(|found| match found {
        Found::Name(name) => name,
        Found::Address(_) | Found::Caa(_) | Found::Words(_) | Found::Zone => None,
    });
    let mut servers = Vec::new();
    for server in names.take(SERVERS) {
        for kind in [Kind::A, Kind::Aaaa] {
            // One that cannot be found is none: others may serve the zone.
            let Ok(answer) = asker.ask(&server, kind).await else { continue };
            let addresses = answer.found.into_iter().filter_map(|found| match found {
                Found::Address(address) => Some((server.clone(), SocketAddr::from((address, 53)))),
                Found::Caa(_) | Found::Name(_) | Found::Words(_) | Found::Zone => None,
            });
            servers.extend(addresses.take(ADDRESSES));
        }
    }
    if servers.is_empty() { Err(Fault::NoZone(zone.to_owned())) } else { Ok(servers) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::kit::Server;

    async fn asker(records: &[&str]) -> (Server, Asker) {
        let server = Server::start(records).await;
        let asker = Asker { servers: vec![server.address], recursive: true };
        (server, asker)
    }

    #[tokio::test]
    async fn a_delegated_name_is_followed_to_its_own_zone() {
        let (_server, asker) = asker(&[
            "_acme-challenge.a.example CNAME x.proofs.test",
            "x.proofs.test CNAME y.proofs.test",
            "proofs.test SOA",
            "example SOA",
            "proofs.test NS ns.test",
            "ns.test A 192.0.2.7",
            "ns.test AAAA 2001:db8::7",
        ])
        .await;
        let end = follow(&asker, "_acme-challenge.a.example").await.expect("followed");
        assert_eq!(end, "y.proofs.test");
        assert_eq!(of(&asker, &end).await.expect("a zone"), "proofs.test");
        assert_eq!(of(&asker, "_acme-challenge.b.example").await.expect("a zone"), "example");
        let servers = servers(&asker, "proofs.test").await.expect("servers");
        let addresses: Vec<String> = servers.iter().map(|(_, address)| address.to_string()).collect();
        assert_eq!(addresses, ["192.0.2.7:53", "[2001:db8::7]:53"]);
        assert!(matches!(of(&asker, "a.nowhere").await, Err(Fault::NoZone(_))));
    }

    /// The attack: whoever has the zone lets its records lead in a circle, or to a name that is a shell's word.
    #[tokio::test]
    async fn circles_end_and_odd_targets_are_refused() {
        let (_server, asker) =
            asker(&["a.example CNAME b.example", "b.example CNAME a.example", "c.example CNAME $(x).example"]).await;
        assert!(matches!(follow(&asker, "a.example").await, Err(Fault::Circle)));
        assert!(matches!(follow(&asker, "c.example").await, Err(Fault::OddTarget)));
    }
}
