//! Where somebody is signed in: each session with what is known of it, and ending one or all others.

use std::sync::Arc;

use askama::Template;
use http::{Response, StatusCode};

use crate::model::audit::Deed;
use crate::model::event::Event;
use crate::model::session::Session;
use crate::observe::metrics::Ending;
use crate::plan::whole::Plan;
use crate::portal::account::{self, Section, moment};
use crate::portal::call::Call;
use crate::portal::fresh;
use crate::portal::guard;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::web::agent;
use crate::web::asset;
use crate::web::page::{self, Alert};
use crate::web::security;
use crate::web::text;
use crate::wire::body::Body;

const PURPOSE: &str = "end sessions";
const SESSIONS: &str = "/.doorward/security/sessions";

#[derive(Template)]
#[template(config = ".askama.toml", path = "account_sessions.html")]
struct SessionsPage<'a> {
    installation: &'a str,
    told: Option<&'static str>,
    alert: Option<Alert>,
    /// The token of the forms; without, a proof is asked for first.
    token: Option<String>,
    here: Line,
    others: Vec<Line>,
}

/// One session.
struct Line {
    id: String,
    device: String,
    network: String,
    created: String,
    seen: String,
    open: String,
    sites: String,
}

/// As the overview shows it.
///
/// # Errors
/// [`Stop`] if the store does not answer.
pub async fn section(portal: &Portal, session: &Session) -> Result<Section, Stop> {
    let count = portal.store.sessions_of(session.user).await?.len();
    Ok(Section { heading: security::SESSIONS, status: security::sessions(count), link: SESSIONS })
}

/// The sessions of the one who is signed in, that of this browser first.
///
/// # Errors
/// [`Stop`] if the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    if call.query().get("unlock").is_some() {
        return Ok(match fresh::changing(portal, plan, call, SESSIONS).await? {
            Ok(_) => call.redirect(SESSIONS),
            Err(way) => *way,
        });
    }
    match fresh::signed_in(portal, plan, call, SESSIONS) {
        Ok(session) => page(portal, plan, call, (session, StatusCode::OK, None)).await,
        Err(way) => Ok(*way),
    }
}

async fn page(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (session, status, alert): (&Arc<Session>, StatusCode, Option<Alert>),
) -> Result<Response<Body>, Stop> {
    let facts = fresh::facts(portal, session).await?;
    let is_fresh = fresh::needs(portal, plan, session, &facts).lack_of_proof(session, call.now).is_none();
    let held = portal.store.sessions_of(session.user).await?;
    let others = held.iter().rev().filter(|other| other.id != session.id);
    let page = SessionsPage {
        installation: &plan.name,
        told: account::told(call),
        alert,
        token: is_fresh.then(|| account::token(portal, call, session, PURPOSE)),
        // Asking for our own pages keeps no session from idling, but whoever reads this is here.
        here: Line { seen: security::NOW.to_owned(), ..line(portal, call, session) },
        others: others.map(|other| line(portal, call, other)).collect(),
    };
    Ok(page::render(status, &page))
}

fn line(portal: &Portal, call: &Call<'_>, session: &Session) -> Line {
    Line {
        id: session.id.to_string(),
        device: agent::in_words(&session.agent),
        network: session.network.to_string(),
        created: moment::ago(session.created_at, call.now),
        seen: moment::ago(session.last_seen(), call.now),
        open: security::live(session.streams()),
        sites: portal.store.hosts_of(session.id).join(", "),
    }
}

/// Ends one session, or all but this one.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or if the store does not answer; a session that was to end has ended even then.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    let session = match fresh::changing(portal, plan, call, SESSIONS).await? {
        Ok(proven) => proven.session,
        Err(way) => return Ok(*way),
    };
    if !account::is_own_form(portal, call, session, (&sent, PURPOSE)) {
        let alert = Alert::new("main", security::FORM_TOO_OLD);
        return page(portal, plan, call, (session, StatusCode::FORBIDDEN, Some(alert))).await;
    }
    let told = call.entry(Deed::SessionEnded).by("security page");
    let done = match sent.get("end") {
        Some(id) if id == session.id.as_str() => return Ok(call.redirect("/.doorward/logout")),
        Some(id) => {
            // Whoever names somebody else's is told the same as for one that is over.
            let theirs = portal.store.sessions_of(session.user).await?;
            let Some(other) = theirs.iter().find(|other| other.id.as_str() == id) else {
                return Ok(call.redirect(&format!("{SESSIONS}?done=gone")));
            };
            let ended = portal.store.telling(told.detailed(other.id.as_str())).end_session(other.id).await?;
            said(portal, plan, call, (session, usize::from(ended)));
            "ended"
        }
        None => {
            let store = portal.store.telling(told.detailed("all but one"));
            let ended = store.end_other_sessions(session.user, session.id).await?;
            said(portal, plan, call, (session, ended));
            "others-ended"
        }
    };
    Ok(call.redirect(&format!("{SESSIONS}?done={done}")))
}

fn said(portal: &Portal, plan: &Plan, call: &Call<'_>, (session, ended): (&Session, usize)) {
    portal.metrics.ended(Ending::Holder, ended as u64);
    let (user, ip, request) = (&session.user_name, plan.log.shown(call.client), call.request_id);
    tracing::info!(event = Event::SessionEnded.name(), %user, %ip, ended, session = %session.id, request);
}
