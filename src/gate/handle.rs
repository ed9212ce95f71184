//! The spine: one request from its head to its answer.

use std::sync::Arc;

use http::{Method, Request, Response};
use http_body::Body as HttpBody;

use crate::gate::finish::{self, Facts as RequestFacts, Logged};
use crate::gate::identify::identify;
use crate::gate::intake::{Call, Intake, intake};
use crate::gate::refusal::Refusal;
use crate::gate::services::Services;
use crate::model::identity::Identity;
use crate::observe::tally::{Decision, Open, Tally};
use crate::plan::app::App;
use crate::plan::maintenance::Maintenance;
use crate::plan::routes::{Entry, Site};
use crate::plan::whole::Plan;
use crate::policy::allowance;
use crate::policy::decide::{Verdict, decide};
use crate::policy::host::Host;
use crate::policy::refusal::Unreadable;
use crate::policy::rule::DenyStatus;
use crate::policy::target::Own;
use crate::portal::call::Visit;
use crate::portal::challenge::{self, Wanted};
use crate::portal::route as portal;
use crate::proxy::forward::{Facts, forward};
use crate::proxy::pool::Pool;
use crate::web::worker;
use crate::wire::body::Body;
use crate::wire::connection::Connection;

/// What became of a request, and what was learned on the way.
#[derive(Debug)]
pub struct Outcome {
    /// The app that the path is for, once that was known.
    pub app: Option<Arc<App>>,
    /// Who asked, once that was known.
    pub identity: Identity,
    /// The request as it is counted, once its app was known.
    pub open: Option<Open>,
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
    let mut request = request;
    // Read already, and nobody's word any more.
    request.headers_mut().remove(&plan.listen.proxies.header);
    let outcome = match facts.client().and_then(|client| intake(request, connection, (&plan, client))) {
        Ok(Intake::Call(call)) => journey(scene, connection, *call).await,
        Ok(Intake::Dots(authority, origin_form)) => resolved(scene, connection, &authority.host, &origin_form),
        Ok(Intake::ServerOptions) => Outcome::anonymous(Ok(finish::server_options())),
        Err(refusal) => Outcome::anonymous(Err(refusal)),
    };
    finish::finish(services, facts, outcome)
}

/// Route, identify, then one of our own pages or the door to the app.
async fn journey(scene: Scene<'_>, connection: &Connection, call: Call) -> Outcome {
    let host = &call.authority.host;
    let site = match route(scene.plan, connection, host) {
        Ok(site) => site,
        Err(refusal) => return Outcome::anonymous(Err(refusal)),
    };
    let entry = (call.target.own() == Own::No).then(|| site.enter(call.target.clone()));
    let app = match &entry {
        Some(Entry::App(app, _) | Entry::Unreadable(app, _)) => Some(Arc::clone(app)),
        Some(Entry::Nobody(_) | Entry::Several) => None,
        None => site.chief().cloned(),
    };
    let open = scene.services.metrics.begin(app.as_ref().map(|app| app.name.as_str()));
    let identity = match identify(&scene.services.store, call.request.headers(), host) {
        Ok(identity) => identity,
        Err(refusal) => return Outcome { app, identity: Identity::Anonymous, open: Some(open), result: Err(refusal) },
    };
    let result = match (call.target.own(), entry) {
        (Own::Page(page), _) => {
            let page = page.to_owned();
            Ok(own_page(scene, identity.clone(), (call, &page)).await)
        }
        (Own::Disguised, _) => Err(Refusal::Blocked(DenyStatus::NotFound)),
        (Own::No, Some(Entry::App(_, target))) if target.own() != Own::No => Err(Refusal::Blocked(DenyStatus::NotFound)),
        (Own::No, Some(Entry::App(app, target))) => {
            enter(scene, (app, open.tally()), identity.clone(), Call { target, ..call }).await
        }
        (Own::No, Some(Entry::Several)) => Err(Refusal::SeveralApps),
        (Own::No, Some(Entry::Unreadable(_, reason))) => Err(Refusal::Unreadable(reason)),
        (Own::No, Some(Entry::Nobody(target))) if target.path() == "/" && scene.plan.is_portal(host) => Ok(finish::to_home()),
        (Own::No, Some(Entry::Nobody(_)) | None) => Err(Refusal::Blocked(DenyStatus::NotFound)),
    };
    Outcome { app, identity, open: Some(open), result }
}

/// A path with dots in it: sent to what it comes to, where the owner of the app says so, and else refused. The method makes no
/// difference: 308 keeps it, and a rule of its own for some of them would be one more judgement.
fn resolved(scene: Scene<'_>, connection: &Connection, host: &Host, origin_form: &str) -> Outcome {
    let refused = || Outcome::anonymous(Err(Refusal::Unreadable(Unreadable::DotSegment)));
    let Ok(site) = route(scene.plan, connection, host) else { return refused() };
    let Some((app, target)) = site.resolve(origin_form) else { return refused() };
    let open = scene.services.metrics.begin(Some(&app.name));
    open.tally().decided(Decision::Redirect);
    let result = Ok(finish::resolved(&target));
    Outcome { app: Some(Arc::clone(app)), identity: Identity::Anonymous, open: Some(open), result }
}

/// What stands on a host. A connection whose handshake named a host of other apps is the wrong way to it: browsers reuse
/// connections where certificates overlap, and 421 sends them back for one of its own (RFC 9110 section 15.5.20). Hosts are
/// compared whole and not by the app that a path leads to, so that what a connection is good for does not hang on a path.
fn route<'a>(plan: &'a Plan, connection: &Connection, host: &Host) -> Result<&'a Arc<Site>, Refusal> {
    let site = plan.site(host).ok_or(Refusal::NoSuchApp)?;
    let Some(sni) = &connection.sni else { return Ok(site) };
    let greeted = Host::parse(sni).map_err(|_| Refusal::Misdirected)?;
    let same = greeted == *host || plan.site(&greeted).is_some_and(|greeted| greeted.is_same_as(site));
    if same { Ok(site) } else { Err(Refusal::Misdirected) }
}

/// Through the door, if the verdict grants it: nothing reaches `forward` without the grant, and only `decide` makes one.
async fn enter(
    scene: Scene<'_>,
    (app, tally): (&Arc<App>, &Tally),
    identity: Identity,
    call: Call,
) -> Result<Response<Body>, Refusal> {
    let Call { request, target, authority, host_header, client } = call;
    // A WebSocket asked for over HTTP/2 (RFC 8441) is the GET it would be over HTTP/1.
    let method = if request.method() == Method::CONNECT { &Method::GET } else { request.method() };
    let judgement = app.rules.judge(&target, method, client);
    let verdict = decide(judgement, target, identity, scene.facts.received());
    tally.decided(decision(&verdict));
    match verdict {
        Verdict::Grant(grant) => {
            if let Some(session) = grant.identity().session() {
                session.seen(scene.facts.received());
            }
            if let Some(Maintenance { text }) = &app.maintenance {
                return Err(Refusal::Maintenance(text.clone()));
            }
            let limit = || allowance::body_limit(&app.rules, grant.judged(), method, client);
            let body_limit = if request.body().is_end_stream() { None } else { limit() };
            let facts = Facts { client, host_header, request_id: scene.facts.id(), body_limit };
            let response = forward(grant, app, scene.pool, request, facts).await.map_err(Refusal::Upstream)?;
            tally.answered(scene.services.clock.now().since(scene.facts.received()));
            Ok(response)
        }
        Verdict::Redirect(redirect) => Ok(finish::redirected(&redirect)),
        Verdict::Challenge(challenge) => {
            let (method, headers, host) = (request.method(), request.headers(), &authority.host);
            let wanted = Wanted { method, headers, host, client, challenge: &challenge, request_id: scene.facts.id() };
            let answer = challenge::answer(&scene.services.portal, scene.plan, wanted, scene.facts.received());
            Err(Refusal::SignIn(Box::new(answer)))
        }
        // The app's own worker would show what it kept, in place of the page that says why.
        Verdict::Forbid(_) if worker::is_wanted(request.headers()) => Err(Refusal::SignIn(Box::new(worker::answer()))),
        Verdict::Forbid(forbidden) => Err(Refusal::Forbidden(forbidden)),
        Verdict::Deny(status) => Err(Refusal::Blocked(status)),
    }
}

fn decision(verdict: &Verdict) -> Decision {
    match verdict {
        Verdict::Grant(grant) if grant.is_public() => Decision::Bypass,
        Verdict::Grant(_) => Decision::Allow,
        Verdict::Redirect(_) => Decision::Redirect,
        Verdict::Challenge(_) => Decision::Login,
        Verdict::Forbid(_) | Verdict::Deny(_) => Decision::Deny,
    }
}

async fn own_page(scene: Scene<'_>, identity: Identity, (call, page): (Call, &str)) -> Response<Body> {
    let Call { request, authority, client, .. } = call;
    let visit = Visit {
        request,
        page,
        host: authority.host,
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
        Self { app: None, identity: Identity::Anonymous, open: None, result }
    }
}
