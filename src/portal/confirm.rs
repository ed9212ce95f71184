//! "Let's make sure it's you": somebody who is signed in proves a factor once more, for a page that asks how long ago that
//! was. The account is fixed, and so is how firm it has to be: the second factor where there is one, because that is what makes
//! the session as firm as it is. A passkey comes first, and makes the session one that was begun with a passkey.

use askama::Template;
use http::{Response, StatusCode};

use crate::auth::form::FormToken;
use crate::auth::passkey::Verification;
use crate::auth::passkey::refused::Refused;
use crate::auth::throttle::Wait;
use crate::auth::token::Token;
use crate::base::units::in_words;
use crate::model::attempt::Factor;
use crate::model::credential::Passkey;
use crate::model::event::Event;
use crate::model::method::{Method as ProofMethod, Methods};
use crate::model::session::Session;
use crate::model::strength::Strength;
use crate::observe::metrics::{Attempt, Method};
use crate::plan::asked::SHORTEST_MAX_AGE;
use crate::plan::whole::Plan;
use crate::policy::requirement::{Lack, Needs};
use crate::portal::arrival;
use crate::portal::call::Call;
use crate::portal::guard;
use crate::portal::journey::Journey;
use crate::portal::known_password::{self, Checked};
use crate::portal::owner_sign_in;
use crate::portal::passkey::{self, ANSWER, Ask, BUTTON, METHOD, Wanted};
use crate::portal::second_factor::{self, Outcome};
use crate::portal::service::Portal;
use crate::portal::sign_in;
use crate::portal::sign_in_page::{self, Shown};
use crate::portal::stop::Stop;
use crate::portal::tries::{self, Tried as At};
use crate::portal::ways;
use crate::portal::why::{SIGN_IN, Why, sign_in_path};
use crate::store::credentials::SignInFacts;
use crate::store::proof::Proof;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::keys;
use crate::web::page::{self, Alert};
use crate::web::refusal::Refusal;
use crate::web::text;
use crate::wire::body::Body;
use crate::wire::cookie;

/// What the token of this form is good for.
const PURPOSE: &str = "confirm";

#[derive(Template)]
#[template(config = ".askama.toml", path = "confirm.html")]
struct ConfirmPage<'a> {
    installation: &'a str,
    user: &'a str,
    destination: Option<(&'a str, &'a str)>,
    notice: Option<String>,
    alert: Option<Alert>,
    token: String,
    go: String,
    /// The label of the field for the code, where one will do.
    code: Option<String>,
    /// Whether the password will do.
    password: bool,
    passkey: Option<Ask>,
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "passkey_missing.html")]
struct MissingPage<'a> {
    installation: &'a str,
    user: &'a str,
    detail: String,
    /// Why none can be added, where that is so.
    reason: Option<&'static str>,
}

/// Somebody who has to prove a factor once more.
struct Asked<'a> {
    session: &'a Session,
    facts: SignInFacts,
    journey: Option<Journey>,
    needs: Needs,
    /// Whether anybody has a password here.
    passwords: bool,
    /// Whether the session is not firm enough, and not only too old: of all factors only a passkey by itself makes it so.
    rises: bool,
}

/// Where a visitor stands who comes here.
enum Standing<'a> {
    /// There is nothing to prove, or nothing to prove it with: on, or to the sign-in page.
    Elsewhere(Box<Response<Body>>),
    Asked(Box<Asked<'a>>),
}

/// What a try came to.
enum Tried {
    Proven(Proof),
    Refused(Alert),
    Wait(Wait),
    Busy,
}

/// What a page asks for that is to prove a factor anew: one that was proven this very minute will do.
pub fn anew(session: &Session, methods: Methods) -> Needs {
    let strength = session.strength.min(methods.strongest().unwrap_or(session.strength));
    Needs { methods, max_age: Some(SHORTEST_MAX_AGE), ..Needs::of(strength) }
}

/// Whether all that would do is a passkey by itself: whoever is signed in is asked for it here, and goes on with the same session.
pub fn is_for_passkey(needs: Needs) -> bool {
    needs.ways() == Methods::of([ProofMethod::Passkey])
}

/// The form; straight on for somebody who proved enough meanwhile.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    let query = call.query();
    let why = Why::parse(query.text("why")).filter(|why| *why == Why::Unconfirmed);
    match standing(portal, plan, call, (&query, why)).await? {
        Standing::Elsewhere(response) => Ok(*response),
        Standing::Asked(asked) => {
            let notice = why.map(|why| why.notice(&plan.session));
            Ok(form(portal, plan, call, &asked, (StatusCode::OK, notice, None)))
        }
    }
}

/// Checks what was typed and leads on.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or when the store does not answer.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    let asked = match standing(portal, plan, call, (&sent, None)).await? {
        Standing::Elsewhere(response) => return Ok(*response),
        Standing::Asked(asked) => asked,
    };
    let answer = |status, alert| form(portal, plan, call, &asked, (status, None, Some(alert)));
    let field = asked.field();
    if !FormToken::verify(&portal.forms, asked.session.id.as_str().as_bytes(), PURPOSE, sent.text("t"), call.now) {
        return Ok(answer(StatusCode::FORBIDDEN, Alert::new(field, text::CONFIRM_FORM_TOO_OLD)));
    }
    if sent.get(ANSWER).is_some() {
        return by_passkey(portal, plan, call, (&sent, &asked)).await;
    }
    let tried = At { user: Some(&asked.facts.user.name), by: field, method: asked.method() };
    let alert = match attempt(portal, plan, call, (&asked, &sent)).await? {
        Tried::Busy => return Ok(sign_in::busy(answer(StatusCode::SERVICE_UNAVAILABLE, Alert::new(field, text::BUSY.1)))),
        Tried::Wait(wait) => {
            tries::throttled(portal, plan, call, tried).await?;
            return Ok(sign_in::later(answer(StatusCode::TOO_MANY_REQUESTS, tries::waiting(field, wait)), wait));
        }
        Tried::Refused(alert) => alert,
        Tried::Proven(proof) => match finish(portal, plan, call, &asked, proof).await? {
            Some(response) => {
                portal.metrics.attempt(asked.method(), Attempt::Success);
                return Ok(response);
            }
            None => {
                let wait = second_factor::next_code(&asked.facts.totps, call);
                Alert::new(field, text::used_code(&in_words(wait)))
            }
        },
    };
    tries::failed(portal, plan, call, tried, "asked for once more, and wrong or used").await?;
    Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, alert))
}

impl Asked<'_> {
    /// The field that is filled in, which is also what the log calls it.
    fn field(&self) -> &'static str {
        match (self.takes_code(), self.takes_password()) {
            (true, _) => "code",
            (false, true) => "password",
            (false, false) => BUTTON,
        }
    }

    /// Not where a passkey by itself is asked for, nor in its place where one began the session: a code can be phished, a passkey cannot.
    fn takes_code(&self) -> bool {
        let firmest = self.needs.strength.max(self.session.strength);
        let counts = firmest <= Strength::TwoFactor && self.needs.methods.contains(ProofMethod::PasswordTotp);
        counts && !self.rises && !self.facts.totps.is_empty()
    }

    /// The second step where there is one, because that is what makes the session as firm as it is.
    fn takes_password(&self) -> bool {
        let second = !self.facts.totps.is_empty() || self.session.strength > Strength::Password;
        let counts = self.needs.ways().contains(ProofMethod::Password);
        self.passwords && counts && !self.rises && !second && self.facts.password.is_some()
    }

    /// What a passkey has to do here: one that did not check whose it is proves no session that one began.
    fn verification(&self, plan: &Plan) -> Verification {
        if self.wants_firm() { Verification::Required } else { plan.auth.passkeys.verification }
    }

    /// Whether there is anything that would do.
    fn can_prove(&self, portal: &Portal, plan: &Plan) -> bool {
        self.takes_code() || self.takes_password() || (passkey::site(portal, plan).is_some() && !self.keys().is_empty())
    }

    fn wants_firm(&self) -> bool {
        let firm = self.needs.strength.max(self.session.strength) == Strength::Passkey;
        firm || self.rises || !self.needs.methods.contains(ProofMethod::PasswordPasskey)
    }

    /// The keys that would do.
    fn keys(&self) -> Vec<Passkey> {
        let (ways, firm) = (self.needs.ways(), self.wants_firm());
        let counts = if firm { ways.contains(ProofMethod::Passkey) } else { ways.contains(ProofMethod::PasswordPasskey) };
        if !counts {
            return Vec::new();
        }
        self.facts.passkeys.iter().filter(|passkey| !firm || passkey.verifies).cloned().collect()
    }

    fn ask(&self, portal: &Portal, plan: &Plan, call: &Call<'_>) -> Option<Ask> {
        let (keys, wanted) = (self.keys(), Wanted::Confirm(self.session.id));
        let visitor = call.visitor().filter(|_| !keys.is_empty())?;
        passkey::ask(portal, plan, call, (visitor.hash(), wanted), (&keys, self.verification(plan)))
    }

    /// The same, as it is counted.
    fn method(&self) -> Method {
        match (self.takes_code(), self.takes_password()) {
            (true, _) => Method::Code,
            (false, true) => Method::Password,
            (false, false) => Method::Passkey,
        }
    }
}

/// For somebody who has no passkey where one is asked for.
fn missing(plan: &Plan, session: &Session, journey: Option<&Journey>) -> Response<Body> {
    let app = journey.and_then(|journey| journey.app(plan)).map_or(&plan.name, |app| &app.name);
    let reason = plan.passkey_site().is_none().then_some(keys::ADDRESS);
    let user = session.user_name.as_str();
    let page = MissingPage { installation: &plan.name, user, detail: keys::missing(app), reason };
    page::render(StatusCode::FORBIDDEN, &page)
}

async fn standing<'a>(
    portal: &Portal,
    plan: &Plan,
    call: &'a Call<'_>,
    (sent, why): (&Form, Option<Why>),
) -> Result<Standing<'a>, Stop> {
    let journey = call.journey(portal, plan, sent.text("go"));
    let to_sign_in = |journey: Option<&Journey>| {
        let go = portal.journeys.keep(journey, call.network(), call.now);
        Standing::Elsewhere(Box::new(call.redirect(&sign_in_path(&go, why))))
    };
    let Some(session) = call.session() else { return Ok(to_sign_in(journey.as_ref())) };
    let wanted = call.needs_of(plan, journey.as_ref(), session);
    let is_kept = journey.as_ref().is_some_and(Journey::is_kept);
    let lacks = wanted.lack_of_proof(session, call.now).is_some();
    // Whoever comes by themselves wants to prove something: what is lacking where they go on to from here, else anything anew.
    let needs = if is_kept || lacks { wanted } else { anew(session, ways::allowed(plan, &session.profile.terms)) };
    let needs = owner_sign_in::reachable(plan, session, needs);
    let rises = match needs.lack_of_proof(session, call.now) {
        None => return Ok(Standing::Elsewhere(Box::new(arrival::leave(portal, call, journey.as_ref())))),
        // A passkey is firm enough by itself, so the session can go on with one; for less, it begins anew.
        Some(Lack::Strength) if !needs.ways().contains(ProofMethod::Passkey) => return Ok(to_sign_in(journey.as_ref())),
        Some(lack) => lack == Lack::Strength,
    };
    let facts = portal.store.sign_in_facts_of(session.user).await?;
    let passwords = !plan.auth.mode.is_single_owner();
    let asked = facts.filter(|facts| !facts.user.disabled);
    let asked = asked.map(|facts| Asked { session, facts, journey: journey.clone(), needs, passwords, rises });
    match asked {
        Some(asked) if asked.can_prove(portal, plan) => Ok(Standing::Asked(Box::new(asked))),
        Some(_) if rises && !is_for_passkey(needs) => Ok(to_sign_in(journey.as_ref())),
        Some(_) if rises => Ok(Standing::Elsewhere(Box::new(missing(plan, session, journey.as_ref())))),
        // The form at once and not by a redirect: the sign-in page sends whoever has to confirm back here.
        Some(_) | None => {
            Ok(Standing::Elsewhere(Box::new(sign_in_page::form(portal, plan, call, journey.as_ref(), Shown::default()))))
        }
    }
}

fn form(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    asked: &Asked<'_>,
    (status, notice, alert): (StatusCode, Option<String>, Option<Alert>),
) -> Response<Body> {
    let journey = asked.journey.as_ref();
    let age = asked.needs.max_age.filter(|_| journey.is_some_and(Journey::is_kept)).map(|age| text::confirm_age(&in_words(age)));
    let page = ConfirmPage {
        installation: &plan.name,
        user: asked.session.user_name.as_str(),
        destination: journey.and_then(|journey| Some((journey.app(plan)?.name.as_str(), journey.host.as_str()))),
        notice: notice.or(age),
        alert,
        token: guard::token(portal, call, asked.session.id.as_str().as_bytes(), PURPOSE),
        go: portal.journeys.keep(journey, call.network(), call.now),
        code: asked.takes_code().then(|| second_factor::label(&asked.facts.totps)),
        password: asked.takes_password(),
        passkey: asked.ask(portal, plan, call),
    };
    let asks = page.passkey.is_some();
    page::render_asking(status, &page, asks)
}

/// Counts a try, then makes it: against the network and the account, as when signing in.
async fn attempt(portal: &Portal, plan: &Plan, call: &Call<'_>, (asked, sent): (&Asked<'_>, &Form)) -> Result<Tried, Stop> {
    let user = &asked.facts;
    if !asked.takes_code() {
        let Some(hash) = user.password.clone().filter(|_| asked.takes_password()) else { return Err(Refusal::BadRequest.into()) };
        let typed = sent.secret("password");
        return Ok(match known_password::check(portal, plan, call, (&user.user.name, hash), typed).await? {
            Checked::Right => Tried::Proven(Proof::Password),
            Checked::Wrong => Tried::Refused(Alert::new(asked.field(), text::WRONG_CONFIRM_PASSWORD)),
            Checked::Wait(wait) => Tried::Wait(wait),
            Checked::Busy => Tried::Busy,
        });
    }
    if let Err(wait) = tries::begin(portal, plan, call, (&user.user.name, Factor::Code)).await? {
        return Ok(Tried::Wait(wait));
    }
    Ok(match second_factor::judge(portal, plan, call, (&user.totps, sent.text("code"))).await? {
        Outcome::Accepted { totp, step } => Tried::Proven(Proof::Code { totp, step }),
        Outcome::Refused(alert) => Tried::Refused(alert),
    })
}

/// Notes the proof and hands the new token over; `None` if another tab was faster with the code.
async fn finish(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    asked: &Asked<'_>,
    proof: Proof,
) -> Result<Option<Response<Body>>, Stop> {
    let token = Token::draw(portal.entropy);
    let held = (token.hash(), call.host.as_str().into());
    let Some(session) = portal.store.confirm(asked.session.id, proof, held).await? else { return Ok(None) };
    let (factor, method) = match proof {
        Proof::Password => (Some(Factor::Password), "password"),
        Proof::Code { .. } | Proof::Recovery { .. } => (Some(Factor::Code), "code"),
        Proof::Passkey { .. } => (None, METHOD),
    };
    if let Some(factor) = factor {
        tries::succeeded(portal, plan, call, (&asked.facts.user.name, factor)).await?;
    }
    let (user, host, id) = (&session.user_name, call.host.as_str(), session.id);
    tracing::info!(event = Event::Confirmed.name(), %user, host, ip = %plan.log.shown(call.client), method, session = %id, request = call.request_id);
    let mut response = arrival::leave(portal, call, asked.journey.as_ref());
    let max_age = session.idle_timeout.is_none().then(|| session.expires_at.since(call.now));
    cookie::attach(response.headers_mut(), cookie::set(cookie::SESSION, token.to_text().expose(), max_age));
    Ok(Some(response))
}

/// Judges the answer of a passkey or security key and leads on.
async fn by_passkey(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (sent, asked): (&Form, &Asked<'_>),
) -> Result<Response<Body>, Stop> {
    let answer = |status, alert| form(portal, plan, call, asked, (status, None, Some(alert)));
    let name = Some(&asked.facts.user.name);
    if let Err(wait) = tries::enter(portal, plan, call, name)? {
        tries::throttled(portal, plan, call, At { user: name, by: METHOD, method: Method::Passkey }).await?;
        return Ok(sign_in::later(answer(StatusCode::TOO_MANY_REQUESTS, tries::waiting(BUTTON, wait)), wait));
    }
    let wanted = (sent, Wanted::Confirm(asked.session.id));
    let whose = (Some(asked.session.user), asked.verification(plan));
    let refused = |reason| answer(StatusCode::UNPROCESSABLE_ENTITY, Alert::new(BUTTON, keys::refused(reason)));
    match passkey::judge(portal, plan, call, wanted, whose).await? {
        Err(wrong) => Ok(refused(wrong.reason)),
        Ok(right) => match finish(portal, plan, call, asked, right.proof()).await? {
            Some(response) => {
                portal.metrics.attempt(Method::Passkey, Attempt::Success);
                Ok(response)
            }
            None => {
                passkey::in_vain(portal, plan, call, &right.user.name, passkey::USED).await?;
                Ok(refused(Refused::Unknown))
            }
        },
    }
}

/// The path of this page for a journey of that name and for a reason.
pub fn path(go: &str, why: Option<Why>) -> String {
    sign_in_path(go, why).replacen(SIGN_IN, CONFIRM, 1)
}

/// This page.
pub const CONFIRM: &str = "/.doorward/confirm";
