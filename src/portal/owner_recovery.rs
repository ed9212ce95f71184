//! Signing in with a recovery code where one owner has the only account: the code alone, in place of the one from the phone.

use askama::Template;
use http::header::LOCATION;
use http::{HeaderValue, Response, StatusCode};
use tokio::time::Instant;

use crate::auth::recovery::Code;
use crate::auth::token::Token;
use crate::observe::metrics::{Attempt, Method};
use crate::plan::whole::Plan;
use crate::portal::arrival;
use crate::portal::call::Call;
use crate::portal::guard;
use crate::portal::journey::Journey;
use crate::portal::owner_sign_in::{self, Arriving};
use crate::portal::recovered;
use crate::portal::recovery::{self, METHOD, Tried};
use crate::portal::service::Portal;
use crate::portal::sign_in;
use crate::portal::stop::Stop;
use crate::portal::tries::{self, Tried as At};
use crate::store::credentials::SignInFacts;
use crate::store::proof::Proof;
use crate::web::asset;
use crate::web::owner;
use crate::web::page::{self, Alert};
use crate::web::rescue;
use crate::web::text;
use crate::wire::body::Body;
use crate::wire::cookie;

/// What the token of this form is good for.
const PURPOSE: &str = "owner's recovery";

#[derive(Template)]
#[template(config = ".askama.toml", path = "owner_recovery.html")]
struct RecoveryPage<'a> {
    installation: &'a str,
    alert: Option<Alert>,
    token: String,
    go: String,
}

/// The form; straight on for somebody who is signed in well enough already.
pub fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Response<Body> {
    let journey = call.journey(portal, plan, call.query().text("go"));
    if call.session_for(plan, journey.as_ref()).is_some() {
        return arrival::leave(portal, call, journey.as_ref());
    }
    form(portal, plan, call, journey.as_ref(), (StatusCode::OK, None))
}

fn form(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    journey: Option<&Journey>,
    (status, text): (StatusCode, Option<String>),
) -> Response<Body> {
    let known = call.visitor();
    let visitor = known.clone().unwrap_or_else(|| Token::draw(portal.entropy));
    let page = RecoveryPage {
        installation: &plan.name,
        alert: text.map(|text| Alert::new("code", text)),
        token: guard::token(portal, call, visitor.hash().as_bytes(), PURPOSE),
        go: portal.journeys.keep(journey, call.network(), call.now),
    };
    let mut response = page::render(status, &page);
    if known.is_none() {
        cookie::attach(response.headers_mut(), cookie::set(cookie::VISITOR, visitor.to_text().expose(), None));
    }
    response
}

/// Checks a code and ends the sign-in.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or when the store does not answer.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    let journey = call.journey(portal, plan, sent.text("go"));
    let answer = |status, text: String| form(portal, plan, call, journey.as_ref(), (status, Some(text)));
    if guard::prove(portal, call, &sent, PURPOSE).is_err() {
        return Ok(answer(StatusCode::FORBIDDEN, rescue::FORM_TOO_OLD.to_owned()));
    }
    // Before anything is counted: what cannot be anybody's code is a slip of the hand, and tells nobody anything.
    let Some(code) = Code::parse(sent.secret("code").expose()) else {
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, rescue::NO_CODE.to_owned()));
    };
    let owner = portal.store.owner().await?;
    let facts = owner.facts();
    let began = Instant::now();
    let tried = recovery::attempt(portal, plan, call, (facts.map(|facts| &facts.user), &code)).await?;
    portal.metrics.attempt_took(Method::Recovery, began.elapsed());
    let whose = At { user: facts.map(|facts| &facts.user.name), by: METHOD, method: Method::Recovery };
    let told = match (tried, facts) {
        (Tried::Busy, _) => {
            return Ok(sign_in::busy(answer(StatusCode::SERVICE_UNAVAILABLE, rescue::BUSY.to_owned())));
        }
        (Tried::Wait(wait), _) => {
            tries::throttled(portal, plan, call, whose).await?;
            return Ok(sign_in::later(answer(StatusCode::TOO_MANY_REQUESTS, owner::recovery_waits(wait)), wait));
        }
        (Tried::Right(proof), Some(facts)) => match finish(portal, plan, call, (facts, proof), journey.as_ref()).await? {
            Some(response) => {
                portal.metrics.attempt(Method::Recovery, Attempt::Success);
                return Ok(response);
            }
            // Another tab was faster.
            None => rescue::USED,
        },
        (Tried::Wrong(text), _) => text,
        (Tried::Right(_), None) => rescue::WRONG,
    };
    tries::failed(portal, plan, call, whose, "wrong or used recovery code").await?;
    Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, told.to_owned()))
}

/// Spends the code, ends every session there is and opens one; then to the page that says what to do now.
async fn finish(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (facts, proof): (&SignInFacts, Proof),
    journey: Option<&Journey>,
) -> Result<Option<Response<Body>>, Stop> {
    // Never kept on the device: what follows is to connect an authenticator.
    let how = Arriving { user: &facts.user, proof, remember: false };
    let Some(mut response) = owner_sign_in::enter(portal, plan, call, (how, journey)).await? else { return Ok(None) };
    let go = portal.journeys.keep(journey, call.network(), call.now);
    let location = HeaderValue::try_from(format!("{}?go={go}", recovered::PAGE));
    response.headers_mut().insert(LOCATION, location.unwrap_or(HeaderValue::from_static(recovered::PAGE)));
    Ok(Some(response))
}
