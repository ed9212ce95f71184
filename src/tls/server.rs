//! How we speak TLS as a server: versions, key exchange, resumption.

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, Ticketer};
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;

use crate::base::clock::Clock;
use crate::plan::policy::TlsVersion;

const FROM_1_2: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
const FROM_1_3: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The one provider of cryptography. Its key exchange groups begin with X25519MLKEM768 (feature `prefer-post-quantum`).
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A configuration for one host, with ticket keys of its own: a ticket that another host gave does not open here, so no
/// connection carries trust from one host's policy to another's (nginx CVE-2025-23419).
pub fn config(
    provider: Arc<CryptoProvider>,
    min: TlsVersion,
    resolver: Arc<dyn ResolvesServerCert>,
    clock: &Clock,
) -> ServerConfig {
    let versions = match min {
        TlsVersion::V1_2 => FROM_1_2,
        TlsVersion::V1_3 => FROM_1_3,
    };
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(ByClock(clock.clone())))
        .with_protocol_versions(versions)
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Else testssl complains that clients choose the cipher.
    config.ignore_client_order = true;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 2;
    // Early data can be replayed, and we could not tell.
    config.max_early_data_size = 0;
    // Its keys are random, change every 6 hours and open tickets for 12. Where none can be made there is no resumption.
    if let Ok(ticketer) = Ticketer::new() {
        config.ticketer = ticketer;
    }
    config
}

/// Our clock, as rustls asks for it.
#[derive(Debug)]
pub struct ByClock(pub Clock);

impl TimeProvider for ByClock {
    fn current_time(&self) -> Option<UnixTime> {
        let millis = u64::try_from(self.0.now().millis()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(millis)))
    }
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    #[test]
    fn the_post_quantum_group_comes_first() {
        let names: Vec<_> = provider().kx_groups.iter().map(|group| group.name()).collect();
        assert_eq!(names, [NamedGroup::X25519MLKEM768, NamedGroup::X25519, NamedGroup::secp256r1, NamedGroup::secp384r1]);
    }
}
