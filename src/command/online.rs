//! Looks at the world out there on behalf of `check --online` and `up`: what the name service says, whether ports take a connection,
//! what the authority says of itself. Everything side by side, and each piece within ten seconds.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{DATE, USER_AGENT};
use http::{HeaderValue, Request, Response};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::base::chain::Chain;
use crate::base::clock::Clock;
use crate::base::task;
use crate::command::output::Output;
use crate::command::probe;
use crate::command::progress::{Progress, Unit};
use crate::config::document::Document;
use crate::dns::lookup::Resolver;
use crate::fetch::exchange;
use crate::fetch::fault::Fault as FetchFault;
use crate::plan::acme::Challenge;
use crate::plan::online::{self, Asked, Authority, Finding, Seen, Silence, Told, World};
use crate::plan::whole::Plan;
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::client::Client;
use crate::tls::acme::trouble;

/// For what the name service says of a name.
const LOOKING_UP: Duration = Duration::from_secs(7);
/// For a connection to one of its addresses: together with the above no name takes longer than ten seconds.
const CONNECTING: Duration = Duration::from_secs(3);
/// For an answer of the authority.
const ASKING: Duration = Duration::from_secs(10);
/// Names that are looked at at a time.
const AT_ONCE: usize = 64;
/// Addresses of a name that are tried.
const TRIED: usize = 4;

/// How much is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Whether a gateway runs, so that a closed port means something.
    pub ports: bool,
    /// Whether to look at apps.
    pub apps: bool,
}

/// Looks. Gives what stands in the way, and how many names were looked at.
pub async fn look(plan: &Plan, document: &Document, scope: Scope, output: Output) -> (Vec<Finding>, usize) {
    let asked = online::asked(plan, document);
    let resolver = Resolver::new(plan.acme.as_ref().map(|policy| policy.resolvers.as_slice()).unwrap_or_default());
    let mut progress = Progress::new(output, Unit::Things("looked at"));
    let policy = plan.acme.clone().filter(|_| asked.iter().any(|asked| asked.ordered));
    let authority = policy.map(|policy| {
        task::start("look at authority", async move { authority(&policy.directory, policy.ca_file.as_deref()).await })
    });
    let port = plan.listen.https.first().map_or(443, SocketAddr::port);
    let apps = plan.apps.iter().filter(|_| scope.apps).cloned();
    let apps: Vec<_> = apps.map(|app| task::start("look at app", async move { probe::remark_on(&app, port).await })).collect();
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let names = asked.iter().map(|one| {
        let (resolver, places, ports) = (resolver.clone(), Arc::clone(&places), ports(one, plan, scope));
        let one = one.clone();
        task::start("look at name", async move {
            let _place = places.acquire().await;
            name(&resolver, &one, &ports).await
        })
    });
    let names: Vec<_> = names.collect();
    let mut world = World { own: own_addresses(), ports: scope.ports, ..World::default() };
    progress.begin("names and apps", u64::try_from(names.len() + apps.len()).unwrap_or(u64::MAX));
    for looking in names {
        world.names.push(looking.await.unwrap_or_default());
        progress.add(1);
    }
    for (at, looking) in apps.into_iter().enumerate() {
        world.apps.extend(looking.await.ok().flatten().map(|remark| (at, remark)));
        progress.add(1);
    }
    progress.end();
    if let Some(asking) = authority {
        world.authority = asking.await.ok();
    }
    (online::judge(&asked, plan, document, &world), asked.len())
}

/// Ports of a name to which somebody out there will come.
fn ports(asked: &Asked, plan: &Plan, scope: Scope) -> Vec<u16> {
    if !scope.ports || matches!(asked.name, HostPattern::Under(_)) {
        return Vec::new();
    }
    let challenge = plan.acme.as_ref().filter(|_| online::needs_ports(asked, plan.acme.as_ref())).map(|policy| policy.challenge);
    let plain = matches!(challenge, Some(Challenge::Auto | Challenge::Http01)) && !plan.listen.http.is_empty();
    if plain { vec![80, 443] } else { vec![443] }
}

async fn name(resolver: &Resolver, asked: &Asked, ports: &[u16]) -> Seen {
    let late = || format!("no answer within {} seconds", LOOKING_UP.as_secs());
    let host = match &asked.name {
        HostPattern::Exact(host) => host,
        // A certificate for it is asked of the domain behind the star (RFC 8659 section 3).
        HostPattern::Under(wildcard) => wildcard.parent(),
    };
    // An address is where it is, and nobody has CAA records for it.
    if let Some(address) = host.ip() {
        let closed = closed(&[address], ports).await;
        return Seen { addresses: Some(Ok(vec![address])), caa: None, closed };
    }
    let addresses = async {
        if matches!(asked.name, HostPattern::Under(_)) {
            return None;
        }
        let found = timeout(LOOKING_UP, resolver.addresses(host)).await;
        Some(found.map_or_else(|_| Err(late()), |found| found.map_err(|why| why.to_string())))
    };
    let caa = async {
        if !asked.ordered {
            return None;
        }
        let found = timeout(LOOKING_UP, resolver.caa(host)).await;
        Some(found.map_or_else(|_| Err(late()), |found| found.map_err(|why| why.to_string())))
    };
    let (addresses, caa) = tokio::join!(addresses, caa);
    let known = addresses.as_ref().and_then(|addresses| addresses.as_ref().ok());
    let closed = closed(known.map(Vec::as_slice).unwrap_or_default(), ports).await;
    Seen { addresses, caa, closed }
}

/// Where no connection comes about, all tried at the same time.
async fn closed(addresses: &[IpAddr], ports: &[u16]) -> Vec<(SocketAddr, String)> {
    let ends = addresses.iter().take(TRIED).flat_map(|address| ports.iter().map(|port| SocketAddr::new(*address, *port)));
    let tries: Vec<_> =
        ends.map(|end| (end, task::start("look at port", timeout(CONNECTING, TcpStream::connect(end))))).collect();
    let mut closed = Vec::new();
    for (end, trying) in tries {
        match trying.await {
            Ok(Ok(Err(fault))) => closed.push((end, fault.to_string())),
            Ok(Err(_)) => closed.push((end, format!("no answer within {} seconds", CONNECTING.as_secs()))),
            Ok(Ok(Ok(_))) | Err(_) => {}
        }
    }
    closed
}

/// What the authority says of itself.
pub async fn authority(directory: &str, ca_file: Option<&Path>) -> Authority {
    let told = match timeout(ASKING, ask(directory, ca_file)).await {
        Ok(told) => told,
        Err(_) => Err(Silence::Away(format!("no answer within {} seconds", ASKING.as_secs()))),
    };
    Authority { name: trouble::name(directory), told }
}

async fn ask(directory: &str, ca_file: Option<&Path>) -> Result<Told, Silence> {
    let clock = Clock::system();
    let client = Client::new(ca_file, &clock).map_err(|fault| Silence::Away(Chain(&fault).to_string()))?;
    let agent = HeaderValue::from_static(concat!("doorward/", env!("CARGO_PKG_VERSION")));
    let request = Request::get(directory).header(USER_AGENT, agent).body(Bytes::new());
    let request = request.map_err(|fault| Silence::Away(fault.to_string()))?;
    let asked_at = clock.now().millis();
    let answer = exchange::exchange(request, client.tls()).await.map_err(|fault| silence(&fault))?;
    let answered_at = clock.now().millis();
    let not_acme = || Silence::Away("what answers there does not speak ACME".to_owned());
    let directory: Value = serde_json::from_slice(answer.body()).map_err(|_| not_acme())?;
    if !answer.status().is_success() || directory.get("newOrder").is_none() {
        return Err(not_acme());
    }
    let identities = directory.pointer("/meta/caaIdentities").and_then(Value::as_array).into_iter().flatten();
    Ok(Told {
        terms: directory.pointer("/meta/termsOfService").and_then(Value::as_str).map(str::to_owned),
        identities: identities.filter_map(|identity| identity.as_str().map(str::to_owned)).collect(),
        ahead: date(&answer).map(|date| (asked_at.midpoint(answered_at)) / 1000 - date),
    })
}

/// What an answer says is the time, in seconds since 1970 (RFC 9110 section 6.6.1).
fn date(answer: &Response<Bytes>) -> Option<i64> {
    let text = answer.headers().get(DATE)?.to_str().ok()?;
    OffsetDateTime::parse(text, &Rfc2822).ok().map(OffsetDateTime::unix_timestamp)
}

fn silence(fault: &FetchFault) -> Silence {
    let told = Chain(fault).to_string();
    // The library's two words for a certificate that is not of this time.
    let of_time = matches!(fault, FetchFault::Tls(_)) && (told.contains("expired") || told.contains("not valid yet"));
    if of_time { Silence::Clock(told) } else { Silence::Away(told) }
}

/// The addresses of this machine; none where the system does not tell.
fn own_addresses() -> Vec<IpAddr> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let address = |one: nix::ifaddrs::InterfaceAddress| {
        let address = one.address?;
        let four = address.as_sockaddr_in().map(|four| IpAddr::V4(four.ip()));
        four.or_else(|| address.as_sockaddr_in6().map(|six| IpAddr::V6(six.ip())))
    };
    let mut own: Vec<IpAddr> = all.filter_map(address).collect();
    own.sort_unstable();
    own.dedup();
    own
}

/// The public names of which no certificate is kept yet, by `has_one`.
pub fn is_first(asked: &[Asked], has_one: impl Fn(&HostPattern) -> bool) -> bool {
    asked.iter().any(|asked| asked.ordered && !has_one(&asked.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_is_read() {
        let answer = |date: &'static str| Response::builder().header(DATE, date).body(Bytes::new()).expect("an answer");
        assert_eq!(date(&answer("Sun, 06 Nov 1994 08:49:37 GMT")), Some(784_111_777));
        assert_eq!(date(&answer("yesterday")), None);
        assert_eq!(date(&Response::new(Bytes::new())), None);
    }

    #[tokio::test]
    async fn an_address_is_asked_of_nobody() {
        let resolver = Resolver::new(&[SocketAddr::from(([127, 0, 0, 1], 1))]);
        let host = HostPattern::parse("203.0.113.7").expect("a host");
        let asked = Asked { name: host, place: 0..1, key: "app.host", ordered: true };
        let seen = name(&resolver, &asked, &[]).await;
        assert_eq!(seen.addresses, Some(Ok(vec![IpAddr::from([203, 0, 113, 7])])));
        assert!(seen.caa.is_none());
    }

    #[tokio::test]
    async fn a_port_where_nobody_listens_is_told() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let port = listener.local_addr().expect("an address").port();
        let here = [IpAddr::from([127, 0, 0, 1])];
        assert!(closed(&here, &[port]).await.is_empty());
        drop(listener);
        let told = closed(&here, &[port]).await;
        assert!(told.len() == 1 && told[0].1.contains("refused"), "{told:?}");
        assert!(own_addresses().contains(&here[0]));
    }
}
