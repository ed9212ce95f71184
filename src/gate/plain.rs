//! Port 80: sends people to HTTPS, gives phones the local authority's certificate, and answers authorities out there that want a
//! name proven. No app is ever reached through it.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::gate::finish::{self, Facts, Logged};
use crate::gate::handle::Outcome;
use crate::gate::intake::{Intake, intake};
use crate::gate::refusal::Refusal;
use crate::gate::services::Services;
use crate::plan::whole::Plan;
use crate::policy::refusal::Unreadable;
use crate::policy::rule::DenyStatus;
use crate::policy::target::Own;
use crate::tls::acme::challenge::WELL_KNOWN;
use crate::wire::body::Body;
use crate::wire::connection::Connection;

/// Answers one request on a plain connection.
pub fn handle(services: &Services, connection: &Arc<Connection>, request: Request<Body>) -> Response<Logged> {
    let plan = services.plan.get();
    let facts = Facts::of(services, &plan, connection, &request);
    let result = facts.client().and_then(|client| answer(services, &plan, (connection, client), request));
    finish::finish(services, facts, Outcome::anonymous(result))
}

fn answer(
    services: &Services,
    plan: &Plan,
    (connection, client): (&Connection, IpAddr),
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let call = match intake(request, connection, (plan, client))? {
        Intake::Call(call) => call,
        // An app may want these resolved, and apps are not here.
        Intake::Dots(..) => return Err(Refusal::Unreadable(Unreadable::DotSegment)),
        Intake::ServerOptions => return Ok(finish::server_options()),
    };
    let host = &call.authority.host;
    if let Some(token) = call.target.as_str().strip_prefix(WELL_KNOWN)
        && let Some(answer) = services.challenges.token(host, token)
    {
        let readable = matches!(*call.request.method(), Method::GET | Method::HEAD);
        return if readable { Ok(proof(&answer)) } else { Err(Refusal::Method) };
    }
    // A phone may know us by our address only, and the certificate is public.
    if let Own::Page("ca.pem") = call.target.own() {
        let readable = matches!(*call.request.method(), Method::GET | Method::HEAD);
        return if readable { Ok(certificate(services)) } else { Err(Refusal::Method) };
    }
    if !plan.serves(host) {
        return Err(Refusal::NoSuchApp);
    }
    match call.target.own() {
        Own::Disguised => Err(Refusal::Blocked(DenyStatus::NotFound)),
        Own::Page(_) | Own::No => Ok(redirect(&format!("{}{}", plan.origin_of(host), call.target.as_str()))),
    }
}

/// What an order of ours waits for the authority to read (RFC 8555 section 8.3): the token, which the authority knows, and the
/// fingerprint of our account's key, which is no secret.
fn proof(answer: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.to_owned()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

/// Plain on purpose: a phone that does not trust us yet cannot fetch it over HTTPS. It is public, and what it is good for is
/// shown as a fingerprint where the person started the gateway.
fn certificate(services: &Services) -> Response<Body> {
    let mut response = Response::new(Body::from(services.local_ca.clone()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-x509-ca-cert"));
    let name = HeaderValue::from_static("attachment; filename=\"doorward-local-ca.pem\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    response
}

fn redirect(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(location) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}
