//! Another key for our account (RFC 8555 section 7.3.5). It is kept before the authority hears of it, so that no crash loses the
//! account: whichever of the two keys it knows afterwards is found out the next time (`account::settle`).

use std::time::Duration;

use instant_acme::Error;
use rcgen::KeyPair;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::plan::acme::AcmePolicy;
use crate::tls::acme::account;
use crate::tls::acme::api::{self, Directory};
use crate::tls::acme::attempt::Ground;
use crate::tls::acme::client::Client;
use crate::tls::acme::jws::SigningKey;
use crate::tls::acme::trouble::{Kind, Trouble};
use crate::tls::fault::Fault;

/// How long orders that run may take to end: each speaks with the key that is there when it begins.
const PATIENCE: Duration = Duration::from_secs(20);

impl Ground {
    /// Gives our account at `directory` another key; false if we have none there.
    ///
    /// # Errors
    /// [`Trouble`]; the old key goes on, unless the authority has taken the new one, which then is found out.
    pub async fn roll_over(&self, policy: &AcmePolicy, directory: &str) -> Result<bool, Trouble> {
        let local = |fault: Fault| Trouble::local(&fault, directory);
        let busy = || Trouble::bare(Kind::Busy, directory);
        let _alone = timeout(PATIENCE, self.keys.write()).await.map_err(|_| busy())?;
        let client = Client::new(policy.ca_file.as_deref(), &self.clock).map_err(local)?;
        let told = |error: Error| Trouble::of(&error, directory).after(client.peace());
        account::settle(&client, self, directory).await?;
        let Some((pem, _)) = account::read(&self.folder, directory).map_err(local)? else { return Ok(false) };
        let key = SigningKey::from_pem(pem.as_bytes()).ok_or_else(|| told(Error::KeyRejected))?;
        let interface = Directory::of(&client, directory).await.map_err(told)?;
        let Some(address) = interface.account(&client, &key).await.map_err(told)? else { return Ok(false) };
        let making =
            |fault: rcgen::Error| Fault::Making { subject: "another key of our account".into(), reason: fault.to_string() };
        // One that may be the account's already is offered again, and never lost.
        let next = match self.folder.next_key(directory).map_err(local)? {
            Some((next, _)) => next,
            None => {
                let made = Zeroizing::new(KeyPair::generate().map_err(making).map_err(local)?.serialize_pem());
                self.folder.write_next_key(directory, &made).map_err(local)?;
                Zeroizing::new(made.as_bytes().to_vec())
            }
        };
        let next_key = SigningKey::from_pem(&next).ok_or_else(|| told(Error::KeyRejected))?;
        match interface.change_key(&client, (&address, &key), &next_key).await {
            Ok(()) => account::promote(self, directory, &next).map_err(local).map(|()| true),
            Err(error) => {
                // It has answered that it keeps the old one; after anything else it has to be asked.
                if api::is_refusal(&error) {
                    self.folder.forget_next_key(directory);
                }
                Err(told(error))
            }
        }
    }
}
