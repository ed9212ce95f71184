//! Another password for somebody who knows the one they have.

use askama::Template;
use http::{Response, StatusCode};

use crate::auth::password;
use crate::model::attempt::Factor;
use crate::model::audit::Deed;
use crate::model::credential::PasswordHash;
use crate::observe::metrics::Method;
use crate::plan::whole::Plan;
use crate::portal::account::authenticators;
use crate::portal::account::{self, SECURITY, Section};
use crate::portal::call::Call;
use crate::portal::fresh::{self, Proven};
use crate::portal::guard;
use crate::portal::known_password::{self, Checked, METHOD};
use crate::portal::service::Portal;
use crate::portal::sign_in;
use crate::portal::stop::Stop;
use crate::portal::tries::{self, Tried};
use crate::store::credentials::SignInFacts;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::page::{self, Alert};
use crate::web::security;
use crate::web::text;
use crate::wire::body::Body;

const PURPOSE: &str = "change the password";
const PASSWORD: &str = "/.doorward/security/password";

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
    let tried = Tried { user: Some(&proven.facts.user.name), by: METHOD, method: Method::Password };
    match known(portal, plan, call, (&proven.facts, &sent)).await? {
        Checked::Right => {}
        Checked::Wrong => {
            tries::failed(portal, plan, call, tried, "wrong when it was to be changed").await?;
            return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, Alert::new("current", text::WRONG_CONFIRM_PASSWORD)));
        }
        Checked::Wait(wait) => {
            tries::throttled(portal, plan, call, tried).await?;
            let alert = Alert { field: "current", ..tries::waiting("password", wait) };
            return Ok(sign_in::later(again(StatusCode::TOO_MANY_REQUESTS, alert), wait));
        }
        Checked::Busy => {
            return Ok(sign_in::busy(again(StatusCode::SERVICE_UNAVAILABLE, Alert::new("current", text::BUSY.1))));
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

/// Who has no password has proven a stronger factor to get here.
async fn known(portal: &Portal, plan: &Plan, call: &Call<'_>, (facts, sent): (&SignInFacts, &Form)) -> Result<Checked, Stop> {
    let Some(hash) = facts.password.clone() else { return Ok(Checked::Right) };
    let name = &facts.user.name;
    let checked = known_password::check(portal, plan, call, (name, hash), sent.secret("current")).await?;
    if matches!(checked, Checked::Right) {
        tries::succeeded(portal, plan, call, (name, Factor::Password)).await?;
    }
    Ok(checked)
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
