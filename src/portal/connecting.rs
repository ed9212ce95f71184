//! An authenticator app that is being connected: its secret, and what is shown of it so that an app can take it up.

use crate::auth::totp;
use crate::base::clock::Timestamp;
use crate::base::entropy::Entropy;
use crate::base::id::Id;
use crate::base::secret::Secret;
use crate::model::credential::{Totp, TotpRecipe};
use crate::web::qr;
use crate::web::text;

/// An authenticator that nobody has yet.
pub fn draw(recipe: TotpRecipe, entropy: Entropy, now: Timestamp) -> Totp {
    let seed = totp::draw_seed(recipe.algorithm, entropy);
    Totp { id: Id::draw(entropy), recipe, seed, last_step: 0, created_at: now }
}

/// What an app needs of it, as the page shows it.
#[derive(Debug)]
pub struct Shown<'a> {
    /// The link as a picture, where it fits into one.
    pub qr: Option<Secret<String>>,
    /// The seed, to be typed.
    pub key: Secret<String>,
    /// The link that an app on the same device opens.
    pub uri: Secret<String>,
    /// The name of the installation in the app.
    pub issuer: &'a str,
    /// That of the account.
    pub user: &'a str,
    /// How codes are made.
    pub recipe: TotpRecipe,
}

impl<'a> Shown<'a> {
    /// Of this one.
    pub fn of(totp: &Totp, issuer: &'a str, user: &'a str) -> Self {
        let uri = totp::uri(issuer, user, &totp.recipe, &totp.seed);
        let qr = qr::svg(uri.expose(), text::QR_LABEL).map(Secret::new);
        Self { qr, key: totp::key_in_groups(&totp.seed), uri, issuer, user, recipe: totp.recipe }
    }
}
