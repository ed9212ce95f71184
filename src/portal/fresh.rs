//! Who may look after their account here, and who has to sign in, or prove once more who they are, first.

use std::sync::Arc;

use http::Response;

use crate::model::method::Methods;
use crate::model::session::Session;
use crate::model::strength::Strength;
use crate::plan::whole::Plan;
use crate::policy::requirement::{Lack, Needs};
use crate::portal::account::factors;
use crate::portal::call::Call;
use crate::portal::confirm;
use crate::portal::enrol;
use crate::portal::journey::Journey;
use crate::portal::service::Portal;
use crate::portal::sign_in;
use crate::portal::stop::Stop;
use crate::portal::ways;
use crate::portal::why::sign_in_path;
use crate::store::credentials::SignInFacts;
use crate::store::keep::Holding;
use crate::web::refusal::Refusal;
use crate::web::return_to::Destination;
use crate::web::text;
use crate::wire::body::Body;

/// Somebody who may change something about their account, and what they prove themselves with.
#[derive(Debug)]
pub struct Proven<'a> {
    /// Their session.
    pub session: &'a Arc<Session>,
    /// What signing in knows of them.
    pub facts: SignInFacts,
}

/// The session of a visitor who may see `page`, one of ours.
///
/// # Errors
/// The way to sign in and back to `page`.
pub fn signed_in<'a>(
    portal: &Portal,
    plan: &Plan,
    call: &'a Call<'_>,
    page: &str,
) -> Result<&'a Arc<Session>, Box<Response<Body>>> {
    call.session().ok_or_else(|| {
        let go = way_back(portal, plan, call, (page, plan.auth.needs()));
        Box::new(call.redirect(&sign_in_path(&go, None)))
    })
}

/// The session of a visitor who may change something: the strongest factor of the *account* was proven within
/// `session.sudo_timeout`, so that neither an unlocked screen nor a stolen cookie is enough to take an account over, nor a session
/// that a password opened, of somebody who has more than that by now.
///
/// # Errors
/// [`Stop`] if the store does not answer, or the account is gone or disabled; inside, the way to prove that, or to sign in, and
/// back to `page`.
pub async fn changing<'a>(
    portal: &Portal,
    plan: &Plan,
    call: &'a Call<'_>,
    page: &str,
) -> Result<Result<Proven<'a>, Box<Response<Body>>>, Stop> {
    let session = match signed_in(portal, plan, call, page) {
        Ok(session) => session,
        Err(way) => return Ok(Err(way)),
    };
    let facts = facts(portal, session).await?;
    let needs = needs(portal, plan, session, &facts);
    let Some(lack) = needs.lack_of_proof(session, call.now) else { return Ok(Ok(Proven { session, facts })) };
    let go = way_back(portal, plan, call, (page, needs));
    Ok(Err(Box::new(call.redirect(&match lack {
        Lack::Freshness => confirm::path(&go, None),
        Lack::Strength => sign_in_path(&go, None),
    }))))
}

/// As [`changing`], for a page that adds a factor. Where something that this person may open asks for more than a password, and
/// a password is all they have, it is not theirs to add the rest: a stolen password would be enough to come by a second factor.
///
/// # Errors
/// As [`changing`]; inside, also the page that says who helps.
pub async fn strengthening<'a>(
    portal: &Portal,
    plan: &Plan,
    call: &'a Call<'_>,
    page: &str,
) -> Result<Result<Proven<'a>, Box<Response<Body>>>, Stop> {
    adding(plan, changing(portal, plan, call, page).await?, |_| false)
}

/// As [`strengthening`], for a page that adds what signing in may ask for: within the time that the owner gives for it, a password is
/// enough.
///
/// # Errors
/// As [`strengthening`].
pub async fn enrolling<'a>(
    portal: &Portal,
    plan: &Plan,
    call: &'a Call<'_>,
    page: &str,
) -> Result<Result<Proven<'a>, Box<Response<Body>>>, Stop> {
    let in_time = |proven: &Proven<'_>| enrol::until(&proven.facts, enrol::longest(plan, proven.session), call.now).is_some();
    adding(plan, changing(portal, plan, call, page).await?, in_time)
}

/// Turns whoever must not add a factor into the page that says who helps, unless `excused`.
fn adding<'a>(
    plan: &Plan,
    proven: Result<Proven<'a>, Box<Response<Body>>>,
    excused: impl FnOnce(&Proven<'a>) -> bool,
) -> Result<Result<Proven<'a>, Box<Response<Body>>>, Stop> {
    Ok(proven.and_then(|proven| match must_not_add(plan, &proven) && !excused(&proven) {
        true => Err(Box::new(ask_owner(plan, &proven))),
        false => Ok(proven),
    }))
}

/// Whether a password is all that somebody has, and not enough for all that they may open.
fn must_not_add(plan: &Plan, proven: &Proven<'_>) -> bool {
    // Where there is one owner, one factor is all that is asked for: whoever proved it may add others.
    let people = !plan.auth.mode.is_single_owner();
    let has_none = Holding::from(&proven.facts).second_factors() == 0 && proven.session.strength == Strength::Password;
    people && has_none && factors::may_have_none(plan, proven.session).is_err()
}

fn ask_owner(plan: &Plan, proven: &Proven<'_>) -> Response<Body> {
    let user = proven.session.user_name.as_str();
    sign_in::no_second_factor(plan, (text::no_second_factor(&plan.name), user), String::new())
}

/// What somebody who is signed in proves themselves with.
///
/// # Errors
/// [`Stop`] if the store does not answer, or the account is gone or disabled.
pub async fn facts(portal: &Portal, session: &Session) -> Result<SignInFacts, Stop> {
    let facts = portal.store.sign_in_facts_of(session.user).await?;
    Ok(facts.filter(|facts| !facts.user.disabled).ok_or(Refusal::Forbidden)?)
}

/// What has to be proven, and how lately, for somebody to change something.
pub fn needs(portal: &Portal, plan: &Plan, session: &Session, facts: &SignInFacts) -> Needs {
    // Where there is one owner, a factor is what signs in by itself: the one that did is asked for again.
    let second = !plan.auth.mode.is_single_owner() && Holding::from(facts).second_factors() > 0;
    let firmest = if second { Strength::TwoFactor } else { Strength::Password };
    let allowed = ways::allowed(plan, &facts.terms);
    // Whoever has nothing that counts proves what there is; and never a password alone where there is more.
    let counts = !allowed.and(ways::held(portal, plan, facts)).at_least(firmest).is_empty();
    let methods = if counts { allowed } else { Methods::ALL };
    let strength = session.strength.max(firmest).min(methods.strongest().unwrap_or(Strength::Passkey));
    Needs { methods, max_age: Some(plan.session.sudo_timeout), ..Needs::of(strength) }
}

/// The name of a journey back to `page`, one of ours, that asks for `needs`.
pub fn way_back(portal: &Portal, plan: &Plan, call: &Call<'_>, (page, needs): (&str, Needs)) -> String {
    let journey = Journey::new(portal.entropy, plan.portal.clone(), Destination::ours(page), needs);
    portal.journeys.keep(Some(&journey), call.network(), call.now)
}
