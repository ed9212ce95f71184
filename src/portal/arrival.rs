//! The end of a sign-in: a new session, its cookie, and the page that leads on.

use std::time::Duration;

use askama::Template;
use http::{Response, StatusCode};

use crate::auth::token::Token;
use crate::model::audit::Deed;
use crate::model::event::Event;
use crate::model::session::{Proofs, Session};
use crate::model::strength::Strength;
use crate::model::user::UserId;
use crate::observe::metrics::Ending;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::confirm;
use crate::portal::device;
use crate::portal::hand_off;
use crate::portal::journey::Journey;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::portal::why::sign_in_path;
use crate::store::sessions::NewSession;
use crate::web::asset;
use crate::web::page;
use crate::web::text;
use crate::wire::body::Body;
use crate::wire::cookie;

/// A session about to begin. Its token is drawn here and nowhere else: no value that a browser brought becomes one.
#[derive(Debug)]
pub struct Prepared {
    token: Token,
    max_age: Option<Duration>,
}

/// Who signs in, and how firmly.
#[derive(Clone, Copy, Debug)]
pub struct Proven {
    /// Whose session it will be.
    pub user: UserId,
    /// How firmly identity was proven.
    pub strength: Strength,
    /// And when.
    pub proofs: Proofs,
    /// Whether it is to outlive the browser.
    pub remember: bool,
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "continue.html")]
struct ContinuePage<'a> {
    installation: &'a str,
    app: &'a str,
    to: &'a str,
}

/// Prepares a session for the store to open.
pub fn prepare(portal: &Portal, plan: &Plan, call: &Call<'_>, proven: Proven) -> (Prepared, NewSession) {
    let token = Token::draw(portal.entropy);
    let max_age = plan.session.remember.filter(|_| proven.remember);
    let session = NewSession {
        token: token.hash(),
        user: proven.user,
        host: call.host.as_str().into(),
        strength: proven.strength,
        proofs: proven.proofs,
        expires_at: call.now.plus(max_age.unwrap_or(plan.session.absolute_timeout)),
        idle_timeout: if max_age.is_some() { None } else { Some(plan.session.idle_timeout) },
        network: call.network().to_string().into(),
        agent: call.agent().into(),
    };
    (Prepared { token, max_age }, session)
}

/// Hands the session's cookie over and leads on. The session that this browser held before is ended.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn arrive(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    prepared: Prepared,
    (session, journey): (&Session, Option<&Journey>),
) -> Result<Response<Body>, Stop> {
    if let Some(former) = call.session().filter(|former| former.id != session.id) {
        let told = call.entry(Deed::SessionEnded).because("another took its place in this browser").detailed(former.id.as_str());
        portal.store.telling(told).end_session(former.id).await?;
        portal.metrics.ended(Ending::Replaced, 1);
    }
    let (user, method, id) = (&session.user_name, session.method(), session.id);
    let (host, request) = (call.host.as_str(), call.request_id);
    tracing::info!(event = Event::SignedIn.name(), %user, host, ip = %plan.log.shown(call.client), method, session = %id, request);
    let device = device::remember(portal, call, (session.user, user)).await?;
    let mut response = leave(portal, call, journey);
    let headers = response.headers_mut();
    cookie::attach(headers, device);
    cookie::attach(headers, cookie::set(cookie::SESSION, prepared.token.to_text().expose(), prepared.max_age));
    let visitor = Token::draw(portal.entropy);
    cookie::attach(headers, cookie::set(cookie::VISITOR, visitor.to_text().expose(), None));
    Ok(response)
}

/// Leads on by way of our own page: after a form, browsers would apply our `form-action` to the redirects of others too.
pub fn leave(portal: &Portal, call: &Call<'_>, journey: Option<&Journey>) -> Response<Body> {
    let go = portal.journeys.keep(journey, call.network(), call.now);
    call.redirect(&format!("/.doorward/continue?go={go}"))
}

/// The page that leads on by itself, and by a link where it does not. Whoever is not signed in firmly enough is asked first.
pub fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Response<Body> {
    let query = call.query();
    let journey = call.journey(portal, plan, query.text("go"));
    let Some(session) = call.session_for(plan, journey.as_ref()) else {
        let go = portal.journeys.keep(journey.as_ref(), call.network(), call.now);
        let stale = call.is_stale_for(plan, journey.as_ref());
        return call.redirect(&if stale { confirm::path(&go, None) } else { sign_in_path(&go, None) });
    };
    let to = hand_off::way_on(portal, plan, call, (session, journey.as_ref()));
    let app = journey.and_then(|journey| journey.app(plan)).map_or(&plan.name, |app| &app.name);
    page::render(StatusCode::OK, &ContinuePage { installation: &plan.name, app, to: &to })
}
