//! Another password for somebody who knows the one they have.

use std::time::Duration;

use askama::Template;
use http::{Response, StatusCode};

use crate::auth::password;
use crate::auth::throttle::Wait;
use crate::base::units::in_words;
use crate::model::attempt::Factor;
use crate::model::audit::{Deed, Outcome};
use crate::model::credential::PasswordHash;
use crate::model::event::Event;
use crate::observe::metrics::{Attempt, Method};
use crate::plan::whole::Plan;
use crate::portal::account::authenticators;
use crate::portal::account::{self, SECURITY, Section};
use crate::portal::call::Call;
use crate::portal::fresh::{self, Proven};
use crate::portal::guard;
use crate::portal::service::Portal;
use crate::portal::sign_in;
use crate::portal::stop::Stop;
use crate::portal::tries;
use crate::store::credentials::SignInFacts;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::page::{self, Alert};
use crate::web::security;
use crate::web::text;
use crate::wire::body::Body;

const PURPOSE: &str = "change the password";
const PASSWORD: &str = "/.doorward/security/password";
/// What somebody waits for a free core; as [`text::BUSY`] says.
const BUSY_WAIT: Duration = Duration::from_secs(2);

#[derive(Template)]
#[template(config = ".askama.toml", path = "account_password.html")]
struct PasswordPage<'a> {
    installation: &'a str,
    alert: Option<Alert>,
    token: String,
    user: &'a str,
    /// Whether there is one, which has to be known.
    has_one: bool,
    min_length: usize,
    ends_others: bool,
}

impl PasswordPage<'_> {
    fn blames(&self, field: &str) -> bool {
        self.alert.as_ref().is_some_and(|alert| alert.field == field)
    }
}

/// How the page is shown.
struct Shown {
    status: StatusCode,
    alert: Option<Alert>,
    ends_others: bool,
}

/// What became of the password somebody has.
enum Known {
    Right,
    Wrong,
    Wait(StatusCode, Wait, String),
}

/// As the overview shows it.
pub fn section(facts: &SignInFacts) -> Section {
    let status = if facts.password.is_some() { security::PASSWORD_SET } else { security::NO_PASSWORD };
    Section { heading: text::PASSWORD, status: status.to_owned(), link: PASSWORD }
}

/// The form.
///
/// # Errors
/// [`Stop`] if the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    Ok(match fresh::changing(portal, plan, call, PASSWORD).await? {
        Ok(proven) => page(portal, plan, call, (&proven, Shown { status: StatusCode::OK, alert: None, ends_others: true })),
        Err(way) => *way,
    })
}

fn page(portal: &Portal, plan: &Plan, call: &Call<'_>, (proven, shown): (&Proven<'_>, Shown)) -> Response<Body> {
    let page = PasswordPage {
        installation: &plan.name,
        alert: shown.alert,
        token: account::token(portal, call, proven.session, PURPOSE),
        user: proven.session.user_name.as_str(),
        has_one: proven.facts.password.is_some(),
        min_length: plan.auth.password_min_length,
        ends_others: shown.ends_others,
    };
    page::render(shown.status, &page)
}

/// Checks the password somebody has and sets the one they want.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or when the machine or the store cannot serve.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    let proven = match fresh::changing(portal, plan, call, PASSWORD).await? {
        Ok(proven) => proven,
        Err(way) => return Ok(*way),
    };
    let ends_others = sent.get("others").is_some();
    let again = |status, alert| page(portal, plan, call, (&proven, Shown { status, alert: Some(alert), ends_others }));
    if !account::is_own_form(portal, call, proven.session, (&sent, PURPOSE)) {
        return Ok(again(StatusCode::FORBIDDEN, Alert::new("new", security::FORM_TOO_OLD)));
    }
    // Cheaper than the hash, and it costs nobody a try.
    if let Some(weak) = weakness(plan, call, (&proven, &sent)) {
        return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, Alert::new("new", weak)));
    }
    match known(portal, plan, call, (&proven.facts, &sent)).await? {
        Known::Right => {}
        Known::Wrong => {
            failed(portal, plan, call, &proven).await?;
            return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, Alert::new("current", text::WRONG_CONFIRM_PASSWORD)));
        }
        Known::Wait(status, wait, text) => {
            throttled(portal, plan, call, &proven).await?;
            return Ok(sign_in::later(again(status, Alert::new("current", text)), wait));
        }
    }
    let hash = portal.hasher.slot().await?.hash(sent.secret("new"), portal.entropy.bytes()).await?;
    set(portal, plan, call, (&proven, hash, ends_others)).await
}

fn weakness(plan: &Plan, call: &Call<'_>, (proven, sent): (&Proven<'_>, &Form)) -> Option<String> {
    let (new, name) = (sent.secret("new"), proven.session.user_name.as_str());
    if proven.facts.password.is_some() && new.expose() == sent.secret("current").expose() {
        return Some(security::SAME_PASSWORD.to_owned());
    }
    let apps = plan.apps.iter().map(|app| app.name.as_str());
    let context: Vec<&str> = [name, call.host.as_str(), &plan.name].into_iter().chain(apps).collect();
    password::judge(new.expose(), plan.auth.password_min_length, &context).err().map(text::weak_password)
}

/// Counts a try, then makes it: against the network and the account, as when signing in. Who has no password has proven a
/// stronger factor to get here.
async fn known(portal: &Portal, plan: &Plan, call: &Call<'_>, (facts, sent): (&SignInFacts, &Form)) -> Result<Known, Stop> {
    let Some(hash) = facts.password.clone() else { return Ok(Known::Right) };
    let wait = |wait: Wait| {
        let text = match wait {
            Wait::For(wait) => text::too_many_tries(&in_words(wait)),
            Wait::Closed => text::PASSWORD_CLOSED.to_owned(),
        };
        Known::Wait(StatusCode::TOO_MANY_REQUESTS, wait, text)
    };
    let name = &facts.user.name;
    if let Err(left) = tries::enter(portal, plan, call, Some(name))? {
        return Ok(wait(left));
    }
    let Ok(slot) = portal.hasher.slot_for(tries::is_known(portal, call, Some(name))).await else {
        return Ok(Known::Wait(StatusCode::SERVICE_UNAVAILABLE, Wait::For(BUSY_WAIT), text::BUSY.1.to_owned()));
    };
    if let Err(refused) = portal.store.try_factor(tries::attempt(plan, call, Some(name), Factor::Password)).await? {
        drop(slot);
        return Ok(wait(tries::held(portal, plan, call, refused).await));
    }
    if !slot.verify(hash, sent.secret("current")).await {
        return Ok(Known::Wrong);
    }
    tries::succeeded(portal, plan, call, (name, Factor::Password)).await?;
    Ok(Known::Right)
}

async fn set(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (proven, hash, ends_others): (&Proven<'_>, PasswordHash, bool),
) -> Result<Response<Body>, Stop> {
    let (changer, token) = account::changer(portal, call, proven.session);
    let told = call.entry(Deed::CredentialChanged).by("security page").detailed("password");
    Ok(match portal.store.telling(told).change_password(changer, hash, ends_others).await? {
        Ok(session) => {
            authenticators::said(plan, call, &session, "password changed");
            account::renewed(call, (&session, &token), &format!("{SECURITY}?done=password"))
        }
        // It ended meanwhile, or the account is disabled.
        Err(_) => call.redirect(SECURITY),
    })
}

async fn failed(portal: &Portal, plan: &Plan, call: &Call<'_>, proven: &Proven<'_>) -> Result<(), Stop> {
    let failure = call.entry(Deed::SignInFailed).of(&proven.facts.user).by("password").came_to(Outcome::Failed);
    portal.metrics.attempt(Method::Password, Attempt::BadCredentials);
    let (user, ip, request) = (&proven.session.user_name, plan.log.shown(call.client), call.request_id);
    tracing::warn!(event = Event::SignInFailed.name(), %user, %ip, method = "password", request);
    Ok(portal.store.record(failure.because("wrong when it was to be changed")).await?)
}

async fn throttled(portal: &Portal, plan: &Plan, call: &Call<'_>, proven: &Proven<'_>) -> Result<(), Stop> {
    let refusal = call.entry(Deed::Throttled).of(&proven.facts.user).by("password").came_to(Outcome::Refused);
    portal.metrics.attempt(Method::Password, Attempt::Throttled);
    let (user, ip, request) = (&proven.session.user_name, plan.log.shown(call.client), call.request_id);
    tracing::warn!(event = Event::Throttled.name(), %user, %ip, method = "password", request);
    Ok(portal.store.record(refusal.because("too many tries")).await?)
}
