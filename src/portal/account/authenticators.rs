//! The authenticator apps of somebody: which there are, what they are called, and taking one away.

use askama::Template;
use http::{Response, StatusCode};

use crate::model::audit::Deed;
use crate::model::credential::{TotpId, TotpRecipe};
use crate::model::event::Event;
use crate::model::session::Session;
use crate::plan::whole::Plan;
use crate::portal::account::factors::{self, Needed};
use crate::portal::account::{self, Section, moment};
use crate::portal::call::Call;
use crate::portal::fresh::{self, Proven};
use crate::portal::guard;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::store::authenticators::{Authenticator, MOST};
use crate::store::keep::Holding;
use crate::store::own_account::Refused;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::page::{self, Alert};
use crate::web::security;
use crate::web::text;
use crate::wire::body::Body;

const PURPOSE: &str = "change an authenticator";
/// The list.
pub const LIST: &str = "/.doorward/security/authenticators";
/// Longest name, in characters.
const LONGEST_NAME: usize = 64;

#[derive(Template)]
#[template(config = ".askama.toml", path = "account_authenticators.html")]
struct ListPage<'a> {
    installation: &'a str,
    told: Option<&'static str>,
    lines: Vec<Line>,
    most: Option<usize>,
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "account_authenticator.html")]
struct ChangePage<'a> {
    installation: &'a str,
    alert: Option<Alert>,
    token: String,
    line: Line,
    /// What stands in the field for the name.
    typed: &'a str,
    /// Why it stays.
    stays: Option<String>,
}

/// One authenticator.
struct Line {
    id: String,
    name: String,
    created: String,
    used: String,
    recipe: String,
}

/// As the overview shows it.
pub fn section(held: Holding) -> Section {
    let status = security::authenticators_status(held.authenticators);
    Section { heading: security::AUTHENTICATORS, status, link: LIST }
}

/// What somebody calls an authenticator; one that they never named is called as the first is by itself.
pub fn name(authenticator: &Authenticator) -> String {
    authenticator.name.clone().unwrap_or_else(|| security::AUTHENTICATOR.to_owned())
}

/// A name that none of them has: for a new one.
pub fn free_name(held: &[Authenticator]) -> String {
    let names: Vec<String> = held.iter().map(|one| name(one).to_lowercase()).collect();
    let numbered = (2..).map(|number| format!("{} {number}", security::AUTHENTICATOR));
    let mut wanted = std::iter::once(security::AUTHENTICATOR.to_owned()).chain(numbered);
    wanted.find(|name| !names.contains(&name.to_lowercase())).unwrap_or_default()
}

/// What was typed for a name, if it can be one that none of `others` has.
///
/// # Errors
/// What is wrong with it.
pub fn checked_name<'a>(typed: &str, mut others: impl Iterator<Item = &'a Authenticator>) -> Result<String, &'static str> {
    let typed = typed.trim();
    if typed.is_empty() || typed.chars().any(char::is_control) || typed.chars().count() > LONGEST_NAME {
        return Err(security::BAD_NAME);
    }
    match others.any(|other| name(other).to_lowercase() == typed.to_lowercase()) {
        true => Err(security::NAME_TAKEN),
        false => Ok(typed.to_owned()),
    }
}

/// Those of the one who is signed in.
///
/// # Errors
/// [`Stop`] if the store does not answer.
pub async fn list(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    let session = match fresh::signed_in(portal, plan, call, LIST) {
        Ok(session) => session,
        Err(way) => return Ok(*way),
    };
    let held = portal.store.authenticators(session.user).await?;
    let page = ListPage {
        installation: &plan.name,
        told: account::told(call),
        lines: held.iter().map(|one| line(one, call)).collect(),
        most: (held.len() >= MOST).then_some(MOST),
    };
    Ok(page::render(StatusCode::OK, &page))
}

fn line(one: &Authenticator, call: &Call<'_>) -> Line {
    let TotpRecipe { algorithm, digits, period } = one.recipe;
    Line {
        id: one.id.to_string(),
        name: name(one),
        created: moment::ago(one.created_at, call.now),
        used: one.used_at.map_or_else(|| security::NEVER.to_owned(), |at| moment::ago(at, call.now)),
        recipe: security::recipe(algorithm.name(), digits, period),
    }
}

/// The page on which one is renamed, replaced or removed.
///
/// # Errors
/// [`Stop`] if the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>, id: TotpId) -> Result<Response<Body>, Stop> {
    let (proven, one) = match opened(portal, plan, call, id).await? {
        Ok(opened) => opened,
        Err(way) => return Ok(*way),
    };
    Ok(page(portal, plan, call, (&proven, &one), Shown { status: StatusCode::OK, alert: None, typed: None }))
}

/// How the page is shown.
struct Shown<'a> {
    status: StatusCode,
    alert: Option<Alert>,
    typed: Option<&'a str>,
}

/// Somebody who may change it, and it. What is not theirs is gone, like what never was.
async fn opened<'a>(
    portal: &Portal,
    plan: &Plan,
    call: &'a Call<'_>,
    id: TotpId,
) -> Result<Result<(Proven<'a>, Authenticator), Box<Response<Body>>>, Stop> {
    let proven = match fresh::changing(portal, plan, call, &format!("{LIST}/{id}")).await? {
        Ok(proven) => proven,
        Err(way) => return Ok(Err(way)),
    };
    let held = portal.store.authenticators(proven.session.user).await?;
    Ok(match held.into_iter().find(|one| one.id == id) {
        Some(one) => Ok((proven, one)),
        None => Err(Box::new(call.redirect(&format!("{LIST}?done=gone")))),
    })
}

fn page(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (proven, one): (&Proven<'_>, &Authenticator),
    shown: Shown<'_>,
) -> Response<Body> {
    let (line, name) = (line(one, call), name(one));
    let page = ChangePage {
        installation: &plan.name,
        alert: shown.alert,
        token: account::token(portal, call, proven.session, PURPOSE),
        typed: shown.typed.unwrap_or(&name),
        stays: may_remove(plan, proven).err().map(|needed| needed.reason()),
        line,
    };
    page::render(shown.status, &page)
}

/// Whether one of them may be taken away.
fn may_remove(plan: &Plan, proven: &Proven<'_>) -> Result<(), Needed> {
    let held = Holding::from(&proven.facts);
    factors::may_become(plan, proven.session, (held, held.without_authenticator()))
}

/// Renames or removes one.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or if the store does not answer.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, (id, body): (TotpId, Body)) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    let (proven, one) = match opened(portal, plan, call, id).await? {
        Ok(opened) => opened,
        Err(way) => return Ok(*way),
    };
    let typed = sent.get("name");
    let again = |status, alert| page(portal, plan, call, (&proven, &one), Shown { status, alert: Some(alert), typed });
    if !account::is_own_form(portal, call, proven.session, (&sent, PURPOSE)) {
        return Ok(again(StatusCode::FORBIDDEN, Alert::new("name", security::FORM_TOO_OLD)));
    }
    let alert = match sent.text("act") {
        "remove" => remove(portal, plan, call, (&proven, id)).await?,
        _ => rename(portal, call, (proven.session, id), &sent).await?,
    };
    Ok(alert.unwrap_or_else(|alert| again(StatusCode::UNPROCESSABLE_ENTITY, alert)))
}

async fn rename(
    portal: &Portal,
    call: &Call<'_>,
    (session, id): (&Session, TotpId),
    sent: &Form,
) -> Result<Result<Response<Body>, Alert>, Stop> {
    let held = portal.store.authenticators(session.user).await?;
    let name = match checked_name(sent.text("name"), held.iter().filter(|one| one.id != id)) {
        Ok(name) => name,
        Err(text) => return Ok(Err(Alert::new("name", text))),
    };
    let told = call.entry(Deed::UserChanged).by("security page").detailed("authenticator renamed");
    Ok(match portal.store.telling(told).rename_authenticator(session.user, id, name).await? {
        None => Ok(call.redirect(&format!("{LIST}?done=renamed"))),
        Some(Refused::NameTaken) => Err(Alert::new("name", security::NAME_TAKEN)),
        Some(Refused::Gone | Refused::TooMany | Refused::LastFactor | Refused::Taken | Refused::OtherSite) => {
            Ok(call.redirect(&format!("{LIST}?done=gone")))
        }
    })
}

async fn remove(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (proven, id): (&Proven<'_>, TotpId),
) -> Result<Result<Response<Body>, Alert>, Stop> {
    let session = proven.session;
    // What there is is for the store to say: two tabs may take one away each.
    let keep = factors::keep(plan, session);
    let told = call.entry(Deed::CredentialChanged).by("security page").detailed("authenticator removed");
    let (changer, token) = account::changer(portal, call, session);
    let changed = portal.store.telling(told).remove_authenticator(changer, id, keep).await?;
    Ok(match changed {
        Ok(session) => {
            said(plan, call, &session, "authenticator removed");
            Ok(account::renewed(call, (&session, &token), &format!("{LIST}?done=removed")))
        }
        Err(Refused::LastFactor) => {
            let needed = may_remove(plan, proven).err().unwrap_or(Needed::Everywhere);
            Err(Alert::new("remove", needed.reason()))
        }
        Err(Refused::Gone | Refused::NameTaken | Refused::TooMany | Refused::Taken | Refused::OtherSite) => {
            Ok(call.redirect(&format!("{LIST}?done=gone")))
        }
    })
}

/// Tells the log what became of an account.
pub fn said(plan: &Plan, call: &Call<'_>, session: &Session, change: &'static str) {
    let (user, ip, request) = (&session.user_name, plan.log.shown(call.client), call.request_id);
    tracing::info!(event = Event::UserChanged.name(), %user, change, %ip, session = %session.id, request);
}
