//! The first step: name and password.

use std::time::Duration;

use askama::Template;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use tokio::time::Instant;

use crate::auth::password;
use crate::auth::throttle::Wait;
use crate::auth::token::Token;
use crate::base::secret::Secret;
use crate::model::attempt::Factor;
use crate::model::audit::{Deed, Outcome};
use crate::model::contact::Contact;
use crate::model::event::Event;
use crate::model::method::{Method as ProofMethod, Methods};
use crate::model::session::{Proofs, Session};
use crate::model::strength::Strength;
use crate::model::user::UserName;
use crate::observe::metrics::{Attempt, Method};
use crate::plan::whole::Plan;
use crate::policy::requirement::Needs;
use crate::portal::arrival::{self, Proven};
use crate::portal::call::Call;
use crate::portal::confirm;
use crate::portal::enrol;
use crate::portal::guard::{self, Unproven};
use crate::portal::hand_off;
use crate::portal::journey::Journey;
use crate::portal::owner_sign_in;
use crate::portal::passkey::ANSWER;
use crate::portal::passkey_sign_in;
use crate::portal::service::Portal;
use crate::portal::sign_in_page::{self, PURPOSE, Shown};
use crate::portal::stop::Stop;
use crate::portal::tries::{self, Tried};
use crate::portal::ways::Step;
use crate::portal::why::Why;
use crate::store::attempts::Held;
use crate::store::ceremonies::Ceremony;
use crate::store::credentials::SignInFacts;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::page::{self, Alert};
use crate::web::refusal::Refusal;
use crate::web::rescue;
use crate::web::text;
use crate::wire::body::Body;

/// How the log names what happens here.
const METHOD: &str = "password";
/// What somebody waits for a free core; as [`text::BUSY`] says.
const BUSY_WAIT: Duration = Duration::from_secs(2);
/// How long somebody has for the second step.
pub const CEREMONY: Duration = Duration::from_secs(30 * 60);

#[derive(Template)]
#[template(config = ".askama.toml", path = "no_second_factor.html")]
struct NoSecondFactorPage<'a> {
    installation: &'a str,
    detail: String,
    user: &'a str,
    contact: Option<&'a Contact>,
    go: String,
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "no_way.html")]
struct NoWayPage<'a> {
    installation: &'a str,
    detail: String,
}

/// What the password check came to.
enum Checked {
    Right(Box<SignInFacts>),
    /// With the name if there is such an account. Other names stay out of the log: people mistype passwords into that field.
    Wrong(Option<UserName>),
    Held(Held),
    Busy,
}

/// The form, or straight on for somebody who is signed in well enough already.
pub fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Response<Body> {
    let query = call.query();
    let journey = call.journey(portal, plan, query.text("go"));
    if let Some(session) = call.session_for(plan, journey.as_ref()) {
        return call.redirect(&hand_off::way_on(portal, plan, call, (session, journey.as_ref())));
    }
    let why = Why::parse(query.text("why"));
    if call.is_stale_for(plan, journey.as_ref()) {
        // Signed in firmly enough: all there is to prove is that it is still them.
        let go = portal.journeys.keep(journey.as_ref(), call.network(), call.now);
        return call.redirect(&confirm::path(&go, why));
    }
    let why = why.map(|why| why.notice(&plan.session));
    if let Some(page) = no_way(plan, call, journey.as_ref()) {
        return page;
    }
    let for_passkey = |session: &Session| {
        let needs = call.needs_of(plan, journey.as_ref(), session);
        confirm::is_for_passkey(owner_sign_in::reachable(plan, session, needs))
    };
    if call.session().is_some_and(|session| for_passkey(session)) {
        // Whose passkey it has to be is known, so that is where they are asked for it.
        let go = portal.journeys.keep(journey.as_ref(), call.network(), call.now);
        return call.redirect(&confirm::path(&go, None));
    }
    let notice = if call.session().is_some() { Some(text::STRONGER.to_owned()) } else { why };
    sign_in_page::form(portal, plan, call, journey.as_ref(), Shown { notice, ..Shown::default() })
}

/// Checks name and password and leads to the second step.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or when the machine or the store cannot serve.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    let journey = call.journey(portal, plan, sent.text("go"));
    let answer = |status, alert| {
        let shown = Shown { status, alert: Some(alert), ..typed(&sent) };
        sign_in_page::form(portal, plan, call, journey.as_ref(), shown)
    };
    if let Err(unproven) = guard::prove(portal, call, &sent, PURPOSE) {
        return Ok(unproven_form(portal, plan, call, journey.as_ref(), (unproven, typed(&sent))));
    }
    if sent.get(ANSWER).is_some() {
        return passkey_sign_in::submit(portal, plan, call, (&sent, journey)).await;
    }
    if plan.auth.mode.is_single_owner() {
        return owner_sign_in::submit(portal, plan, call, (&sent, journey)).await;
    }
    if !takes_password(plan, call, journey.as_ref()) {
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, Alert::new("passkey", text::NO_PASSWORDS)));
    }
    let began = Instant::now();
    let name = sent.text("name").parse::<UserName>().ok();
    let checked = match tries::enter(portal, plan, call, name.as_ref())? {
        Ok(()) => check(portal, plan, call, (name.as_ref(), sent.secret("password"))).await?,
        Err(wait) => Checked::Held(Held::Wait(wait)),
    };
    if !matches!(checked, Checked::Held(_)) {
        portal.metrics.attempt_took(Method::Password, began.elapsed());
    }
    match checked {
        Checked::Right(facts) => {
            portal.metrics.attempt(Method::Password, Attempt::Success);
            proceed(portal, plan, call, &sent, (*facts, journey)).await
        }
        Checked::Wrong(user) => {
            let tried = Tried { user: user.as_ref(), by: METHOD, method: Method::Password };
            tries::failed(portal, plan, call, tried, "wrong name or password").await?;
            Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, Alert::new("password", text::WRONG_PASSWORD)))
        }
        Checked::Held(refused) => {
            portal.metrics.attempt(Method::Password, Attempt::Throttled);
            let wait = tries::held(portal, plan, call, refused).await;
            // Not by its name: nobody has looked whether there is such an account.
            tracing::warn!(event = Event::Throttled.name(), ip = %plan.log.shown(call.client), method = METHOD, request = call.request_id);
            let refusal = call.entry(Deed::Throttled).named(name.as_ref()).by(METHOD).came_to(Outcome::Refused);
            portal.store.record(refusal.because("too many tries")).await?;
            Ok(later(answer(StatusCode::TOO_MANY_REQUESTS, tries::waiting("password", wait)), wait))
        }
        Checked::Busy => {
            // It was not looked at, so nothing is counted.
            Ok(busy(answer(StatusCode::SERVICE_UNAVAILABLE, Alert::new("password", text::BUSY.1))))
        }
    }
}

/// A form that does not prove where it comes from. Somebody who signed in meanwhile in another tab just goes on.
fn unproven_form(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    journey: Option<&Journey>,
    (unproven, typed): (Unproven, Shown<'_>),
) -> Response<Body> {
    if call.session_for(plan, journey).is_some() {
        return arrival::leave(portal, call, journey);
    }
    let alert = match unproven {
        Unproven::NoCookie => Alert::new("name", text::cookie_refused(call.host.as_str())),
        Unproven::Stale => Alert::new("name", text::FORM_TOO_OLD),
    };
    sign_in_page::form(portal, plan, call, journey, Shown { status: StatusCode::FORBIDDEN, alert: Some(alert), ..typed })
}

/// One run of the hash for every name that is not being held off, whether it exists or not: same work, same answer.
///
/// The try is counted before it is verified, so tries made at the same moment cannot slip past each other.
async fn check(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (name, password): (Option<&UserName>, Secret<String>),
) -> Result<Checked, Stop> {
    let Ok(slot) = portal.hasher.slot_for(tries::is_known(portal, call, name)).await else { return Ok(Checked::Busy) };
    let attempt = tries::attempt(plan, call, name, Factor::Password);
    if let Err(refused) = portal.store.try_factor(attempt.clone()).await? {
        return Ok(Checked::Held(refused));
    }
    let facts = match name {
        Some(name) => portal.store.sign_in_facts(name).await?,
        None => None,
    };
    let hash = facts.as_ref().and_then(|facts| facts.password.clone());
    let matches = slot.verify(hash.clone().unwrap_or_else(|| password::decoy().clone()), password).await;
    match facts {
        Some(facts) if matches && hash.is_some() && !facts.user.disabled => {
            portal.store.factor_succeeded(attempt).await?;
            Ok(Checked::Right(Box::new(facts)))
        }
        Some(facts) => Ok(Checked::Wrong(Some(facts.user.name))),
        None => Ok(Checked::Wrong(None)),
    }
}

/// After a right password: to the second step, or in where a password alone does.
async fn proceed(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    sent: &Form,
    (facts, journey): (SignInFacts, Option<Journey>),
) -> Result<Response<Body>, Stop> {
    let remember = plan.session.remember.is_some() && sent.get("remember").is_some();
    let user = &facts.user;
    let needs = call.journey_needs(plan, journey.as_ref());
    if !Step::of(plan, &facts, needs).is_nothing() {
        let id = Token::draw(portal.entropy);
        let visitor = call.visitor().ok_or(Refusal::BadRequest)?;
        let ceremony = Ceremony {
            id: id.hash(),
            visitor: visitor.hash(),
            user: user.id,
            host: call.host.as_str().into(),
            return_to: journey.as_ref().map_or("/", |journey| journey.to.as_str()).into(),
            return_host: journey.as_ref().and_then(|journey| Some((journey.host.as_str().into(), journey.visitor?))),
            remember,
            expires_at: call.now.plus(CEREMONY),
        };
        portal.store.begin_ceremony(ceremony).await?;
        let go = portal.journeys.keep(journey.as_ref(), call.network(), call.now);
        let location = format!("/.doorward/login/code?c={}&go={go}", id.to_text().expose());
        return Ok(call.redirect(&location));
    }
    // On our own pages as well: a password opens no session that counts nowhere.
    let needs = Needs { methods: needs.methods.and(plan.auth.methods), ..needs }.of_person(&facts.terms);
    if !needs.ways().contains(ProofMethod::Password) {
        return lacking(portal, plan, call, (&facts, needs), journey.as_ref()).await;
    }
    let proven = Proven {
        user: user.id,
        strength: Strength::Password,
        proofs: Proofs { password: Some(call.now), ..Proofs::default() },
        remember,
    };
    let (prepared, session) = arrival::prepare(portal, plan, call, proven);
    // Deleted or disabled this very moment.
    let told = call.entry(Deed::SignIn).with(&call.agent()).by(METHOD).detailed(call.host.as_str());
    let session = portal.store.telling(told).open_session(session).await?.ok_or(Refusal::Forbidden)?;
    arrival::arrive(portal, plan, call, prepared, (&session, journey.as_ref())).await
}

fn typed(sent: &Form) -> Shown<'_> {
    Shown { name: sent.text("name"), remembered: sent.get("remember").is_some(), ..Shown::default() }
}

/// For somebody whose password is right and not enough: on to adding what is, as long as the owner allows it, else the page that says
/// who helps.
async fn lacking(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (facts, needs): (&SignInFacts, Needs),
    journey: Option<&Journey>,
) -> Result<Response<Body>, Stop> {
    let (user, app) = (facts.user.name.as_str(), destination(plan, journey));
    if needs.ways().is_empty() {
        return Ok(no_way_page(plan, text::no_way_for(app, user)));
    }
    let deadline = enrol::deadline(plan, journey);
    if let Some(until) = enrol::until(facts, deadline, call.now)
        && let Some(response) = enrol::lead(portal, plan, call, (facts, needs), (journey, until)).await?
    {
        return Ok(response);
    }
    let code = needs.ways().contains(ProofMethod::PasswordTotp);
    let detail = match code {
        true if !deadline.is_zero() => text::enrol_too_late(app),
        true => text::no_second_factor(app),
        false => text::needs_other_way(app),
    };
    let go = portal.journeys.keep(journey, call.network(), call.now);
    Ok(no_second_factor(plan, (detail, user), go))
}

/// The ways that open where somebody wants to go, by the configuration alone: who they are is not known yet.
pub fn offered(plan: &Plan, call: &Call<'_>, journey: Option<&Journey>) -> Methods {
    call.journey_needs(plan, journey).methods.and(plan.auth.methods)
}

/// Whether a password is asked for: where one begins a way that counts, or where somebody may add another with it.
pub fn takes_password(plan: &Plan, call: &Call<'_>, journey: Option<&Journey>) -> bool {
    offered(plan, call, journey).take_password() || !enrol::deadline(plan, journey).is_zero()
}

/// What somebody wants to open, by its name.
fn destination<'a>(plan: &'a Plan, journey: Option<&Journey>) -> &'a str {
    journey.and_then(|journey| journey.app(plan)).map_or(&plan.name, |app| &app.name)
}

/// The page for whatever nobody can prove enough for, or not this visitor.
fn no_way(plan: &Plan, call: &Call<'_>, journey: Option<&Journey>) -> Option<Response<Body>> {
    let app = destination(plan, journey);
    if call.journey_needs(plan, journey).ways().is_empty() {
        return Some(no_way_page(plan, text::no_way(app)));
    }
    let session = call.session().filter(|session| call.needs_of(plan, journey, session).ways().is_empty())?;
    Some(no_way_page(plan, text::no_way_for(app, session.user_name.as_str())))
}

fn no_way_page(plan: &Plan, detail: String) -> Response<Body> {
    page::render(StatusCode::FORBIDDEN, &NoWayPage { installation: &plan.name, detail })
}

/// The page for somebody who lacks a factor where one is needed, and cannot give it to themselves.
pub fn no_second_factor(plan: &Plan, (detail, user): (String, &str), go: String) -> Response<Body> {
    let contact = plan.support.as_ref();
    page::render(StatusCode::FORBIDDEN, &NoSecondFactorPage { installation: &plan.name, detail, user, contact, go })
}

/// Tells programs too when to come back to a machine without a free core.
pub fn busy(response: Response<Body>) -> Response<Body> {
    later(response, Wait::For(BUSY_WAIT))
}

/// Tells programs too how long to wait.
pub fn later(mut response: Response<Body>, wait: Wait) -> Response<Body> {
    if let Wait::For(wait) = wait {
        let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response
}
