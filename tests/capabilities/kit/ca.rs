//! An authority that speaks ACME: RFC 8555, with renewal information (RFC 9773), profiles and known customers, over TLS. It looks at
//! signatures, nonces and addresses as strictly as a real one, proves names over port 80, and is out of order as a test says.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use doorward::base::clock::{Clock, Timestamp};
use doorward::base::task;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DistinguishedName, DnType, IsCa,
    KeyIdMethod, KeyPair, SanType, SerialNumber,
};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateSigningRequestDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::kit::gateway::Gateway;
use crate::kit::jose::{PublicKey, Signed, decode};
use crate::kit::wire::{Wire, statuses};

/// How its key is named in what it signs.
const AUTHORITY_KEY: [u8; 4] = [0xc0, 0xff, 0xee, 0x01];

/// What an authority is like.
#[derive(Clone, Debug)]
pub struct Manner {
    /// How long its certificates live.
    pub life: Duration,
    /// Kinds of certificates that it offers.
    pub profiles: Vec<&'static str>,
    /// Whom it knows: the key id and the key.
    pub customer: Option<(&'static str, &'static [u8])>,
    /// Whether it says when to renew.
    pub advises: bool,
    /// Whether it certifies addresses.
    pub takes_addresses: bool,
    /// One nonce in so many is not taken.
    pub odd_nonces: Option<usize>,
}

impl Default for Manner {
    fn default() -> Self {
        let life = Duration::from_secs(90 * 86_400);
        Self { life, profiles: Vec::new(), customer: None, advises: true, takes_addresses: true, odd_nonces: Some(5) }
    }
}

/// A running authority.
#[derive(Clone)]
pub struct Ca {
    pub directory: String,
    /// Who vouches for its address.
    pub file: PathBuf,
    state: Arc<Mutex<State>>,
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
    /// Where names lead, and what time it is there.
    world: Arc<watch::Sender<Option<(SocketAddr, Clock)>>>,
    _folder: Arc<tempfile::TempDir>,
}

#[derive(Default)]
struct State {
    base: String,
    manner: Manner,
    nonces: HashSet<String>,
    drawn: usize,
    accounts: Vec<Account>,
    orders: Vec<Order>,
    /// What was asked of it that was signed well: the last part of the address.
    asked: Vec<String>,
    away: bool,
    /// What it says of the window: seconds from the beginning of each certificate.
    window: Option<(i64, i64)>,
    /// What it refuses next: a part of the address, the kind, its words, `Retry-After`.
    refusals: Vec<(&'static str, &'static str, String, Option<String>)>,
    /// Whether it takes another key for an account, but its answer is lost.
    loses_answers: bool,
    /// Whether it issues for another name than was ordered.
    mixes_up: bool,
    /// Whether its directory lacks the address for nonces.
    is_broken: bool,
}

#[derive(Clone, Debug)]
struct Account {
    key: PublicKey,
    bound: bool,
    contact: Vec<String>,
}

/// An order, and the certificate that came of it.
#[derive(Clone, Debug)]
pub struct Order {
    account: usize,
    identifier: Value,
    status: &'static str,
    error: Option<Value>,
    pub replaces: Option<String>,
    pub profile: Option<String>,
    pem: String,
    /// As RFC 9773 section 4.1 names it.
    pub id: String,
    pub from: i64,
    der: Vec<u8>,
    key: Option<PublicKey>,
    /// Why, and by whose key, if it was.
    pub revoked: Option<(u64, &'static str)>,
}

type Answer = Response<Full<Bytes>>;
/// Status, kind, words.
type Refused = (u16, &'static str, String);

fn refused<T>(status: u16, kind: &'static str, words: impl Into<String>) -> Result<T, Refused> {
    Err((status, kind, words.into()))
}

/// What a signed request asks, and who asks.
struct Asked {
    path: String,
    payload: Vec<u8>,
    account: Option<usize>,
    key: PublicKey,
    signed: Signed,
}

impl Asked {
    fn json(&self) -> Result<Value, Refused> {
        serde_json::from_slice(&self.payload).or_else(|_| refused(400, "malformed", "the payload is not JSON"))
    }

    fn known(&self) -> Result<usize, Refused> {
        self.account.map_or_else(|| refused(400, "malformed", "this wants a kid"), Ok)
    }

    fn number(&self) -> usize {
        self.path.rsplit('/').next().and_then(|text| text.parse().ok()).unwrap_or(usize::MAX)
    }
}

impl Ca {
    pub async fn start(manner: Manner) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let file = folder.path().join("authority.pem");
        std::fs::write(&file, made.cert.pem()).expect("written");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into())
            .expect("a pair");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("https://localhost:{}", listener.local_addr().expect("bound").port());
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_identifier_method = KeyIdMethod::PreSpecified(AUTHORITY_KEY.to_vec());
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "The Test Authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        let state = State { base: base.clone(), manner, ..State::default() };
        let ca = Self {
            directory: format!("{base}/directory"),
            file,
            state: Arc::new(Mutex::new(state)),
            issuer: Arc::new(issuer),
            world: Arc::new(watch::Sender::new(None)),
            _folder: Arc::new(folder),
        };
        ca.listen(listener, TlsAcceptor::from(Arc::new(config)));
        ca
    }

    fn listen(&self, listener: TcpListener, acceptor: TlsAcceptor) {
        let ca = self.clone();
        task::start("authority", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (ca, acceptor) = (ca.clone(), acceptor.clone());
                task::start("authority connection", async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| {
                        let ca = ca.clone();
                        async move { Ok::<_, Infallible>(ca.answer(request).await) }
                    });
                    drop(http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
    }

    /// The beginning of a configuration that orders here.
    pub fn acme(&self, more: &str) -> String {
        let Self { directory, file, .. } = self;
        format!("[acme]\nagree_tos = true\ndirectory = \"{directory}\"\nca_file = \"{}\"\n{more}\n", file.display())
    }

    /// From now on all names lead to this gateway, and it is as late as there.
    pub fn sees(&self, gateway: &Gateway) {
        self.world.send_replace(Some((gateway.http(), gateway.clock.clone())));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    /// Orders that came to a certificate, the latest last.
    pub fn issued(&self) -> Vec<Order> {
        self.state().orders.iter().filter(|order| !order.pem.is_empty()).cloned().collect()
    }

    /// How often something was asked for.
    pub fn count(&self, what: &str) -> usize {
        self.state().asked.iter().filter(|asked| *asked == what).count()
    }

    /// How many accounts there are, and whether the last is bound to a customer.
    pub fn accounts(&self) -> (usize, bool) {
        let state = self.state();
        (state.accounts.len(), state.accounts.last().is_some_and(|account| account.bound))
    }

    /// Whether the first account has this key.
    pub fn knows(&self, pem: &str) -> bool {
        let key = KeyPair::from_pem(&pem[pem.find("-----BEGIN").expect("PEM")..]).expect("a key");
        self.state().accounts[0].key.point().expect("a point") == key.public_key_raw()
    }

    pub fn is_away(&self, away: bool) {
        self.state().away = away;
    }

    pub fn mixes_up(&self, mixes_up: bool) {
        self.state().mixes_up = mixes_up;
    }

    pub fn is_broken(&self, is_broken: bool) {
        self.state().is_broken = is_broken;
    }

    pub fn loses_answers(&self, loses: bool) {
        self.state().loses_answers = loses;
    }

    /// Seconds after the beginning of each certificate in which it is to be renewed.
    pub fn advises(&self, window: (i64, i64)) {
        self.state().window = Some(window);
    }

    /// Refuses the next request to an address with `part` in it.
    pub fn refuses(&self, part: &'static str, (kind, words): (&'static str, &str), retry_after: Option<&str>) {
        self.state().refusals.push((part, kind, words.to_owned(), retry_after.map(str::to_owned)));
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        if self.state().away {
            // As a load balancer says it.
            return Response::builder().status(503).body(Full::from("<h1>Service Unavailable</h1>")).expect("an answer");
        }
        let path = parts.uri.path().to_owned();
        let mut retry_after = None;
        let outcome = match path.as_str() {
            "/directory" => Ok((200, self.directory(), None)),
            "/new-nonce" => Ok((200, Value::Null, None)),
            _ if path.starts_with("/renewal-info/") => self.renewal(&path).map(|value| (200, value, None)),
            _ => match self.read(&parts, &path, &body) {
                Ok(asked) => {
                    let scripted = self.scripted(&path);
                    retry_after = scripted.as_ref().and_then(|(_, _, _, retry_after)| retry_after.clone());
                    match scripted {
                        Some((_, kind, words, _)) if kind == "rateLimited" => refused(429, kind, words),
                        Some((_, kind, words, _)) if kind == "serverInternal" => refused(500, kind, words),
                        Some((_, kind, words, _)) => refused(403, kind, words),
                        None => self.carry_out(&asked).await,
                    }
                }
                Err(other) => Err(other),
            },
        };
        let nonce = self.nonce();
        let (status, value, location) = outcome.unwrap_or_else(|(status, kind, words)| {
            (status, json!({ "type": format!("urn:ietf:params:acme:error:{kind}"), "detail": words, "status": status }), None)
        });
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut answer =
            Response::builder().status(StatusCode::from_u16(status).expect("a status")).header("Replay-Nonce", nonce);
        let date = self.world.borrow().as_ref().map(|(_, clock)| http_date(clock.now()));
        let extra = [("Location", location), ("Retry-After", retry_after), ("Date", date)];
        for (name, value) in extra.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            answer = answer.header(name, value);
        }
        answer.body(Full::from(text)).expect("an answer")
    }

    fn scripted(&self, path: &str) -> Option<(&'static str, &'static str, String, Option<String>)> {
        let mut state = self.state();
        let at = state.refusals.iter().position(|(part, ..)| path.contains(part))?;
        Some(state.refusals.remove(at))
    }

    fn directory(&self) -> Value {
        let state = self.state();
        let at = |path: &str| format!("{}{path}", state.base);
        let profiles: serde_json::Map<_, _> =
            state.manner.profiles.iter().map(|name| ((*name).to_owned(), "of the test".into())).collect();
        let meta = json!({ "profiles": profiles, "externalAccountRequired": state.manner.customer.is_some() });
        let mut directory = json!({
            "newNonce": at("/new-nonce"), "newAccount": at("/new-account"), "newOrder": at("/new-order"),
            "revokeCert": at("/revoke-cert"), "keyChange": at("/key-change"), "meta": meta,
        });
        if state.manner.advises {
            directory["renewalInfo"] = at("/renewal-info").into();
        }
        if state.is_broken {
            directory["newNonce"] = "".into();
        }
        directory
    }

    fn nonce(&self) -> String {
        let mut state = self.state();
        state.drawn += 1;
        let nonce = format!("nonce-{}", state.drawn);
        // One that is not kept is one that is not taken.
        if state.manner.odd_nonces.is_none_or(|odd| !state.drawn.is_multiple_of(odd)) {
            state.nonces.insert(nonce.clone());
        }
        nonce
    }

    /// RFC 8555 section 6: who signed, for which address, and that it is not sent again.
    fn read(&self, parts: &http::request::Parts, path: &str, body: &[u8]) -> Result<Asked, Refused> {
        let malformed = |words: &str| (400, "malformed", words.to_owned());
        if parts.method != "POST" {
            return refused(405, "malformed", "only POST");
        }
        if parts.headers.get("content-type").is_none_or(|value| value != "application/jose+json") {
            return refused(415, "malformed", "not JOSE");
        }
        let value: Value = serde_json::from_slice(body).map_err(|_| malformed("not JSON"))?;
        let signed = Signed::read(&value).ok_or_else(|| malformed("not a JWS"))?;
        let mut state = self.state();
        if signed.said("url") != format!("{}{path}", state.base) {
            return refused(401, "unauthorized", "signed for another address");
        }
        let wants_key = path == "/new-account" || path == "/revoke-cert" && signed.head.get("jwk").is_some();
        let (account, key) = match (signed.head.get("jwk"), signed.head.get("kid").and_then(Value::as_str)) {
            (Some(jwk), None) if wants_key => (None, PublicKey::of(jwk).ok_or_else(|| malformed("not a key"))?),
            (None, Some(kid)) if !wants_key => {
                let number = kid.strip_prefix(&format!("{}/account/", state.base)).and_then(|text| text.parse::<usize>().ok());
                let found = number.and_then(|number| Some((number, state.accounts.get(number)?.key.clone())));
                let (number, key) = found.ok_or((400, "accountDoesNotExist", "no such account".to_owned()))?;
                (Some(number), key)
            }
            _ => return refused(400, "malformed", "exactly one of jwk and kid, and the right one"),
        };
        if !signed.is_by(&key) {
            return refused(400, "malformed", "the signature does not verify");
        }
        if !state.nonces.remove(signed.said("nonce")) {
            return refused(400, "badNonce", "not a nonce of ours, or used");
        }
        let what = path.split('/').nth(1).unwrap_or_default().to_owned();
        state.asked.push(what);
        drop(state);
        Ok(Asked { path: path.to_owned(), payload: signed.payload.clone(), account, key, signed })
    }

    async fn carry_out(&self, asked: &Asked) -> Result<(u16, Value, Option<String>), Refused> {
        match asked.path.split('/').nth(1).unwrap_or_default() {
            "new-account" => self.new_account(asked),
            "account" => self.contacts(asked),
            "key-change" => self.change_key(asked),
            "new-order" => self.new_order(asked),
            "order" => Ok((200, self.order(asked)?, None)),
            "authorization" => Ok((200, self.authorization(asked)?, None)),
            "challenge" => self.prove(asked).await,
            "finalize" => self.finalize(asked),
            "certificate" => self.certificate(asked),
            "revoke-cert" => self.revoke(asked),
            _ => refused(404, "malformed", "there is nothing here"),
        }
    }

    fn new_account(&self, asked: &Asked) -> Result<(u16, Value, Option<String>), Refused> {
        let wish = asked.json()?;
        let mut state = self.state();
        let address = |number: usize| Some(format!("{}/account/{number}", state.base));
        if let Some(number) = state.accounts.iter().position(|account| account.key == asked.key) {
            return Ok((200, json!({ "status": "valid" }), address(number)));
        }
        if wish["onlyReturnExisting"] == true {
            return refused(400, "accountDoesNotExist", "no account has this key");
        }
        if wish["termsOfServiceAgreed"] != true {
            return refused(403, "userActionRequired", "agree first");
        }
        if asked.signed.said("alg") != "ES256" {
            return refused(400, "badSignatureAlgorithm", "accounts sign by ES256");
        }
        let mut bound = false;
        if let Some((kid, key)) = state.manner.customer {
            let Some(binding) = wish.get("externalAccountBinding") else {
                return refused(403, "externalAccountRequired", "known customers only");
            };
            let binding = Signed::read(binding).ok_or((400, "malformed", "the binding is not a JWS".to_owned()))?;
            let of_this_key =
                serde_json::from_slice(&binding.payload).ok().and_then(|jwk| PublicKey::of(&jwk)) == Some(asked.key.clone());
            let for_this_place = binding.said("url") == asked.signed.said("url") && binding.head.get("nonce").is_none();
            if binding.said("kid") != kid || !of_this_key || !for_this_place || !binding.is_bound_by(key) {
                return refused(403, "unauthorized", "the binding does not verify");
            }
            bound = true;
        }
        let location = address(state.accounts.len());
        state.accounts.push(Account { key: asked.key.clone(), bound, contact: Vec::new() });
        Ok((201, json!({ "status": "valid" }), location))
    }

    fn contacts(&self, asked: &Asked) -> Result<(u16, Value, Option<String>), Refused> {
        let (number, wish) = (asked.known()?, asked.json()?);
        let contact = wish["contact"].as_array().cloned().unwrap_or_default();
        self.state().accounts[number].contact = contact.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect();
        Ok((200, json!({ "status": "valid" }), None))
    }

    /// RFC 8555 section 7.3.5.
    fn change_key(&self, asked: &Asked) -> Result<(u16, Value, Option<String>), Refused> {
        let number = asked.known()?;
        let malformed = |words: &str| (400, "malformed", words.to_owned());
        let within = Signed::read(&asked.json()?).ok_or_else(|| malformed("what is within is not a JWS"))?;
        let next = within.head.get("jwk").and_then(PublicKey::of).ok_or_else(|| malformed("no key within"))?;
        if !within.is_by(&next) || within.said("url") != asked.signed.said("url") || within.head.get("nonce").is_some() {
            return refused(400, "malformed", "what is within does not verify");
        }
        let said: Value = serde_json::from_slice(&within.payload).map_err(|_| malformed("not JSON within"))?;
        let mut state = self.state();
        let address = format!("{}/account/{number}", state.base);
        if said["account"] != address.as_str() || PublicKey::of(&said["oldKey"]) != Some(asked.key.clone()) {
            return refused(400, "malformed", "not this account, or not its key");
        }
        if let Some(other) = state.accounts.iter().position(|account| account.key == next) {
            return refused(409, "malformed", format!("account {other} has that key"));
        }
        state.accounts[number].key = next;
        if state.loses_answers {
            state.away = true;
            return refused(502, "serverInternal", "the answer is lost");
        }
        Ok((200, json!({ "status": "valid" }), None))
    }

    fn new_order(&self, asked: &Asked) -> Result<(u16, Value, Option<String>), Refused> {
        let (account, wish) = (asked.known()?, asked.json()?);
        let mut state = self.state();
        let [identifier] = wish["identifiers"].as_array().map_or(&[][..], Vec::as_slice) else {
            return refused(400, "malformed", "one identifier");
        };
        match identifier["type"].as_str() {
            Some("dns") => {}
            Some("ip") if state.manner.takes_addresses => {}
            _ => return refused(400, "unsupportedIdentifier", "names only"),
        }
        let profile = wish.get("profile").and_then(Value::as_str).map(str::to_owned);
        if profile.as_ref().is_some_and(|profile| !state.manner.profiles.contains(&profile.as_str())) {
            return refused(400, "invalidProfile", "there is no such profile");
        }
        let replaces = wish.get("replaces").and_then(Value::as_str).map(str::to_owned);
        if let Some(id) = &replaces {
            let Some(former) = state.orders.iter().find(|order| order.id == *id) else {
                return refused(404, "malformed", "no such certificate to replace");
            };
            if former.account != account || former.identifier != *identifier {
                return refused(403, "unauthorized", "not yours to replace");
            }
            if state.orders.iter().any(|order| order.replaces.as_ref() == Some(id) && order.status != "invalid") {
                return refused(409, "alreadyReplaced", "it has a successor");
            }
        }
        state.orders.push(Order {
            account,
            identifier: identifier.clone(),
            status: "pending",
            error: None,
            replaces,
            profile,
            pem: String::new(),
            id: String::new(),
            from: 0,
            der: Vec::new(),
            key: None,
            revoked: None,
        });
        let number = state.orders.len() - 1;
        Ok((201, shown(&state, number), Some(format!("{}/order/{number}", state.base))))
    }

    fn order(&self, asked: &Asked) -> Result<Value, Refused> {
        let state = self.state();
        owned(&state, asked).map(|number| shown(&state, number))
    }

    fn authorization(&self, asked: &Asked) -> Result<Value, Refused> {
        let state = self.state();
        let number = owned(&state, asked)?;
        Ok(authorization(&state, number))
    }

    /// RFC 8555 section 8.3.
    async fn prove(&self, asked: &Asked) -> Result<(u16, Value, Option<String>), Refused> {
        let (number, name, thumbprint) = {
            let state = self.state();
            let number = owned(&state, asked)?;
            let name = state.orders[number].identifier["value"].as_str().unwrap_or_default().to_owned();
            (number, name, state.accounts[asked.known()?].key.thumbprint())
        };
        let host = if name.contains(':') { format!("[{name}]") } else { name };
        let mut world = self.world.subscribe();
        let (address, _) = world.wait_for(Option::is_some).await.expect("it is told").clone().expect("waited for");
        let mut wire = Wire::plain(address).await;
        let path = format!("/.well-known/acme-challenge/token-{number}");
        wire.write(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await.expect("written");
        let answer = wire.rest().await;
        let right = String::from_utf8_lossy(&answer).ends_with(&format!("\r\n\r\ntoken-{number}.{thumbprint}"));
        let mut state = self.state();
        if statuses(&answer) == [200] && right {
            state.orders[number].status = "ready";
        } else {
            let words = format!("127.0.0.1: Invalid response from http://{host}{path}");
            state.orders[number].error = Some(json!({ "type": "urn:ietf:params:acme:error:unauthorized", "detail": words }));
            state.orders[number].status = "invalid";
        }
        let challenge = authorization(&state, number)["challenges"][0].clone();
        Ok((200, challenge, None))
    }

    fn finalize(&self, asked: &Asked) -> Result<(u16, Value, Option<String>), Refused> {
        let bad = |words: &str| (400, "badCSR", words.to_owned());
        let wish = asked.json()?;
        let csr = wish["csr"].as_str().and_then(decode).ok_or_else(|| bad("not base64url"))?;
        let mut csr =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr)).map_err(|_| bad("not a CSR"))?;
        let world = self.world.borrow().clone();
        let (_, clock) = world.ok_or_else(|| bad("nobody has proven anything"))?;
        let mut state = self.state();
        let number = owned(&state, asked)?;
        if state.orders[number].status != "ready" {
            return refused(403, "orderNotReady", "prove the name first");
        }
        let wanted = state.orders[number].identifier["value"].as_str().unwrap_or_default().to_owned();
        let named = match csr.params.subject_alt_names.as_slice() {
            [SanType::DnsName(name)] => name.to_string(),
            [SanType::IpAddress(address)] => address.to_string(),
            _ => String::new(),
        };
        if named != wanted {
            return refused(400, "badCSR", "it is for another name");
        }
        let (from, serial) = (clock.now().secs(), [0x01, u8::try_from(number).expect("few orders"), 0xa5]);
        (csr.params.not_before, csr.params.not_after) =
            (at(from), at(from + i64::try_from(state.manner.life.as_secs()).expect("small")));
        if state.mixes_up {
            csr.params.subject_alt_names = vec![SanType::DnsName("other.example.com".try_into().expect("a name"))];
        }
        csr.params.serial_number = Some(SerialNumber::from_slice(&serial));
        csr.params.use_authority_key_identifier_extension = true;
        let made = csr.signed_by(&self.issuer).map_err(|_| bad("cannot be signed"))?;
        let order = &mut state.orders[number];
        order.key = key_of(made.der());
        (order.status, order.from, order.der) = ("valid", from, made.der().to_vec());
        order.pem = format!("{}{}", made.pem(), self.issuer.pem());
        order.id = format!("{}.{}", BASE64URL_NOPAD.encode(&AUTHORITY_KEY), BASE64URL_NOPAD.encode(&serial));
        Ok((200, shown(&state, number), None))
    }

    fn certificate(&self, asked: &Asked) -> Result<(u16, Value, Option<String>), Refused> {
        let state = self.state();
        let number = owned(&state, asked)?;
        Ok((200, state.orders[number].pem.clone().into(), None))
    }

    /// RFC 8555 section 7.6.
    fn revoke(&self, asked: &Asked) -> Result<(u16, Value, Option<String>), Refused> {
        let wish = asked.json()?;
        let der = wish["certificate"].as_str().and_then(decode).unwrap_or_default();
        let mut state = self.state();
        let Some(order) = state.orders.iter_mut().find(|order| !order.der.is_empty() && order.der == der) else {
            return refused(404, "malformed", "not a certificate of ours");
        };
        let by = match asked.account {
            Some(account) if account == order.account => "account",
            None if order.key.as_ref() == Some(&asked.key) => "certificate",
            _ => return refused(403, "unauthorized", "not yours to revoke"),
        };
        if order.revoked.is_some() {
            return refused(400, "alreadyRevoked", "it is");
        }
        order.revoked = Some((wish["reason"].as_u64().unwrap_or_default(), by));
        Ok((200, Value::Null, None))
    }

    /// RFC 9773 section 4.2. Nobody has to say who they are.
    fn renewal(&self, path: &str) -> Result<Value, Refused> {
        let mut state = self.state();
        state.asked.push("renewal-info".to_owned());
        let id = path.rsplit('/').next().unwrap_or_default();
        let Some(from) = state.orders.iter().find(|order| order.id == id).map(|order| order.from) else {
            return refused(404, "malformed", "no such certificate");
        };
        let life = i64::try_from(state.manner.life.as_secs()).expect("small");
        let (start, end) = state.window.unwrap_or((life * 60 / 100, life * 65 / 100));
        let text = |at: i64| self::at(at).format(&time::format_description::well_known::Rfc3339).expect("a moment");
        Ok(json!({ "suggestedWindow": { "start": text(from + start), "end": text(from + end) } }))
    }
}

fn owned(state: &State, asked: &Asked) -> Result<usize, Refused> {
    let (number, account) = (asked.number(), asked.known()?);
    let is_theirs = state.orders.get(number).is_some_and(|order| order.account == account);
    if is_theirs { Ok(number) } else { refused(404, "malformed", "there is nothing here") }
}

fn shown(state: &State, number: usize) -> Value {
    let (order, base) = (&state.orders[number], &state.base);
    let mut value = json!({
        "status": order.status, "identifiers": [order.identifier], "authorizations": [format!("{base}/authorization/{number}")],
        "finalize": format!("{base}/finalize/{number}"), "certificate": format!("{base}/certificate/{number}"),
    });
    for (name, said) in [("replaces", &order.replaces), ("profile", &order.profile)] {
        if let Some(said) = said {
            value[name] = said.as_str().into();
        }
    }
    if order.status == "invalid" {
        value["error"] = order.error.clone().unwrap_or_default();
    }
    value
}

fn authorization(state: &State, number: usize) -> Value {
    let (order, base) = (&state.orders[number], &state.base);
    let status = match order.status {
        "pending" | "invalid" => order.status,
        _ => "valid",
    };
    let mut challenge = json!({ "type": "http-01", "url": format!("{base}/challenge/{number}"), "token": format!("token-{number}"), "status": status });
    if let Some(error) = &order.error {
        challenge["error"] = error.clone();
    }
    json!({ "status": status, "identifier": order.identifier, "challenges": [challenge] })
}

fn key_of(der: &[u8]) -> Option<PublicKey> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    let point = parsed.public_key().subject_public_key.data.to_vec();
    let (x, y) = point.get(1..)?.split_at((point.len() - 1) / 2);
    let curve = if point.len() == 65 { "P-256" } else { "P-384" };
    Some(PublicKey { curve: curve.to_owned(), x: BASE64URL_NOPAD.encode(x), y: BASE64URL_NOPAD.encode(y) })
}

/// The fingerprint of what an order came to, as `cert list` shows it.
pub fn fingerprint(order: &Order) -> String {
    HEXLOWER.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &order.der).as_ref())
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).expect("a moment")
}

/// A moment as HTTP writes it.
pub fn http_date(at: Timestamp) -> String {
    let text = self::at(at.secs()).format(&time::format_description::well_known::Rfc2822).expect("a moment");
    text.replace("+0000", "GMT")
}
