//! Asks a browser for a passkey and judges its answer: what the pages for signing in, for the second step, for proving once more
//! and for adding a key have in common.
//!
//! A question is kept in memory for two minutes, answers to it count once, in the browser that was asked, and for what was asked
//! there. A restart costs whoever was about to answer one more try.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use serde_json::json;

use crate::auth::passkey::answer::Answer;
use crate::auth::passkey::refused::Refused;
use crate::auth::passkey::{Asking, LIFE, Made, Registering, RelyingParty, Shown, Verification};
use crate::auth::token::{Token, TokenHash};
use crate::model::audit::{Deed, Outcome};
use crate::model::credential::Passkey;
use crate::model::event::Event;
use crate::model::session::SessionId;
use crate::model::user::{User, UserId, UserName};
use crate::observe::metrics::{Attempt, Method};
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::service::Portal;
use crate::portal::shelf::{Limits, Shelf};
use crate::portal::stop::Stop;
use crate::store::proof::Proof;
use crate::web::form::Form;
use crate::web::keys;
use crate::wire::client::Network;

/// How the log and the trail name what happens here.
pub const METHOD: &str = "passkey";
/// The id of what is pressed.
pub const BUTTON: &str = "passkey";
/// The field that a browser's answer comes in.
pub const ANSWER: &str = "answer";
const FAILED: &str = Event::SignInFailed.name();

/// Every view of the sign-in page asks one, strangers included. Ten thousand take some 10 MiB.
const LIMITS: Limits = Limits { life: LIFE, most: 10_000, most_per_owner: 256 };

/// What an answer is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To sign in.
    SignIn,
    /// As the second step of this sign-in.
    Step(TokenHash),
    /// To prove once more who holds this session.
    Confirm(SessionId),
    /// A new key for the holder of this session.
    Key(SessionId),
    /// The first key of whoever follows this set-up link.
    SetUp(TokenHash),
}

#[derive(Debug)]
struct Question {
    visitor: TokenHash,
    wanted: Wanted,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    Proof(Asking),
    Key(Registering),
}

/// Questions that wait for their answer.
pub struct Questions {
    /// Those that anybody can have asked, by looking at the sign-in page.
    strangers: Shelf<Network, Option<Question>>,
    /// Those of people whose password was right, who are signed in, or who follow a link: no number of strangers makes their answers stale.
    known: Shelf<Network, Option<Question>>,
}

/// What a page needs to ask.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Names the question.
    pub question: String,
    /// What the browser is to do, as JSON.
    pub options: String,
}

/// An answer that is right.
#[derive(Debug)]
pub struct Right {
    /// Whose it is.
    pub user: User,
    /// The key.
    pub passkey: Passkey,
    /// What it says.
    pub shown: Shown,
}

/// An answer that is not.
#[derive(Debug)]
pub struct Wrong {
    /// Why.
    pub reason: Refused,
    /// Whose key it is, as far as that is known.
    pub user: Option<UserName>,
    /// What tells the browser to forget a key that nobody knows, as JSON.
    pub forget: Option<String>,
}

impl Questions {
    /// None yet.
    pub fn new() -> Self {
        Self { strangers: Shelf::new(LIMITS), known: Shelf::new(LIMITS) }
    }

    /// Takes a question away, if it was asked in this browser for this.
    fn take(&self, call: &Call<'_>, name: &str, wanted: Wanted) -> Option<Asked> {
        let (name, visitor) = (Token::parse(name)?.hash(), call.visitor()?.hash());
        let shelf = self.of(wanted);
        let question = shelf.ask(&name, call.now, Option::take)??;
        shelf.remove(&name);
        (question.visitor == visitor && question.wanted == wanted).then_some(question.asked)
    }

    fn keep(&self, portal: &Portal, call: &Call<'_>, question: Question) -> String {
        let name = Token::draw(portal.entropy);
        self.of(question.wanted).put(call.network(), name.hash(), Some(question), call.now);
        name.to_text().expose().clone()
    }

    fn of(&self, wanted: Wanted) -> &Shelf<Network, Option<Question>> {
        match wanted {
            Wanted::SignIn => &self.strangers,
            Wanted::Step(_) | Wanted::Confirm(_) | Wanted::Key(_) | Wanted::SetUp(_) => &self.known,
        }
    }
}

impl Default for Questions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Questions({}, {})", self.strangers.count(), self.known.count())
    }
}

impl Right {
    /// The proof, to be spent.
    pub fn proof(&self) -> Proof {
        let Shown { counter, verified, backed_up } = self.shown;
        Proof::Passkey { id: self.passkey.id, counter, verified, backed_up }
    }
}

/// The site that keys are for: the one of those that exist, else what the configuration says. `None` where browsers have no
/// passkeys at all, on addresses.
pub fn site(portal: &Portal, plan: &Plan) -> Option<RelyingParty> {
    let site = portal.store.site();
    let id = site.id.as_deref().or(plan.passkey_site())?;
    RelyingParty::new(id, plan.auth.passkeys.name.as_deref().unwrap_or(&plan.name), &plan.origin())
}

/// The domain of that site.
pub fn site_id(portal: &Portal, plan: &Plan) -> Option<Box<str>> {
    portal.store.site().id.clone().or_else(|| plan.passkey_site().map(Into::into))
}

/// Asks for a proof by one of `allowed`, or by whichever key the browser has if there are none.
pub fn ask(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (visitor, wanted): (TokenHash, Wanted),
    (allowed, verification): (&[Passkey], Verification),
) -> Option<Ask> {
    let (options, asking) = site(portal, plan)?.begin(allowed, verification)?;
    let question = portal.questions.keep(portal, call, Question { visitor, wanted, asked: Asked::Proof(asking) });
    Some(Ask { question, options })
}

/// Asks for a new key, in the browser of `visitor`.
pub fn ask_for_key(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (visitor, wanted): (TokenHash, Wanted),
    (user, name, known): (UserId, &str, &[Passkey]),
) -> Option<Ask> {
    let asks = (plan.auth.passkeys.verification, plan.auth.passkeys.attestation);
    let (options, asked) = site(portal, plan)?.begin_registration((user, name), known, asks)?;
    let question = Question { visitor, wanted, asked: Asked::Key(asked) };
    Some(Ask { question: portal.questions.keep(portal, call, question), options })
}

/// The new key in an answer.
///
/// # Errors
/// [`Refused`] with the reason.
pub fn key(portal: &Portal, plan: &Plan, call: &Call<'_>, (sent, wanted): (&Form, Wanted)) -> Result<Made, Refused> {
    let asked = portal.questions.take(call, sent.text("k"), wanted);
    let Some(Asked::Key(asked)) = asked else { return Err(Refused::Stale) };
    site(portal, plan).ok_or(Refused::OtherRelyingParty)?.finish_registration(&asked, sent.text(ANSWER))
}

/// Judges an answer for `wanted`, by a key of the user `of` if that is known beforehand. A wrong one is counted, written down and
/// logged here; what its visitor is shown is for the page.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn judge(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (sent, wanted): (&Form, Wanted),
    (of, verification): (Option<UserId>, Verification),
) -> Result<Result<Right, Wrong>, Stop> {
    let judged = look(portal, plan, call, (sent, wanted), (of, verification)).await?;
    let (reason, found, forget) = match judged {
        Ok(right) => return Ok(Ok(right)),
        Err(wrong) => wrong,
    };
    let user = found.as_ref().map(|(user, _)| &user.name);
    let entry = call.entry(Deed::SignInFailed).named(user).by(METHOD).came_to(Outcome::Failed).because(reason.name());
    portal.store.record(entry).await?;
    if let (Refused::CounterBack, Some((user, passkey))) = (reason, &found) {
        let told = call.entry(Deed::CredentialChanged).of(user).by(METHOD).because(reason.name());
        let told = told.detailed(keys::set_aside(&passkey.name));
        portal.store.telling(told).set_passkey_aside(user.id, passkey.id).await?;
    }
    portal.metrics.attempt(Method::Passkey, if reason == Refused::Stale { Attempt::Expired } else { Attempt::BadCredentials });
    let (user, ip) = (user.map(UserName::as_str), plan.log.shown(call.client));
    tracing::warn!(event = FAILED, user, %ip, method = METHOD, reason = reason.name(), request = call.request_id);
    Ok(Err(Wrong { reason, user: found.map(|(user, _)| user.name), forget }))
}

/// Counts, writes down and logs an answer that is right, and lets nobody in all the same.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn in_vain(portal: &Portal, plan: &Plan, call: &Call<'_>, user: &UserName, reason: &'static str) -> Result<(), Stop> {
    portal.metrics.attempt(Method::Passkey, Attempt::BadCredentials);
    let ip = plan.log.shown(call.client);
    tracing::warn!(event = FAILED, %user, %ip, method = METHOD, reason, request = call.request_id);
    let entry = call.entry(Deed::SignInFailed).named(Some(user)).by(METHOD).came_to(Outcome::Failed);
    Ok(portal.store.record(entry.because(reason)).await?)
}

/// Why a key that is right is used up: the same count twice at once, or taken away meanwhile. It may be a copy.
pub const USED: &str = "used meanwhile";

type Looked = Result<Right, (Refused, Option<(User, Passkey)>, Option<String>)>;

async fn look(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (sent, wanted): (&Form, Wanted),
    (of, verification): (Option<UserId>, Verification),
) -> Result<Looked, Stop> {
    let Some(Asked::Proof(asked)) = portal.questions.take(call, sent.text("k"), wanted) else {
        return Ok(Err((Refused::Stale, None, None)));
    };
    let Some(site) = site(portal, plan) else { return Ok(Err((Refused::OtherRelyingParty, None, None))) };
    let answer = match Answer::read(sent.text(ANSWER)) {
        Ok(answer) => answer,
        Err(refused) => return Ok(Err((refused, None, None))),
    };
    let Some((user, passkey)) = portal.store.passkey(answer.credential_id()).await? else {
        let about = json!({ "rpId": site_id(portal, plan), "credentialId": BASE64URL_NOPAD.encode(answer.credential_id()) });
        return Ok(Err((Refused::Unknown, None, Some(about.to_string()))));
    };
    let judged = match of {
        Some(of) if of != user.id => Err(Refused::OtherUser),
        // Whoever was not named before is named by the key, or by nobody.
        None if !answer.names_user() => Err(Refused::OtherUser),
        Some(_) | None => site.finish(&asked, &answer, &passkey, verification),
    };
    // An account that is closed has no keys, as far as visitors can tell.
    let judged = if user.disabled { judged.and(Err(Refused::Unknown)) } else { judged };
    Ok(judged
        .map(|shown| Right { user: user.clone(), passkey: passkey.clone(), shown })
        .map_err(|reason| (reason, Some((user, passkey)), None)))
}
