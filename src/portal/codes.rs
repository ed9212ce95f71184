//! The sheet of recovery codes, as it is shown once.
//!
//! The codes are nowhere but on the page: the store has hashes only, and they count only once somebody says to have saved them.
//! Until then the page brings them back itself, in its form and under a seal, for the download and for a tick forgotten.

use askama::Template;
use http::header::CONTENT_DISPOSITION;
use http::{HeaderValue, Response, StatusCode};
use time::OffsetDateTime;

use crate::auth::form::FormToken;
use crate::auth::recovery::{self, Code};
use crate::base::clock::Timestamp;
use crate::base::id::Id;
use crate::base::secret::Secret;
use crate::model::credential::RecoverySetId;
use crate::model::user::UserId;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::web::asset;
use crate::web::form::Form;
use crate::web::page::{self, Alert};
use crate::web::rescue;
use crate::web::text;
use crate::wire::body::Body;

/// What the seal of the codes in a form is good for.
const SEAL: &str = "recovery codes";

#[derive(Template)]
#[template(config = ".askama.toml", path = "recovery_codes.html")]
struct CodesPage<'a> {
    installation: &'a str,
    step: Option<String>,
    alert: Option<Alert>,
    host: &'a str,
    user: &'a str,
    date: String,
    codes: Vec<&'a str>,
    token: String,
    set: &'a str,
    sent: &'a str,
    seal: String,
}

/// Codes that are being shown.
#[derive(Debug)]
pub struct Sheet {
    /// Names them to the store, where they wait.
    pub set: RecoverySetId,
    /// As shown, with a space between two.
    text: Secret<String>,
}

/// What the page has around the codes.
#[derive(Debug)]
pub struct Frame<'a> {
    /// Whose they are.
    pub user: &'a str,
    /// Which step of a set-up this is.
    pub step: Option<String>,
    /// The token of its forms.
    pub token: String,
    /// What went wrong.
    pub alert: Option<Alert>,
}

impl Sheet {
    /// Draws new codes, and has their hashes wait in the store. `None` if the user is gone or disabled.
    ///
    /// # Errors
    /// [`Stop`] when the machine is busy or the store does not answer.
    pub async fn draw(portal: &Portal, plan: &Plan, user: UserId) -> Result<Option<Self>, Stop> {
        let codes = recovery::draw(plan.auth.recovery_codes, portal.entropy);
        let secrets = codes.iter().map(|code| code.secret().clone()).collect();
        let hashes = portal.hasher.hash_all(secrets, portal.entropy).await?;
        let set = Id::draw(portal.entropy);
        if !portal.store.stage_recovery(user, set, hashes).await? {
            return Ok(None);
        }
        let mut text = String::new();
        for code in &codes {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(code.shown().expose());
        }
        Ok(Some(Self { set, text: Secret::new(text) }))
    }

    /// The codes that a form of this page brings back. What we did not write there is none.
    pub fn read(portal: &Portal, call: &Call<'_>, sent: &Form) -> Option<Self> {
        let sheet = Self { set: sent.text("set").parse().ok()?, text: sent.secret("codes") };
        let genuine = FormToken::verify(&portal.forms, sheet.sealed().expose().as_bytes(), SEAL, sent.text("seal"), call.now);
        let well_formed = sheet.text.expose().split(' ').all(|code| Code::parse(code).is_some());
        (genuine && well_formed).then_some(sheet)
    }

    /// The page.
    pub fn page(
        &self,
        portal: &Portal,
        plan: &Plan,
        call: &Call<'_>,
        (status, frame): (StatusCode, Frame<'_>),
    ) -> Response<Body> {
        let page = CodesPage {
            installation: &plan.name,
            step: frame.step,
            alert: frame.alert,
            host: call.host.as_str(),
            user: frame.user,
            date: day(call.now),
            codes: self.text.expose().split(' ').collect(),
            token: frame.token,
            set: self.set.as_str(),
            sent: self.text.expose(),
            seal: FormToken::mint(&portal.forms, self.sealed().expose().as_bytes(), SEAL, call.now),
        };
        page::render(status, &page)
    }

    /// The codes as a file.
    pub fn download(&self, call: &Call<'_>, user: &str) -> Response<Body> {
        let (host, date) = (call.host.as_str(), day(call.now));
        let text = rescue::file(host, user, &date, &self.text.expose().replace(' ', "\n"));
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+') { c } else { '-' };
        let name: String = format!("doorward-recovery-{host}-{user}-{date}.txt").chars().map(plain).collect();
        let mut response = page::answer(StatusCode::OK, "text/plain; charset=utf-8", text.into());
        let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
        let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
        response.headers_mut().insert(CONTENT_DISPOSITION, disposition);
        response
    }

    fn sealed(&self) -> Secret<String> {
        Secret::new(format!("{} {}", self.set, self.text.expose()))
    }
}

/// The day of a moment, in UTC.
pub fn day(moment: Timestamp) -> String {
    OffsetDateTime::from_unix_timestamp(moment.secs()).map_or_else(|_| String::new(), |moment| moment.date().to_string())
}
