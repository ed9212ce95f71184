//! The pages on which people look after their own account, `/.doorward/security` and what is below it: the overview, and
//! what they have in common.

pub mod activity;
pub mod authenticators;
pub mod door;
pub mod enrolment;
pub mod factors;
pub mod moment;
pub mod passkeys;
pub mod password;
pub mod recovery;
pub mod sessions;

use askama::Template;
use http::{Response, StatusCode};

use crate::auth::form::FormToken;
use crate::auth::token::Token;
use crate::model::session::Session;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::fresh;
use crate::portal::guard;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::store::keep::Holding;
use crate::store::own_account::Changer;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::owner;
use crate::web::page;
use crate::web::refusal::Refusal;
use crate::web::security;
use crate::web::text;
use crate::wire::body::Body;
use crate::wire::cookie;

/// The overview.
pub const SECURITY: &str = "/.doorward/security";

#[derive(Template)]
#[template(config = ".askama.toml", path = "account.html")]
struct AccountPage<'a> {
    installation: &'a str,
    user: &'a str,
    told: Option<&'static str>,
    /// How the account is protected, and what is amiss with that.
    standing: String,
    warning: Option<&'static str>,
    sections: Vec<Section>,
}

/// A part of the security pages, as the overview shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it is about.
    pub heading: &'static str,
    /// How things are, in a sentence.
    pub status: String,
    /// Its page.
    pub link: &'static str,
}

/// Answers a request for the page `rest` below `/.doorward/security`, with the form that was sent, if one was.
///
/// # Errors
/// [`Stop`]: no such page, a foreign or unreadable form, or the store does not answer.
pub async fn serve(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (rest, sent): (&str, Option<Body>),
) -> Result<Response<Body>, Stop> {
    if let Some(rest) = rest.strip_prefix("passkeys").filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        return passkeys::serve(portal, plan, call, (rest, sent)).await;
    }
    match (rest, sent) {
        ("", None) => overview(portal, plan, call).await,
        ("sessions", None) => sessions::show(portal, plan, call).await,
        ("sessions", Some(body)) => sessions::submit(portal, plan, call, body).await,
        // Nobody has one.
        ("password", _) if plan.auth.mode.is_single_owner() => Err(Refusal::NotFound.into()),
        ("password", None) => password::show(portal, plan, call).await,
        ("password", Some(body)) => password::submit(portal, plan, call, body).await,
        ("recovery", sent) => recovery::serve(portal, plan, call, sent).await,
        ("activity", None) => activity::show(portal, plan, call).await,
        ("authenticators", None) => authenticators::list(portal, plan, call).await,
        ("authenticators/add", None) => enrolment::show(portal, plan, call).await,
        ("authenticators/add", Some(body)) => enrolment::submit(portal, plan, call, body).await,
        (other, sent) => {
            let id = other.strip_prefix("authenticators/").and_then(|id| id.parse().ok()).ok_or(Refusal::NotFound)?;
            match sent {
                None => authenticators::show(portal, plan, call, id).await,
                Some(body) => authenticators::submit(portal, plan, call, (id, body)).await,
            }
        }
    }
}

async fn overview(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    let session = match fresh::signed_in(portal, plan, call, SECURITY) {
        Ok(session) => session,
        Err(way) => return Ok(*way),
    };
    let facts = fresh::facts(portal, session).await?;
    let held = Holding::from(&facts);
    let (standing, warning) = match held.second_factors() {
        _ if plan.auth.mode.is_single_owner() => owners_standing(held, facts.recovery_left),
        0 => (security::NO_FACTOR.to_owned(), None),
        1 if facts.recovery_left == 0 => (security::two_factor_on(&in_words(held)), Some(security::ONE_FACTOR)),
        _ => (security::two_factor_on(&in_words(held)), None),
    };
    // In the order of their importance.
    let mut sections = vec![
        authenticators::section(held),
        passkeys::section(&facts),
        recovery::section(portal, plan, session).await?,
        sessions::section(portal, session).await?,
        password::section(&facts),
        activity::section(),
    ];
    sections.retain(|section| section.heading != text::PASSWORD || !plan.auth.mode.is_single_owner());
    let closed = (!door::serves_itself(plan, &facts.terms)).then_some(security::ASK_OWNER);
    let page = AccountPage {
        installation: &plan.name,
        user: session.user_name.as_str(),
        told: told(call),
        warning: closed
            .or(warning)
            .or((held.second_factors() == 0 && !plan.auth.mode.is_single_owner()).then_some(security::ADD_ONE)),
        standing,
        sections,
    };
    Ok(page::render(StatusCode::OK, &page))
}

/// How many factors there are: "1 authenticator app, 2 passkeys or security keys".
fn in_words(held: Holding) -> String {
    security::factors(held.authenticators, held.keys)
}

/// How an account is protected that nothing but its factors opens, and what is amiss with that.
fn owners_standing(held: Holding, recovery_left: usize) -> (String, Option<&'static str>) {
    match held.second_factors() {
        0 => (owner::NO_FACTOR.to_owned(), None),
        count => {
            let standing = format!("{}: {}.", owner::SIGN_IN_WITH, in_words(held));
            (standing, (count == 1 && recovery_left == 0).then_some(owner::ONE_FACTOR))
        }
    }
}

/// The token of a form of these pages.
fn token(portal: &Portal, call: &Call<'_>, session: &Session, purpose: &str) -> String {
    guard::token(portal, call, session.id.as_str().as_bytes(), purpose)
}

/// Whether a form is of our own page, for this session.
fn is_own_form(portal: &Portal, call: &Call<'_>, session: &Session, (sent, purpose): (&Form, &str)) -> bool {
    FormToken::verify(&portal.forms, session.id.as_str().as_bytes(), purpose, sent.text("t"), call.now)
}

/// What was done, or could not be: said on the page that follows, by a word in its address.
fn told(call: &Call<'_>) -> Option<&'static str> {
    security::done(call.query().text("done"))
}

/// The one who changes something, and the token by which their session goes on.
fn changer(portal: &Portal, call: &Call<'_>, session: &Session) -> (Changer, Token) {
    let token = Token::draw(portal.entropy);
    (Changer { session: session.id, token: token.hash(), host: call.host.as_str().into() }, token)
}

/// Leads on with the new token of a session.
fn renewed(call: &Call<'_>, (session, token): (&Session, &Token), to: &str) -> Response<Body> {
    let mut response = call.redirect(to);
    let max_age = session.idle_timeout.is_none().then(|| session.expires_at.since(call.now));
    cookie::attach(response.headers_mut(), cookie::set(cookie::SESSION, token.to_text().expose(), max_age));
    response
}

#[cfg(test)]
mod tests;
