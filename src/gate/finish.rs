//! From an outcome to an answer, and from everything learned to one line of the log.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, HOST, LOCATION, REFERER, USER_AGENT};
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tracing::field::display;
use tracing::{debug, error, warn};

use crate::base::chain::Chain;
use crate::base::clock::{Clock, Timestamp};
use crate::base::id::Id;
use crate::gate::handle::Outcome;
use crate::gate::refusal::{Party, Refusal};
use crate::gate::services::Services;
use crate::gate::upstream;
use crate::model::contact::Contact;
use crate::model::event::Event;
use crate::observe::access::AccessLog;
use crate::observe::record::Record;
use crate::observe::redact;
use crate::observe::tally::{Failure, Open};
use crate::plan::proxies::Unreadable;
use crate::plan::whole::Plan;
use crate::policy::decide::Forbidden;
use crate::policy::rule::{DenyStatus, Redirect};
use crate::policy::target::Target;
use crate::web::audience::Audience;
use crate::web::page;
use crate::web::page::without_body;
use crate::web::refusal::Refusal as Page;
use crate::wire::body::{Body, Fault as BodyFault};
use crate::wire::connection::{Connection, InFlight, Protocol};
use crate::wire::header::{OWN_PREFIX, REQUEST_ID};

/// What is kept of a request for its answer and its line, since the request itself goes on its way.
#[derive(Debug)]
pub struct Facts {
    record: Record,
    client: Result<IpAddr, Unreadable>,
    audience: Audience,
    in_flight: InFlight,
}

impl Facts {
    /// Reads them off a request.
    pub fn of(services: &Services, plan: &Plan, connection: &Arc<Connection>, request: &Request<Body>) -> Self {
        let client = plan.listen.proxies.client(connection.peer.ip(), request.headers());
        let uri = request.uri().path_and_query().map_or("*", |target| target.as_str());
        let record = Record {
            id: Id::<Record>::draw(services.entropy).as_str().into(),
            plan: plan.version,
            received: services.clock.now(),
            peer: shown_peer(plan, connection.peer),
            client: plan.log.shown(client.unwrap_or_else(|_| connection.client())),
            sni: connection.sni.clone(),
            protocol: protocol(connection, request.version()),
            method: request.method().as_str().into(),
            host: written_host(request).to_ascii_lowercase().into(),
            uri: redact::uri(uri, &plan.log.redact_query),
            agent: request.headers().get(USER_AGENT).map(|agent| redact::beginning(agent.as_bytes())),
            referer: referer(services, plan, request),
            app: None,
            user: None,
            refusal: None,
            status: 0,
            sent: 0,
            took: Duration::ZERO,
        };
        let audience = Audience::of(request.method(), request.headers());
        Self { record, client, audience, in_flight: connection.begin() }
    }

    /// Whom the request counts for.
    ///
    /// # Errors
    /// [`Refusal::BadForwarded`].
    pub fn client(&self) -> Result<IpAddr, Refusal> {
        self.client.map_err(|Unreadable| Refusal::BadForwarded)
    }

    /// The id of the request, in the log and on every refusal.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// When its head was complete; every decision about it is made as of then.
    pub fn received(&self) -> Timestamp {
        self.record.received
    }
}

/// Turns the outcome into an answer whose end writes the line.
pub fn finish(services: &Services, facts: Facts, outcome: Outcome) -> Response<Logged> {
    let Facts { mut record, client: _, audience, in_flight } = facts;
    let open = outcome.open.unwrap_or_else(|| services.metrics.begin(None));
    record.app = outcome.app.as_ref().map(|app| app.name.as_str().into());
    record.user = outcome.identity.session().map(|session| session.user_name.as_str().into());
    let response = match outcome.result {
        Ok(response) => response,
        Err(refusal) => {
            record.refusal = Some(refusal.name());
            services.metrics.refused(refusal.name());
            note(&refusal, &record);
            if refusal.whose() == Party::Upstream {
                let failure = Failure { at: services.clock.now(), refusal: refusal.name() };
                open.tally().failed(failure, refusal.is_unreachable());
            }
            refused(refusal, audience, &record, services.plan.get().support.as_ref())
        }
    };
    record.status = response.status().as_u16();
    let (log, clock) = (services.access.clone(), services.clock.clone());
    response.map(|body| Logged { body, end: Some((record, open)), log, clock, _in_flight: in_flight })
}

/// A refusal as the visitor sees it, with the id under which the owner finds it in the log.
fn refused(refusal: Refusal, audience: Audience, record: &Record, contact: Option<&Contact>) -> Response<Body> {
    let app = record.app.as_deref().unwrap_or_default();
    let mut response = match refusal {
        Refusal::SignIn(answer) => *answer,
        other => page(&other, app, record.user.as_deref().unwrap_or_default()).answer(audience, &record.id, contact),
    };
    name(&mut response, &record.id);
    if &*record.method == "HEAD" { without_body(response) } else { response }
}

/// Puts the id under which the owner finds a request in the log on an answer of ours.
pub fn name(response: &mut Response<Body>, id: &str) {
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}

fn page<'a>(refusal: &'a Refusal, app: &'a str, user: &'a str) -> Page<'a> {
    match refusal {
        Refusal::Unreadable(unreadable) if unreadable.too_long() => Page::AddressTooLong,
        Refusal::Malformed(_) | Refusal::Unreadable(_) | Refusal::SeveralApps | Refusal::BadForwarded => Page::BadRequest,
        Refusal::Maintenance(text) => Page::Maintenance { app, text: text.as_deref() },
        Refusal::HeadTooLarge => Page::HeadTooLarge,
        Refusal::Method => Page::MethodNotAllowed { allow: ALLOWED },
        Refusal::Misdirected | Refusal::NoSuchApp => Page::Misdirected,
        Refusal::Blocked(DenyStatus::Forbidden) => Page::Forbidden,
        Refusal::Blocked(DenyStatus::NotFound) => Page::NotFound,
        Refusal::Forbidden(Forbidden::NotAllowed) => Page::NotAllowed { app, user },
        Refusal::Unavailable(_) => Page::Unavailable,
        Refusal::Upstream(fault) => upstream::page(fault, app),
        // Answered before: a sign-in brings its own answer.
        Refusal::SignIn(_) => Page::SignInRequired { login_url: "/.doorward/login" },
    }
}

/// Writes the line of what was refused before it became a request: nothing of it could be read, so nothing of it is told.
pub fn note_unread(services: &Services, connection: &Connection, id: &str, (refusal, status): (&'static str, StatusCode)) {
    let plan = services.plan.get();
    let record = Record {
        id: id.into(),
        plan: plan.version,
        received: services.clock.now(),
        peer: shown_peer(&plan, connection.peer),
        client: plan.log.shown(connection.client()),
        sni: connection.sni.clone(),
        protocol: protocol(connection, Version::HTTP_11),
        method: "-".into(),
        host: connection.sni.clone().unwrap_or_default(),
        uri: "-".into(),
        agent: None,
        referer: None,
        app: None,
        user: None,
        refusal: Some(refusal),
        status: status.as_u16(),
        sent: 0,
        took: Duration::ZERO,
    };
    services.metrics.unread(refusal, record.status);
    services.access.write(record);
}

/// Methods we take at all; what an app takes of them is its own business.
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// The answer to `OPTIONS *`.
pub fn server_options() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(ALLOWED));
    response
}

/// The answer to the root of a portal that has no app: our own page.
pub fn to_home() -> Response<Body> {
    page::redirect(StatusCode::FOUND, OWN_PREFIX)
}

/// The owner's redirect.
pub fn redirected(redirect: &Redirect) -> Response<Body> {
    let status = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::FOUND);
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    let location = HeaderValue::from_str(&redirect.to).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response
}

/// To what a path with dots in it comes to. Nobody keeps this: the owner may turn it off again.
pub fn resolved(target: &Target) -> Response<Body> {
    let mut response = redirected(&Redirect { to: target.as_str().to_owned(), status: 308 });
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Refusals that somebody has to look into get an event besides their access line.
fn note(refusal: &Refusal, record: &Record) {
    let (id, app) = (&*record.id, record.app.as_deref().unwrap_or_default());
    match refusal.whose() {
        Party::Client => debug!(event = Event::Refused.name(), id, app, refusal = refusal.name()),
        Party::Upstream => {
            let cause = refusal.cause().map(Chain).map(display);
            warn!(
                event = Event::UpstreamFailed.name(),
                id,
                app,
                refusal = refusal.name(),
                cause,
                "the app's server did not answer as it should"
            );
        }
        Party::Gateway => {
            let cause = refusal.cause().map(Chain).map(display);
            error!(
                event = Event::GatewayFailed.name(),
                id,
                app,
                refusal = refusal.name(),
                cause,
                "the gateway could not judge a request and refused it"
            );
        }
    }
}

/// The other end of a connection as it may be logged: the port would tell two clients of a network apart.
fn shown_peer(plan: &Plan, peer: SocketAddr) -> SocketAddr {
    let port = if plan.log.truncates_addresses { 0 } else { peer.port() };
    SocketAddr::new(plan.log.shown(peer.ip()), port)
}

fn referer(services: &Services, plan: &Plan, request: &Request<Body>) -> Option<Box<[u8]>> {
    let referer = request.headers().get(REFERER).filter(|_| services.access.has_referer())?;
    redact::referer(referer.as_bytes(), &plan.log.redact_query)
}

/// The host as written, for the log alone: decisions use the parsed one.
fn written_host(request: &Request<Body>) -> &str {
    let in_header = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    in_header.or_else(|| request.uri().authority().map(Authority::as_str)).unwrap_or_default()
}

fn protocol(connection: &Connection, version: Version) -> &'static str {
    match (connection.protocol, version) {
        (Protocol::Http2, _) => "HTTP/2.0",
        (Protocol::Http1 | Protocol::Plain, Version::HTTP_10) => "HTTP/1.0",
        (Protocol::Http1 | Protocol::Plain, _) => "HTTP/1.1",
    }
}

/// A response body that counts what is sent of it and has the line written when it is gone: sent whole, given up by the
/// client, or ended because its session was.
#[derive(Debug)]
pub struct Logged {
    body: Body,
    end: Option<(Record, Open)>,
    log: AccessLog,
    clock: Clock,
    // The connection counts as busy until the last byte is sent.
    _in_flight: InFlight,
}

impl HttpBody for Logged {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let logged = self.get_mut();
        let frame = ready!(Pin::new(&mut logged.body).poll_frame(context));
        if let (Some(Ok(frame)), Some((record, _))) = (&frame, &mut logged.end) {
            record.sent += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        if let Some((mut record, open)) = self.end.take() {
            record.took = self.clock.now().since(record.received);
            open.finish(&record.method, record.status, record.took);
            self.log.write(record);
        }
    }
}
