//! Leads somebody whose password is known to be right through setting up an authenticator: a set-up link of their own, in which
//! that password waits already. Where nobody has one, somebody whose recovery code was right.

use std::time::Duration;

use http::Response;

use crate::auth::token::Token;
use crate::model::audit::Deed;
use crate::model::session::SessionId;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::service::Portal;
use crate::portal::set_up;
use crate::portal::stop::Stop;
use crate::store::credentials::SignInFacts;
use crate::web::refusal::Refusal;
use crate::wire::body::Body;

/// How long somebody has for it.
const LIFE: Duration = Duration::from_secs(3600);

/// Begins it. `go` names where they want to be afterwards, `why` stands in the audit trail.
///
/// # Errors
/// [`Stop`] when there is no password, or the store does not answer.
pub async fn begin(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (facts, session): (&SignInFacts, SessionId),
    (go, why): (&str, &'static str),
) -> Result<Response<Body>, Stop> {
    let password = facts.password.clone();
    if password.is_none() && !plan.auth.mode.is_single_owner() {
        return Err(Refusal::Forbidden.into());
    }
    let token = Token::draw(portal.entropy);
    let told = call.entry(Deed::LinkIssued).because(why);
    let totp = set_up::new_authenticator(portal, plan, call);
    let issued = portal.store.telling(told).issue_own_link(session, token.hash(), call.now.plus(LIFE)).await?;
    let staged = match password {
        Some(password) => portal.store.stage_password(token.hash(), password, totp).await?,
        None => portal.store.stage_authenticator(token.hash(), totp).await?,
    };
    if !issued || !staged {
        return Err(Refusal::Forbidden.into());
    }
    Ok(call.redirect(&format!("/.doorward/setup/{}?step=2&go={go}", token.to_text().expose())))
}
