//! The spine: one request from its head to its answer.

use std::sync::Arc;

use http::{Method, Request, Response};

use crate::gate::finish::{self, Facts as RequestFacts, Logged};
use crate::gate::identify::identify;
use crate::gate::intake::{Call, Intake, intake};
use crate::gate::refusal::Refusal;
use crate::gate::services::Services;
use crate::model::identity::Identity;
use crate::plan::app::App;
use crate::plan::whole::Plan;
use crate::policy::decide::{Verdict, decide};
use crate::policy::host::Host;
use crate::policy::rule::DenyStatus;
use crate::policy::target::Own;
use crate::portal::call::Visit;
use crate::portal::challenge::{self, Wanted};
use crate::portal::route as portal;
use crate::proxy::forward::{Facts, forward};
use crate::proxy::pool::Pool;
use crate::wire::body::Body;
use crate::wire::connection::Connection;

/// What became of a request, and what was learned on the way.
#[derive(Debug)]
pub struct Outcome {
    /// The app that owns the host, once that was known.
    pub app: Option<Arc<App>>,
    /// Who asked, once that was known.
    pub identity: Identity,
    /// The answer, or why there is none.
    pub result: Result<Response<Body>, Refusal>,
}

/// What a journey leans on: the same for every step of one request.
#[derive(Clone, Copy, Debug)]
struct Scene<'a> {
    services: &'a Services,
    plan: &'a Plan,
    pool: &'a Pool,
    facts: &'a RequestFacts,
}

/// Answers one request, whatever happens.
pub async fn handle(services: &Services, pool: &Pool, connection: &Arc<Connection>, request: Request<Body>) -> Response<Logged> {
    let plan = services.plan.get();
    let facts = RequestFacts::of(services, &plan, connection, &request);
    let scene = Scene { services, plan: &plan, pool, facts: &facts };
    let outcome = match intake(request, connection) {
        Ok(Intake::Call(call)) => journey(scene, connection, *call).await,
        Ok(Intake::ServerOptions) => Outcome::anonymous(Ok(finish::server_options())),
        Err(refusal) => Outcome::anonymous(Err(refusal)),
    };
    finish::finish(services, facts, outcome)
}

/// Route, identify, then one of our own pages or the door to the app.
async fn journey(scene: Scene<'_>, connection: &Connection, call: Call) -> Outcome {
    let host = &call.authority.host;
    let app = match route(scene.plan, connection, host) {
        Ok(app) => Arc::clone(app),
        Err(refusal) => return Outcome::anonymous(Err(refusal)),
    };
    let identity = match identify(&scene.services.store, call.request.headers(), host) {
        Ok(identity) => identity,
        Err(refusal) => return Outcome { app: Some(app), identity: Identity::Anonymous, result: Err(refusal) },
    };
    let result = match call.target.own() {
        Own::Page(page) => {
            let page = page.to_owned();
            Ok(own_page(scene, &app, identity.clone(), (call, &page)).await)
        }
        Own::Disguised => Err(Refusal::Blocked(DenyStatus::NotFound)),
        Own::No => enter(scene, &app, identity.clone(), call).await,
    };
    Outcome { app: Some(app), identity, result }
}

/// The app that owns the host. A connection whose handshake named another app's host is the wrong way to it: browsers reuse
/// connections where certificates overlap, and 421 sends them back for one of its own (RFC 9110 section 15.5.20).
fn route<'a>(plan: &'a Plan, connection: &Connection, host: &Host) -> Result<&'a Arc<App>, Refusal> {
    let app = plan.app(host).ok_or(Refusal::NoSuchApp)?;
    let Some(sni) = &connection.sni else { return Ok(app) };
    let greeted = Host::parse(sni).ok().and_then(|name| plan.app(&name));
    if greeted.is_some_and(|greeted| Arc::ptr_eq(greeted, app)) { Ok(app) } else { Err(Refusal::Misdirected) }
}

/// Through the door, if the verdict grants it: nothing reaches `forward` without the grant, and only `decide` makes one.
async fn enter(scene: Scene<'_>, app: &Arc<App>, identity: Identity, call: Call) -> Result<Response<Body>, Refusal> {
    let Call { request, target, authority, host_header, client } = call;
    // A WebSocket asked for over HTTP/2 (RFC 8441) is the GET it would be over HTTP/1.
    let method = if request.method() == Method::CONNECT { &Method::GET } else { request.method() };
    let judgement = app.rules.judge(&target, method, client);
    match decide(judgement, target, identity, scene.facts.received()) {
        Verdict::Grant(grant) => {
            if let Some(session) = grant.identity().session() {
                session.seen(scene.facts.received());
            }
            let facts = Facts { client, host_header, request_id: scene.facts.id() };
            forward(grant, app, scene.pool, request, facts).await.map_err(Refusal::Upstream)
        }
        Verdict::Redirect(redirect) => Ok(finish::redirected(&redirect)),
        Verdict::Challenge(challenge) => {
            let (method, headers, target) = (request.method(), request.headers(), &challenge.target);
            let wanted = Wanted { method, headers, target, host: &authority.host, request_id: scene.facts.id() };
            let answer = challenge::answer(&scene.services.portal, wanted, challenge.ended, scene.facts.received());
            Err(Refusal::SignIn(Box::new(answer)))
        }
        Verdict::Deny(status) => Err(Refusal::Blocked(status)),
    }
}

async fn own_page(scene: Scene<'_>, app: &Arc<App>, identity: Identity, (call, page): (Call, &str)) -> Response<Body> {
    let Call { request, authority, client, .. } = call;
    let visit = Visit {
        request,
        page,
        host: authority.host,
        app: Arc::clone(app),
        client,
        identity,
        request_id: scene.facts.id(),
        now: scene.facts.received(),
    };
    let mut response = portal::serve(&scene.services.portal, scene.plan, visit).await;
    // As on every refusal, so that an unknown page of ours and a denied path of the app are one and the same 404.
    finish::name(&mut response, scene.facts.id());
    response
}

impl Outcome {
    /// An outcome of which neither app nor visitor was known.
    pub fn anonymous(result: Result<Response<Body>, Refusal>) -> Self {
        Self { app: None, identity: Identity::Anonymous, result }
    }
}
