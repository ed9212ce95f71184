//! From the portal to the host of an app: on with a ticket, in with it.
//!
//! The browser carries the ticket over in a URL, so it may end up in other hands. It counts only in the browser that the
//! journey began in, known by a cookie that this one host set before anybody signed in.

use askama::Template;
use http::header::REFERRER_POLICY;
use http::{HeaderValue, Response, StatusCode};

use crate::auth::token::Token;
use crate::model::audit::Deed;
use crate::model::event::Event;
use crate::model::session::Session;
use crate::observe::metrics::Ending;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::elsewhere;
use crate::portal::journey::Journey;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::portal::ticket::{Redeemed, Ticket};
use crate::web::asset;
use crate::web::page;
use crate::web::return_to::Destination;
use crate::web::text;
use crate::wire::body::Body;
use crate::wire::cookie;

/// Our page that lists the apps.
pub const HOME: &str = "/.doorward/";

/// Why somebody who signed in is not where they wanted to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Astray {
    /// The ticket is over, or none.
    Late,
    /// The browser does not send the cookie that the journey is bound to.
    NoCookie,
    /// It comes back without its session again and again.
    InCircles,
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "astray.html")]
struct AstrayPage<'a> {
    installation: &'a str,
    heading: &'static str,
    detail: String,
    to: &'a str,
    portal: String,
    request_id: &'a str,
}

/// Where a signed-in visitor goes on to: a path of the portal's host, or a URL of another with a ticket.
pub fn way_on(portal: &Portal, plan: &Plan, call: &Call<'_>, (session, journey): (&Session, Option<&Journey>)) -> String {
    let Some(journey) = journey else { return HOME.to_owned() };
    let to = journey.to.as_str();
    if journey.host == call.host {
        return to.to_owned();
    }
    let origin = plan.origin_of(&journey.host);
    // Without a visitor that host has not been asked by this browser yet. When it is, there will be a cookie to bind a ticket
    // to. A token there is: the session was found by it.
    let (Some(visitor), Some(by)) = (journey.visitor, call.token()) else { return format!("{origin}{to}") };
    let ticket = Ticket { session: session.id, by: by.hash(), host: journey.host.clone(), visitor, to: journey.to.clone() };
    let ticket = portal.tickets.issue(portal.entropy, ticket, call.now);
    format!("{origin}/.doorward/enter?ticket={}", ticket.to_text().expose())
}

/// Takes a ticket and gives this host a token of its own for the session.
///
/// Whatever is amiss with the ticket, nothing is lost: the page that was wanted asks for the session again, and the portal
/// knows it. Only where that would not help is there a page that says what would.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn enter(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    let ticket = match portal.tickets.redeem(call.query().text("ticket"), &call.host, call.now) {
        Redeemed::Valid(ticket) => ticket,
        Redeemed::Over(ticket) => return Ok(late(plan, call, &ticket.to)),
        Redeemed::Unknown => return Ok(late(plan, call, &elsewhere::front(plan, &call.host))),
    };
    let to = ticket.to.as_str();
    if call.session().is_some_and(|session| session.id == ticket.session) {
        // Another tab was faster.
        return Ok(call.redirect(to));
    }
    let Some(visitor) = call.visitor() else {
        return Ok(astray(plan, (call.host.as_str(), call.request_id), (Astray::NoCookie, to)));
    };
    portal.rounds.count(visitor.hash(), call.network(), call.now);
    if visitor.hash() != ticket.visitor {
        // Of several tabs that were opened at once without a cookie, the browser keeps the cookie of one. In foreign hands
        // the ticket is used up, and whose hands they are is for the portal to ask.
        return Ok(call.redirect(to));
    }
    let token = Token::draw(portal.entropy);
    let (asked, given) = ((ticket.session, ticket.by), (token.hash(), call.host.as_str().into()));
    let given = portal.store.give_token(asked, given, plan.portal.as_str()).await?;
    // Ended, or gone on under another token since the ticket was made: for the portal to ask, too.
    let Some(session) = given else { return Ok(call.redirect(to)) };
    if let Some(former) = call.session() {
        let told = call.entry(Deed::SessionEnded).because("another took its place in this browser").detailed(former.id.as_str());
        portal.store.telling(told).end_session(former.id).await?;
        portal.metrics.ended(Ending::Replaced, 1);
    }
    let (user, id, host, request) = (&session.user_name, session.id, call.host.as_str(), call.request_id);
    tracing::info!(event = Event::HandedOff.name(), %user, host, ip = %plan.log.shown(call.client), session = %id, request);
    let mut response = call.redirect(to);
    // As long as the one on the portal.
    let max_age = session.idle_timeout.is_none().then(|| session.expires_at.since(call.now));
    cookie::attach(response.headers_mut(), cookie::set(cookie::SESSION, token.to_text().expose(), max_age));
    Ok(response)
}

/// Somebody went back, or loaded the page again; or a ticket was far too long on its way.
fn late(plan: &Plan, call: &Call<'_>, to: &Destination) -> Response<Body> {
    if call.session().is_some() {
        return call.redirect(to.as_str());
    }
    astray(plan, (call.host.as_str(), call.request_id), (Astray::Late, to.as_str()))
}

/// The page that says what happened and how to go on.
pub fn astray(plan: &Plan, (host, request_id): (&str, &str), (astray, to): (Astray, &str)) -> Response<Body> {
    let (heading, detail) = match astray {
        Astray::Late => (text::HAND_OFF_LATE, text::HAND_OFF_LATE_DETAIL.to_owned()),
        Astray::NoCookie => (text::HAND_OFF_NO_COOKIE, text::hand_off_no_cookie(host)),
        Astray::InCircles => (text::IN_CIRCLES, text::in_circles(host)),
    };
    let portal = format!("{}{HOME}", plan.origin());
    let page = AstrayPage { installation: &plan.name, heading, detail, to, portal, request_id };
    let mut response = page::render(StatusCode::FORBIDDEN, &page);
    // There may be a ticket in the address, and the links lead to the app.
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests;
