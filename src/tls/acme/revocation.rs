//! Taking a certificate back (RFC 8555 section 7.6): with our account, or with the certificate's own key.

use instant_acme::{Error, Problem};
use zeroize::Zeroizing;

use crate::plan::acme::AcmePolicy;
use crate::tls::acme::account;
use crate::tls::acme::api::{self, Directory, Signer};
use crate::tls::acme::attempt::Ground;
use crate::tls::acme::client::Client;
use crate::tls::acme::jws::{SigningKey, Who};
use crate::tls::acme::trouble::Trouble;
use crate::tls::fault::Fault;

/// RFC 5280 section 5.3.1, as far as a subscriber may say.
pub const KEY_COMPROMISE: u8 = 1;

/// A certificate to take back.
#[derive(Debug)]
pub struct Taken<'a> {
    /// It, DER.
    pub certificate: &'a [u8],
    /// The file with its key.
    pub pem: Option<Zeroizing<Vec<u8>>>,
    /// Why (RFC 5280 section 5.3.1).
    pub reason: u8,
}

impl Ground {
    /// Has the authority at `directory` revoke a certificate. One that is revoked already is no trouble.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn revoke(&self, policy: &AcmePolicy, directory: &str, taken: Taken<'_>) -> Result<(), Trouble> {
        let local = |fault: Fault| Trouble::local(&fault, directory);
        let _key_stays = self.keys.read().await;
        let client = Client::new(policy.ca_file.as_deref(), &self.clock).map_err(local)?;
        let told = |error: Error| Trouble::of(&error, directory).after(client.peace());
        account::settle(&client, self, directory).await?;
        let interface = Directory::of(&client, directory).await.map_err(told)?;
        let own = taken.pem.as_ref().and_then(|pem| SigningKey::from_pem(pem));
        let account = account::read(&self.folder, directory).map_err(local)?;
        let account = account.and_then(|(pem, _)| SigningKey::from_pem(pem.as_bytes()));
        let address = match &account {
            Some(key) => interface.account(&client, key).await.map_err(told)?,
            None => None,
        };
        let by_account =
            account.as_ref().zip(address.as_deref()).map(|(key, address)| Signer { key, who: Who::Account(address) });
        let by_key = own.as_ref().map(|key| Signer { key, who: Who::Key });
        // Who has the key proves that it is in wrong hands, and the authority bars it; with another reason the key would say just that.
        let (first, second) = if taken.reason == KEY_COMPROMISE { (by_key, by_account) } else { (by_account, by_key) };
        let mut outcome = Err(Error::Str("a key that may revoke it"));
        for signer in [first, second].into_iter().flatten() {
            outcome = interface.revoke(&client, signer, taken.certificate, taken.reason).await;
            if !matches!(&outcome, Err(Error::Api(problem)) if may_not(problem)) {
                break;
            }
        }
        outcome.map_err(told)
    }
}

fn may_not(problem: &Problem) -> bool {
    ["unauthorized", "malformed", "badPublicKey", "badSignatureAlgorithm"].iter().any(|kind| api::is(problem, kind))
}
