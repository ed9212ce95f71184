//! Signing out: a question first, because a link alone must not end a session.

use askama::Template;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::auth::form::FormToken;
use crate::model::event::Event;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::guard;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::web::asset;
use crate::web::page;
use crate::web::text;
use crate::wire::body::Body;
use crate::wire::cookie;

/// What the token of this form is good for.
const PURPOSE: &str = "sign out";
const SIGNED_OUT: &str = "/.doorward/login?why=signed-out";

/// What a browser is to forget when its owner signs out.
///
/// `"storage"` takes the app's own data along, its service worker and what that keeps for offline use: after signing out
/// on a shared machine, no page of the app must still open from there. The app's cookies stay (`"cookies"` would reach
/// every site of the domain), and a session that merely expires forgets nothing.
const FORGET: HeaderValue = HeaderValue::from_static("\"cache\", \"storage\"");

#[derive(Template)]
#[template(config = ".askama.toml", path = "sign_out.html")]
struct SignOutPage<'a> {
    installation: &'a str,
    app: &'a str,
    user: &'a str,
    token: String,
}

/// The question.
pub fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Response<Body> {
    let Some(session) = call.session() else { return call.redirect(SIGNED_OUT) };
    let page = SignOutPage {
        installation: &plan.name,
        app: &call.app.name,
        user: session.user_name.as_str(),
        token: guard::token(portal, call, session.id.as_str().as_bytes(), PURPOSE),
    };
    page::render(StatusCode::OK, &page)
}

/// Ends the session, for every open connection too.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or when the store does not answer: the visitor is then still signed in.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    if let Some(session) = call.session() {
        let binding = session.id.as_str().as_bytes();
        if !FormToken::verify(&portal.forms, binding, PURPOSE, sent.text("t"), call.now) {
            return Ok(show(portal, plan, call));
        }
        portal.store.end_session(session.id).await?;
        let (user, id, request) = (&session.user_name, session.id, call.request_id);
        tracing::info!(event = Event::SignedOut.name(), %user, ip = %call.client, session = %id, request);
    }
    let mut response = call.redirect(SIGNED_OUT);
    let headers = response.headers_mut();
    cookie::attach(headers, cookie::clear(cookie::SESSION));
    cookie::attach(headers, cookie::clear(cookie::VISITOR));
    headers.insert(HeaderName::from_static("clear-site-data"), FORGET);
    Ok(response)
}
