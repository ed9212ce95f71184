//! The record that proves a name: where it belongs, and its life from being set to being removed.

use std::sync::Arc;

use tokio::time::timeout;

use crate::base::clock::Clock;
use crate::dns::fault::Fault as DnsFault;
use crate::dns::zone;
use crate::plan::acme::AcmePolicy;
use crate::plan::dns;
use crate::plan::dns::DnsPolicy;
use crate::policy::host::Host;
use crate::policy::wildcard::HostPattern;
use crate::tls::dns01::fault::Fault;
use crate::tls::dns01::ledger::{Held, Ledger};
use crate::tls::dns01::propagation;
use crate::tls::dns01::provider;

/// What it takes to prove names by DNS.
#[derive(Clone, Debug)]
pub struct Zones {
    policy: DnsPolicy,
    ledger: Arc<Ledger>,
    clock: Clock,
}

/// A record that is seen where an authority will look. Remove it: what is only dropped stays until the next start.
#[derive(Debug)]
#[must_use]
pub struct Record<'a> {
    zones: &'a Zones,
    held: Held<'a>,
}

impl Zones {
    /// What the owner says, if names can be proven so.
    pub fn of(policy: &AcmePolicy, ledger: &Arc<Ledger>, clock: &Clock) -> Option<Self> {
        Some(Self { policy: policy.dns.clone()?, ledger: Arc::clone(ledger), clock: clock.clone() })
    }

    /// Has the record of a name say `value`, and waits until it is seen.
    ///
    /// # Errors
    /// [`Fault`]; what was set is removed then.
    pub async fn show(&self, names: &HostPattern, value: &str) -> Result<Record<'_>, Fault> {
        let asker = provider::asker(&self.policy);
        let proving = dns::proving(behind_star(names));
        let lead = |fault| Fault::Lead { name: proving.clone(), fault };
        let followed = timeout(self.policy.timeout, zone::follow(&asker, &proving)).await;
        let name = followed.unwrap_or(Err(DnsFault::Silent)).map_err(lead)?;
        let held = self.ledger.set(&self.policy, (&name, value), &self.clock).await?;
        let record = Record { zones: self, held };
        match propagation::wait(&asker, &self.policy.resolvers, (&name, value), self.policy.timeout).await {
            Ok(()) => Ok(record),
            Err(fault) => {
                record.remove().await;
                Err(fault)
            }
        }
    }

    /// Removes what was left by a gateway that was killed.
    pub async fn sweep(&self) {
        self.ledger.sweep(&self.policy, &self.clock).await;
    }
}

impl Record<'_> {
    /// Removes it. Where that fails it is tried again at the next start.
    pub async fn remove(self) {
        self.held.remove(&self.zones.policy, self.zones.clock.now()).await;
    }
}

/// A wildcard is proven at the name behind its star (RFC 8555 section 7.1.3).
fn behind_star(names: &HostPattern) -> &Host {
    match names {
        HostPattern::Exact(host) => host,
        HostPattern::Under(wildcard) => wildcard.parent(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::Timestamp;
    use crate::base::secret::Secret;
    use crate::dns::kit::{KEY, Server};
    use crate::plan::dns::{KeyAlgorithm, Provider, UpdateKey};

    fn zones(server: &Server, secret: &str) -> (tempfile::TempDir, Zones) {
        let folder = tempfile::tempdir().expect("a folder");
        let secret = Secret::new(secret.as_bytes().to_vec());
        let key = Some(UpdateKey { name: KEY.to_owned(), algorithm: KeyAlgorithm::Sha256, secret });
        let provider = Provider::Rfc2136 { server: server.address, zone: None, key };
        let policy = DnsPolicy { provider, resolvers: vec![server.address], timeout: Duration::from_millis(500) };
        let ledger = Arc::new(Ledger::open(folder.path().join("records.json")));
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        (folder, Zones { policy, ledger, clock })
    }

    fn pattern(text: &str) -> HostPattern {
        HostPattern::parse(text).expect("a host")
    }

    #[tokio::test]
    async fn a_name_and_its_wildcard_are_proven_side_by_side() {
        let server = Server::start(&["example SOA"]).await;
        let (_folder, zones) = zones(&server, "between us");
        let one = zones.show(&pattern("a.example"), "one").await.expect("shown");
        let two = zones.show(&pattern("*.a.example"), "two").await.expect("shown");
        assert_eq!(server.count("_acme-challenge.a.example"), 2);
        one.remove().await;
        assert_eq!(server.count("_acme-challenge.a.example"), 1);
        two.remove().await;
        assert_eq!((server.count("_acme-challenge.a.example"), zones.ledger.count()), (0, 0));
    }

    #[tokio::test]
    async fn a_delegated_name_is_set_where_it_leads() {
        let server = Server::start(&["example SOA", "proofs.test SOA", "_acme-challenge.a.example CNAME a.proofs.test"]).await;
        let (_folder, zones) = zones(&server, "between us");
        let record = zones.show(&pattern("*.a.example"), "one").await.expect("shown");
        assert_eq!((server.count("_acme-challenge.a.example"), server.count("a.proofs.test")), (0, 1));
        record.remove().await;
        assert_eq!(server.count("a.proofs.test"), 0);
    }

    #[tokio::test]
    async fn what_was_set_and_not_seen_is_removed() {
        let (server, other) = (Server::start(&["example SOA"]).await, Server::start(&["example SOA"]).await);
        let (_folder, mut zones) = zones(&server, "between us");
        zones.policy.resolvers = vec![other.address];
        let fault = zones.show(&pattern("a.example"), "one").await.expect_err("never seen");
        assert!(matches!(fault, Fault::Hidden { .. }), "{fault}");
        assert_eq!((server.count("_acme-challenge.a.example"), zones.ledger.count()), (0, 0));
    }

    #[tokio::test]
    async fn a_wrong_key_is_told() {
        let server = Server::start(&["example SOA"]).await;
        let (_folder, zones) = zones(&server, "another");
        let fault = zones.show(&pattern("a.example"), "one").await.expect_err("refused").to_string();
        assert!(fault.contains("BADSIG") && fault.contains("acme.dns.secret"), "{fault}");
    }
}
