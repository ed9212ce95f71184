//! How an upstream over TLS proves to us who it is, and we to it.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::base::current::Current;

/// What was made of an app's settings and of the files they name.
#[derive(Debug)]
pub struct Proof {
    /// Whom we believe, and what we show.
    pub config: Arc<ClientConfig>,
    /// The name that has to be proven.
    pub name: ServerName<'static>,
    /// Tells whether another one was made of the same.
    pub digest: [u8; 32],
}

/// Where an app finds its proof. Empty until its files were read, and nothing is sent over TLS before. Clones are one place.
#[derive(Clone, Debug)]
pub struct Trust(Arc<Current<Option<Arc<Proof>>>>);

impl Default for Trust {
    fn default() -> Self {
        Self(Arc::new(Current::new(None)))
    }
}

impl Trust {
    /// The proof as of now.
    pub fn proof(&self) -> Option<Arc<Proof>> {
        Option::clone(&self.0.get())
    }

    /// Connections ask for this proof from now on. One made of the same changes nothing, so that open connections can be kept.
    pub fn adopt(&self, proof: Arc<Proof>) {
        if self.proof().is_none_or(|known| known.digest != proof.digest) {
            self.0.replace(Some(proof));
        }
    }
}
