//! `/.doorward/security/recovery`: how many recovery codes are left, which were used when, and new ones.

use askama::Template;
use http::{Response, StatusCode};

use crate::auth::form::FormToken;
use crate::auth::recovery::FEW;
use crate::model::audit::Deed;
use crate::model::credential::RecoverySet;
use crate::model::event::Event;
use crate::model::session::Session;
use crate::plan::whole::Plan;
use crate::portal::account::{self, Section};
use crate::portal::call::Call;
use crate::portal::codes::{Frame, Sheet, day};
use crate::portal::fresh;
use crate::portal::guard;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::page::{self, Alert};
use crate::web::refusal::Refusal;
use crate::web::rescue;
use crate::web::text;
use crate::wire::body::Body;

/// This page.
pub const PAGE: &str = "/.doorward/security/recovery";
/// What the token of its forms is good for.
const PURPOSE: &str = "recovery codes of an account";

#[derive(Template)]
#[template(config = ".askama.toml", path = "security_recovery.html")]
struct StatusPage<'a> {
    installation: &'a str,
    user: &'a str,
    alert: Option<Alert>,
    notice: Option<&'static str>,
    status: String,
    warning: Option<String>,
    spent: Vec<String>,
    token: String,
    button: Option<&'static str>,
}

/// What the page says besides how things are.
#[derive(Default)]
struct Said {
    status: StatusCode,
    alert: Option<&'static str>,
}

/// The page, or what a form of it asks for.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or when the machine or the store cannot serve.
pub async fn serve(portal: &Portal, plan: &Plan, call: &Call<'_>, sent: Option<Body>) -> Result<Response<Body>, Stop> {
    let sent = match sent {
        Some(body) => Some(guard::read(call, body).await?),
        None => None,
    };
    match sent {
        None => match fresh::signed_in(portal, plan, call, PAGE) {
            Ok(session) => show(portal, plan, call, (session, Said::default())).await,
            Err(elsewhere) => Ok(*elsewhere),
        },
        Some(sent) => match fresh::strengthening(portal, plan, call, PAGE).await? {
            Ok(proven) => change(portal, plan, call, (proven.session, &sent)).await,
            Err(elsewhere) => Ok(*elsewhere),
        },
    }
}

/// As the overview shows it.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn section(portal: &Portal, plan: &Plan, session: &Session) -> Result<Section, Stop> {
    let set = portal.store.recovery(session.user).await?.filter(|set| !set.rows.is_empty());
    let status = match set {
        Some(set) => rescue::left(set.left(), set.rows.len()),
        None if plan.auth.recovery_codes > 0 => rescue::NONE.to_owned(),
        None => rescue::OFF.to_owned(),
    };
    Ok(Section { heading: rescue::HEADING, status, link: PAGE })
}

async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>, (session, said): (&Session, Said)) -> Result<Response<Body>, Stop> {
    let set = portal.store.recovery(session.user).await?;
    let waiting = portal.store.pending_recovery(session.user).await?;
    let (left, of) = set.as_ref().map_or((0, 0), |set| (set.left(), set.rows.len()));
    let has = set.as_ref().is_some_and(|set| !set.rows.is_empty());
    let gives = plan.auth.recovery_codes > 0;
    let just_replaced = call.query().text("done") == "1" && has && waiting.is_none();
    let notice = if just_replaced { Some(rescue::REPLACED_DONE) } else { waiting.map(|_| rescue::UNSAVED) };
    let page = StatusPage {
        installation: &plan.name,
        user: session.user_name.as_str(),
        alert: said.alert.map(|text| Alert::new("new", text)),
        notice,
        status: match (has, gives) {
            (true, _) => rescue::left(left, of),
            (false, true) => rescue::NONE.to_owned(),
            (false, false) => rescue::OFF.to_owned(),
        },
        warning: (has && left <= FEW).then(|| rescue::few(left)),
        spent: spent(set.as_ref()),
        token: guard::token(portal, call, session.id.as_str().as_bytes(), PURPOSE),
        button: gives.then_some(if has { rescue::REPLACE } else { rescue::MAKE }),
    };
    Ok(page::render(said.status, &page))
}

fn spent(set: Option<&RecoverySet>) -> Vec<String> {
    let rows = set.map(|set| set.rows.as_slice()).unwrap_or_default();
    rows.iter().filter_map(|(row, used_at)| Some(rescue::spent(*row, &day((*used_at)?)))).collect()
}

/// New codes, their download, or the word that they are saved.
async fn change(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (session, sent): (&Session, &Form),
) -> Result<Response<Body>, Stop> {
    let refused = |status, alert| show(portal, plan, call, (session, Said { status, alert: Some(alert) }));
    let binding = session.id.as_str().as_bytes();
    if !FormToken::verify(&portal.forms, binding, PURPOSE, sent.text("t"), call.now) {
        return refused(StatusCode::FORBIDDEN, rescue::ACCOUNT_FORM_TOO_OLD).await;
    }
    let user = session.user_name.as_str();
    let sheet_page = |sheet: &Sheet, status, alert| {
        let frame = Frame { user, step: None, token: guard::token(portal, call, binding, PURPOSE), alert };
        sheet.page(portal, plan, call, (status, frame))
    };
    if !matches!(sent.text("act"), "download" | "done") {
        if let Err(wait) = portal.budgets.sign_in.spend(call.network()) {
            return Err(Refusal::TooMany { wait }.into());
        }
        if plan.auth.recovery_codes == 0 {
            return refused(StatusCode::FORBIDDEN, rescue::OFF).await;
        }
        let sheet = Sheet::draw(portal, plan, session.user).await?.ok_or(Refusal::Forbidden)?;
        return Ok(sheet_page(&sheet, StatusCode::OK, None));
    }
    let Some(sheet) = Sheet::read(portal, call, sent) else {
        return refused(StatusCode::FORBIDDEN, rescue::ACCOUNT_FORM_TOO_OLD).await;
    };
    if portal.store.pending_recovery(session.user).await?.is_none_or(|waiting| waiting.id != sheet.set) {
        return refused(StatusCode::CONFLICT, rescue::REPLACED).await;
    }
    match (sent.text("act"), sent.get("saved")) {
        ("download", _) => Ok(sheet.download(call, user)),
        (_, None) => {
            let alert = Some(Alert::new("saved", rescue::NOT_SAVED));
            Ok(sheet_page(&sheet, StatusCode::UNPROCESSABLE_ENTITY, alert))
        }
        (_, Some(_)) => match put_in_force(portal, plan, call, (session, &sheet)).await? {
            Some(response) => Ok(response),
            None => refused(StatusCode::CONFLICT, rescue::REPLACED).await,
        },
    }
}

/// Ends every other session, and renews the token of this one.
async fn put_in_force(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (session, sheet): (&Session, &Sheet),
) -> Result<Option<Response<Body>>, Stop> {
    let (changer, token) = account::changer(portal, call, session);
    let told = call.entry(Deed::CredentialChanged).with(&call.agent()).detailed("recovery codes");
    let Ok(session) = portal.store.telling(told).replace_recovery(changer, sheet.set).await? else { return Ok(None) };
    let (user, change) = (&session.user_name, "recovery codes replaced");
    tracing::info!(event = Event::UserChanged.name(), %user, change, ip = %plan.log.shown(call.client), request = call.request_id);
    Ok(Some(account::renewed(call, (&session, &token), &format!("{PAGE}?done=1"))))
}
