//! What proves to an authority that a name is ours: an answer on port 80 (RFC 8555 section 8.3) or a certificate on port 443
//! (RFC 8737). One inventory for all workers; it holds what a running order needs, and nothing else is ever answered.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::base::clock::Clock;
use crate::base::current::Current;
use crate::plan::policy::TlsVersion;
use crate::policy::host::Host;
use crate::tls::acme::phase::Phases;
use crate::tls::fault::Fault;
use crate::tls::server;

/// The protocol in which an authority asks for the certificate (RFC 8737 section 4).
pub const ACME_TLS: &[u8] = b"acme-tls/1";
/// Where an authority asks on port 80; the token follows.
pub const WELL_KNOWN: &str = "/.well-known/acme-challenge/";

/// What is to be shown to authorities now.
#[derive(Debug)]
pub struct Challenges {
    /// How far the orders have come that need them.
    pub phases: Phases,
    pending: Current<Pending>,
    /// One change at a time: each starts from what the former left.
    changing: Mutex<()>,
}

#[derive(Clone, Debug, Default)]
struct Pending {
    /// By token: for which host, and the answer.
    http: HashMap<Box<str>, (Host, Arc<str>)>,
    tls: HashMap<Host, Arc<ServerConfig>>,
}

/// Something that is shown until this is dropped.
#[derive(Debug)]
pub struct Shown {
    challenges: Arc<Challenges>,
    what: What,
}

#[derive(Debug)]
enum What {
    Token(Box<str>),
    Certificate(Host),
}

impl Default for Challenges {
    fn default() -> Self {
        Self { phases: Phases::default(), pending: Current::new(Pending::default()), changing: Mutex::default() }
    }
}

impl Challenges {
    /// Answers `token` on port 80 of `host` until the result is dropped.
    pub fn answer_token(self: &Arc<Self>, host: &Host, token: &str, answer: &str) -> Shown {
        self.change(|pending| drop(pending.http.insert(token.into(), (host.clone(), answer.into()))));
        Shown { challenges: Arc::clone(self), what: What::Token(token.into()) }
    }

    /// Shows a certificate with `digest` to whoever asks for `host` in the authority's protocol, until the result is dropped.
    ///
    /// # Errors
    /// [`Fault::Making`] when the library refuses.
    pub fn show_certificate(self: &Arc<Self>, host: &Host, digest: &[u8], clock: &Clock) -> Result<Shown, Fault> {
        let (config, asked) = (Arc::new(proving(host, digest, clock)?), asked(host));
        self.change(|pending| drop(pending.tls.insert(asked.clone(), config)));
        Ok(Shown { challenges: Arc::clone(self), what: What::Certificate(asked) })
    }

    /// What to answer on port 80, if an order of that host waits for exactly this token.
    pub fn token(&self, host: &Host, token: &str) -> Option<Arc<str>> {
        self.pending.read(|pending| {
            let (whose, answer) = pending.http.get(token)?;
            (whose == host).then(|| Arc::clone(answer))
        })
    }

    /// What speaks to an authority that asks for `host`, if an order of that host waits for it.
    pub fn certificate(&self, host: &Host) -> Option<Arc<ServerConfig>> {
        self.pending.read(|pending| pending.tls.get(host).cloned())
    }

    fn change(&self, change: impl FnOnce(&mut Pending)) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Pending::clone(&self.pending.get());
        change(&mut next);
        self.pending.replace(next);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.challenges.change(|pending| match &self.what {
            What::Token(token) => drop(pending.http.remove(token)),
            What::Certificate(host) => drop(pending.tls.remove(host)),
        });
    }
}

/// How an authority asks for a host in a handshake: addresses have no place there, so it is their name in the reverse zone
/// (RFC 8738 section 6).
fn asked(host: &Host) -> Host {
    let reverse = host.ip().map(|address| match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let digits = address.octets().into_iter().rev().flat_map(|octet| [octet & 0xf, octet >> 4]);
            digits.map(|digit| format!("{digit:x}.")).collect::<String>() + "ip6.arpa"
        }
    });
    reverse.and_then(|name| Host::parse(&name).ok()).unwrap_or_else(|| host.clone())
}

/// The settings of a handshake that proves `host` and ends in nothing: it offers that one protocol, and its certificate, which
/// nobody signed, is of no use elsewhere.
fn proving(host: &Host, digest: &[u8], clock: &Clock) -> Result<ServerConfig, Fault> {
    let making = |reason: String| Fault::Making { subject: format!("the proof of {host}"), reason };
    let mut params = CertificateParams::new([host.as_str().to_owned()]).map_err(|fault| making(fault.to_string()))?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(|fault| making(fault.to_string()))?;
    let made = params.self_signed(&key).map_err(|fault| making(fault.to_string()))?;
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = server::provider();
    let key = provider.key_provider.load_private_key(der).map_err(|fault| making(fault.to_string()))?;
    // Not by `from_der`, which holds the two against each other and stumbles over the critical extension.
    let only = Arc::new(Only(Arc::new(CertifiedKey::new(vec![made.der().clone()], key))));
    let mut config = server::config(provider, TlsVersion::V1_2, only, clock);
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(config)
}

#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl ResolvesServerCert for Only {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;
    use crate::base::clock::Timestamp;

    fn host(text: &str) -> Host {
        Host::parse(text).expect("a host")
    }

    /// The attack: asking for tokens that nobody waits for, or for one of another name.
    #[test]
    fn only_what_an_order_waits_for_is_answered_and_only_as_long() {
        let challenges = Arc::new(Challenges::default());
        let (a, b) = (host("a.example"), host("b.example"));
        let shown = challenges.answer_token(&a, "token", "token.thumb");
        assert_eq!(challenges.token(&a, "token").as_deref(), Some("token.thumb"));
        for (host, token) in [(&b, "token"), (&a, "toke"), (&a, ""), (&a, "Token"), (&a, "../token")] {
            assert_eq!(challenges.token(host, token), None, "{host} {token}");
        }
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let proof = challenges.show_certificate(&b, &[7; 32], &clock).expect("made");
        assert!(challenges.certificate(&a).is_none());
        let config = challenges.certificate(&b).expect("waits");
        assert_eq!(config.alpn_protocols, [ACME_TLS]);
        drop((shown, proof));
        assert!(challenges.token(&a, "token").is_none() && challenges.certificate(&b).is_none());
    }

    #[test]
    fn addresses_are_asked_for_by_their_reverse_names() {
        assert_eq!(asked(&host("203.0.113.7")).as_str(), "7.113.0.203.in-addr.arpa");
        let expected = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(asked(&host("2001:db8::1")).as_str(), expected);
        assert_eq!(asked(&host("a.example")).as_str(), "a.example");
        let challenges = Arc::new(Challenges::default());
        let clock = Clock::manual(Timestamp::from_secs(1_800_000_000));
        let shown = challenges.show_certificate(&host("203.0.113.7"), &[7; 32], &clock).expect("made");
        assert!(challenges.certificate(&host("7.113.0.203.in-addr.arpa")).is_some());
        drop(shown);
        assert!(challenges.certificate(&host("7.113.0.203.in-addr.arpa")).is_none());
    }

    #[test]
    fn the_proof_is_what_rfc_8737_asks_for() {
        let mut params = CertificateParams::new(["a.example".to_owned()]).expect("a name");
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(&[7; 32])];
        let made = params.self_signed(&KeyPair::generate().expect("a key")).expect("signed");
        let (_, parsed) = X509Certificate::from_der(made.der()).expect("a certificate");
        let found = parsed.extensions().iter().find(|extension| extension.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
        let found = found.expect("the acmeIdentifier");
        assert!(found.critical);
        assert_eq!(found.value, [&[4, 32][..], &[7; 32]].concat());
    }
}
