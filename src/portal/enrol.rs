//! Leads somebody whose password is known to be right through adding what is asked for: an authenticator by a set-up link of their
//! own, in which that password waits already, or a passkey on the page for it. Where nobody has a password, somebody whose recovery
//! code was right.
//!
//! Whoever has no second factor is led there only as long as the owner allows it: who knows the password is not known to be who
//! they say.

use std::time::Duration;

use http::Response;
use http::header::LOCATION;

use crate::auth::token::Token;
use crate::base::clock::Timestamp;
use crate::model::audit::Deed;
use crate::model::method::Method;
use crate::model::session::{Proofs, Session, SessionId};
use crate::model::strength::Strength;
use crate::plan::whole::Plan;
use crate::policy::requirement::Needs;
use crate::policy::rule::Action;
use crate::portal::account::passkeys;
use crate::portal::arrival::{self, Proven};
use crate::portal::call::Call;
use crate::portal::connecting;
use crate::portal::journey::Journey;
use crate::portal::passkey;
use crate::portal::service::Portal;
use crate::portal::sign_in;
use crate::portal::stop::Stop;
use crate::store::credentials::SignInFacts;
use crate::web::refusal::Refusal;
use crate::web::text;
use crate::wire::body::Body;

/// How long somebody has for it.
pub const LIFE: Duration = Duration::from_secs(3600);

/// As the trail has it.
const WHY: &str = "to add what is asked for";

/// Begins it. `go` names where they want to be afterwards, `why` stands in the audit trail; it is over at `until`.
///
/// # Errors
/// [`Stop`] when there is no password, or the store does not answer.
pub async fn begin(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (facts, session): (&SignInFacts, SessionId),
    (go, why, until): (&str, &'static str, Timestamp),
) -> Result<Response<Body>, Stop> {
    let password = facts.password.clone();
    if password.is_none() && !plan.auth.mode.is_single_owner() {
        return Err(Refusal::Forbidden.into());
    }
    let token = Token::draw(portal.entropy);
    let told = call.entry(Deed::LinkIssued).because(why);
    let totp = connecting::draw(plan.auth.totp, portal.entropy, call.now);
    let issued = portal.store.telling(told).issue_own_link(session, token.hash(), until).await?;
    let staged = match password {
        _ if !issued => false,
        Some(password) => portal.store.stage_password(token.hash(), password, totp).await?,
        None => portal.store.stage_authenticator(token.hash(), totp).await?,
    };
    if !issued {
        // The owner's own link is open, and nobody else's takes its place.
        let user = facts.user.name.as_str();
        return Ok(sign_in::no_second_factor(plan, (text::USE_OWNERS_LINK.to_owned(), user), go.to_owned()));
    }
    if !staged {
        return Err(Refusal::Forbidden.into());
    }
    Ok(call.redirect(&format!("/.doorward/setup/{}?step=2&go={go}", token.to_text().expose())))
}

/// How long somebody new may add what is asked for where they want to go.
pub fn deadline(plan: &Plan, journey: Option<&Journey>) -> Duration {
    journey.and_then(|journey| journey.app(plan)).map_or(plan.auth.enrol_deadline, |app| app.enrol_deadline)
}

/// The longest such time of all that lets this person in: what is added by any of them opens every one.
pub fn longest(plan: &Plan, session: &Session) -> Duration {
    let lets_in = |action: &Action| matches!(action, Action::Require(asked) if asked.people.let_in(session));
    let apps = plan
        .apps
        .iter()
        .filter(|app| app.rules.requirement.people.let_in(session) || app.rules.rules.iter().any(|rule| lets_in(&rule.action)));
    apps.map(|app| app.enrol_deadline).fold(plan.auth.enrol_deadline, Duration::max)
}

/// Until when somebody may add what is asked for with their password alone; `None` if not, or no more. A key that was set aside and
/// recovery codes count as something to lose: their account was protected by more before.
pub fn until(facts: &SignInFacts, deadline: Duration, now: Timestamp) -> Option<Timestamp> {
    let has_more = !facts.totps.is_empty() || !facts.passkeys.is_empty() || facts.set_aside > 0 || facts.recovery_left > 0;
    let ends = facts.asked_since.plus(deadline);
    (facts.password.is_some() && !has_more && now < ends).then_some(ends)
}

/// Leads somebody with a right password on to adding what `needs` asks for, `until` then, and to where they want to go after it. Their
/// session is one by a password and opens what a password opens. `None` if nothing that can be added would do.
///
/// # Errors
/// [`Stop`] when the account was closed this very moment, or the store does not answer.
pub async fn lead(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (facts, needs): (&SignInFacts, Needs),
    (journey, until): (Option<&Journey>, Timestamp),
) -> Result<Option<Response<Body>>, Stop> {
    let ways = needs.ways();
    let by_code = ways.contains(Method::PasswordTotp);
    let by_key = ways.contains(Method::PasswordPasskey) || ways.contains(Method::Passkey);
    if !by_code && (!by_key || passkey::site(portal, plan).is_none()) {
        return Ok(None);
    }
    let proofs = Proofs { password: Some(call.now), ..Proofs::default() };
    let proven = Proven { user: facts.user.id, strength: Strength::Password, proofs, remember: false };
    let (prepared, session) = arrival::prepare(portal, plan, call, proven);
    let told = call.entry(Deed::SignIn).with(&call.agent()).by("password").detailed(call.host.as_str());
    let store = portal.store.telling(told.because(WHY));
    let session = store.open_session(session).await?.ok_or(Refusal::Forbidden)?;
    let go = portal.journeys.keep(journey, call.network(), call.now);
    let next = if by_code {
        begin(portal, plan, call, (facts, session.id), (&go, WHY, until.min(call.now.plus(LIFE)))).await?
    } else {
        call.redirect(&format!("{}?go={go}", passkeys::ADD))
    };
    if !next.headers().contains_key(LOCATION) {
        portal.store.end_session(session.id).await?;
        return Ok(Some(next));
    }
    let mut response = arrival::arrive(portal, plan, call, prepared, (&session, journey)).await?;
    if let Some(location) = next.headers().get(LOCATION) {
        response.headers_mut().insert(LOCATION, location.clone());
    }
    Ok(Some(response))
}
