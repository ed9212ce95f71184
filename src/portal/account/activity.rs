//! What happened to somebody's account in the last 90 days: their own part of the audit trail, page by page.

use std::time::Duration;

use askama::Template;
use http::{Response, StatusCode};

use crate::base::clock::Timestamp;
use crate::plan::whole::Plan;
use crate::portal::account::{Section, moment};
use crate::portal::call::Call;
use crate::portal::fresh;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::web::asset;
use crate::web::page;
use crate::web::security;
use crate::web::text;
use crate::wire::body::Body;

const ACTIVITY: &str = "/.doorward/security/activity";
const SHOWN: Duration = Duration::from_secs(90 * 86_400);
const PER_PAGE: u32 = 25;

#[derive(Template)]
#[template(config = ".askama.toml", path = "account_activity.html")]
struct ActivityPage<'a> {
    installation: &'a str,
    lines: Vec<Line>,
    /// Where what is older begins.
    older: Option<u64>,
    is_first: bool,
}

struct Line {
    at: String,
    what: String,
    more: String,
}

/// As the overview shows it.
pub fn section() -> Section {
    Section { heading: security::ACTIVITY, status: security::ACTIVITY_ABOUT.to_owned(), link: ACTIVITY }
}

/// A page of it, newest first.
///
/// # Errors
/// [`Stop`] if the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    let session = match fresh::signed_in(portal, plan, call, ACTIVITY) {
        Ok(session) => session,
        Err(way) => return Ok(*way),
    };
    let before = call.query().text("before").parse().ok();
    let span = i64::try_from(SHOWN.as_millis()).unwrap_or(i64::MAX);
    let since = Timestamp::from_millis(call.now.millis().saturating_sub(span));
    // One more than is shown, to know whether there is more.
    let mut written = portal.store.audit_of(session.user, (before, since), PER_PAGE + 1).await?;
    let more = written.len() > PER_PAGE as usize;
    written.truncate(PER_PAGE as usize);
    let lines = written.iter().map(|one| Line {
        at: moment::exactly(one.at),
        what: security::happened(one),
        more: security::happened_how(one),
    });
    let page = ActivityPage {
        installation: &plan.name,
        lines: lines.collect(),
        older: written.last().filter(|_| more).map(|last| last.seq),
        is_first: before.is_none(),
    };
    Ok(page::render(StatusCode::OK, &page))
}
