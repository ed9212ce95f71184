//! The second step: a code from the authenticator app, or a passkey or security key.

use std::time::Duration;

use askama::Template;
use http::{Response, StatusCode};
use tokio::time::Instant;

use crate::auth::passkey::refused::Refused;
use crate::auth::token::Token;
use crate::auth::totp::{self, CodeCheck};
use crate::base::clock::Timestamp;
use crate::base::units::in_words;
use crate::model::attempt::Factor;
use crate::model::audit::Deed;
use crate::model::credential::{Totp, TotpId};
use crate::model::session::Proofs;
use crate::model::strength::Strength;
use crate::observe::metrics::{Attempt, Method};
use crate::plan::whole::Plan;
use crate::policy::host::Host;
use crate::policy::requirement::Needs;
use crate::portal::arrival::{self, Proven};
use crate::portal::call::Call;
use crate::portal::guard;
use crate::portal::journey::Journey;
use crate::portal::passkey::{self, ANSWER, Ask, BUTTON, Wanted};
use crate::portal::recovery;
use crate::portal::service::Portal;
use crate::portal::sign_in::{self, CEREMONY};
use crate::portal::sign_in_page::{self, Shown};
use crate::portal::stop::Stop;
use crate::portal::tries::{self, Tried};
use crate::portal::ways::Step;
use crate::store::ceremonies::Ceremony;
use crate::store::credentials::SignInFacts;
use crate::store::proof::Proof;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::keys;
use crate::web::page::{self, Alert};
use crate::web::refusal::Refusal;
use crate::web::rescue;
use crate::web::return_to::Destination;
use crate::web::text;
use crate::wire::body::Body;

/// This page.
pub const PAGE: &str = "/.doorward/login/code";
/// What the token of this form is good for.
const PURPOSE: &str = "code";
/// How the log names what happens here.
const METHOD: &str = "code";

#[derive(Template)]
#[template(config = ".askama.toml", path = "code.html")]
struct CodePage<'a> {
    installation: &'a str,
    user: &'a str,
    label: String,
    alert: Option<Alert>,
    token: String,
    ceremony: &'a str,
    go: String,
    /// Whether there is an authenticator to ask.
    code: bool,
    /// Whether a recovery code counts in its place.
    recovery: bool,
    passkey: Option<Ask>,
}

/// A sign-in that has its first step behind it, in the browser that took it.
#[derive(Debug)]
pub struct HalfDone {
    /// What the page carries; names the ceremony to the store.
    pub text: String,
    /// The browser.
    pub visitor: Token,
    /// What the first step left.
    pub ceremony: Ceremony,
    /// Who it is.
    pub facts: SignInFacts,
    /// Where they want to go.
    pub journey: Option<Journey>,
    /// What they may be asked for on the way there.
    pub step: Step,
}

impl HalfDone {
    /// When the password was right.
    pub fn begun(&self) -> Timestamp {
        let length = i64::try_from(CEREMONY.as_millis()).unwrap_or(0);
        Timestamp::from_millis(self.ceremony.expires_at.millis().saturating_sub(length))
    }

    /// What is asked for first.
    fn field(&self) -> &'static str {
        if self.step.code { "code" } else { BUTTON }
    }

    /// The path of a page on which it can go on.
    pub fn path(&self, portal: &Portal, call: &Call<'_>, page: &str) -> String {
        let go = portal.journeys.keep(self.journey.as_ref(), call.network(), call.now);
        format!("{page}?c={}&go={go}", self.text)
    }
}

/// What all authenticators of a user say of a code.
#[derive(Debug)]
pub enum Outcome {
    /// It is the code of this authenticator at this step, and not used yet.
    Accepted {
        /// The authenticator.
        totp: TotpId,
        /// The step.
        step: u64,
    },
    /// It is not, and why.
    Refused(Alert),
}

/// The form for the code.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>) -> Result<Response<Body>, Stop> {
    let query = call.query();
    match half_done(portal, plan, call, &query).await? {
        // The app is gone, the codes are not.
        Some(half_done) if !half_done.step.asks() => Ok(call.redirect(&half_done.path(portal, call, recovery::PAGE))),
        Some(half_done) => Ok(form(portal, plan, call, &half_done, (StatusCode::OK, None))),
        None => Ok(start_again(portal, plan, call, &query)),
    }
}

/// Checks a code and ends the sign-in.
///
/// # Errors
/// [`Stop`] for a foreign or unreadable form, or when the store does not answer.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, body: Body) -> Result<Response<Body>, Stop> {
    let sent = guard::read(call, body).await?;
    let Some(half_done) = half_done(portal, plan, call, &sent).await? else {
        portal.metrics.attempt(Method::Code, Attempt::Expired);
        return Ok(start_again(portal, plan, call, &sent));
    };
    let answer = |status, alert| form(portal, plan, call, &half_done, (status, Some(alert)));
    if guard::prove(portal, call, &sent, PURPOSE).is_err() {
        return Ok(answer(StatusCode::FORBIDDEN, Alert::new(half_done.field(), text::CODE_FORM_TOO_OLD)));
    }
    if sent.get(ANSWER).is_some() {
        return by_passkey(portal, plan, call, (&sent, &half_done)).await;
    }
    if !half_done.step.code {
        return Err(Refusal::BadRequest.into());
    }
    let name = &half_done.facts.user.name;
    let tried = Tried { user: Some(name), by: METHOD, method: Method::Code };
    if let Err(wait) = tries::begin(portal, plan, call, (name, Factor::Code)).await? {
        tries::throttled(portal, plan, call, tried).await?;
        return Ok(sign_in::later(answer(StatusCode::TOO_MANY_REQUESTS, tries::waiting("code", wait)), wait));
    }
    let began = Instant::now();
    let judged = judge(portal, plan, call, (&half_done.facts.totps, sent.text("code"))).await?;
    portal.metrics.attempt_took(Method::Code, began.elapsed());
    let alert = match judged {
        Outcome::Refused(alert) => alert,
        Outcome::Accepted { totp, step } => match finish(portal, plan, call, &half_done, Proof::Code { totp, step }).await? {
            Some(response) => {
                tries::succeeded(portal, plan, call, (name, Factor::Code)).await?;
                portal.metrics.attempt(Method::Code, Attempt::Success);
                return Ok(response);
            }
            None => Alert::new("code", text::used_code(&in_words(next_code(&half_done.facts.totps, call)))),
        },
    };
    tries::failed(portal, plan, call, tried, "wrong or used code").await?;
    Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, alert))
}

fn form(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    half_done: &HalfDone,
    (status, alert): (StatusCode, Option<Alert>),
) -> Response<Body> {
    let (step, verification) = (Wanted::Step(half_done.ceremony.id), half_done.step.verification);
    let passkeys = &half_done.step.keys;
    let ask = || passkey::ask(portal, plan, call, (half_done.visitor.hash(), step), (passkeys, verification));
    let passkey = if passkeys.is_empty() { None } else { ask() };
    let asks = passkey.is_some();
    let page = CodePage {
        installation: &plan.name,
        user: half_done.facts.user.name.as_str(),
        label: label(&half_done.facts.totps),
        alert,
        token: guard::token(portal, call, half_done.visitor.hash().as_bytes(), PURPOSE),
        ceremony: &half_done.text,
        go: portal.journeys.keep(half_done.journey.as_ref(), call.network(), call.now),
        code: half_done.step.code,
        recovery: half_done.step.counts_codes,
        passkey,
    };
    page::render_asking(status, &page, asks)
}

/// The sign-in that a form or link speaks of: begun in this browser, on this host, not long ago. The ceremony's token
/// alone opens nothing, so it may stand in a URL.
///
/// # Errors
/// [`Stop`] when the store does not answer, or is asked too much.
pub async fn half_done(portal: &Portal, plan: &Plan, call: &Call<'_>, sent: &Form) -> Result<Option<HalfDone>, Stop> {
    let (Some(visitor), Some(token)) = (call.visitor(), Token::parse(sent.text("c"))) else { return Ok(None) };
    // Begun with a password, before nobody was asked for one any more.
    if plan.auth.mode.is_single_owner() {
        return Ok(None);
    }
    if let Err(wait) = portal.budgets.links.spend(call.network()) {
        return Err(Refusal::TooMany { wait }.into());
    }
    let Some(ceremony) = portal.store.ceremony(token.hash()).await? else { return Ok(None) };
    let ours = ceremony.visitor == visitor.hash() && *ceremony.host == *call.host.as_str();
    if !ours || call.now >= ceremony.expires_at {
        return Ok(None);
    }
    let Some(facts) = portal.store.sign_in_facts_of(ceremony.user).await? else { return Ok(None) };
    if facts.user.disabled {
        return Ok(None);
    }
    let journey = portal.journeys.find(sent.text("go"), call.now).or_else(|| begun_for(portal, &ceremony));
    let journey = journey.filter(|journey| journey.leads_somewhere(plan));
    let journey = journey.or_else(|| Journey::of_no_wish(plan, &call.host));
    let step = Step::of(plan, &facts, call.journey_needs(plan, journey.as_ref()));
    if step.is_nothing() {
        return Ok(None);
    }
    Ok(Some(HalfDone { text: token.to_text().expose().clone(), visitor, ceremony, facts, journey, step }))
}

/// Where a sign-in led when its first step was taken: that is on disk, and a restart in between costs nobody their way.
fn begun_for(portal: &Portal, ceremony: &Ceremony) -> Option<Journey> {
    let host = ceremony.return_host.as_ref().map_or(&ceremony.host, |(host, _)| host);
    let to = Destination::parse(&ceremony.return_to).unwrap_or_else(Destination::home);
    let journey = Journey::new(portal.entropy, Host::parse(host).ok()?, to, Needs::of(Strength::TwoFactor));
    Some(match ceremony.return_host {
        Some((_, visitor)) => journey.bound_to(visitor),
        None => journey,
    })
}

/// Back to the first step with the target kept; or on, for somebody who signed in meanwhile in another tab.
pub fn start_again(portal: &Portal, plan: &Plan, call: &Call<'_>, sent: &Form) -> Response<Body> {
    let journey = call.journey(portal, plan, sent.text("go"));
    if call.session_for(plan, journey.as_ref()).is_some() {
        return arrival::leave(portal, call, journey.as_ref());
    }
    let alert = Some(Alert::new("name", text::SIGN_IN_TOO_OLD));
    sign_in_page::form(portal, plan, call, journey.as_ref(), Shown { status: StatusCode::FORBIDDEN, alert, ..Shown::default() })
}

/// Asks every authenticator of a user; the kindest answer counts.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn judge(portal: &Portal, plan: &Plan, call: &Call<'_>, (totps, code): (&[Totp], &str)) -> Result<Outcome, Stop> {
    let mut alert = Alert::new("code", text::wrong_code(&plan.auth.totp_issuers()));
    for totp in totps {
        match totp::check(totp, code, call.now) {
            CodeCheck::Accepted { step } => return Ok(Outcome::Accepted { totp: totp.id, step }),
            CodeCheck::Used { wait } => alert = Alert::new("code", text::used_code(&in_words(wait))),
            CodeCheck::Drift { seconds, burn } => {
                // Whoever reads this answer learns a code that will be right in a few minutes: it must not be, ever.
                if let Some(step) = burn {
                    portal.store.burn_step(totp.id, step).await?;
                }
                alert = Alert::new("code", text::drifted_code(seconds));
            }
            CodeCheck::Wrong => {}
        }
    }
    Ok(Outcome::Refused(alert))
}

/// Uses the proof up, ends the ceremony and opens the session, all or nothing; `None` if another tab was faster.
async fn finish(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    half_done: &HalfDone,
    proof: Proof,
) -> Result<Option<Response<Body>>, Stop> {
    let HalfDone { ceremony, facts, journey, .. } = half_done;
    let password = Some(half_done.begun());
    let (proofs, method) = match proof {
        Proof::Passkey { .. } => (Proofs { password, passkey: Some(call.now), ..Proofs::default() }, "password and passkey"),
        Proof::Password | Proof::Code { .. } | Proof::Recovery { .. } => {
            (Proofs { password, code: Some(call.now), ..Proofs::default() }, "password and code")
        }
    };
    let strength = proof.lifts_to().unwrap_or(Strength::TwoFactor);
    let proven = Proven { user: facts.user.id, strength, proofs, remember: ceremony.remember };
    let (prepared, session) = arrival::prepare(portal, plan, call, proven);
    let told = call.entry(Deed::SignIn).with(&call.agent()).by(method).detailed(call.host.as_str());
    let store = portal.store.telling(told);
    let Some(session) = store.finish_sign_in(ceremony.id, proof, session).await? else { return Ok(None) };
    Ok(Some(arrival::arrive(portal, plan, call, prepared, (&session, journey.as_ref())).await?))
}

/// Judges the answer of a passkey or security key and ends the sign-in. Nothing is counted against the account: nobody guesses a
/// signature, and a stranger's tries must not keep anybody from using their key.
async fn by_passkey(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (sent, half_done): (&Form, &HalfDone),
) -> Result<Response<Body>, Stop> {
    let answer = |status, alert| form(portal, plan, call, half_done, (status, Some(alert)));
    let name = Some(&half_done.facts.user.name);
    if let Err(wait) = tries::enter(portal, plan, call, name)? {
        tries::throttled(portal, plan, call, Tried { user: name, by: passkey::METHOD, method: Method::Passkey }).await?;
        return Ok(sign_in::later(answer(StatusCode::TOO_MANY_REQUESTS, tries::waiting(BUTTON, wait)), wait));
    }
    if half_done.step.keys.is_empty() {
        return Err(Refusal::BadRequest.into());
    }
    let wanted = (sent, Wanted::Step(half_done.ceremony.id));
    let whose = (Some(half_done.ceremony.user), half_done.step.verification);
    let refused = |reason| answer(StatusCode::UNPROCESSABLE_ENTITY, Alert::new(BUTTON, keys::refused(reason)));
    match passkey::judge(portal, plan, call, wanted, whose).await? {
        Err(wrong) => Ok(refused(wrong.reason)),
        Ok(right) => match finish(portal, plan, call, half_done, right.proof()).await? {
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

/// The label of the field for a code of any of these authenticators.
pub fn label(totps: &[Totp]) -> String {
    label_of(totps.iter().map(|totp| totp.recipe.digits).collect())
}

/// The same for codes of these lengths.
pub fn label_of(mut lengths: Vec<u32>) -> String {
    lengths.sort_unstable();
    lengths.dedup();
    match lengths.as_slice() {
        [least, .., most] => text::code_label_of(*least, *most),
        [digits] => text::code_label(*digits),
        [] => text::code_label(6),
    }
}

/// How long until an authenticator shows a new code.
pub fn next_code(totps: &[Totp], call: &Call<'_>) -> Duration {
    let period = totps.first().map_or(30, |totp| totp.recipe.period).max(1);
    let passed = u64::try_from(call.now.secs()).unwrap_or(0) % period;
    Duration::from_secs(period - passed)
}
