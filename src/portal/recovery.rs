//! The second step with a recovery code in place of one from the authenticator app.

use askama::Template;
use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};
use tokio::time::Instant;

use crate::auth::password;
use crate::auth::recovery::Code;
use crate::auth::throttle::Wait;
use crate::base::secret::Secret;
use crate::model::attempt::Factor;
use crate::model::audit::Deed;
use crate::model::session::Proofs;
use crate::model::strength::Strength;
use crate::model::user::User;
use crate::observe::metrics::{Attempt, Method};
use crate::plan::whole::Plan;
use crate::portal::arrival::{self, Proven};
use crate::portal::call::Call;
use crate::portal::guard;
use crate::portal::owner_recovery;
use crate::portal::recovered;
use crate::portal::second_factor::{self, HalfDone};
use crate::portal::service::Portal;
use crate::portal::sign_in;
use crate::portal::stop::Stop;
use crate::portal::tries::{self, Tried as At};
use crate::store::proof::Proof;
use crate::web::asset;
use crate::web::page::{self, Alert};
use crate::web::rescue;
use crate::web::text;
use crate::wire::body::Body;

/// This page.
pub const PAGE: &str = "/.doorward/login/recovery";
/// What the token of this form is good for.
const PURPOSE: &str = "recovery";
/// How the log names what happens here.
pub const METHOD: &str = "recovery code";

#[derive(Template)]
#[template(config = ".askama.toml", path = "recovery.html")]
struct RecoveryPage<'a> {
    installation: &'a str,
    user: &'a str,
    alert: Option<Alert>,
    token: String,
    ceremony: &'a str,
    go: String,
    has_app: bool,
}

/// What a try came to.
#[derive(Debug)]
pub enum Tried {
    /// It is one, to be spent.
    Right(Proof),
    /// It is none, and what its visitor is told.
    Wrong(&'static str),
    /// It was not looked at.
    Wait(Wait),
    /// There was no time to.
    Busy,
}

/// The form.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    if plan.auth.mode.is_single_owner() {
        return Ok(owner_recovery::show(portal, plan, call));
    }
    let query = call.query();
    match second_factor::half_done(portal, plan, call, &query).await? {
        Some(half_done) if !half_done.step.counts_codes => Ok(call.redirect(&half_done.path(portal, call, second_factor::PAGE))),
        Some(half_done) => Ok(form(portal, plan, call, &half_done, (StatusCode::OK, None))),
        None => Ok(second_factor::start_again(portal, plan, call, &query)),
    }
}

/// Checks a code and ends the sign-in.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or when the store does not answer.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    if plan.auth.mode.is_single_owner() {
        return owner_recovery::submit(portal, plan, call, body).await;
    }
    let sent = guard::read(call, body).await?;
    let Some(half_done) = second_factor::half_done(portal, plan, call, &sent).await? else {
        portal.metrics.attempt(Method::Recovery, Attempt::Expired);
        return Ok(second_factor::start_again(portal, plan, call, &sent));
    };
    // A recovery code stands in for one from an app, where that counts.
    if !half_done.step.counts_codes {
        return Ok(call.redirect(&half_done.path(portal, call, second_factor::PAGE)));
    }
    let answer = |status, text: String| form(portal, plan, call, &half_done, (status, Some(Alert::new("code", text))));
    if guard::prove(portal, call, &sent, PURPOSE).is_err() {
        return Ok(answer(StatusCode::FORBIDDEN, rescue::FORM_TOO_OLD.to_owned()));
    }
    let began = Instant::now();
    // Before anything is counted: what cannot be anybody's code is a slip of the hand, and tells nobody anything.
    let Some(code) = Code::parse(sent.secret("code").expose()) else {
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, rescue::NO_CODE.to_owned()));
    };
    let mut tried = attempt(portal, plan, call, (Some(&half_done.facts.user), &code)).await?;
    portal.metrics.attempt_took(Method::Recovery, began.elapsed());
    if let Tried::Right(proof) = tried {
        match finish(portal, plan, call, &half_done, proof).await? {
            Some(response) => {
                portal.metrics.attempt(Method::Recovery, Attempt::Success);
                return Ok(response);
            }
            // Another tab was faster.
            None => tried = Tried::Wrong(rescue::USED),
        }
    }
    let whose = At { user: Some(&half_done.facts.user.name), by: METHOD, method: Method::Recovery };
    match tried {
        Tried::Busy => Ok(sign_in::busy(answer(StatusCode::SERVICE_UNAVAILABLE, rescue::BUSY.to_owned()))),
        Tried::Wait(wait) => {
            tries::throttled(portal, plan, call, whose).await?;
            Ok(sign_in::later(answer(StatusCode::TOO_MANY_REQUESTS, rescue::waiting(wait)), wait))
        }
        Tried::Wrong(_) | Tried::Right(_) => {
            let text = if let Tried::Wrong(text) = tried { text } else { rescue::USED };
            tries::failed(portal, plan, call, whose, "wrong or used recovery code").await?;
            Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, text.to_owned()))
        }
    }
}

fn form(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    half_done: &HalfDone,
    (status, alert): (StatusCode, Option<Alert>),
) -> Response<Body> {
    let page = RecoveryPage {
        installation: &plan.name,
        user: half_done.facts.user.name.as_str(),
        alert,
        token: guard::token(portal, call, half_done.visitor.hash().as_bytes(), PURPOSE),
        ceremony: &half_done.text,
        go: portal.journeys.keep(half_done.journey.as_ref(), call.network(), call.now),
        has_app: half_done.step.code,
    };
    page::render(status, &page)
}

/// Counts a try, then makes it: one run of the hash, whether there is a code in that row, none, or a used one.
///
/// # Errors
/// [`Stop`] from a barred network, or when the store does not answer.
pub async fn attempt(portal: &Portal, plan: &Plan, call: &Call<'_>, (user, code): (Option<&User>, &Code)) -> Result<Tried, Stop> {
    let name = user.map(|user| &user.name);
    if let Err(wait) = tries::enter(portal, plan, call, name)? {
        return Ok(Tried::Wait(wait));
    }
    // Before it is counted: a try that we had no time for is not held against anybody.
    let known = tries::is_known(portal, call, name);
    let Ok(slot) = portal.hasher.slot_for(known).await else { return Ok(Tried::Busy) };
    if let Err(refused) = portal.store.try_factor(tries::attempt(plan, call, name, Factor::Recovery)).await? {
        drop(slot);
        return Ok(Tried::Wait(tries::held(portal, plan, call, refused).await));
    }
    let row = match user {
        Some(user) => portal.store.recovery_row(user.id, code.row()).await?,
        None => None,
    };
    let hash = row.as_ref().map_or_else(|| password::decoy().clone(), |row| row.hash.clone());
    let secret: Secret<String> = code.secret().clone();
    let right = slot.verify(hash, secret).await;
    Ok(match row {
        Some(row) if right && row.used => Tried::Wrong(rescue::USED),
        Some(row) if right => Tried::Right(Proof::Recovery { set: row.set, row: code.row() }),
        Some(_) | None => Tried::Wrong(rescue::WRONG),
    })
}

/// Spends the code, ends every session of its user and opens one, all or nothing; `None` if another tab was faster.
async fn finish(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    half_done: &HalfDone,
    proof: Proof,
) -> Result<Option<Response<Body>>, Stop> {
    let HalfDone { ceremony, facts, journey, .. } = half_done;
    let proofs = Proofs { password: Some(half_done.begun()), code: Some(call.now), passkey: None };
    // Never kept on the device: what follows is to connect an authenticator.
    let proven = Proven { user: facts.user.id, strength: Strength::TwoFactor, proofs, remember: false };
    let (prepared, session) = arrival::prepare(portal, plan, call, proven);
    let told = call.entry(Deed::SignIn).with(&call.agent()).by("password and recovery code").detailed(call.host.as_str());
    let store = portal.store.telling(told).telling(call.entry(Deed::RecoveryUsed));
    let Some(session) = store.finish_sign_in(ceremony.id, proof, session).await? else { return Ok(None) };
    tries::succeeded(portal, plan, call, (&facts.user.name, Factor::Recovery)).await?;
    let mut response = arrival::arrive(portal, plan, call, prepared, (&session, journey.as_ref())).await?;
    let go = portal.journeys.keep(journey.as_ref(), call.network(), call.now);
    let location =
        HeaderValue::try_from(format!("{}?go={go}", recovered::PAGE)).unwrap_or(HeaderValue::from_static(recovered::PAGE));
    response.headers_mut().insert(LOCATION, location);
    Ok(Some(response))
}

#[cfg(test)]
mod tests;
