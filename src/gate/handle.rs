//! The spine: one request from its head to its answer.

use std::sync::Arc;

use http::{Request, Response};

use crate::base::clock::Timestamp;
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
use crate::portal::route::{self as portal, Visit};
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

/// Answers one request, whatever happens.
pub async fn handle(services: &Services, pool: &Pool, connection: &Connection, request: Request<Body>) -> Response<Logged> {
    let now = services.clock.now();
    let facts = RequestFacts::of(services, connection, &request, now);
    let plan = services.plan.get();
    let outcome = match intake(request, connection) {
        Ok(Intake::Call(call)) => journey(services, &plan, pool, connection, Step { call: *call, id: facts.id(), now }).await,
        Ok(Intake::ServerOptions) => Outcome::anonymous(Ok(finish::server_options())),
        Err(refusal) => Outcome::anonymous(Err(refusal)),
    };
    finish::finish(services, &plan, facts, outcome)
}

/// One call on its way.
struct Step {
    call: Call,
    id: Box<str>,
    now: Timestamp,
}

/// Route, identify, then through the door.
async fn journey(services: &Services, plan: &Arc<Plan>, pool: &Pool, connection: &Connection, step: Step) -> Outcome {
    let app = match route(plan, connection, &step.call.authority.host) {
        Ok(app) => Arc::clone(app),
        Err(refusal) => return Outcome::anonymous(Err(refusal)),
    };
    let identity = match identify(&services.store, step.call.request.headers(), &step.call.authority.host) {
        Ok(identity) => identity,
        Err(refusal) => return Outcome { app: Some(app), identity: Identity::Anonymous, result: Err(refusal) },
    };
    let result = enter(services, plan, pool, &app, identity.clone(), step).await;
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

/// One of our own pages, or the app if the verdict grants it. Nothing reaches `forward` without the grant.
async fn enter(
    services: &Services,
    plan: &Arc<Plan>,
    pool: &Pool,
    app: &Arc<App>,
    identity: Identity,
    step: Step,
) -> Result<Response<Body>, Refusal> {
    let Step { call, id, now } = step;
    match call.target.own() {
        Own::Page(_) => return Ok(own_page(services, plan, app, identity, Step { call, id, now }).await),
        Own::Disguised => return Err(Refusal::Blocked(DenyStatus::NotFound)),
        Own::No => {}
    }
    let judgement = app.rules.judge(&call.target, call.request.method(), call.client);
    match decide(judgement, call.target, identity, now) {
        Verdict::Grant(grant) => {
            if let Some(session) = grant.identity().session() {
                session.seen(now);
            }
            let facts = Facts { client: call.client, host: call.host_header, request_id: id, clock: services.clock.clone() };
            forward(grant, app, pool, call.request, facts).await.map_err(Refusal::Upstream)
        }
        Verdict::Redirect(redirect) => Ok(finish::redirected(&redirect)),
        Verdict::Challenge(challenge) => Err(Refusal::SignIn(challenge)),
        Verdict::Deny(status) => Err(Refusal::Blocked(status)),
    }
}

async fn own_page(services: &Services, plan: &Arc<Plan>, app: &Arc<App>, identity: Identity, step: Step) -> Response<Body> {
    let Step { call, id, now } = step;
    let visit = Visit {
        request: call.request,
        target: call.target,
        authority: call.authority,
        app: Arc::clone(app),
        client: call.client,
        identity,
        request_id: id,
        now,
    };
    portal::serve(&services.portal, plan, visit).await
}

impl Outcome {
    fn anonymous(result: Result<Response<Body>, Refusal>) -> Self {
        Self { app: None, identity: Identity::Anonymous, result }
    }
}
