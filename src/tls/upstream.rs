//! What upstreams over TLS have to prove, made of the plan's settings, the owner's files and the system's authorities.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::base::clock::Clock;
use crate::fetch::roots;
use crate::plan::app::{App, CertificateFiles};
use crate::plan::upstream::{Origin, Upstream};
use crate::plan::whole::Plan;
use crate::tls::certificate;
use crate::tls::durable;
use crate::tls::fault::Fault;
use crate::tls::server;
use crate::wire::trust::Proof;

/// What each app of a plan asks of its upstream, in the plan's order; `None` for those without TLS.
#[derive(Debug, Default)]
pub struct Proofs(Vec<Option<Arc<Proof>>>);

impl Proofs {
    /// Reads every file that the apps of `plan` name.
    ///
    /// # Errors
    /// Every [`Fault`] in the owner's files.
    pub fn read(plan: &Plan, clock: &Clock) -> Result<Self, Vec<Fault>> {
        let mut reading = Reading { provider: server::provider(), clock: clock.clone(), system: None };
        let (mut proofs, mut faults) = (Vec::with_capacity(plan.apps.len()), Vec::new());
        for app in &plan.apps {
            match reading.proof(&app.upstream) {
                Ok(proof) => proofs.push(proof),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(Self(proofs)) } else { Err(faults) }
    }

    /// What the apps of a plan in force are asked for now, to go back to.
    pub fn of(plan: &Plan) -> Self {
        Self(plan.apps.iter().map(|app| app.trust.proof()).collect())
    }

    /// Gives each app its proof. Apps as in the plan that was read.
    pub fn adopt(self, apps: &[Arc<App>]) {
        for (app, proof) in apps.iter().zip(self.0) {
            if let Some(proof) = proof {
                app.trust.adopt(proof);
            }
        }
    }
}

/// One reading of all files.
struct Reading {
    provider: Arc<CryptoProvider>,
    clock: Clock,
    /// The system's authorities, read when first asked for.
    system: Option<(Arc<RootCertStore>, [u8; 32])>,
}

/// Everything a proof is made of, to know it again.
struct Content(Context);

impl Content {
    fn add(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn digest(self) -> [u8; 32] {
        self.0.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

impl Reading {
    fn proof(&mut self, upstream: &Upstream) -> Result<Option<Arc<Proof>>, Fault> {
        let Origin::Https(address) = &upstream.origin else { return Ok(None) };
        let settings = &upstream.tls;
        let name = settings.server_name.as_ref().unwrap_or(&address.host);
        let name = ServerName::try_from(name.clone()).expect("the plan was compiled with a name that can be proven");
        let mut content = Content(Context::new(&SHA256));
        content.add(name.to_str().as_bytes());
        let builder =
            ClientConfig::builder_with_details(Arc::clone(&self.provider), Arc::new(server::ByClock(self.clock.clone())))
                .with_safe_default_protocol_versions()
                .expect("the provider has suites for TLS 1.2 and 1.3");
        let builder = if settings.unverified {
            content.add(b"unverified");
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(Arc::clone(&self.provider))))
        } else {
            let roots = match &settings.ca {
                Some(path) => authorities(path, &mut content)?,
                None => self.system(&mut content),
            };
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&self.provider)).build();
            builder.with_webpki_verifier(verifier.expect("there is an authority, and no revocation list to be wrong"))
        };
        let mut config = match &settings.client {
            Some(files) => {
                let (chain, key) = client(files, &mut content)?;
                builder.with_client_auth_cert(chain, key).map_err(|fault| unusable(files, &fault))?
            }
            None => builder.with_no_client_auth(),
        };
        // HTTP/2 is not spoken to upstreams; one that speaks nothing else says so with an alert.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Arc::new(Proof { config: Arc::new(config), name, digest: content.digest() })))
    }

    fn system(&mut self, content: &mut Content) -> Arc<RootCertStore> {
        let (roots, digest) = self.system.get_or_insert_with(|| {
            let (roots, certificates) = roots::system();
            let mut content = Content(Context::new(&SHA256));
            certificates.iter().for_each(|certificate| content.add(certificate));
            (Arc::new(roots), content.digest())
        });
        content.add(&*digest);
        Arc::clone(roots)
    }
}

fn authorities(path: &Path, content: &mut Content) -> Result<Arc<RootCertStore>, Fault> {
    let (roots, text) = certificate::trusted(path)?;
    content.add(&text);
    Ok(Arc::new(roots))
}

type Client = (Vec<CertificateDer<'static>>, rustls_pki_types::PrivateKeyDer<'static>);

fn client(files: &CertificateFiles, content: &mut Content) -> Result<Client, Fault> {
    let (chain, key) = (durable::require(&files.certificate)?, durable::require(&files.private_key)?);
    content.add(&chain);
    content.add(&key);
    Ok((certificate::chain(&files.certificate, &chain)?, certificate::private_key(&files.private_key, &key)?))
}

fn unusable(files: &CertificateFiles, fault: &Error) -> Fault {
    let CertificateFiles { certificate, private_key } = files.clone();
    match fault {
        Error::InconsistentKeys(_) => Fault::Mismatch { certificate, private_key },
        other => Fault::BadKey { path: private_key, reason: other.to_string() },
    }
}

/// Takes whoever answers for the upstream, as `insecure_skip_verify` wants it. That they hold the key of the certificate they
/// show is checked all the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
