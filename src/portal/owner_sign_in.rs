//! Signing in where one owner has the only account: a code alone, without a name and without a password. The passkey beside it
//! is judged where every passkey is, and the recovery code has a page of its own.
//!
//! There is no name to hide behind: every stranger guesses at the one code there is. What that leaves them is reckoned in
//! `docs/security.md`, and counted by `auth::throttle`.

use http::{Response, StatusCode};
use tokio::time::Instant;

use crate::auth::throttle::Wait;
use crate::base::units::in_words;
use crate::model::attempt::Factor;
use crate::model::audit::Deed;
use crate::model::session::{Proofs, Session};
use crate::model::strength::Strength;
use crate::model::user::{User, UserId, UserName};
use crate::observe::metrics::{Attempt, Method};
use crate::plan::whole::Plan;
use crate::policy::requirement::Needs;
use crate::portal::arrival::{self, Proven};
use crate::portal::call::Call;
use crate::portal::journey::Journey;
use crate::portal::passkey;
use crate::portal::second_factor::{self, Outcome as Judged};
use crate::portal::service::Portal;
use crate::portal::sign_in;
use crate::portal::sign_in_page::{self, Shown};
use crate::portal::stop::Stop;
use crate::portal::tries::{self, Tried};
use crate::store::proof::Proof;
use crate::web::form::Form;
use crate::web::owner;
use crate::web::page::Alert;
use crate::web::text;
use crate::wire::body::Body;

/// How the log names what happens here.
const METHOD: &str = "code";
/// Lengths of what can be a code.
const DIGITS: std::ops::RangeInclusive<usize> = 6..=8;

/// Checks a code and ends the sign-in. The form has proven where it comes from.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn submit(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (sent, journey): (&Form, Option<Journey>),
) -> Result<Response<Body>, Stop> {
    let answer = |status, text: String| {
        let shown = Shown {
            status,
            alert: Some(Alert::new("code", text)),
            remembered: sent.get("remember").is_some(),
            ..Shown::default()
        };
        sign_in_page::form(portal, plan, call, journey.as_ref(), shown)
    };
    if !can_be_code(sent.text("code")) {
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, owner::NO_CODE.to_owned()));
    }
    let owner = portal.store.owner().await?;
    let facts = owner.facts();
    let name = facts.map(|facts| &facts.user.name);
    let tried = Tried { user: name, by: METHOD, method: Method::Code };
    if let Err(wait) = begin(portal, plan, call, (name, Factor::Code)).await? {
        tries::throttled(portal, plan, call, tried).await?;
        let told = owner::code_waits(wait, tries::is_known(portal, call, name));
        return Ok(sign_in::later(answer(StatusCode::TOO_MANY_REQUESTS, told), wait));
    }
    let began = Instant::now();
    let totps = facts.map_or(&[][..], |facts| facts.totps.as_slice());
    let judged = second_factor::judge(portal, plan, call, (totps, sent.text("code"))).await?;
    portal.metrics.attempt_took(Method::Code, began.elapsed());
    let told = match (judged, facts) {
        (Judged::Accepted { totp, step }, Some(facts)) => {
            let how = Arriving { user: &facts.user, proof: Proof::Code { totp, step }, remember: wants_to_stay(plan, sent) };
            if let Some(response) = enter(portal, plan, call, (how, journey.as_ref())).await? {
                portal.metrics.attempt(Method::Code, Attempt::Success);
                return Ok(response);
            }
            text::used_code(&in_words(second_factor::next_code(&facts.totps, call)))
        }
        (Judged::Refused(alert), _) => alert.text,
        (Judged::Accepted { .. }, None) => text::wrong_code(&plan.auth.totp_issuers()),
    };
    tries::failed(portal, plan, call, tried, "wrong or used code").await?;
    Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, told))
}

/// Whether somebody wants to stay signed in, and may.
fn wants_to_stay(plan: &Plan, sent: &Form) -> bool {
    plan.session.remember.is_some() && sent.get("remember").is_some()
}

/// Whether that text can be anybody's code; slips of the hand are not counted.
fn can_be_code(text: &str) -> bool {
    let mut digits = text.chars().filter(|letter| !letter.is_whitespace());
    DIGITS.contains(&digits.clone().count()) && digits.all(|digit| digit.is_ascii_digit())
}

/// Counts a try before it is made, against its network and against the owner, if it is clear who that is.
///
/// # Errors
/// [`Stop`] from a barred network or when the store does not answer; inside, how long to wait.
pub async fn begin(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (name, factor): (Option<&UserName>, Factor),
) -> Result<Result<(), Wait>, Stop> {
    if let Err(wait) = tries::enter(portal, plan, call, name)? {
        return Ok(Err(wait));
    }
    match portal.store.try_factor(tries::attempt(plan, call, name, factor)).await? {
        Ok(()) => Ok(Ok(())),
        Err(refused) => Ok(Err(tries::held(portal, plan, call, refused).await)),
    }
}

/// Somebody who has proven to be the owner.
#[derive(Clone, Copy, Debug)]
pub struct Arriving<'a> {
    /// Who that is.
    pub user: &'a User,
    /// By what.
    pub proof: Proof,
    /// Whether the session is to outlive the browser.
    pub remember: bool,
}

/// Uses the proof up and opens the session, all or nothing; `None` if another tab was faster. One factor is what it is: only a
/// passkey that verified its user is more.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn enter(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (how, journey): (Arriving<'_>, Option<&Journey>),
) -> Result<Option<Response<Body>>, Stop> {
    let now = Some(call.now);
    let (proofs, method, factor) = match how.proof {
        Proof::Passkey { .. } => (Proofs { passkey: now, ..Proofs::default() }, passkey::METHOD, None),
        Proof::Recovery { .. } => (Proofs { code: now, ..Proofs::default() }, "recovery code", Some(Factor::Recovery)),
        Proof::Password | Proof::Code { .. } => (Proofs { code: now, ..Proofs::default() }, METHOD, Some(Factor::Code)),
    };
    let strength = how.proof.lifts_to().unwrap_or(Strength::Password);
    let (prepared, session) =
        arrival::prepare(portal, plan, call, Proven { user: how.user.id, strength, proofs, remember: how.remember });
    let told = call.entry(Deed::SignIn).with(&call.agent()).by(method).detailed(call.host.as_str());
    let mut store = portal.store.telling(told);
    if matches!(how.proof, Proof::Recovery { .. }) {
        store = store.telling(call.entry(Deed::RecoveryUsed));
    }
    let Some(session) = store.open_by(how.proof, session).await? else { return Ok(None) };
    if let Some(factor) = factor {
        tries::succeeded(portal, plan, call, (&how.user.name, factor)).await?;
    }
    Ok(Some(arrival::arrive(portal, plan, call, prepared, (&session, journey)).await?))
}

/// Whether `user` may sign in by what is theirs alone: where there is one owner, nobody else may.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn admits(portal: &Portal, plan: &Plan, user: UserId) -> Result<bool, Stop> {
    let is_owner = async || Ok::<_, Stop>(portal.store.owner().await?.facts().is_some_and(|facts| facts.user.id == user));
    Ok(!plan.auth.mode.is_single_owner() || is_owner().await?)
}

/// What would have to be proven, as far as it can be: where a code is one factor, only a passkey makes a session firmer.
pub fn reachable(plan: &Plan, session: &Session, needs: Needs) -> Needs {
    let firmer = plan.auth.mode.is_single_owner() && session.strength < needs.strength;
    if firmer { Needs { strength: Strength::Passkey, ..needs } } else { needs }
}

#[cfg(test)]
mod tests;
