//! Whom we trust to vouch for other machines: the system's certificate authorities, and those compiled in where it has none.

use std::sync::{Arc, LazyLock};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use tracing::warn;

use crate::model::event::Event;

/// Read once: the system's store has some hundred files.
static USUAL: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| trusting(system().0));

/// The system's authorities, as whoever administers this machine wants them, and the certificates they were made of; the
/// usual ones where it has none, as in an empty container. Reads files.
pub fn system() -> (RootCertStore, Vec<CertificateDer<'static>>) {
    let found = rustls_native_certs::load_native_certs();
    for fault in &found.errors {
        warn!(event = Event::CertificateWarning.name(), %fault, "some of the system's authorities cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs.iter().cloned());
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    (roots, found.certs)
}

/// Whether this machine has no authority that can be read, or none in the file that the environment names. Reads files.
pub fn has_none() -> bool {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots.is_empty()
}

/// TLS settings that trust the usual authorities. The first call reads files.
pub fn usual() -> Arc<ClientConfig> {
    Arc::clone(&USUAL)
}

/// TLS settings that trust `roots` alone.
pub fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}
