//! Asking an authority when it wants a certificate renewed (RFC 9773 section 4.2): nobody has to be known for that.

use instant_acme::Error;

use crate::plan::acme::AcmePolicy;
use crate::tls::acme::advice::Heard;
use crate::tls::acme::api::Directory;
use crate::tls::acme::attempt::Ground;
use crate::tls::acme::client::Client;
use crate::tls::acme::trouble::Trouble;
use crate::tls::fault::Fault;

impl Ground {
    /// Asks the authority at `directory` about a certificate of its. Hears nothing where it does not say.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn inquire(&self, policy: &AcmePolicy, (certificate, directory): (&str, &str)) -> Result<Heard, Trouble> {
        let client = Client::new(policy.ca_file.as_deref(), &self.clock);
        let client = client.map_err(|fault: Fault| Trouble::local(&fault, directory))?;
        let told = |error: Error| Trouble::of(&error, directory).after(client.peace());
        let interface = Directory::of(&client, directory).await.map_err(told)?;
        interface.renewal(&client, certificate, self.clock.now()).await.map_err(told)
    }
}
