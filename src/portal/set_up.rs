//! Setting up an account from a one-time link: a password, then an authenticator app, then in.
//!
//! Looking at the link uses nothing up: mail scanners and link previews look too. What is chosen waits in the store beside
//! the link until the code of the last step proves that the authenticator works; only then the link is used up.

use askama::Template;
use http::header::REFERRER_POLICY;
use http::{HeaderValue, Response, StatusCode};

use crate::auth::password::{self, WeakPassword};
use crate::auth::token::{Token, TokenHash};
use crate::auth::totp::{self, CodeCheck};
use crate::base::id::Id;
use crate::base::units::in_words;
use crate::model::audit::Deed;
use crate::model::credential::{Totp, TotpRecipe};
use crate::model::event::Event;
use crate::model::session::Proofs;
use crate::model::strength::Strength;
use crate::model::user::UserName;
use crate::plan::whole::Plan;
use crate::portal::arrival::{self, Proven};
use crate::portal::call::Call;
use crate::portal::guard::{self, Unproven};
use crate::portal::journey::Journey;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::store::fault::Fault;
use crate::store::links::Link;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::page::{self, Alert};
use crate::web::qr;
use crate::web::refusal::Refusal;
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
    staged: bool,
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
    user: &'a str,
    alert: Option<Alert>,
    token: String,
    qr: Option<String>,
    key: &'a str,
    uri: &'a str,
    issuer: &'a str,
    recipe: TotpRecipe,
}

/// A valid link and the browser that follows it.
struct SetUp {
    link: Link,
    hash: TokenHash,
    path: String,
    visitor: Token,
    new_visitor: bool,
}

/// Which form is shown, and what went wrong with it.
struct Shown {
    second: bool,
    status: StatusCode,
    alert: Option<Alert>,
}

/// A page of the set-up. GET never uses the link up.
///
/// # Errors
/// [`Stop`]: a 404 without a valid link, or the store does not answer.
pub async fn show(portal: &Portal, plan: &Plan, call: &Call<'_>, token: &str) -> Result<Response<Body>, Stop> {
    let set_up = open(portal, call, token).await?;
    let second = call.query().text("step") == "2";
    Ok(page(portal, plan, call, &set_up, Shown { second, status: StatusCode::OK, alert: None }))
}

/// Takes a step.
///
/// # Errors
/// As [`show`], and for a foreign or unreadable form.
pub async fn submit(portal: &Portal, plan: &Plan, call: &Call<'_>, (token, body): (&str, Body)) -> Result<Response<Body>, Stop> {
    let set_up = open(portal, call, token).await?;
    let sent = guard::read(call, body).await?;
    let second = sent.text("step") == "2";
    if let Err(unproven) = guard::prove(portal, call, &sent, PURPOSE) {
        let text = match unproven {
            Unproven::NoCookie => text::cookie_refused(call.host.as_str()),
            Unproven::Stale => text::SETUP_FORM_TOO_OLD.to_owned(),
        };
        let alert = Some(Alert::new(if second { "code" } else { "password" }, text));
        return Ok(page(portal, plan, call, &set_up, Shown { second, status: StatusCode::FORBIDDEN, alert }));
    }
    if let Err(wait) = portal.budgets.sign_in.spend(call.network()) {
        return Err(Refusal::TooMany { wait }.into());
    }
    match set_up.staged() {
        Some(totp) if second => finish(portal, plan, call, &set_up, (totp, sent.text("code"))).await,
        Some(_) | None => stage(portal, plan, call, &set_up, &sent).await,
    }
}

/// The link behind `token`. What is no valid link is a page that does not exist.
async fn open(portal: &Portal, call: &Call<'_>, token: &str) -> Result<SetUp, Stop> {
    let token = Token::parse(token).ok_or(Refusal::NotFound)?;
    if let Err(wait) = portal.budgets.links.spend(call.network()) {
        return Err(Refusal::TooMany { wait }.into());
    }
    let hash = token.hash();
    let link = portal.store.link(hash).await?.ok_or(Refusal::NotFound)?;
    if link.user.disabled || call.now >= link.expires_at {
        return Err(Refusal::NotFound.into());
    }
    let known = call.visitor();
    let new_visitor = known.is_none();
    let visitor = known.unwrap_or_else(|| Token::draw(portal.entropy));
    Ok(SetUp { link, hash, path: format!("/.doorward/setup/{}", token.to_text().expose()), visitor, new_visitor })
}

/// One of the two forms; the second only once there is an authenticator to show.
fn page(portal: &Portal, plan: &Plan, call: &Call<'_>, set_up: &SetUp, shown: Shown) -> Response<Body> {
    let token = guard::token(portal, call, set_up.visitor.hash().as_bytes(), PURPOSE);
    let mut response = match set_up.staged() {
        Some(totp) if shown.second => authenticator_page(plan, set_up, totp, token, shown),
        Some(_) | None => password_page(plan, set_up, token, shown),
    };
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
        staged: set_up.staged().is_some(),
        may_choose_name: set_up.link.may_choose_name,
    };
    page::render(shown.status, &page)
}

fn authenticator_page(plan: &Plan, set_up: &SetUp, totp: &Totp, token: String, shown: Shown) -> Response<Body> {
    let user = set_up.link.user.name.as_str();
    let issuer = &plan.auth.totp_issuer;
    let uri = totp::uri(issuer, user, &totp.recipe, &totp.seed);
    let key = totp::key_in_groups(&totp.seed);
    let page = AuthenticatorPage {
        installation: &plan.name,
        user,
        alert: shown.alert,
        token,
        qr: qr::svg(uri.expose(), text::QR_LABEL),
        key: key.expose(),
        uri: uri.expose(),
        issuer,
        recipe: totp.recipe,
    };
    page::render(shown.status, &page)
}

/// Keeps the password beside the link. An authenticator that waits there already stays: it may have been scanned.
async fn stage(portal: &Portal, plan: &Plan, call: &Call<'_>, set_up: &SetUp, sent: &Form) -> Result<Response<Body>, Stop> {
    let name = match name(portal, set_up, sent).await? {
        Ok(name) => name,
        Err(alert) => {
            let shown = Shown { second: false, status: StatusCode::UNPROCESSABLE_ENTITY, alert: Some(alert) };
            return Ok(page(portal, plan, call, set_up, shown));
        }
    };
    let chosen = sent.secret("password");
    let apps = plan.apps.iter().map(|app| app.name.as_str());
    let context: Vec<&str> = [name.as_str(), call.host.as_str(), &plan.name].into_iter().chain(apps).collect();
    if let Err(weak) = password::judge(chosen.expose(), plan.auth.password_min_length, &context) {
        let alert = Some(Alert::new("password", weakness(weak)));
        let shown = Shown { second: false, status: StatusCode::UNPROCESSABLE_ENTITY, alert };
        return Ok(page(portal, plan, call, set_up, shown));
    }
    let hash = portal.hasher.slot().await?.hash(chosen, portal.entropy.bytes()).await?;
    let totp = set_up.staged().cloned().unwrap_or_else(|| Totp {
        id: Id::draw(portal.entropy),
        recipe: plan.auth.totp,
        seed: totp::draw_seed(plan.auth.totp.algorithm, portal.entropy),
        last_step: 0,
        created_at: call.now,
    });
    if !portal.store.stage_password(set_up.hash, hash, totp).await? {
        return Err(Refusal::NotFound.into());
    }
    Ok(call.redirect(&format!("{}?step=2", set_up.path)))
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

/// The code of the last step uses the link up and opens the first session.
async fn finish(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    set_up: &SetUp,
    (totp, code): (&Totp, &str),
) -> Result<Response<Body>, Stop> {
    let text = match totp::check(totp, code, call.now) {
        CodeCheck::Accepted { step } => return complete(portal, plan, call, set_up, step).await,
        CodeCheck::Used { wait } => text::used_code(&in_words(wait)),
        // Nothing to burn: this authenticator opens nothing yet.
        CodeCheck::Drift { seconds, burn: _ } => text::drifted_code(seconds),
        CodeCheck::Wrong => text::wrong_code(&plan.auth.totp_issuer),
    };
    let alert = Some(Alert::new("code", text));
    Ok(page(portal, plan, call, set_up, Shown { second: true, status: StatusCode::UNPROCESSABLE_ENTITY, alert }))
}

async fn complete(portal: &Portal, plan: &Plan, call: &Call<'_>, set_up: &SetUp, step: u64) -> Result<Response<Body>, Stop> {
    let proofs = Proofs { password: Some(call.now), code: Some(call.now) };
    let proven = Proven { user: set_up.link.user.id, strength: Strength::TwoFactor, proofs, remember: false };
    let (prepared, session) = arrival::prepare(portal, plan, call, proven);
    let agent = call.agent();
    let set = call.entry(if set_up.link.is_first { Deed::SetUp } else { Deed::CredentialChanged }).with(&agent).by("set-up link");
    let told = call.entry(Deed::SignIn).with(&agent).by("set-up link").detailed(call.host.as_str());
    let store = portal.store.telling(set.detailed("password and authenticator")).telling(told);
    let Some(session) = store.complete_link(set_up.hash, step, session).await? else {
        return Err(Refusal::NotFound.into());
    };
    tracing::info!(event = Event::SetUp.name(), user = %session.user_name, ip = %plan.log.shown(call.client), request = call.request_id);
    let journey = Journey::of_no_wish(plan, &call.host);
    arrival::arrive(portal, plan, call, prepared, (&session, journey.as_ref())).await
}

/// What is wrong with a new password.
pub fn weakness(weak: WeakPassword) -> String {
    match weak {
        WeakPassword::TooShort { min } => text::password_too_short(min),
        WeakPassword::TooLong => text::PASSWORD_TOO_LONG.to_owned(),
        WeakPassword::Common => text::PASSWORD_COMMON.to_owned(),
        WeakPassword::Repeated => text::PASSWORD_REPEATED.to_owned(),
        WeakPassword::Sequence => text::PASSWORD_SEQUENCE.to_owned(),
        WeakPassword::AboutYou => text::PASSWORD_ABOUT_YOU.to_owned(),
    }
}

impl SetUp {
    /// The authenticator that waits beside the link, once a password was chosen.
    fn staged(&self) -> Option<&Totp> {
        self.link.pending.as_ref().map(|pending| &pending.totp)
    }
}
