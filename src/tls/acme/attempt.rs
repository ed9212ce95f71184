//! One attempt at a certificate: account, order, proof, files. Whatever kills us on the way, the next attempt goes on from what is
//! on disk: the key of an order is kept before the authority hears of it, and the order before it is proven.

use std::sync::{Arc, Mutex};

use instant_acme::{Account, Order};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use rustls::crypto::CryptoProvider;
use tokio::sync::RwLock;
use zeroize::Zeroizing;

use crate::base::clock::Clock;
use crate::plan::acme::{AcmePolicy, KeyType};
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::account::{self, Customer};
use crate::tls::acme::challenge::Challenges;
use crate::tls::acme::client::Client;
use crate::tls::acme::folder::{Folder, History, OpenOrder, Proof};
use crate::tls::acme::order::Way;
use crate::tls::acme::phase::Phase;
use crate::tls::acme::schedule::Stage;
use crate::tls::acme::trouble::{Kind, Trouble};
use crate::tls::dns01::ledger::Ledger;
use crate::tls::dns01::record::Zones;
use crate::tls::fault::Fault;
use crate::tls::files::Loaded;

/// Failures in a row after which an order is given up that cannot be asked for.
const MOST_TRIES: u32 = 10;
/// Let's Encrypt certifies addresses under this profile alone.
const SHORT_LIVED: &str = "shortlived";

/// What every attempt needs.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Where everything is kept.
    pub folder: Folder,
    /// Where proofs are shown.
    pub challenges: Arc<Challenges>,
    /// Which records in DNS are to be removed.
    pub records: Arc<Ledger>,
    /// Does the arithmetic of handshakes.
    pub provider: Arc<CryptoProvider>,
    /// Tells the time.
    pub clock: Clock,
    /// Held while the key of an account is read or made, so that names that are ordered side by side share it.
    pub accounts: Arc<Mutex<()>>,
    /// Held by whoever speaks with the key of an account, and alone by whoever puts another in its place.
    pub keys: Arc<RwLock<()>>,
}

/// Where an order goes, and as what.
#[derive(Clone, Copy, Debug)]
struct Site<'a> {
    stage: Stage,
    customer: Customer<'a>,
    profile: Option<&'a str>,
}

impl<'a> Site<'a> {
    fn of(policy: &'a AcmePolicy, stage: Stage) -> Self {
        let customer = |directory: &'a str, eab| Customer { directory, email: policy.email.as_deref(), eab };
        let profile = policy.profile.as_deref();
        match (stage, &policy.staging, &policy.fallback) {
            // Its names of profiles are its own.
            (Stage::Fallback, _, Some(fallback)) => {
                Self { stage, customer: customer(&fallback.directory, fallback.eab.as_ref()), profile: None }
            }
            (Stage::Staging, Some(staging), _) => Self { stage, customer: customer(staging, None), profile },
            (Stage::Staging | Stage::Production | Stage::Fallback, _, _) => {
                Self { stage, customer: customer(&policy.directory, policy.eab.as_ref()), profile }
            }
        }
    }
}

/// What came of an attempt that worked.
#[derive(Debug)]
pub enum Issued {
    /// A certificate to show.
    Certificate(Box<Loaded>),
    /// It was tried out, and works.
    Rehearsed,
}

impl Ground {
    /// What attempts of an installation need.
    pub fn new(folder: Folder, provider: Arc<CryptoProvider>, clock: Clock) -> Self {
        let records = Arc::new(Ledger::open(folder.records()));
        let (challenges, accounts, keys) = (Arc::default(), Arc::default(), Arc::default());
        Self { folder, challenges, records, provider, clock, accounts, keys }
    }

    /// Tries once to get a certificate for `host`. What has to be known next time is in `history`, on disk too.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn attempt(
        &self,
        host: &HostPattern,
        policy: &AcmePolicy,
        way: (Stage, Proof),
        history: &mut History,
    ) -> Result<Issued, Trouble> {
        self.carry_out(host, policy, way, history).await.map_err(|trouble| trouble.at(way.0))
    }

    async fn carry_out(
        &self,
        host: &HostPattern,
        policy: &AcmePolicy,
        (stage, proof): (Stage, Proof),
        history: &mut History,
    ) -> Result<Issued, Trouble> {
        let site = Site::of(policy, stage);
        let directory = site.customer.directory;
        let local = |fault: Fault| Trouble::local(&fault, directory);
        let _key_stays = self.keys.read().await;
        self.challenges.phases.reached(host, Phase::Order);
        let client = Client::new(policy.ca_file.as_deref(), &self.clock).map_err(local)?;
        self.folder.make().map_err(local)?;
        let account = account::open(&client, self, site.customer).await?;
        let profile = profile(&account, host, site)?;
        let replaces = history.advice.as_ref().filter(|advice| advice.directory == directory && advice.window.is_some());
        let replaces = replaces.map(|advice| advice.certificate.clone());
        let zones = Zones::of(policy, &self.records, &self.clock);
        let (challenges, zones, clock) = (&self.challenges, zones.as_ref(), &self.clock);
        let (profile, replaces) = (profile.as_deref(), replaces.as_deref());
        let way = Way { host, directory, proof, challenges, zones, clock, profile, replaces };
        let peace = |trouble: Trouble| trouble.after(client.peace());
        if stage == Stage::Staging {
            let key = generate(host, policy.key_type).map_err(local)?;
            let mut order = way.begin(&account).await.map_err(peace)?;
            way.finish(&mut order, &key).await.map_err(peace)?;
            return Ok(Issued::Rehearsed);
        }
        let (mut order, key) = match self.resumed(&way, &account, history).await.map_err(peace)? {
            Some(resumed) => resumed,
            None => self.begun(&way, &account, policy.key_type, history).await.map_err(peace)?,
        };
        match way.finish(&mut order, &key).await {
            Ok(chain) => self.taken(&way, &key, &chain, history),
            Err(trouble) => {
                if !may_go_on(&trouble.kind) {
                    self.close(host, history).map_err(local)?;
                }
                Err(peace(trouble))
            }
        }
    }

    /// Keeps what was issued.
    fn taken(&self, way: &Way<'_>, key: &KeyPair, chain: &str, history: &mut History) -> Result<Issued, Trouble> {
        let local = |fault: Fault| Trouble::local(&fault, way.directory);
        let pem = Zeroizing::new(format!("{}{chain}", Zeroizing::new(key.serialize_pem()).as_str()));
        let kept = match self.folder.keep(way.host, (&pem, history.revoked.as_deref()), &self.provider) {
            Ok(kept) => kept,
            Err(fault) => {
                // On a disk that is full it may fit later. What is of no use stays so: only another order helps.
                if !matches!(fault, Fault::Unwritable { .. }) {
                    self.close(way.host, history).map_err(local)?;
                }
                return Err(local(fault));
            }
        };
        history.issued_by = Some(way.directory.to_owned());
        // Both are about the one before.
        (history.advice, history.revoked) = (None, None);
        self.close(way.host, history).map_err(local)?;
        Ok(Issued::Certificate(Box::new(kept)))
    }

    async fn resumed(&self, way: &Way<'_>, account: &Account, history: &History) -> Result<Option<(Order, KeyPair)>, Trouble> {
        let Some(open) = history.order.as_ref().filter(|open| open.directory == way.directory) else { return Ok(None) };
        let Some(key) = self.order_key(way.host) else { return Ok(None) };
        match way.resume(account, &open.url).await {
            Ok(order) => Ok(order.map(|order| (order, key))),
            // Where that one order cannot be asked for again and again, the next one may be better.
            Err(_) if history.record.failures >= MOST_TRIES => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }

    fn order_key(&self, host: &HostPattern) -> Option<KeyPair> {
        let pem = self.folder.order_key(host).ok()??;
        KeyPair::from_pem(std::str::from_utf8(&pem).ok()?).ok()
    }

    async fn begun(
        &self,
        way: &Way<'_>,
        account: &Account,
        key_type: KeyType,
        history: &mut History,
    ) -> Result<(Order, KeyPair), Trouble> {
        let local = |fault: Fault| Trouble::local(&fault, way.directory);
        let key = generate(way.host, key_type).map_err(local)?;
        if history.order.is_some() {
            // Its key is about to be lost: without that nothing comes of it, whatever becomes of this one.
            self.close(way.host, history).map_err(local)?;
        }
        self.folder.write_order_key(way.host, &Zeroizing::new(key.serialize_pem())).map_err(local)?;
        let order = way.begin(account).await?;
        history.order = Some(OpenOrder { directory: way.directory.to_owned(), url: order.url().to_owned() });
        self.folder.write_history(way.host, history).map_err(local)?;
        Ok((order, key))
    }

    /// The order is over.
    fn close(&self, host: &HostPattern, history: &mut History) -> Result<(), Fault> {
        history.order = None;
        self.folder.write_history(host, history)?;
        self.folder.forget_order_key(host);
        Ok(())
    }
}

/// As which of a policy's authorities the one with this directory is asked.
pub fn stage_at(policy: &AcmePolicy, directory: &str) -> Stage {
    if directory != policy.directory && policy.fallback.as_ref().is_some_and(|fallback| fallback.directory == directory) {
        Stage::Fallback
    } else if directory != policy.directory && policy.staging.as_deref() == Some(directory) {
        Stage::Staging
    } else {
        Stage::Production
    }
}

/// Which kind of certificate to order: what the owner wants, if it is offered; for an address, whose certificates live for days only,
/// the kind that does.
fn profile(account: &Account, host: &HostPattern, site: Site<'_>) -> Result<Option<String>, Trouble> {
    let mut offered: Vec<&str> = account.profiles().map(|profile| profile.name).collect();
    offered.sort_unstable();
    match site.profile {
        Some(wanted) if offered.contains(&wanted) => Ok(Some(wanted.to_owned())),
        // Where it is tried out there may be other kinds: what is issued there is thrown away.
        Some(_) if site.stage == Stage::Staging => Ok(None),
        Some(wanted) => {
            let kind = Kind::Profile { wanted: wanted.to_owned(), offered: offered.join(", ") };
            Err(Trouble::bare(kind, site.customer.directory))
        }
        None => Ok((host.ip().is_some() && offered.contains(&SHORT_LIVED)).then(|| SHORT_LIVED.to_owned())),
    }
}

/// Whether something may still come of the order after this.
fn may_go_on(kind: &Kind) -> bool {
    matches!(kind, Kind::Away(_) | Kind::Untrusted(_) | Kind::Internal | Kind::Nonce | Kind::Slow | Kind::Record(_))
}

fn generate(host: &HostPattern, key_type: KeyType) -> Result<KeyPair, Fault> {
    let algorithm = match key_type {
        KeyType::P256 => &PKCS_ECDSA_P256_SHA256,
        KeyType::P384 => &PKCS_ECDSA_P384_SHA384,
    };
    KeyPair::generate_for(algorithm).map_err(|fault| Fault::Making { subject: host.to_string(), reason: fault.to_string() })
}
