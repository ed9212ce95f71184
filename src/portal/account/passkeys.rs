//! The page on which people look after their passkeys and security keys: what there is, one more, another name, one less.
//!
//! Adding and removing one takes a proof of the last quarter of an hour, ends every other session of theirs and gives this one
//! another token.

use askama::Template;
use data_encoding::BASE64URL_NOPAD;
use http::header::LOCATION;
use http::{HeaderValue, Method as HttpMethod, Response, StatusCode};
use serde_json::json;

use crate::auth::form::FormToken;
use crate::auth::make;
use crate::auth::passkey::Made;
use crate::auth::passkey::refused::Refused as Unmade;
use crate::auth::token::Token;
use crate::base::units::in_words;
use crate::model::audit::{Deed, Entry, Outcome};
use crate::model::credential::{Passkey, PasskeyId};
use crate::model::event::Event;
use crate::model::mode::Mode;
use crate::model::session::Session;
use crate::plan::whole::Plan;
use crate::portal::account::factors;
use crate::portal::account::{self, Section};
use crate::portal::call::Call;
use crate::portal::confirm;
use crate::portal::fresh::{self, Proven};
use crate::portal::guard;
use crate::portal::journey::Journey;
use crate::portal::passkey::{self, Ask, BUTTON, METHOD, Wanted};
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::store::credentials::SignInFacts;
use crate::store::own_account::Refused;
use crate::store::passkeys::LONGEST_NAME;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::keys;
use crate::web::owner;
use crate::web::page::{self, Alert};
use crate::web::refusal::Refusal;
use crate::web::text;
use crate::wire::body::Body;

/// What the tokens of these forms are good for.
const PURPOSE: &str = "passkeys";
const LIST: &str = "/.doorward/security/passkeys";
/// The page that adds one.
pub const ADD: &str = "/.doorward/security/passkeys/add";

#[derive(Template)]
#[template(config = ".askama.toml", path = "passkeys.html")]
struct ListPage<'a> {
    installation: &'a str,
    user: &'a str,
    status: String,
    alert: Option<Alert>,
    /// Why none can be added, where that is so.
    reason: Option<&'static str>,
    rows: Vec<Row>,
    token: String,
    /// What tells the browser which keys are still good, as JSON.
    accepted: Option<String>,
}

struct Row {
    id: PasskeyId,
    name: String,
    make: Option<&'static str>,
    added: String,
    used: String,
    place: &'static str,
    ability: &'static str,
    set_aside: bool,
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "passkey_add.html")]
struct AddPage<'a> {
    installation: &'a str,
    user: &'a str,
    alert: Option<Alert>,
    token: String,
    /// Where somebody goes on to who was led here from elsewhere.
    go: String,
    passkey: Option<Ask>,
}

/// Answers for `security/passkeys` and what is below it, `rest`.
///
/// # Errors
/// [`Stop`]: no such page, a foreign or unreadable form, or the store does not answer.
pub async fn serve(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (rest, sent): (&str, Option<Body>),
) -> Result<Response<Body>, Stop> {
    match (rest, sent) {
        ("", None) => match fresh::signed_in(portal, plan, call, LIST) {
            Ok(session) => list(portal, plan, call, (session, StatusCode::OK, None)).await,
            Err(elsewhere) => Ok(*elsewhere),
        },
        ("/add", None) => match fresh::enrolling(portal, plan, call, ADD).await? {
            Ok(Proven { session, .. }) => ask(portal, plan, call, (session, StatusCode::OK, None)).await,
            Err(elsewhere) => Ok(*elsewhere),
        },
        ("/add", Some(body)) => change(portal, plan, call, (ADD, body)).await,
        ("/rename" | "/remove", Some(body)) => change(portal, plan, call, (LIST, body)).await,
        _ => Err(Refusal::NotFound.into()),
    }
}

/// The part of the overview.
pub fn section(facts: &SignInFacts) -> Section {
    Section { heading: keys::HEADING, status: status(&facts.passkeys), link: LIST }
}

/// How many keys there are.
fn status(passkeys: &[Passkey]) -> String {
    let good: Vec<&Passkey> = passkeys.iter().filter(|passkey| passkey.set_aside.is_none()).collect();
    keys::count(good.len(), good.iter().filter(|passkey| replaces(passkey)).count())
}

/// Whether a key can take the place of name, password and code.
fn replaces(passkey: &Passkey) -> bool {
    passkey.verifies && passkey.discoverable
}

async fn change(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (back, body): (&'static str, Body),
) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    let proven = match back {
        ADD => fresh::enrolling(portal, plan, call, back).await?,
        _ => fresh::changing(portal, plan, call, back).await?,
    };
    let session = match proven {
        Ok(proven) => proven.session,
        Err(elsewhere) => return Ok(*elsewhere),
    };
    if !FormToken::verify(&portal.forms, session.id.as_str().as_bytes(), PURPOSE, sent.text("t"), call.now) {
        let alert: (&Session, _, _) = (session, StatusCode::FORBIDDEN, Some(Alert::new(BUTTON, keys::FORM_TOO_OLD)));
        return if back == ADD { ask(portal, plan, call, alert).await } else { list(portal, plan, call, alert).await };
    }
    match call.page.rsplit('/').next() {
        Some("add") => add(portal, plan, call, (session, &sent)).await,
        Some("rename") => rename(portal, plan, call, (session, &sent)).await,
        _ => remove(portal, plan, call, (session, &sent)).await,
    }
}

async fn list(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (session, status_code, alert): (&Session, StatusCode, Option<Alert>),
) -> Result<Response<Body>, Stop> {
    let passkeys = portal.store.passkeys_of(session.user).await?;
    let reason = passkey::site(portal, plan).is_none().then_some(keys::ADDRESS);
    let accepted = (reason.is_none() && call.head().method == HttpMethod::GET).then(|| {
        let good = passkeys.iter().filter(|passkey| passkey.set_aside.is_none());
        let ids: Vec<String> = good.map(|passkey| BASE64URL_NOPAD.encode(&passkey.credential_id)).collect();
        let user = BASE64URL_NOPAD.encode(session.user.as_str().as_bytes());
        json!({ "rpId": passkey::site_id(portal, plan), "userId": user, "allAcceptedCredentialIds": ids }).to_string()
    });
    let asks = accepted.is_some();
    let page = ListPage {
        installation: &plan.name,
        user: session.user_name.as_str(),
        status: status(&passkeys),
        alert,
        reason,
        rows: passkeys.into_iter().map(|passkey| row(plan, call, passkey)).collect(),
        token: guard::token(portal, call, session.id.as_str().as_bytes(), PURPOSE),
        accepted,
    };
    Ok(page::render_asking(status_code, &page, asks))
}

/// What a key can do.
fn ability(plan: &Plan, passkey: &Passkey) -> &'static str {
    match (plan.auth.mode, replaces(passkey)) {
        (Mode::People, true) => keys::REPLACES,
        (Mode::People, false) => keys::SECOND_ONLY,
        (Mode::SingleOwner, _) if passkey.verifies => owner::KEY_SIGNS_IN,
        (Mode::SingleOwner, _) => owner::KEY_IS_ONE,
    }
}

fn row(plan: &Plan, call: &Call<'_>, passkey: Passkey) -> Row {
    let ago = |at| in_words(call.now.since(at));
    Row {
        id: passkey.id,
        make: make::of(&passkey.aaguid).filter(|make| !passkey.name.contains(make)),
        added: keys::added(&ago(passkey.created_at)),
        used: keys::used(passkey.used_at.map(ago).as_deref()),
        place: if passkey.backup_eligible { keys::SYNCED } else { keys::ONE_DEVICE },
        ability: ability(plan, &passkey),
        set_aside: passkey.set_aside.is_some(),
        name: passkey.name,
    }
}

async fn ask(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (session, status, alert): (&Session, StatusCode, Option<Alert>),
) -> Result<Response<Body>, Stop> {
    let known = portal.store.passkeys_of(session.user).await?;
    let user = session.user_name.as_str();
    let asked = call.visitor().map(|visitor| (visitor.hash(), Wanted::Key(session.id)));
    let passkey = asked.and_then(|asked| passkey::ask_for_key(portal, plan, call, asked, (session.user, user, &known)));
    let asks = passkey.is_some();
    let token = guard::token(portal, call, session.id.as_str().as_bytes(), PURPOSE);
    let page = AddPage { installation: &plan.name, user, alert, token, go: onward(portal, call), passkey };
    Ok(page::render_asking(status, &page, asks))
}

async fn add(portal: &Portal, plan: &Plan, call: &Call<'_>, (session, sent): (&Session, &Form)) -> Result<Response<Body>, Stop> {
    let again = async |text: &str| {
        let alert = Some(Alert::new(BUTTON, text));
        ask(portal, plan, call, (session, StatusCode::UNPROCESSABLE_ENTITY, alert)).await
    };
    let made = match passkey::key(portal, plan, call, (sent, Wanted::Key(session.id))) {
        Ok(made) => made,
        Err(reason) => {
            portal.store.record(failure(call, session, reason)).await?;
            let (user, ip, reason_name) = (&session.user_name, plan.log.shown(call.client), reason.name());
            tracing::warn!(event = Event::CredentialRefused.name(), %user, %ip, method = METHOD, reason = reason_name, request = call.request_id);
            return again(keys::not_made(reason)).await;
        }
    };
    let taken: Vec<String> = portal.store.passkeys_of(session.user).await?.into_iter().map(|passkey| passkey.name).collect();
    let name = first_name(call, &made, &taken);
    let (go, site) = (onward(portal, call), passkey::site_id(portal, plan));
    let Some(site) = site else { return again(keys::ADDRESS).await };
    let (changer, token) = account::changer(portal, call, session);
    let told = portal.store.telling(entry(call, session).detailed(keys::was_added(&name)));
    match told.add_passkey(changer, (made, name), &site).await? {
        Ok(session) => {
            let list = back_to_list(plan, call, (&session, &token, "added"));
            Ok(if go.is_empty() { list } else { redirected(list, &confirm::path(&go, None)) })
        }
        Err(Refused::Taken) => {
            portal.store.record(failure(call, session, Unmade::Registered)).await?;
            again(keys::TAKEN).await
        }
        Err(Refused::TooMany) => again(keys::FULL).await,
        Err(Refused::OtherSite) => again(keys::OTHER_SITE).await,
        Err(Refused::Gone | Refused::NameTaken | Refused::LastFactor) => Ok(call.redirect(LIST)),
    }
}

async fn rename(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (session, sent): (&Session, &Form),
) -> Result<Response<Body>, Stop> {
    let name = sent.text("name").trim();
    let fits = !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.chars().any(char::is_control);
    let Ok(id) = sent.text("id").parse::<PasskeyId>() else { return Err(Refusal::BadRequest.into()) };
    let refuse = async |text: &str| {
        let alert = Some(Alert::new("main", text));
        list(portal, plan, call, (session, StatusCode::UNPROCESSABLE_ENTITY, alert)).await
    };
    if !fits {
        return refuse(keys::BAD_NAME).await;
    }
    if portal.store.rename_passkey(session.user, id, name.to_owned()).await? {
        return Ok(call.redirect(LIST));
    }
    refuse(keys::GONE).await
}

async fn remove(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (session, sent): (&Session, &Form),
) -> Result<Response<Body>, Stop> {
    let Ok(id) = sent.text("id").parse::<PasskeyId>() else { return Err(Refusal::BadRequest.into()) };
    let name = portal.store.passkeys_of(session.user).await?.into_iter().find(|passkey| passkey.id == id);
    let name = name.map(|passkey| passkey.name).unwrap_or_default();
    let (changer, token) = account::changer(portal, call, session);
    let told = portal.store.telling(entry(call, session).detailed(keys::was_removed(&name)));
    let refuse = async |text: &str| {
        let alert = Some(Alert::new("main", text));
        list(portal, plan, call, (session, StatusCode::UNPROCESSABLE_ENTITY, alert)).await
    };
    match told.remove_passkey(changer, id, factors::keep(plan, session)).await? {
        Ok(session) => Ok(back_to_list(plan, call, (&session, &token, "removed"))),
        Err(Refused::LastFactor) => refuse(keys::NEEDED).await,
        Err(Refused::Gone | Refused::NameTaken | Refused::TooMany | Refused::Taken | Refused::OtherSite) => {
            refuse(keys::GONE).await
        }
    }
}

fn entry(call: &Call<'_>, session: &Session) -> Entry {
    call.entry(Deed::CredentialChanged).of_account(session.user, &session.user_name).by(METHOD)
}

/// Written down as what it is, a proof that was none: nothing changed that anybody has to be told of.
fn failure(call: &Call<'_>, session: &Session, reason: Unmade) -> Entry {
    let failed = call.entry(Deed::SignInFailed).of_account(session.user, &session.user_name).by(METHOD);
    failed.came_to(Outcome::Failed).because(reason.name()).detailed("while adding it")
}

/// Hands the new token over and shows the list.
fn back_to_list(plan: &Plan, call: &Call<'_>, (session, token, what): (&Session, &Token, &str)) -> Response<Body> {
    let (user, ip, id) = (&session.user_name, plan.log.shown(call.client), session.id);
    tracing::info!(event = Event::CredentialChanged.name(), %user, %ip, method = METHOD, what, session = %id, request = call.request_id);
    account::renewed(call, (session, token), LIST)
}

/// The name of the journey that somebody is on who was led here; empty for whoever came by themselves.
fn onward(portal: &Portal, call: &Call<'_>) -> String {
    let journey = portal.journeys.find(call.query().text("go"), call.now).filter(Journey::is_kept);
    portal.journeys.keep(journey.as_ref(), call.network(), call.now)
}

/// The same answer, but for where it leads.
fn redirected(mut response: Response<Body>, to: &str) -> Response<Body> {
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

/// A name for a new key: its make, and where it was made; with a number where that is taken.
pub fn first_name(call: &Call<'_>, made: &Made, taken: &[String]) -> String {
    let ways: Vec<&str> = made.transports.split(' ').collect();
    let is_portable = ["usb", "nfc", "ble", "smart-card"].iter().any(|way| ways.contains(way)) && !ways.contains(&"internal");
    let name = keys::first_name(make::of(&made.aaguid), platform(&call.agent()), is_portable);
    let numbered = (2..).map(|number| format!("{name} {number}"));
    let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name));
    free.unwrap_or(name)
}

/// What a browser says it runs on. Android says Linux too, and an iPad says it is a Mac.
fn platform(agent: &str) -> Option<&'static str> {
    let known = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Macintosh", "Mac"),
        ("Linux", "Linux"),
    ];
    known.iter().find(|(word, _)| agent.contains(word)).map(|(_, name)| *name)
}
