//! From an outcome to an answer, and from everything learned to one line of the log.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tracing::{debug, error, warn};

use crate::base::clock::{Clock, Timestamp};
use crate::base::id::Id;
use crate::gate::handle::Outcome;
use crate::gate::refusal::{Fault, Refusal};
use crate::gate::services::Services;
use crate::observe::access::AccessLog;
use crate::observe::record::Record;
use crate::observe::redact;
use crate::plan::app::App;
use crate::plan::whole::Plan;
use crate::policy::decide::Challenge;
use crate::policy::host::Host;
use crate::policy::rule::Redirect;
use crate::policy::target::Target;
use crate::portal::challenge;
use crate::proxy::fault::Fault as UpstreamFault;
use crate::web::audience::Audience;
use crate::web::page;
use crate::web::refusal::Refusal as Page;
use crate::web::worker;
use crate::wire::body::{Body, Fault as BodyFault};
use crate::wire::connection::{Connection, Protocol};
use crate::wire::header::REQUEST_ID;

const SERVICE_WORKER: HeaderName = HeaderName::from_static("service-worker");

/// What is kept of a request for its answer and its line, since the request itself goes on its way.
#[derive(Debug)]
pub struct Facts {
    record: Record,
    method: Method,
    host: Option<Host>,
    target: Option<Target>,
    audience: Audience,
    worker_script: bool,
}

impl Facts {
    /// Reads them off a request.
    pub fn of(services: &Services, connection: &Connection, request: &Request<Body>, now: Timestamp) -> Self {
        let written = written_host(request);
        let host = written.and_then(|text| crate::policy::host::Authority::parse(text).ok()).map(|authority| authority.host);
        let raw = request.uri().path_and_query().map_or("*", |target| target.as_str());
        let plan = services.plan.get();
        let record = Record {
            id: Id::<Record>::draw(services.entropy).as_str().into(),
            received: now,
            peer: connection.peer,
            client: connection.peer.ip().to_canonical(),
            sni: connection.sni.clone(),
            protocol: protocol(connection, request.version()),
            method: request.method().as_str().into(),
            host: host.as_ref().map_or_else(|| written.unwrap_or_default(), Host::as_str).into(),
            uri: redact::uri(raw, &plan.log.redact_query),
            agent: request.headers().get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()).into()),
            app: None,
            user: None,
            refusal: None,
            status: 0,
            sent: 0,
            took: Duration::ZERO,
        };
        Self {
            record,
            method: request.method().clone(),
            target: Target::parse(raw).ok(),
            host,
            audience: Audience::of(request.method(), request.headers()),
            worker_script: request.headers().get(SERVICE_WORKER).is_some_and(|value| value == "script"),
        }
    }

    /// The id of the request.
    pub fn id(&self) -> Box<str> {
        self.record.id.clone()
    }
}

/// Turns the outcome into an answer whose end writes the line.
pub fn finish(services: &Services, _plan: &Arc<Plan>, facts: Facts, outcome: Outcome) -> Response<Logged> {
    let mut record = facts.record.clone();
    record.app = outcome.app.as_ref().map(|app| app.name.as_str().into());
    record.user = outcome.identity.session().map(|session| session.user_name.as_str().into());
    let response = match outcome.result {
        Ok(response) => response,
        Err(refusal) => {
            record.refusal = Some(refusal.name());
            note(&refusal, &record);
            let mut response = refused(services, &facts, outcome.app.as_deref(), &refusal);
            if let Ok(id) = HeaderValue::from_str(&record.id) {
                response.headers_mut().insert(REQUEST_ID, id);
            }
            response
        }
    };
    record.status = response.status().as_u16();
    response.map(|body| Logged { body, record: Some(record), log: services.access.clone(), clock: services.clock.clone() })
}

/// A refusal as the visitor sees it. A person who has to sign in is sent there; everybody else is told.
fn refused(services: &Services, facts: &Facts, app: Option<&App>, refusal: &Refusal) -> Response<Body> {
    let name = app.map_or("", |app| app.name.as_str());
    let id = &*facts.record.id;
    let page = match refusal {
        Refusal::SignIn(challenge) => return sign_in(services, facts, challenge),
        Refusal::Malformed(_) => Page::BadRequest,
        Refusal::Unreadable(unreadable) if unreadable.too_long() => Page::AddressTooLong,
        Refusal::Unreadable(_) => Page::BadRequest,
        Refusal::HeadTooLarge => Page::HeadTooLarge,
        Refusal::Method => Page::MethodNotAllowed { allow: ALLOWED },
        Refusal::Misdirected | Refusal::NoSuchApp => Page::Misdirected,
        Refusal::Blocked(_) if refusal.status() == StatusCode::FORBIDDEN => Page::Forbidden,
        Refusal::Blocked(_) => Page::NotFound,
        Refusal::Unavailable(_) => Page::Unavailable,
        Refusal::Upstream(fault) => upstream_page(fault, name),
    };
    page.answer(facts.audience, id)
}

fn sign_in(services: &Services, facts: &Facts, challenge: &Challenge) -> Response<Body> {
    if facts.worker_script {
        return worker::without_fetch_handler();
    }
    let (Some(target), Some(host)) = (&facts.target, &facts.host) else {
        return Page::BadRequest.answer(facts.audience, &facts.record.id);
    };
    challenge::answer(&services.portal, challenge, &facts.method, target, host, facts.audience, &facts.record)
}

fn upstream_page<'a>(fault: &UpstreamFault, app: &'a str) -> Page<'a> {
    let _ = fault;
    Page::UpstreamDown { app }
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

/// The owner's redirect.
pub fn redirected(redirect: &Redirect) -> Response<Body> {
    let status = StatusCode::from_u16(redirect.status).unwrap_or(StatusCode::FOUND);
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    let location = HeaderValue::from_str(&redirect.to).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Refusals that somebody has to look into get an event besides their access line.
fn note(refusal: &Refusal, record: &Record) {
    let (id, app) = (&*record.id, record.app.as_deref().unwrap_or_default());
    match refusal.whose() {
        Fault::Client => debug!(event = "refused", id, app, refusal = refusal.name()),
        Fault::Upstream => {
            let cause = refusal.cause();
            warn!(event = "upstream.failed", id, app, refusal = refusal.name(), cause, "the app's server did not answer as it should");
        }
        Fault::Gateway => {
            let cause = refusal.cause();
            error!(event = "gateway.failed", id, app, refusal = refusal.name(), cause, "the gateway could not judge a request and refused it");
        }
    }
}

fn written_host(request: &Request<Body>) -> Option<&str> {
    let in_header = |headers: &HeaderMap| headers.get(HOST).is_some();
    if in_header(request.headers()) {
        request.headers().get(HOST).and_then(|host| host.to_str().ok())
    } else {
        request.uri().authority().map(|authority| authority.as_str())
    }
}

fn protocol(connection: &Connection, version: Version) -> &'static str {
    match (connection.protocol, version) {
        (Protocol::Http2, _) => "HTTP/2.0",
        (Protocol::Http1, Version::HTTP_10) => "HTTP/1.0",
        (Protocol::Http1, _) => "HTTP/1.1",
    }
}

/// A response body that counts what is sent of it and has the line written when it is gone: sent whole, given up by the
/// client, or ended because its session was.
#[derive(Debug)]
pub struct Logged {
    body: Body,
    record: Option<Record>,
    log: AccessLog,
    clock: Clock,
}

impl HttpBody for Logged {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let logged = self.get_mut();
        let frame = ready!(Pin::new(&mut logged.body).poll_frame(context));
        if let (Some(Ok(frame)), Some(record)) = (&frame, &mut logged.record) {
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
        if let Some(mut record) = self.record.take() {
            record.took = self.clock.now().since(record.received);
            self.log.write(record);
        }
    }
}
