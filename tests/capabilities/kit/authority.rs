//! An authority of a test's own, and TLS in front of an app with certificates from it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorward::base::task;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use time::OffsetDateTime;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The moment at which the clock of a gateway stands at first, and a day.
const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

/// An authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Issued {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    pem: String,
}

/// How an upstream speaks TLS.
pub struct Manner {
    pub alpn: &'static [u8],
    /// Whose certificates its clients must show.
    pub clients_of: Option<RootCertStore>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { alpn: b"http/1.1", clients_of: None }
    }
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (at(NOW - DAY), at(NOW + 365 * DAY));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        Self { issuer }
    }

    /// Its certificate in a file.
    pub fn file(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.issuer.pem()).expect("written");
        path
    }

    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        roots
    }

    /// A certificate that is valid now.
    pub fn issue(&self, name: &str) -> Issued {
        self.issue_for(name, (-1, 30))
    }

    /// A certificate with a validity in days from now.
    pub fn issue_for(&self, name: &str, (from, to): (i64, i64)) -> Issued {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        (params.not_before, params.not_after) = (at(NOW + from * DAY), at(NOW + to * DAY));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        Issued { chain: vec![certificate.der().clone()], pem: certificate.pem(), key }
    }
}

impl Issued {
    /// Certificate and key in files.
    pub fn files(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        let paths = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        std::fs::write(&paths.0, &self.pem).expect("written");
        std::fs::write(&paths.1, self.key.serialize_pem()).expect("written");
        paths
    }
}

/// Puts TLS in front of the app at `behind`; the port.
pub async fn front(behind: &str, issued: &Issued, manner: Manner) -> u16 {
    let behind: SocketAddr = behind.strip_prefix("http://").expect("a URL").parse().expect("an address");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().expect("TLS");
    let builder = match manner.clients_of {
        Some(roots) => {
            // The time is the gateway's, not the system's: what is held against it here is the issuer alone.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("an authority");
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let key = PrivatePkcs8KeyDer::from(issued.key.serialize_der()).into();
    let mut config = builder.with_single_cert(issued.chain.clone(), key).expect("a pair");
    config.alpn_protocols = vec![manner.alpn.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    task::start("TLS", async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            task::start("TLS connection", async move {
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let mut inner = TcpStream::connect(behind).await.expect("the app");
                drop(copy_bidirectional(&mut outer, &mut inner).await);
            });
        }
    });
    port
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).expect("a moment")
}
