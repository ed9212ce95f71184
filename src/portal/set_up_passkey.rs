//! A passkey in place of an authenticator app, in the second step of a set-up.

use http::StatusCode;

use crate::auth::passkey::refused::Refused as Unmade;
use crate::auth::token::TokenHash;
use crate::model::audit::{Deed, Outcome};
use crate::model::event::Event;
use crate::model::method::Method;
use crate::model::user::UserId;
use crate::plan::whole::Plan;
use crate::portal::account::passkeys;
use crate::portal::call::Call;
use crate::portal::passkey::{self, Ask, BUTTON, METHOD, Wanted};
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::portal::ways;
use crate::store::links::{Link, NewPasskey};
use crate::store::own_account::Refused;
use crate::web::form::Form;
use crate::web::keys;
use crate::web::page::Alert;
use crate::web::refusal::Refusal;

/// What the second step offers: what would count for whoever follows the link.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// An authenticator app.
    pub code: bool,
    /// A passkey.
    pub key: bool,
    /// Whether that has to verify its user to count.
    verified: bool,
}

impl Offer {
    /// What counts for `user`. Where nothing does that could be made here, an authenticator app: without any second step nobody could
    /// finish.
    ///
    /// # Errors
    /// [`Stop`] when the store does not answer.
    pub async fn to(portal: &Portal, plan: &Plan, user: UserId) -> Result<Self, Stop> {
        let terms = portal.store.sign_in_facts_of(user).await?.map(|facts| facts.terms).unwrap_or_default();
        let allowed = ways::allowed(plan, &terms);
        let (second, firm) = (allowed.contains(Method::PasswordPasskey), allowed.contains(Method::Passkey));
        let key = (second || firm) && passkey::site(portal, plan).is_some();
        Ok(Self { code: allowed.contains(Method::PasswordTotp) || !key, key, verified: !second })
    }
}

/// What the page needs to ask for one, in the browser of `visitor`; `None` where browsers have no passkeys.
pub fn ask(portal: &Portal, plan: &Plan, call: &Call<'_>, (link, hash, visitor): (&Link, TokenHash, TokenHash)) -> Option<Ask> {
    let user = (link.user.id, link.user.name.as_str(), &[][..]);
    passkey::ask_for_key(portal, plan, call, (visitor, Wanted::SetUp(hash)), user)
}

/// Keeps the key in an answer beside the link, or says what is wrong with it.
///
/// # Errors
/// [`Stop`] when the link has ended or the store does not answer.
pub async fn take(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (link, hash, sent): (&Link, TokenHash, &Form),
    offer: Offer,
) -> Result<Result<(), (StatusCode, Alert)>, Stop> {
    let refuse = |text: &str| Ok(Err((StatusCode::UNPROCESSABLE_ENTITY, Alert::new(BUTTON, text))));
    let made = match passkey::key(portal, plan, call, (sent, Wanted::SetUp(hash))) {
        Ok(made) => made,
        Err(reason) => {
            failed(portal, plan, call, (link, reason)).await?;
            return refuse(keys::not_made(reason));
        }
    };
    if !offer.key || (offer.verified && !made.verified) {
        failed(portal, plan, call, (link, Unmade::NotVerified)).await?;
        return refuse(keys::not_made(Unmade::NotVerified));
    }
    let Some(site) = passkey::site_id(portal, plan) else { return refuse(keys::ADDRESS) };
    let name = passkeys::first_name(call, &made, &[]);
    match portal.store.prove_link_by_passkey(hash, NewPasskey { made, name, site: site.into() }).await? {
        Ok(()) => Ok(Ok(())),
        Err(Refused::Taken) => {
            failed(portal, plan, call, (link, Unmade::Registered)).await?;
            refuse(keys::TAKEN)
        }
        Err(Refused::OtherSite) => refuse(keys::OTHER_SITE),
        Err(Refused::TooMany | Refused::Gone | Refused::NameTaken | Refused::LastFactor) => Err(Refusal::NotFound.into()),
    }
}

async fn failed(portal: &Portal, plan: &Plan, call: &Call<'_>, (link, reason): (&Link, Unmade)) -> Result<(), Stop> {
    let (user, name) = (&link.user.name, reason.name());
    let entry = call.entry(Deed::SignInFailed).of_account(link.user.id, user).by(METHOD).came_to(Outcome::Failed);
    portal.store.record(entry.because(name).detailed("while setting up")).await?;
    let ip = plan.log.shown(call.client);
    tracing::warn!(event = Event::CredentialRefused.name(), %user, %ip, method = METHOD, reason = name, request = call.request_id);
    Ok(())
}
