//! Adding an authenticator app, or putting one in place of another: a name and a way of making codes, then the code that
//! proves that it works.
//!
//! Until then the seed waits here, in memory and for the one session that asked for it: no form carries it, and whoever is
//! interrupted has what they had before.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use http::{Response, StatusCode};

use crate::auth::token::{Token, TokenHash};
use crate::auth::totp::{self, CodeCheck};
use crate::base::clock::Timestamp;
use crate::base::units::in_words;
use crate::model::audit::Deed;
use crate::model::credential::{Totp, TotpId, TotpRecipe};
use crate::model::session::{Session, SessionId};
use crate::plan::whole::Plan;
use crate::portal::account;
use crate::portal::account::authenticators::{self, LIST};
use crate::portal::account::door;
use crate::portal::call::Call;
use crate::portal::connecting;
use crate::portal::fresh::{self, Proven};
use crate::portal::guard;
use crate::portal::service::Portal;
use crate::portal::shelf::{Limits, Shelf};
use crate::portal::stop::Stop;
use crate::store::authenticators::{Authenticator, MOST};
use crate::store::own_account::Refused;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::page::{self, Alert};
use crate::web::security;
use crate::web::text;
use crate::wire::body::Body;

const PURPOSE: &str = "add an authenticator";
const ADD: &str = "/.doorward/security/authenticators/add";
/// Half an hour, as long as a sign-in. All together take a few MiB at most.
const LIMITS: Limits = Limits { life: Duration::from_secs(1_800), most: 10_000, most_per_owner: 4 };

/// Authenticators that are being added.
#[derive(Debug)]
pub struct Enrolments(Shelf<SessionId, Enrolment>);

/// An authenticator that has yet to prove that it works.
#[derive(Clone, Debug)]
struct Enrolment {
    session: SessionId,
    totp: Totp,
    name: String,
    issuer: String,
    /// What it is to replace.
    instead: Option<TotpId>,
    /// Whether its code was accepted: of two who send one, one adds it.
    is_taken: bool,
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "account_add.html")]
struct NamePage<'a> {
    installation: &'a str,
    alert: Option<Alert>,
    token: String,
    /// The one that is to be replaced, and what it is called.
    instead: Option<(String, String)>,
    name: &'a str,
    /// What can be chosen, the first by itself: its number, name, and what it means.
    choices: Vec<Choice>,
}

impl NamePage<'_> {
    fn heading(&self) -> String {
        match &self.instead {
            Some((_, name)) => security::replacing(name),
            None => security::ADD_AUTHENTICATOR.to_owned(),
        }
    }
}

struct Choice {
    number: usize,
    name: String,
    meaning: String,
    is_chosen: bool,
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "account_scan.html")]
struct ScanPage<'a> {
    installation: &'a str,
    alert: Option<Alert>,
    token: String,
    enrolment: &'a str,
    replaces: bool,
    name: &'a str,
    shown: connecting::Shown<'a>,
}

impl Enrolments {
    /// None under way.
    pub fn new() -> Self {
        Self(Shelf::new(LIMITS))
    }

    fn find(&self, key: &TokenHash, session: SessionId, now: Timestamp) -> Option<Enrolment> {
        let found = self.0.ask(key, now, |enrolment| enrolment.clone());
        found.filter(|enrolment| enrolment.session == session && !enrolment.is_taken)
    }

    /// `false` if somebody was faster.
    fn take(&self, key: &TokenHash, now: Timestamp) -> bool {
        self.0.ask(key, now, |enrolment| !std::mem::replace(&mut enrolment.is_taken, true)).unwrap_or(false)
    }

    fn give_back(&self, key: &TokenHash, now: Timestamp) {
        self.0.ask(key, now, |enrolment| enrolment.is_taken = false);
    }

    fn burn(&self, key: &TokenHash, step: u64, now: Timestamp) {
        self.0.ask(key, now, |enrolment| enrolment.totp.last_step = enrolment.totp.last_step.max(step));
    }
}

impl Default for Enrolments {
    fn default() -> Self {
        Self::new()
    }
}

/// Where somebody stands who adds one.
struct Adding<'a> {
    proven: Proven<'a>,
    held: Vec<Authenticator>,
    instead: Option<TotpId>,
}

/// The first form, or with the name of an enrolment (`e=`) the second.
///
/// # Errors
/// [`Stop`] if the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    let query = call.query();
    if let Some(name) = Token::parse(query.text("e")) {
        let proven = match fresh::enrolling(portal, plan, call, &format!("{ADD}?e={}", name.to_text().expose())).await? {
            Ok(proven) => proven,
            Err(way) => return Ok(*way),
        };
        return Ok(match portal.enrolments.find(&name.hash(), proven.session.id, call.now) {
            Some(enrolment) => scan(portal, plan, call, (proven.session, &name, &enrolment), (StatusCode::OK, None)),
            None => call.redirect(&format!("{LIST}?done=late")),
        });
    }
    Ok(match adding(portal, plan, call, &query).await? {
        Ok(adding) => first(portal, plan, call, &adding, (StatusCode::OK, None, &query)),
        Err(way) => *way,
    })
}

/// Takes a step.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or if the store does not answer.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    let name = Token::parse(sent.text("e"));
    if let Some(name) = &name {
        return verify(portal, plan, call, (name, &sent)).await;
    }
    let adding = match adding(portal, plan, call, &sent).await? {
        Ok(adding) => adding,
        Err(way) => return Ok(*way),
    };
    let again = |status, alert| first(portal, plan, call, &adding, (status, Some(alert), &sent));
    if !account::is_own_form(portal, call, adding.proven.session, (&sent, PURPOSE)) {
        return Ok(again(StatusCode::FORBIDDEN, Alert::new("name", security::FORM_TOO_OLD)));
    }
    let others = adding.held.iter().filter(|one| Some(one.id) != adding.instead);
    let name = match authenticators::checked_name(sent.text("name"), others) {
        Ok(name) => name,
        Err(text) => return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, Alert::new("name", text))),
    };
    let (issuer, recipe) = chosen(plan, &sent);
    let totp = connecting::draw(recipe, portal.entropy, call.now);
    let session = adding.proven.session.id;
    let enrolment = Enrolment { session, totp, name, issuer, instead: adding.instead, is_taken: false };
    let token = Token::draw(portal.entropy);
    portal.enrolments.0.put(session, token.hash(), enrolment, call.now);
    Ok(call.redirect(&format!("{ADD}?e={}", token.to_text().expose())))
}

/// What was chosen; the default for everything else.
fn chosen(plan: &Plan, sent: &Form) -> (String, TotpRecipe) {
    let number = sent.text("configuration").parse::<usize>().ok();
    match number.and_then(|number| plan.auth.totp_configurations.get(number.checked_sub(1)?)) {
        Some(configuration) => (configuration.issuer.clone(), configuration.recipe),
        None => (plan.auth.totp_issuer.clone(), plan.auth.totp),
    }
}

async fn adding<'a>(
    portal: &Portal,
    plan: &Plan,
    call: &'a Call<'_>,
    sent: &Form,
) -> Result<Result<Adding<'a>, Box<Response<Body>>>, Stop> {
    let instead: Option<TotpId> = sent.text("instead").parse().ok();
    let page = instead.map_or_else(|| ADD.to_owned(), |id| format!("{ADD}?instead={id}"));
    let proven = match fresh::enrolling(portal, plan, call, &page).await? {
        Ok(proven) => proven,
        Err(way) => return Ok(Err(way)),
    };
    if let Some(refused) = replacing_closed(plan, proven.session, instead) {
        return Ok(Err(Box::new(refused)));
    }
    let held = portal.store.authenticators(proven.session.user).await?;
    let done = match instead {
        Some(id) if !held.iter().any(|one| one.id == id) => Some("gone"),
        None if held.len() >= MOST => Some("most"),
        Some(_) | None => None,
    };
    Ok(match done {
        Some(done) => Err(Box::new(call.redirect(&format!("{LIST}?done={done}")))),
        None => Ok(Adding { proven, held, instead }),
    })
}

/// The page for whoever may not replace one. That one is added may be what the owner asks for, that one goes is not.
fn replacing_closed(plan: &Plan, session: &Session, instead: Option<TotpId>) -> Option<Response<Body>> {
    let closed = instead.is_some() && !door::serves_itself(plan, &session.profile.terms);
    closed.then(|| door::refused(plan, session))
}

fn first(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    adding: &Adding<'_>,
    (status, alert, sent): (StatusCode, Option<Alert>, &Form),
) -> Response<Body> {
    let replaced = adding.held.iter().find(|one| Some(one.id) == adding.instead);
    let fresh_name = replaced.map_or_else(|| authenticators::free_name(&adding.held), authenticators::name);
    let page = NamePage {
        installation: &plan.name,
        alert,
        token: account::token(portal, call, adding.proven.session, PURPOSE),
        instead: replaced.map(|one| (one.id.to_string(), authenticators::name(one))),
        name: sent.get("name").unwrap_or(&fresh_name),
        choices: choices(plan, sent.text("configuration")),
    };
    page::render(status, &page)
}

/// Nothing to choose where there is only one.
fn choices(plan: &Plan, chosen: &str) -> Vec<Choice> {
    let others = &plan.auth.totp_configurations;
    if others.is_empty() {
        return Vec::new();
    }
    let first = (security::USUAL.to_owned(), &plan.auth.totp_issuer, plan.auth.totp);
    let others = others.iter().map(|other| (other.name.clone(), &other.issuer, other.recipe));
    let chosen = chosen.parse().ok().filter(|number| *number <= others.len()).unwrap_or(0);
    let all = std::iter::once(first).chain(others).enumerate();
    all.map(|(number, (name, issuer, recipe))| {
        let meaning = format!("{issuer}: {}", security::recipe(recipe.algorithm.name(), recipe.digits, recipe.period));
        Choice { number, name, meaning, is_chosen: number == chosen }
    })
    .collect()
}

fn scan(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (session, name, enrolment): (&Session, &Token, &Enrolment),
    (status, alert): (StatusCode, Option<Alert>),
) -> Response<Body> {
    let name = name.to_text();
    let page = ScanPage {
        installation: &plan.name,
        alert,
        token: account::token(portal, call, session, PURPOSE),
        enrolment: name.expose(),
        replaces: enrolment.instead.is_some(),
        name: &enrolment.name,
        shown: connecting::Shown::of(&enrolment.totp, &enrolment.issuer, session.user_name.as_str()),
    };
    page::render(status, &page)
}

/// The code that proves it adds it; from then on it is used up.
async fn verify(portal: &Portal, plan: &Plan, call: &Call<'_>, (name, sent): (&Token, &Form)) -> Result<Response<Body>, Stop> {
    let proven = match fresh::enrolling(portal, plan, call, &format!("{ADD}?e={}", name.to_text().expose())).await? {
        Ok(proven) => proven,
        Err(way) => return Ok(*way),
    };
    let (session, key) = (proven.session, name.hash());
    let Some(enrolment) = portal.enrolments.find(&key, session.id, call.now) else {
        return Ok(call.redirect(&format!("{LIST}?done=late")));
    };
    if let Some(refused) = replacing_closed(plan, session, enrolment.instead) {
        return Ok(refused);
    }
    let again =
        |status, text: String| scan(portal, plan, call, (session, name, &enrolment), (status, Some(Alert::new("code", text))));
    if !account::is_own_form(portal, call, session, (sent, PURPOSE)) {
        return Ok(again(StatusCode::FORBIDDEN, text::CODE_FORM_TOO_OLD.to_owned()));
    }
    let text = match totp::check(&enrolment.totp, sent.text("code"), call.now) {
        CodeCheck::Accepted { step } => return add(portal, plan, call, (session, &key, enrolment), step).await,
        CodeCheck::Used { wait } => text::used_code(&in_words(wait)),
        CodeCheck::Drift { seconds, burn } => {
            // It has been typed and answered: it must not be right in a few minutes.
            burn.into_iter().for_each(|step| portal.enrolments.burn(&key, step, call.now));
            text::drifted_code(seconds)
        }
        CodeCheck::Wrong => text::wrong_code(&enrolment.issuer),
    };
    Ok(again(StatusCode::UNPROCESSABLE_ENTITY, text))
}

async fn add(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (session, key, enrolment): (&Arc<Session>, &TokenHash, Enrolment),
    step: u64,
) -> Result<Response<Body>, Stop> {
    if !portal.enrolments.take(key, call.now) {
        return Ok(call.redirect(&format!("{LIST}?done=late")));
    }
    let what = if enrolment.instead.is_some() { "authenticator replaced" } else { "authenticator added" };
    let told = call.entry(Deed::CredentialChanged).by("security page").detailed(what);
    let (changer, token) = account::changer(portal, call, session);
    let totp = Totp { last_step: step, ..enrolment.totp };
    let store = portal.store.telling(told);
    let added = store.add_authenticator(changer, (totp, enrolment.name), enrolment.instead).await;
    let added = added.inspect_err(|_| portal.enrolments.give_back(key, call.now))?;
    let done = match added {
        Ok(session) => {
            portal.enrolments.0.remove(key);
            authenticators::said(plan, call, &session, what);
            let done = if enrolment.instead.is_some() { "replaced" } else { "added" };
            return Ok(account::renewed(call, (&session, &token), &format!("{LIST}?done={done}")));
        }
        Err(Refused::NameTaken) => "taken",
        Err(Refused::TooMany) => "most",
        Err(Refused::Gone | Refused::LastFactor | Refused::Taken | Refused::OtherSite) => "gone",
    };
    Ok(call.redirect(&format!("{LIST}?done={done}")))
}
