//! Signing out: a question first, because a link alone must not end a session.

use askama::Template;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::auth::form::FormToken;
use crate::model::audit::Deed;
use crate::model::event::Event;
use crate::observe::metrics::Ending;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::guard;
use crate::portal::hand_off;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::web::asset;
use crate::web::page;
use crate::web::return_to::Destination;
use crate::web::text;
use crate::wire::body::Body;
use crate::wire::cookie;

/// What the token of this form is good for.
const PURPOSE: &str = "sign out";
const SIGN_OUT: &str = "/.doorward/logout";
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
    effect: String,
    home: &'static str,
    token: String,
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "signed_out.html")]
struct SignedOutPage<'a> {
    installation: &'a str,
}

/// The question; where nobody is signed in, that it is so.
pub fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Response<Body> {
    let Some(session) = call.session() else {
        return match plan.is_portal(&call.host) {
            true => call.redirect(SIGNED_OUT),
            // Not on to the portal: somebody who signs out does not want to be asked for a password at once.
            false => page::render(StatusCode::OK, &SignedOutPage { installation: &plan.name }),
        };
    };
    let user = session.user_name.as_str();
    let page = SignOutPage {
        installation: &plan.name,
        effect: match plan.only_app() {
            Some(app) => text::sign_out_effect(user, &app.name),
            None => text::sign_out_everywhere_effect(user),
        },
        home: if plan.app_for(&call.host, Destination::home().target()).is_some() { "/" } else { hand_off::HOME },
        token: guard::token(portal, call, session.id.as_str().as_bytes(), PURPOSE),
    };
    page::render(StatusCode::OK, &page)
}

/// Ends the session, on every host and for every open connection.
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
        let told = call.entry(Deed::SignOut).detailed(session.id.as_str());
        portal.store.telling(told).end_session(session.id).await?;
        portal.metrics.ended(Ending::SignOut, 1);
        let (user, id, request) = (&session.user_name, session.id, call.request_id);
        tracing::info!(event = Event::SignedOut.name(), %user, ip = %plan.log.shown(call.client), session = %id, request);
    }
    // A form of this host leads to a page of this host (`form-action`).
    let mut response = call.redirect(if plan.is_portal(&call.host) { SIGNED_OUT } else { SIGN_OUT });
    let headers = response.headers_mut();
    cookie::attach(headers, cookie::clear(cookie::SESSION));
    cookie::attach(headers, cookie::clear(cookie::VISITOR));
    headers.insert(HeaderName::from_static("clear-site-data"), FORGET);
    Ok(response)
}
