//! The beginning of a set-up without a password, where one owner has the only account.

use crate::auth::token::TokenHash;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::connecting;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::store::links::Pending;
use crate::web::refusal::Refusal;

/// What a link without a password begins with. A look at the link makes it, as nothing has to be chosen before; the second look
/// finds the same.
///
/// # Errors
/// [`Stop`] when the link has ended, or the store does not answer.
pub async fn begun(portal: &Portal, plan: &Plan, call: &Call<'_>, hash: TokenHash) -> Result<Pending, Stop> {
    if !portal.store.stage_authenticator(hash, connecting::draw(plan.auth.totp, portal.entropy, call.now)).await? {
        return Err(Refusal::NotFound.into());
    }
    Ok(portal.store.link(hash).await?.and_then(|link| link.pending).ok_or(Refusal::NotFound)?)
}
