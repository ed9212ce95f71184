//! Our home page on the portal, and the session as a script of the app may ask for it.

use askama::Template;
use http::{Method, Response, StatusCode};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::auth::form::FormToken;
use crate::base::units::in_words;
use crate::model::session::Session;
use crate::plan::app::App;
use crate::plan::whole::Plan;
use crate::policy::rule::Judgement;
use crate::policy::target::Target;
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
use crate::web::security;
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
    /// Where the app is, if there is only one.
    only: Option<String>,
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
    /// Where it is, as people would say it.
    place: String,
    /// `None` where only its visitors know by which name they come.
    url: Option<String>,
    description: Option<&'a str>,
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
    let shown = plan.apps.iter().filter(|app| is_for(app, call, session));
    let apps: Vec<AppLink<'_>> = shown.filter_map(|app| link(plan, call, app)).collect();
    let only = if let [app] = apps.as_slice() { app.url.clone() } else { None };
    let (host, user) = (call.host.as_str(), session.user_name.as_str());
    Ok(page::render(StatusCode::OK, &HomePage { installation: &plan.name, apps, only, host, user, news }))
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

/// An app on this host is opened here, any other on its first host; one that has wildcards only is named without a link.
fn link<'a>(plan: &Plan, call: &Call<'_>, app: &'a App) -> Option<AppLink<'a>> {
    let here = app.hosts.iter().find(|host| **host == call.host);
    let (place, url) = match here.or(app.hosts.first()) {
        Some(host) => {
            let origin = if here.is_some() { String::new() } else { plan.origin_of(host) };
            (format!("{host}{}", app.mount.prefix()), Some(format!("{origin}{}", app.mount)))
        }
        None => (format!("{}{}", app.patterns().next()?, app.mount.prefix()), None),
    };
    Some(AppLink { name: &app.name, place, url, description: app.description.as_deref() })
}

/// Whether an app is shown to this visitor: one that is listed, and lets them in on its first page. What they would have to
/// prove for it does not matter here, they can do that on the way.
fn is_for(app: &App, call: &Call<'_>, session: &Session) -> bool {
    let Ok(first) = Target::parse(&app.mount.to_string()) else { return false };
    let people = match app.rules.judge(&first, &Method::GET, call.client) {
        Judgement::Open => return app.listed,
        Judgement::Required(requirement) => requirement.people,
        Judgement::Denied(_) | Judgement::Redirected(_) => app.rules.requirement.people.clone(),
    };
    app.listed && people.let_in(session)
}

/// The session as JSON: whose it is and when it ends if nobody comes any more. 401 without one.
pub fn session(call: &Call<'_>) -> Response<Body> {
    let Some(session) = call.session() else {
        return Refusal::SignInRequired { login_url: SIGN_IN }.answer(Audience::Program, call.request_id, None);
    };
    let ends_at = OffsetDateTime::from_unix_timestamp(session.ends_at().secs()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let expires_at = ends_at.format(&Rfc3339).unwrap_or_default();
    let json = serde_json::to_string(&SessionAnswer { user: session.user_name.as_str(), expires_at })
        .expect("strings can be written as JSON");
    page::answer(StatusCode::OK, "application/json", json.into())
}
