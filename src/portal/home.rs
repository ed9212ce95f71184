//! Our home page on the portal, and the session as a script of the app may ask for it.

use askama::Template;
use http::{Response, StatusCode};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::auth::form::FormToken;
use crate::base::units::in_words;
use crate::plan::app::App;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::guard;
use crate::portal::hand_off::HOME;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::portal::why::SIGN_IN;
use crate::web::asset;
use crate::web::audience::Audience;
use crate::web::page;
use crate::web::refusal::Refusal;
use crate::web::text;
use crate::web::told;
use crate::wire::body::Body;

/// What the token of the form is good for.
const PURPOSE: &str = "dismiss";

#[derive(Template)]
#[template(config = ".askama.toml", path = "home.html")]
struct HomePage<'a> {
    installation: &'a str,
    apps: Vec<AppLink<'a>>,
    host: &'a str,
    user: &'a str,
    news: News,
}

/// What happened to the account since the last visit.
struct News {
    lines: Vec<String>,
    last: i64,
    token: String,
}

struct AppLink<'a> {
    name: &'a str,
    host: &'a str,
    url: String,
}

#[derive(Serialize)]
struct SessionAnswer<'a> {
    user: &'a str,
    expires_at: String,
}

/// Who the visitor is and where they can go. Strangers are shown nothing but the way to sign in.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    let Some(session) = call.session() else { return Ok(call.redirect(SIGN_IN)) };
    let notices = portal.store.notices_of(session.user).await?;
    let news = News {
        lines: notices.iter().map(|notice| told::notice(notice, &in_words(call.now.since(notice.at)))).collect(),
        last: notices.last().map_or(0, |notice| notice.id),
        token: guard::token(portal, call, session.id.as_str().as_bytes(), PURPOSE),
    };
    let apps = plan.apps.iter().filter_map(|app| link(plan, call, app)).collect();
    let page = HomePage { installation: &plan.name, apps, host: call.host.as_str(), user: session.user_name.as_str(), news };
    Ok(page::render(StatusCode::OK, &page))
}

/// Takes the news away that the visitor says to have read.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or when the store does not answer.
pub async fn dismiss(portal: &Portal, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    if let Some(session) = call.session() {
        let binding = session.id.as_str().as_bytes();
        let proven = FormToken::verify(&portal.forms, binding, PURPOSE, sent.text("t"), call.now);
        if let Some(last) = sent.text("last").parse().ok().filter(|_| proven) {
            portal.store.dismiss_notices(session.user, last).await?;
        }
    }
    Ok(call.redirect(HOME))
}

/// An app on this host is opened here, any other on its first host.
fn link<'a>(plan: &Plan, call: &Call<'_>, app: &'a App) -> Option<AppLink<'a>> {
    let here = app.hosts.iter().find(|host| **host == call.host);
    let host = here.or(app.hosts.first())?;
    let url = if here.is_some() { "/".to_owned() } else { format!("{}/", plan.origin_of(host)) };
    Some(AppLink { name: &app.name, host: host.as_str(), url })
}

/// The session as JSON: whose it is and when it ends if nobody comes any more. 401 without one.
pub fn session(call: &Call<'_>) -> Response<Body> {
    let Some(session) = call.session() else {
        return Refusal::SignInRequired { login_url: SIGN_IN }.answer(Audience::Program, call.request_id);
    };
    let ends_at = OffsetDateTime::from_unix_timestamp(session.ends_at().secs()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let expires_at = ends_at.format(&Rfc3339).unwrap_or_default();
    let json = serde_json::to_string(&SessionAnswer { user: session.user_name.as_str(), expires_at })
        .expect("strings can be written as JSON");
    page::answer(StatusCode::OK, "application/json", json.into())
}
