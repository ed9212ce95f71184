//! The sign-in page: a name and a password, or a code where that signs in by itself; and a passkey.

use askama::Template;
use http::{Response, StatusCode};

use crate::auth::token::Token;
use crate::base::units::in_words;
use crate::model::method::Method as ProofMethod;
use crate::model::strength::Strength;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::guard;
use crate::portal::journey::Journey;
use crate::portal::passkey::{self, Ask, BUTTON, Wanted};
use crate::portal::second_factor;
use crate::portal::service::Portal;
use crate::portal::sign_in;
use crate::web::asset;
use crate::web::keys;
use crate::web::owner;
use crate::web::page::{self, Alert};
use crate::web::rescue;
use crate::web::text;
use crate::wire::body::Body;
use crate::wire::cookie;

/// What the token of this form is good for.
pub const PURPOSE: &str = "sign in";

#[derive(Template)]
#[template(config = ".askama.toml", path = "sign_in.html")]
struct SignInPage<'a> {
    installation: &'a str,
    destination: Option<(&'a str, &'a str)>,
    notice: Option<String>,
    alert: Option<Alert>,
    token: String,
    go: String,
    asked: Asked<'a>,
    remember: Option<String>,
    remembered: bool,
    passkey: Option<Ask>,
    forget: Option<String>,
}

/// What can be typed.
enum Asked<'a> {
    /// A code that signs in by itself.
    Code {
        /// The label of its field.
        label: String,
        /// Whether a recovery code counts in its place.
        recovery: bool,
    },
    /// A name and a password.
    Password { name: &'a str },
    /// Nothing: a passkey is all that opens this.
    Nothing {
        /// Whether one can be asked for.
        reachable: bool,
    },
}

impl Asked<'_> {
    fn is_typed(&self) -> bool {
        match self {
            Self::Code { .. } | Self::Password { .. } => true,
            Self::Nothing { .. } => false,
        }
    }
}

/// What the form shows besides itself.
#[derive(Debug, Default)]
pub struct Shown<'a> {
    /// 200 unless said otherwise.
    pub status: StatusCode,
    /// Why the visitor is here.
    pub notice: Option<String>,
    /// What went wrong.
    pub alert: Option<Alert>,
    /// What was typed as a name; the password is never kept.
    pub name: &'a str,
    /// Whether the box was ticked.
    pub remembered: bool,
    /// A passkey that the browser may forget, as JSON.
    pub forget: Option<String>,
}

/// The form. Where there is one owner, it says the same to everybody, whether there is an owner yet or not. A browser without
/// our cookie gets one: the token of the form is bound to it.
pub fn form(portal: &Portal, plan: &Plan, call: &Call<'_>, journey: Option<&Journey>, shown: Shown<'_>) -> Response<Body> {
    let known = call.visitor();
    let visitor = known.clone().unwrap_or_else(|| Token::draw(portal.entropy));
    let by_code = plan.auth.mode.is_single_owner();
    let alone = by_code || sign_in::offered(plan, call, journey).contains(ProofMethod::Passkey);
    let wanted = (visitor.hash(), Wanted::SignIn);
    let ask = || passkey::ask(portal, plan, call, wanted, (&[], plan.auth.passkeys.verification));
    let passkey = if alone { ask() } else { None };
    let asks = passkey.is_some();
    let too_weak = by_code && call.journey_needs(plan, journey).strength > Strength::Password;
    let page = SignInPage {
        installation: &plan.name,
        destination: journey.and_then(|journey| Some((journey.app(plan)?.name.as_str(), journey.host.as_str()))),
        notice: shown.notice.or_else(|| too_weak.then(|| owner::NEEDS_PASSKEY.to_owned())),
        alert: if by_code { shown.alert.map(at_code) } else { shown.alert },
        token: guard::token(portal, call, visitor.hash().as_bytes(), PURPOSE),
        go: portal.journeys.keep(journey, call.network(), call.now),
        asked: match by_code {
            true => Asked::Code { label: label(plan), recovery: plan.auth.recovery_codes > 0 },
            false if sign_in::takes_password(plan, call, journey) => Asked::Password { name: shown.name },
            false => Asked::Nothing { reachable: !alone || asks },
        },
        remember: plan.session.remember.map(|duration| text::remember(&in_words(duration))),
        remembered: shown.remembered,
        passkey,
        forget: shown.forget,
    };
    let mut response = page::render_asking(shown.status, &page, asks);
    if known.is_none() {
        cookie::attach(response.headers_mut(), cookie::set(cookie::VISITOR, visitor.to_text().expose(), None));
    }
    response
}

/// An alert about a field that this page has: what elsewhere blames name or password blames the code here.
fn at_code(alert: Alert) -> Alert {
    if alert.field == BUTTON { alert } else { Alert::new("code", alert.text) }
}

fn label(plan: &Plan) -> String {
    let configured = plan.auth.totp_configurations.iter().map(|configuration| configuration.recipe.digits);
    second_factor::label_of(std::iter::once(plan.auth.totp.digits).chain(configured).collect())
}
