//! A request to one of our pages, with what the gate found out about it.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};

use crate::auth::token::Token;
use crate::base::clock::Timestamp;
use crate::model::audit::{Actor, Deed, Entry};
use crate::model::identity::Identity;
use crate::model::session::Session;
use crate::model::strength::Strength;
use crate::plan::whole::Plan;
use crate::policy::host::Host;
use crate::policy::requirement::{Lack, Needs};
use crate::policy::rule::Judgement;
use crate::portal::journey::Journey;
use crate::portal::service::Portal;
use crate::web::audience::Audience;
use crate::web::form::{self, Form};
use crate::web::page;
use crate::web::return_to::Destination;
use crate::wire::body::Body;
use crate::wire::client::Network;
use crate::wire::cookie::{self, Found};

/// Longest description of a browser that is stored.
const MAX_AGENT: usize = 200;

/// A request to exactly `/.doorward/…`.
#[derive(Debug)]
pub struct Visit<'a> {
    /// The request.
    pub request: Request<Body>,
    /// The path behind `/.doorward/`, without the query.
    pub page: &'a str,
    /// The host it was sent to.
    pub host: Host,
    /// The client's address.
    pub client: IpAddr,
    /// Who sent it.
    pub identity: Identity,
    /// Names the request in the log.
    pub request_id: &'a str,
    /// When it came.
    pub now: Timestamp,
}

/// A visit without its body: what the flows look at.
#[derive(Debug)]
pub struct Call<'a> {
    head: Parts,
    /// The path behind `/.doorward/`, without the query.
    pub page: &'a str,
    /// The host it was sent to.
    pub host: Host,
    /// The client's address.
    pub client: IpAddr,
    identity: Identity,
    /// Names the request in the log.
    pub request_id: &'a str,
    /// When it came.
    pub now: Timestamp,
}

impl<'a> Visit<'a> {
    /// Parts the body from what is known before it is read.
    pub fn split(self) -> (Call<'a>, Body) {
        let Self { request, page, host, client, identity, request_id, now } = self;
        let (head, body) = request.into_parts();
        (Call { head, page, host, client, identity, request_id, now }, body)
    }
}

impl Call<'_> {
    /// The method and target as sent.
    pub fn head(&self) -> &Parts {
        &self.head
    }

    /// The request's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Who will read the answer.
    pub fn audience(&self) -> Audience {
        Audience::of(&self.head.method, &self.head.headers)
    }

    /// A redirect to a path or URL of ours or to a judged one: 302 after GET and HEAD, else 303, which makes a GET of it.
    pub fn redirect(&self, location: &str) -> Response<Body> {
        let safe = matches!(self.head.method, Method::GET | Method::HEAD);
        page::redirect(if safe { StatusCode::FOUND } else { StatusCode::SEE_OTHER }, location)
    }

    /// The fields of the query; none if it cannot be read.
    pub fn query(&self) -> Form {
        self.head.uri.query().and_then(|query| form::parse(query).ok()).unwrap_or_default()
    }

    /// The session that this visitor holds on this host, if it still counts.
    pub fn session(&self) -> Option<&Arc<Session>> {
        self.identity.session().filter(|session| session.check(self.now).is_ok())
    }

    /// The token of a session that this visitor sent, if exactly one. Whether it opens anything, [`Self::session`] tells.
    pub fn token(&self) -> Option<Token> {
        token(&self.head.headers, cookie::SESSION)
    }

    /// What ties half-done sign-ins to this browser, if it sent exactly one.
    pub fn visitor(&self) -> Option<Token> {
        visitor(&self.head.headers)
    }

    /// The network the client counts for.
    pub fn network(&self) -> Network {
        Network::of(self.client)
    }

    /// The browser's description of itself, short and without anything that could disturb a terminal or a log.
    pub fn agent(&self) -> String {
        let agent = self.head.headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
        let plain = |c: &char| !c.is_control() && *c != char::REPLACEMENT_CHARACTER;
        agent.unwrap_or_default().chars().filter(plain).take(MAX_AGENT).collect()
    }

    /// Something that this visitor did, to be written down.
    pub fn entry(&self, deed: Deed) -> Entry {
        Entry::new(deed, Actor::Visitor).from(self.client, self.request_id)
    }

    /// What somebody must have proven before `to` opens to them on `host`.
    ///
    /// Asked before a sign-in is called enough and before a signed-in visitor is sent on: otherwise a session too weak for
    /// its target would be sent to and fro for ever.
    pub fn needs(&self, plan: &Plan, host: &Host, to: &Destination) -> Needs {
        if to.is_ours() {
            // Whoever has only a password must get at the page on which they add more.
            return Needs::of(Strength::Password);
        }
        let Some((app, target)) = plan.app_for(host, to.target()) else { return plan.auth.needs() };
        match app.rules.judge(&target, &Method::GET, self.client) {
            Judgement::Required(requirement) => requirement.needs(),
            Judgement::Denied(_) | Judgement::Redirected(_) | Judgement::Open => {
                Needs { max_age: None, ..app.rules.requirement.needs() }
            }
        }
    }

    /// The same for a journey; without one, for our own page.
    pub fn journey_needs(&self, plan: &Plan, journey: Option<&Journey>) -> Needs {
        let judged = |journey: &Journey| self.needs(plan, &journey.host, &journey.to).and(journey.needs);
        journey.map_or_else(|| plan.auth.needs(), judged)
    }

    /// The same for the holder of a session, by what the owner set down for them as well. Not so for our own pages: who may see which
    /// of those is for [`crate::portal::account::door`], which asks for more by the journey itself.
    pub fn needs_of(&self, plan: &Plan, journey: Option<&Journey>, session: &Session) -> Needs {
        let needs = self.journey_needs(plan, journey);
        if journey.is_some_and(|journey| journey.to.is_ours()) { needs } else { needs.of_person(&session.profile.terms) }
    }

    /// What a session lacks for a journey.
    pub fn lack(&self, plan: &Plan, journey: Option<&Journey>, session: &Session) -> Option<Lack> {
        self.needs_of(plan, journey, session).lack_of_proof(session, self.now)
    }

    /// Whether this visitor is signed in firmly enough, and lately enough, for a journey.
    pub fn session_for(&self, plan: &Plan, journey: Option<&Journey>) -> Option<&Arc<Session>> {
        self.session().filter(|session| self.lack(plan, journey, session).is_none())
    }

    /// Whether all that a journey lacks is a new proof.
    pub fn is_stale_for(&self, plan: &Plan, journey: Option<&Journey>) -> bool {
        self.session().and_then(|session| self.lack(plan, journey, session)) == Some(Lack::Freshness)
    }

    /// The journey of that name; for want of one, where somebody goes who came for nothing in particular.
    pub fn journey(&self, portal: &Portal, plan: &Plan, name: &str) -> Option<Journey> {
        let found = portal.journeys.find(name, self.now).filter(|journey| journey.leads_somewhere(plan));
        found.or_else(|| Journey::of_no_wish(plan, &self.host))
    }
}

/// What ties half-done sign-ins and tickets to a browser, if it sent exactly one.
pub fn visitor(headers: &HeaderMap) -> Option<Token> {
    token(headers, cookie::VISITOR)
}

fn token(headers: &HeaderMap, name: &str) -> Option<Token> {
    match cookie::find(headers, name) {
        Found::One(text) => Token::parse(text),
        Found::Nothing | Found::Several => None,
    }
}
