//! The page after a sign-in with a recovery code: what happened, and what to do now.

use askama::Template;
use http::{Response, StatusCode};

use crate::auth::form::FormToken;
use crate::model::session::Session;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::enrol;
use crate::portal::fresh;
use crate::portal::guard;
use crate::portal::hand_off::HOME;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::web::asset;
use crate::web::page;
use crate::web::rescue;
use crate::web::text;
use crate::wire::body::Body;

/// This page.
pub const PAGE: &str = "/.doorward/login/recovered";
/// What the token of its form is good for.
const PURPOSE: &str = "recovered";

#[derive(Template)]
#[template(config = ".askama.toml", path = "recovered.html")]
struct RecoveredPage<'a> {
    installation: &'a str,
    left: usize,
    token: String,
    go: String,
}

/// The page, for a session that began with a recovery code; home for every other.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    let Some(session) = call.session() else { return Ok(call.redirect(HOME)) };
    let Some(left) = left(portal, session).await? else { return Ok(call.redirect(HOME)) };
    let journey = call.journey(portal, plan, call.query().text("go"));
    let page = RecoveredPage {
        installation: &plan.name,
        left,
        token: guard::token(portal, call, session.id.as_str().as_bytes(), PURPOSE),
        go: portal.journeys.keep(journey.as_ref(), call.network(), call.now),
    };
    Ok(page::render(StatusCode::OK, &page))
}

/// Leads to a new authenticator.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or when the store does not answer.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    let fresh::Proven { session, facts } = match fresh::changing(portal, plan, call, PAGE).await? {
        Ok(proven) => proven,
        Err(elsewhere) => return Ok(*elsewhere),
    };
    let proven = FormToken::verify(&portal.forms, session.id.as_str().as_bytes(), PURPOSE, sent.text("t"), call.now);
    if !proven || left(portal, session).await?.is_none() {
        return Ok(call.redirect(PAGE));
    }
    let journey = call.journey(portal, plan, sent.text("go"));
    let go = portal.journeys.keep(journey.as_ref(), call.network(), call.now);
    enrol::begin(portal, plan, call, (&facts, session.id), (&go, "after a recovery code", call.now.plus(enrol::LIFE))).await
}

/// How many codes are left to whoever began this session with one; `None` if it began otherwise.
async fn left(portal: &Portal, session: &Session) -> Result<Option<usize>, Stop> {
    let set = portal.store.recovery(session.user).await?;
    Ok(set.filter(|set| set.last_used() == Some(session.created_at)).map(|set| set.left()))
}
