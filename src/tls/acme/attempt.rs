//! One attempt at a certificate: account, order, proof, files. Whatever kills us on the way, the next attempt goes on from what is
//! on disk: the key of an order is kept before the authority hears of it, and the order before it is proven.

use std::sync::{Arc, Mutex};

use instant_acme::Order;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use rustls::crypto::CryptoProvider;
use zeroize::Zeroizing;

use crate::base::clock::Clock;
use crate::plan::acme::{AcmePolicy, KeyType};
use crate::policy::wildcard::HostPattern;
use crate::tls::acme::account;
use crate::tls::acme::challenge::Challenges;
use crate::tls::acme::client::Client;
use crate::tls::acme::folder::{Folder, History, OpenOrder, Proof};
use crate::tls::acme::order::Way;
use crate::tls::acme::schedule::Stage;
use crate::tls::acme::trouble::{Kind, Trouble};
use crate::tls::dns01::ledger::Ledger;
use crate::tls::dns01::record::Zones;
use crate::tls::fault::Fault;
use crate::tls::files::{self, Loaded};

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
    /// Tries once to get a certificate for `host`. What has to be known next time is in `history`, on disk too.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn attempt(
        &self,
        host: &HostPattern,
        policy: &AcmePolicy,
        (stage, proof): (Stage, Proof),
        history: &mut History,
    ) -> Result<Issued, Trouble> {
        let directory = match (stage, &policy.staging) {
            (Stage::Staging, Some(staging)) => staging,
            (Stage::Staging | Stage::Production, _) => &policy.directory,
        };
        let local = |fault: Fault| Trouble::local(&fault, directory);
        let client = Client::new(policy.ca_file.as_deref()).map_err(local)?;
        self.folder.make().map_err(local)?;
        let account = account::open(&client, self, directory, policy.email.as_deref()).await?;
        let zones = Zones::of(policy, &self.records, &self.clock);
        let way = Way { host, zones: zones.as_ref(), directory, proof, challenges: &self.challenges, clock: &self.clock };
        if stage == Stage::Staging {
            let key = generate(host, policy.key_type).map_err(local)?;
            let mut order = way.begin(&account).await.map_err(|trouble| trouble.after(client.peace()))?;
            way.finish(&mut order, &key).await.map_err(|trouble| trouble.after(client.peace()))?;
            return Ok(Issued::Rehearsed);
        }
        let (mut order, key) = match self.resumed(&way, &account, history).await {
            Some(resumed) => resumed,
            None => {
                self.begun(&way, &account, policy.key_type, history).await.map_err(|trouble| trouble.after(client.peace()))?
            }
        };
        let chain = match way.finish(&mut order, &key).await {
            Ok(chain) => chain,
            Err(trouble) => {
                if !may_go_on(&trouble.kind) {
                    self.close(host, history).map_err(local)?;
                }
                return Err(trouble.after(client.peace()));
            }
        };
        let pem = Zeroizing::new(format!("{}{chain}", Zeroizing::new(key.serialize_pem()).as_str()));
        let kept = self.folder.keep(host, &pem, &self.provider).map_err(local)?;
        history.issued_by = Some(directory.clone());
        self.close(host, history).map_err(local)?;
        if !files::covers(&kept.key, &host.example()) {
            return Err(Trouble::bare(Kind::Local("it is for another name".to_owned()), directory));
        }
        Ok(Issued::Certificate(Box::new(kept)))
    }

    async fn resumed(&self, way: &Way<'_>, account: &instant_acme::Account, history: &History) -> Option<(Order, KeyPair)> {
        let open = history.order.as_ref().filter(|open| open.directory == way.directory)?;
        let pem = self.folder.order_key(way.host).ok()??;
        let key = KeyPair::from_pem(std::str::from_utf8(&pem).ok()?).ok()?;
        Some((way.resume(account, &open.url).await?, key))
    }

    async fn begun(
        &self,
        way: &Way<'_>,
        account: &instant_acme::Account,
        key_type: KeyType,
        history: &mut History,
    ) -> Result<(Order, KeyPair), Trouble> {
        let local = |fault: Fault| Trouble::local(&fault, way.directory);
        let key = generate(way.host, key_type).map_err(local)?;
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
