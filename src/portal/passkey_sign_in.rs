//! Signing in with a passkey, without a name and without a password. One that did not verify its user is no more than a second
//! step: the password is asked for, and the key once more after it. Where there is one owner it is one factor, like a code.

use http::{Response, StatusCode};
use tokio::time::Instant;

use crate::auth::passkey::refused::Refused;
use crate::auth::throttle::Wait;
use crate::model::audit::Deed;
use crate::model::method::Method as ProofMethod;
use crate::model::session::Proofs;
use crate::model::strength::Strength;
use crate::observe::metrics::{Attempt, Method};
use crate::plan::whole::Plan;
use crate::portal::arrival::{self, Proven};
use crate::portal::call::Call;
use crate::portal::journey::Journey;
use crate::portal::owner_sign_in;
use crate::portal::passkey::{self, BUTTON, METHOD, Right, Wanted, Wrong};
use crate::portal::service::Portal;
use crate::portal::sign_in;
use crate::portal::sign_in_page::{self, Shown};
use crate::portal::stop::Stop;
use crate::portal::tries::{self, Tried};
use crate::portal::ways;
use crate::web::form::Form;
use crate::web::keys;
use crate::web::page::Alert;
use crate::wire::body::Body;

/// Judges the answer in a form of the sign-in page that has proven where it comes from.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn submit(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (sent, journey): (&Form, Option<Journey>),
) -> Result<Response<Body>, Stop> {
    let page = |shown| sign_in_page::form(portal, plan, call, journey.as_ref(), shown);
    // Whose it will be is not known yet: a browser that anybody has signed in with is let through a ban.
    tries::admit(portal, plan, call)?;
    if let Err(wait) = portal.budgets.sign_in.spend(call.network()) {
        let wait = Wait::For(wait);
        tries::throttled(portal, plan, call, Tried { user: None, by: METHOD, method: Method::Passkey }).await?;
        let alert = Some(tries::waiting(BUTTON, wait));
        let shown = Shown { status: StatusCode::TOO_MANY_REQUESTS, alert, ..Shown::default() };
        return Ok(sign_in::later(page(shown), wait));
    }
    let began = Instant::now();
    let judged = passkey::judge(portal, plan, call, (sent, Wanted::SignIn), (None, plan.auth.passkeys.verification)).await?;
    portal.metrics.attempt_took(Method::Passkey, began.elapsed());
    match judged {
        Err(wrong) => Ok(page(refused(&wrong))),
        Ok(right) if !owner_sign_in::admits(portal, plan, right.user.id).await? => {
            passkey::in_vain(portal, plan, call, &right.user.name, "not the only account").await?;
            Ok(page(refused(&Wrong { reason: Refused::Unknown, user: None, forget: None })))
        }
        Ok(right) if !counts(portal, plan, &right).await? => {
            passkey::in_vain(portal, plan, call, &right.user.name, "not a way that counts for them").await?;
            let alert = Some(Alert::new(BUTTON, keys::NOT_ALONE));
            Ok(page(Shown { status: StatusCode::UNPROCESSABLE_ENTITY, alert, ..Shown::default() }))
        }
        Ok(right) if !right.shown.verified && !plan.auth.mode.is_single_owner() => {
            let notice = Some(keys::PASSWORD_FIRST.to_owned());
            Ok(page(Shown { notice, name: right.user.name.as_str(), ..Shown::default() }))
        }
        Ok(right) => match enter(portal, plan, call, (sent, &right, journey.as_ref())).await? {
            Some(response) => Ok(response),
            None => {
                passkey::in_vain(portal, plan, call, &right.user.name, passkey::USED).await?;
                Ok(page(refused(&Wrong { reason: Refused::Unknown, user: None, forget: None })))
            }
        },
    }
}

/// Whether a passkey by itself counts for its holder; for whoever has nothing that does, it leads to where they add that.
async fn counts(portal: &Portal, plan: &Plan, right: &Right) -> Result<bool, Stop> {
    if !plan.auth.methods.contains(ProofMethod::Passkey) {
        return Ok(false);
    }
    let Some(facts) = portal.store.sign_in_facts_of(right.user.id).await? else { return Ok(false) };
    let allowed = ways::allowed(plan, &facts.terms);
    Ok(allowed.contains(ProofMethod::Passkey) || allowed.and(ways::held(portal, plan, &facts)).is_empty())
}

/// Opens the session; `None` if the key was used with the same count, or taken away, this very moment.
async fn enter(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (sent, right, journey): (&Form, &Right, Option<&Journey>),
) -> Result<Option<Response<Body>>, Stop> {
    let remember = plan.session.remember.is_some() && sent.get("remember").is_some();
    let strength = right.proof().lifts_to().unwrap_or(Strength::Password);
    let proofs = Proofs { passkey: Some(call.now), ..Proofs::default() };
    let proven = Proven { user: right.user.id, strength, proofs, remember };
    let (prepared, session) = arrival::prepare(portal, plan, call, proven);
    let told = call.entry(Deed::SignIn).with(&call.agent()).by(METHOD).detailed(call.host.as_str());
    let Some(session) = portal.store.telling(told).open_by(right.proof(), session).await? else { return Ok(None) };
    portal.metrics.attempt(Method::Passkey, Attempt::Success);
    Ok(Some(arrival::arrive(portal, plan, call, prepared, (&session, journey)).await?))
}

/// What the sign-in page shows after an answer that is not right.
fn refused(wrong: &Wrong) -> Shown<'static> {
    let alert = Some(Alert::new(BUTTON, keys::refused(wrong.reason)));
    Shown { status: StatusCode::UNPROCESSABLE_ENTITY, alert, forget: wrong.forget.clone(), ..Shown::default() }
}
