//! Setting up an account from a one-time link: a password, then an authenticator app or a passkey, then recovery codes, then in. Where
//! one owner has the only account there is no password, and the first step is the app or the passkey.
//!
//! Looking at the link uses nothing up: mail scanners and link previews look too. What is chosen waits in the store beside
//! the link until a code or the passkey itself proves that it works and its holder says to have saved the recovery codes; only then the
//! link is used up. Whoever leaves before that begins where they left off, with new codes, so that nobody gets in without any.

use askama::Template;
use http::header::REFERRER_POLICY;
use http::{HeaderValue, Response, StatusCode};

use crate::auth::password;
use crate::auth::token::{Token, TokenHash};
use crate::auth::totp::{self, CodeCheck};
use crate::base::units::in_words;
use crate::model::audit::Deed;
use crate::model::credential::{RecoverySetId, Totp};
use crate::model::event::Event;
use crate::model::mode::Mode;
use crate::model::session::Proofs;
use crate::model::strength::Strength;
use crate::model::user::UserName;
use crate::plan::whole::Plan;
use crate::portal::arrival::{self, Proven};
use crate::portal::call::Call;
use crate::portal::codes::{Frame, Sheet};
use crate::portal::connecting;
use crate::portal::guard::{self, Unproven};
use crate::portal::owner_set_up;
use crate::portal::owner_sign_in;
use crate::portal::passkey::{ANSWER, Ask};
use crate::portal::service::Portal;
use crate::portal::set_up_passkey::{self, Offer};
use crate::portal::stop::Stop;
use crate::store::fault::Fault;
use crate::store::links::{Enrolled, Link, Pending};
use crate::web::asset;
use crate::web::form::Form;
use crate::web::keys;
use crate::web::owner;
use crate::web::page::{self, Alert};
use crate::web::refusal::Refusal;
use crate::web::rescue;
use crate::web::text;
use crate::wire::body::Body;
use crate::wire::cookie;

/// What the token of these forms is good for.
const PURPOSE: &str = "set up";

#[derive(Template)]
#[template(config = ".askama.toml", path = "setup_password.html")]
struct PasswordPage<'a> {
    installation: &'a str,
    user: &'a str,
    alert: Option<Alert>,
    token: String,
    min_length: usize,
    steps: u8,
    staged: bool,
    go: &'a str,
    may_choose_name: bool,
}

impl PasswordPage<'_> {
    fn blames(&self, field: &str) -> bool {
        self.alert.as_ref().is_some_and(|alert| alert.field == field)
    }
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "setup_authenticator.html")]
struct AuthenticatorPage<'a> {
    installation: &'a str,
    alert: Option<Alert>,
    token: String,
    shown: connecting::Shown<'a>,
    number: u8,
    steps: u8,
    go: &'a str,
    passkey: Option<Ask>,
    app: bool,
}

impl AuthenticatorPage<'_> {
    fn blames(&self, field: &str) -> bool {
        self.alert.as_ref().is_some_and(|alert| alert.field == field)
    }
}

#[derive(Template)]
#[template(config = ".askama.toml", path = "setup_codes.html")]
struct AgainPage<'a> {
    installation: &'a str,
    alert: Option<Alert>,
    token: String,
    go: &'a str,
}

/// A valid link and the browser that follows it.
struct SetUp {
    link: Link,
    hash: TokenHash,
    path: String,
    /// Where its holder wanted to go, as it stands in URLs behind the step; empty for nowhere in particular.
    go: String,
    visitor: Token,
    new_visitor: bool,
    offer: Offer,
}

/// Which form is shown, and what went wrong with it.
struct Shown {
    step: Step,
    status: StatusCode,
    alert: Option<Alert>,
}

/// The steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Password,
    Authenticator,
    Codes,
}

impl Step {
    fn of(form: &Form) -> Self {
        match form.text("step") {
            "2" => Self::Authenticator,
            "3" => Self::Codes,
            _ => Self::Password,
        }
    }

    /// The field that is told of a form that is too old.
    const fn field(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Authenticator => "code",
            Self::Codes => "new",
        }
    }
}

/// A page of the set-up. GET never uses the link up.
///
/// # Errors
/// [`Stop`]: a 404 without a valid link, or the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>, token: &str) -> Result<Response<Body>, Stop> {
    let set_up = open(portal, plan, call, token).await?;
    let step = first_of(plan, Step::of(&call.query()));
    Ok(page(portal, plan, call, &set_up, Shown { step, status: StatusCode::OK, alert: None }))
}

/// Takes a step.
///
/// # Errors
/// As [`show`], and for a foreign or unreadable form.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, (token, body): (&str, Body)) -> Result<Response<Body>, Stop> {
    let set_up = open(portal, plan, call, token).await?;
    let sent = guard::read(call, body).await?;
    let step = first_of(plan, Step::of(&sent));
    if let Err(unproven) = guard::prove(portal, call, &sent, PURPOSE) {
        let text = match unproven {
            Unproven::NoCookie => text::cookie_refused(call.host.as_str()),
            Unproven::Stale => text::SETUP_FORM_TOO_OLD.to_owned(),
        };
        let alert = Some(Alert::new(step.field(), text));
        return Ok(page(portal, plan, call, &set_up, Shown { step, status: StatusCode::FORBIDDEN, alert }));
    }
    if let Err(wait) = portal.budgets.sign_in.spend(call.network()) {
        return Err(Refusal::TooMany { wait }.into());
    }
    match (&set_up.link.pending, step) {
        (Some(pending), Step::Codes) if has_codes_to_show(plan, pending) => codes(portal, plan, call, &set_up, &sent).await,
        // Sent once more, perhaps because the answer got lost.
        (Some(pending), Step::Authenticator) if has_codes_to_show(plan, pending) => draw(portal, plan, call, &set_up).await,
        (Some(_), Step::Authenticator) if sent.get(ANSWER).is_some() => by_passkey(portal, plan, call, &set_up, &sent).await,
        (Some(pending), Step::Authenticator | Step::Codes) if set_up.offer.code => {
            finish(portal, plan, call, &set_up, (&pending.totp, sent.text("code"))).await
        }
        // A code, where only a passkey counts: no page of ours asks for it.
        (Some(_), Step::Authenticator | Step::Codes) => Err(Refusal::BadRequest.into()),
        (_, Step::Password) | (None, _) => stage(portal, plan, call, &set_up, &sent).await,
    }
}

/// Whether all that is left to do is to save the recovery codes.
fn has_codes_to_show(plan: &Plan, pending: &Pending) -> bool {
    pending.proven.is_some() && plan.auth.recovery_codes > 0
}

/// The link behind `token`. What is no valid link is a page that does not exist.
async fn open(portal: &Portal, plan: &Plan, call: &Call<'_>, token: &str) -> Result<SetUp, Stop> {
    let token = Token::parse(token).ok_or(Refusal::NotFound)?;
    if let Err(wait) = portal.budgets.links.spend(call.network()) {
        return Err(Refusal::TooMany { wait }.into());
    }
    let hash = token.hash();
    let mut link = portal.store.link(hash).await?.ok_or(Refusal::NotFound)?;
    if link.user.disabled || call.now >= link.expires_at || !owner_sign_in::admits(portal, plan, link.user.id).await? {
        return Err(Refusal::NotFound.into());
    }
    match (plan.auth.mode, &link.pending) {
        (Mode::SingleOwner, None) => link.pending = Some(owner_set_up::begun(portal, plan, call, hash).await?),
        // Begun while nobody was asked for a password: one has to be chosen first.
        (Mode::People, Some(pending)) if pending.password.is_none() => link.pending = None,
        (Mode::People | Mode::SingleOwner, _) => {}
    }
    let known = call.visitor();
    let new_visitor = known.is_none();
    let visitor = known.unwrap_or_else(|| Token::draw(portal.entropy));
    let go = Token::parse(call.query().text("go")).map_or_else(String::new, |go| format!("&go={}", go.to_text().expose()));
    let offer = Offer::to(portal, plan, link.user.id).await?;
    Ok(SetUp { link, hash, path: format!("/.doorward/setup/{}", token.to_text().expose()), go, visitor, new_visitor, offer })
}

/// The step, or the first there is.
fn first_of(plan: &Plan, step: Step) -> Step {
    match step {
        Step::Password if plan.auth.mode.is_single_owner() => Step::Authenticator,
        step => step,
    }
}

/// One of the forms; the second only once there is an authenticator to show, the third only once it is proven.
fn page(portal: &Portal, plan: &Plan, call: &Call<'_>, set_up: &SetUp, shown: Shown) -> Response<Body> {
    let token = guard::token(portal, call, set_up.visitor.hash().as_bytes(), PURPOSE);
    let response = match &set_up.link.pending {
        None => password_page(plan, set_up, token, shown),
        Some(_) if shown.step == Step::Password => password_page(plan, set_up, token, shown),
        Some(pending) if has_codes_to_show(plan, pending) => {
            let page = AgainPage { installation: &plan.name, alert: shown.alert, token, go: &set_up.go };
            page::render(shown.status, &page)
        }
        Some(pending) => {
            let asked = (&set_up.link, set_up.hash, set_up.visitor.hash());
            let passkey = if set_up.offer.key { set_up_passkey::ask(portal, plan, call, asked) } else { None };
            authenticator_page(plan, set_up, &pending.totp, (token, passkey), shown)
        }
    };
    dressed(set_up, response)
}

/// With what every page of the set-up has.
fn dressed(set_up: &SetUp, mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    // The link's token is in the URL, and pages of the app must not read it from their Referer.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    if set_up.new_visitor {
        cookie::attach(headers, cookie::set(cookie::VISITOR, set_up.visitor.to_text().expose(), None));
    }
    response
}

fn password_page(plan: &Plan, set_up: &SetUp, token: String, shown: Shown) -> Response<Body> {
    let page = PasswordPage {
        installation: &plan.name,
        user: set_up.link.user.name.as_str(),
        alert: shown.alert,
        token,
        min_length: plan.auth.password_min_length,
        steps: steps(plan),
        staged: set_up.link.pending.is_some(),
        go: &set_up.go,
        may_choose_name: set_up.link.may_choose_name,
    };
    page::render(shown.status, &page)
}

fn authenticator_page(
    plan: &Plan,
    set_up: &SetUp,
    totp: &Totp,
    (token, passkey): (String, Option<Ask>),
    shown: Shown,
) -> Response<Body> {
    let page = AuthenticatorPage {
        installation: &plan.name,
        alert: shown.alert,
        token,
        shown: connecting::Shown::of(totp, &plan.auth.totp_issuer, set_up.link.user.name.as_str()),
        number: if plan.auth.mode.is_single_owner() { 1 } else { 2 },
        steps: steps(plan),
        go: &set_up.go,
        passkey,
        app: set_up.offer.code,
    };
    let asks = page.passkey.is_some();
    page::render_asking(shown.status, &page, asks)
}

/// How many steps there are.
fn steps(plan: &Plan) -> u8 {
    1 + u8::from(!plan.auth.mode.is_single_owner()) + u8::from(plan.auth.recovery_codes > 0)
}

/// Keeps the password beside the link. An authenticator that waits there already stays: it may have been scanned.
async fn stage(portal: &Portal, plan: &Plan, call: &Call<'_>, set_up: &SetUp, sent: &Form) -> Result<Response<Body>, Stop> {
    let name = match name(portal, set_up, sent).await? {
        Ok(name) => name,
        Err(alert) => {
            let shown = Shown { step: Step::Password, status: StatusCode::UNPROCESSABLE_ENTITY, alert: Some(alert) };
            return Ok(page(portal, plan, call, set_up, shown));
        }
    };
    let chosen = sent.secret("password");
    let apps = plan.apps.iter().map(|app| app.name.as_str());
    let context: Vec<&str> = [name.as_str(), call.host.as_str(), &plan.name].into_iter().chain(apps).collect();
    if let Err(weak) = password::judge(chosen.expose(), plan.auth.password_min_length, &context) {
        let alert = Some(Alert::new("password", text::weak_password(weak)));
        let shown = Shown { step: Step::Password, status: StatusCode::UNPROCESSABLE_ENTITY, alert };
        return Ok(page(portal, plan, call, set_up, shown));
    }
    let hash = portal.hasher.slot().await?.hash(chosen, portal.entropy.bytes()).await?;
    let waiting = set_up.link.pending.as_ref().map(|pending| pending.totp.clone());
    let totp = waiting.unwrap_or_else(|| connecting::draw(plan.auth.totp, portal.entropy, call.now));
    if !portal.store.stage_password(set_up.hash, hash, totp).await? {
        return Err(Refusal::NotFound.into());
    }
    Ok(call.redirect(&format!("{}?step=2{}", set_up.path, set_up.go)))
}

/// The name of the account: as its holder wants it where it is the installation's first, else as it is.
async fn name(portal: &Portal, set_up: &SetUp, sent: &Form) -> Result<Result<UserName, Alert>, Stop> {
    let current = &set_up.link.user.name;
    let Some(typed) = sent.get("username").filter(|_| set_up.link.may_choose_name) else { return Ok(Ok(current.clone())) };
    let Ok(wanted) = typed.parse::<UserName>() else {
        return Ok(Err(Alert::new("name", text::BAD_USER_NAME.to_owned())));
    };
    if wanted == *current {
        return Ok(Ok(wanted));
    }
    match portal.store.name_new_account(set_up.link.user.id, &wanted).await {
        Ok(true) => Ok(Ok(wanted)),
        Ok(false) => Ok(Ok(current.clone())),
        Err(Fault::Taken) => Ok(Err(Alert::new("name", text::NAME_TAKEN.to_owned()))),
        Err(other) => Err(other.into()),
    }
}

/// A right code proves the authenticator; where no recovery codes are given out, that is the last step.
async fn finish(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    set_up: &SetUp,
    (totp, code): (&Totp, &str),
) -> Result<Response<Body>, Stop> {
    let text = match totp::check(totp, code, call.now) {
        CodeCheck::Accepted { step } => {
            if !portal.store.prove_link(set_up.hash, step).await? {
                return Err(Refusal::NotFound.into());
            }
            return proven(portal, plan, call, set_up).await;
        }
        CodeCheck::Used { wait } => text::used_code(&in_words(wait)),
        // Nothing to burn: this authenticator opens nothing yet.
        CodeCheck::Drift { seconds, burn: _ } => text::drifted_code(seconds),
        CodeCheck::Wrong => text::wrong_code(&plan.auth.totp_issuer),
    };
    let alert = Some(Alert::new("code", text));
    Ok(page(portal, plan, call, set_up, Shown { step: Step::Authenticator, status: StatusCode::UNPROCESSABLE_ENTITY, alert }))
}

/// A key proves itself by being made.
async fn by_passkey(portal: &Portal, plan: &Plan, call: &Call<'_>, set_up: &SetUp, sent: &Form) -> Result<Response<Body>, Stop> {
    match set_up_passkey::take(portal, plan, call, (&set_up.link, set_up.hash, sent), set_up.offer).await? {
        Ok(()) => proven(portal, plan, call, set_up).await,
        Err((status, alert)) => {
            Ok(page(portal, plan, call, set_up, Shown { step: Step::Authenticator, status, alert: Some(alert) }))
        }
    }
}

/// What follows the second step: recovery codes, or the end where none are given out.
async fn proven(portal: &Portal, plan: &Plan, call: &Call<'_>, set_up: &SetUp) -> Result<Response<Body>, Stop> {
    match plan.auth.recovery_codes {
        0 => {
            // What was proven just now counts, not what was known when this request began.
            let link = portal.store.link(set_up.hash).await?.ok_or(Refusal::NotFound)?;
            complete(portal, plan, call, (set_up, &link), None).await
        }
        _ => draw(portal, plan, call, set_up).await,
    }
}

/// New recovery codes, shown by this very answer and never again.
async fn draw(portal: &Portal, plan: &Plan, call: &Call<'_>, set_up: &SetUp) -> Result<Response<Body>, Stop> {
    let sheet = Sheet::draw(portal, plan, set_up.link.user.id).await?.ok_or(Refusal::NotFound)?;
    Ok(sheet_page(portal, plan, call, set_up, (&sheet, StatusCode::OK, None)))
}

fn sheet_page(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    set_up: &SetUp,
    (sheet, status, alert): (&Sheet, StatusCode, Option<Alert>),
) -> Response<Body> {
    let token = guard::token(portal, call, set_up.visitor.hash().as_bytes(), PURPOSE);
    let frame = Frame { user: set_up.link.user.name.as_str(), step: Some(rescue::step(steps(plan), steps(plan))), token, alert };
    dressed(set_up, sheet.page(portal, plan, call, (status, frame)))
}

/// What becomes of the recovery codes: downloaded, saved, or shown anew.
async fn codes(portal: &Portal, plan: &Plan, call: &Call<'_>, set_up: &SetUp, sent: &Form) -> Result<Response<Body>, Stop> {
    let user = &set_up.link.user;
    let again = |status, text: &str| {
        let alert = Some(Alert::new(Step::Codes.field(), text));
        Ok(page(portal, plan, call, set_up, Shown { step: Step::Codes, status, alert }))
    };
    if !matches!(sent.text("act"), "download" | "done") {
        return draw(portal, plan, call, set_up).await;
    }
    let Some(sheet) = Sheet::read(portal, call, sent) else {
        return again(StatusCode::FORBIDDEN, text::SETUP_FORM_TOO_OLD);
    };
    if portal.store.pending_recovery(user.id).await?.is_none_or(|waiting| waiting.id != sheet.set) {
        return again(StatusCode::CONFLICT, rescue::REPLACED);
    }
    if sent.text("act") == "download" {
        return Ok(dressed(set_up, sheet.download(call, user.name.as_str())));
    }
    if sent.get("saved").is_none() {
        let alert = Some(Alert::new("saved", rescue::NOT_SAVED));
        return Ok(sheet_page(portal, plan, call, set_up, (&sheet, StatusCode::UNPROCESSABLE_ENTITY, alert)));
    }
    complete(portal, plan, call, (set_up, &set_up.link), Some(sheet.set)).await
}

/// Uses the link up and opens the first session.
async fn complete(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (set_up, link): (&SetUp, &Link),
    codes: Option<RecoverySetId>,
) -> Result<Response<Body>, Stop> {
    let (enrolled, at) = link.pending.as_ref().and_then(|pending| pending.proven.as_ref()).ok_or(Refusal::NotFound)?;
    // As long ago as it was: whoever saved the codes a day later has proven nothing new.
    let at = Some(*at);
    let alone = plan.auth.mode.is_single_owner();
    let password = at.filter(|_| !alone);
    let two = if alone { Strength::Password } else { Strength::TwoFactor };
    let (strength, factor, proofs) = match enrolled {
        Enrolled::Authenticator { .. } => (two, "authenticator", Proofs { password, code: at, passkey: None }),
        Enrolled::Passkey(key) => {
            let strength = if key.made.verified { Strength::Passkey } else { two };
            (strength, "passkey", Proofs { password, code: None, passkey: at })
        }
    };
    let proven = Proven { user: link.user.id, strength, proofs, remember: false };
    let (prepared, session) = arrival::prepare(portal, plan, call, proven);
    let agent = call.agent();
    let set = call.entry(if set_up.link.is_first { Deed::SetUp } else { Deed::CredentialChanged }).with(&agent).by("set-up link");
    let told = call.entry(Deed::SignIn).with(&agent).by("set-up link").detailed(call.host.as_str());
    let what = match (alone, codes.is_some()) {
        (false, true) => format!("password, {factor} and recovery codes"),
        (false, false) => format!("password and {factor}"),
        (true, true) => format!("{factor} and recovery codes"),
        (true, false) => factor.to_owned(),
    };
    let store = portal.store.telling(set.detailed(what)).telling(told);
    let Some(session) = store.complete_link(set_up.hash, codes, session).await? else {
        // Over, or begun anew from the second step where a key was somebody else's: the page of the link tells which.
        return Ok(call.redirect(&format!("{}?step=2{}", set_up.path, set_up.go)));
    };
    tracing::info!(event = Event::SetUp.name(), user = %session.user_name, ip = %plan.log.shown(call.client), request = call.request_id);
    let journey = call.journey(portal, plan, call.query().text("go"));
    arrival::arrive(portal, plan, call, prepared, (&session, journey.as_ref())).await
}
