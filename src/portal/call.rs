//! A request to one of our pages, with what the gate found out about it.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};

use crate::auth::token::Token;
use crate::base::clock::Timestamp;
use crate::model::identity::Identity;
use crate::model::session::Session;
use crate::model::strength::Strength;
use crate::plan::app::App;
use crate::policy::host::Host;
use crate::policy::rule::Judgement;
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
    /// The app that answers for that host.
    pub app: Arc<App>,
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
    /// The app that answers for that host.
    pub app: Arc<App>,
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
        let Self { request, page, host, app, client, identity, request_id, now } = self;
        let (head, body) = request.into_parts();
        (Call { head, page, host, app, client, identity, request_id, now }, body)
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

    /// A redirect to a path of ours or to a judged one: 302 after GET and HEAD, else 303, which makes a GET of it.
    pub fn redirect(&self, location: &str) -> Response<Body> {
        let safe = matches!(self.head.method, Method::GET | Method::HEAD);
        page::redirect(if safe { StatusCode::FOUND } else { StatusCode::SEE_OTHER }, location)
    }

    /// The fields of the query; none if it cannot be read.
    pub fn query(&self) -> Form {
        self.head.uri.query().and_then(|query| form::parse(query).ok()).unwrap_or_default()
    }

    /// The session that this visitor holds for this host, if it still counts.
    pub fn session(&self) -> Option<&Arc<Session>> {
        self.identity.session().filter(|session| session.check(self.now).is_ok() && *session.host == *self.host.as_str())
    }

    /// What ties half-done sign-ins to this browser, if it sent exactly one.
    pub fn visitor(&self) -> Option<Token> {
        match cookie::find(&self.head.headers, cookie::VISITOR) {
            Found::One(text) => Token::parse(text),
            Found::Nothing | Found::Several => None,
        }
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

    /// How firmly somebody must have proven who they are before `to` opens to them.
    ///
    /// Asked before a sign-in is called enough and before a signed-in visitor is sent on: otherwise a session too weak for
    /// its target would be sent to and fro for ever.
    pub fn needs(&self, to: &Destination) -> Strength {
        match self.app.rules.judge(to.target(), &Method::GET, self.client) {
            Judgement::Required(requirement) => requirement.strength,
            Judgement::Denied(_) | Judgement::Redirected(_) | Judgement::Open => self.app.rules.requirement.strength,
        }
    }
}
