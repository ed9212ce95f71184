//! Our pages on hosts where nobody signs in: each leads to its like on the portal.

use std::net::IpAddr;

use askama::Template;
use http::{HeaderMap, Method, Response, StatusCode};

use crate::auth::token::Token;
use crate::base::clock::Timestamp;
use crate::model::event::Event;
use crate::plan::whole::Plan;
use crate::policy::host::Host;
use crate::policy::requirement::Needs;
use crate::portal::call::{self, Call};
use crate::portal::confirm;
use crate::portal::hand_off::{self, Astray};
use crate::portal::help;
use crate::portal::journey::Journey;
use crate::portal::service::Portal;
use crate::portal::why::{Why, sign_in_path};
use crate::web::asset;
use crate::web::page;
use crate::web::refusal::Refusal;
use crate::web::return_to::Destination;
use crate::web::text;
use crate::wire::body::Body;
use crate::wire::client::Network;
use crate::wire::cookie;

#[derive(Template)]
#[template(config = ".askama.toml", path = "to_portal.html")]
struct ToPortalPage<'a> {
    installation: &'a str,
    notice: Option<String>,
    to: String,
}

/// A person who has to sign in, on a host where nobody does.
#[derive(Clone, Debug)]
pub struct Leaving<'a> {
    /// How they asked.
    pub method: &'a Method,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// This host.
    pub host: &'a Host,
    /// The client's address.
    pub client: IpAddr,
    /// Where they want to be afterwards.
    pub to: Destination,
    /// What they must have proven for that.
    pub needs: Needs,
    /// What the portal is to tell them.
    pub why: Option<Why>,
    /// Names the request in the log.
    pub request_id: &'a str,
    /// When it came.
    pub now: Timestamp,
}

/// Sends a person to the portal. The browser gets a cookie, unless it has one: by that this host knows it again when it
/// comes back with a ticket.
pub fn set_out(portal: &Portal, plan: &Plan, leaving: Leaving<'_>) -> Response<Body> {
    let Leaving { method, headers, host, client, to, needs, why, request_id, now } = leaving;
    let known = call::visitor(headers);
    if known.as_ref().is_some_and(|visitor| portal.rounds.is_enough(visitor.hash(), now)) {
        let (host, ip, request) = (host.as_str(), plan.log.shown(client), request_id);
        tracing::warn!(event = Event::InCircles.name(), host, %ip, request, "a browser loses its session again and again");
        return hand_off::astray(plan, (host, request), (Astray::InCircles, to.as_str()));
    }
    let visitor = known.clone().unwrap_or_else(|| Token::draw(portal.entropy));
    let journey = Journey::new(portal.entropy, host.clone(), to, needs).bound_to(visitor.hash());
    let go = portal.journeys.keep(Some(&journey), Network::of(client), now);
    let mut response = if matches!(*method, Method::GET | Method::HEAD) {
        page::redirect(StatusCode::FOUND, &at_portal(plan, &sign_in_path(&go, why)))
    } else {
        // Not straight on: an app's page may say where its forms lead (`form-action`), and browsers hold every redirect
        // after a form to that. A page of ours in between ends the chain.
        let why = why.map(|why| format!("&why={}", why.name())).unwrap_or_default();
        page::redirect(StatusCode::SEE_OTHER, &format!("/.doorward/continue?go={go}{why}"))
    };
    if known.is_none() {
        cookie::attach(response.headers_mut(), cookie::set(cookie::VISITOR, visitor.to_text().expose(), None));
    }
    response
}

/// Our home page is on the portal.
pub fn home(plan: &Plan, call: &Call<'_>) -> Response<Body> {
    call.redirect(&at_portal(plan, hand_off::HOME))
}

/// And the one for people who cannot sign in.
pub fn help(plan: &Plan, call: &Call<'_>) -> Response<Body> {
    call.redirect(&at_portal(plan, help::PAGE))
}

/// So is the sign-in page. Whoever asks for it here wants to come back here.
pub fn sign_in(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Response<Body> {
    let to = front(plan, &call.host);
    let needs = call.needs(plan, &call.host, &to);
    if call.session().is_some_and(|session| needs.lack(session, call.now).is_none()) {
        return call.redirect(to.as_str());
    }
    to_portal(portal, plan, call, (to, needs))
}

/// The page on which a factor is proven once more, too. Whoever asks for it here comes back to the app's first page.
pub fn confirm(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Response<Body> {
    let to = Destination::home();
    let needs = call.needs(plan, &call.host, &to);
    let needs = call
        .session()
        .map_or(needs, |session| needs.and(confirm::anew(session, needs.of_person(&session.profile.terms).methods)));
    to_portal(portal, plan, call, (to, needs))
}

fn to_portal(portal: &Portal, plan: &Plan, call: &Call<'_>, (to, needs): (Destination, Needs)) -> Response<Body> {
    let why = Why::parse(call.query().text("why"));
    let (method, headers, host) = (&call.head().method, call.headers(), &call.host);
    let (client, request_id, now) = (call.client, call.request_id, call.now);
    set_out(portal, plan, Leaving { method, headers, host, client, to, needs, why, request_id, now })
}

/// Where somebody goes on a host who wants nothing in particular there: the root, or an app where none is at the root.
pub fn front(plan: &Plan, host: &Host) -> Destination {
    let app = plan.site(host).and_then(|site| site.chief());
    app.and_then(|app| Destination::parse(&app.mount.to_string())).unwrap_or_else(Destination::home)
}

/// And a set-up link. Nothing is looked up here: what has the form of a token is sent on.
///
/// # Errors
/// [`Refusal::NotFound`] for everything else.
pub fn set_up(plan: &Plan, call: &Call<'_>, token: &str) -> Result<Response<Body>, Refusal<'static>> {
    Token::parse(token).ok_or(Refusal::NotFound)?;
    Ok(call.redirect(&at_portal(plan, &format!("/.doorward/setup/{token}"))))
}

/// The page between a form and the portal.
pub fn leave(plan: &Plan, call: &Call<'_>) -> Response<Body> {
    let query = call.query();
    let go = query.text("go");
    let go = if Token::parse(go).is_some() { go } else { "" };
    let why = Why::parse(query.text("why"));
    let notice = why.map(|why| why.notice(&plan.session));
    let to = at_portal(plan, &sign_in_path(go, why));
    page::render(StatusCode::OK, &ToPortalPage { installation: &plan.name, notice, to })
}

fn at_portal(plan: &Plan, path: &str) -> String {
    format!("{}{path}", plan.origin())
}
