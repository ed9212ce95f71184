//! What stands before every page and form of ours: it opens only in a tab, and a form counts only if this site's own page
//! sent it from this browser.
//!
//! Scripts of the app share our origin when the portal is on the app's host. They may fetch what they like, but our pages
//! do not answer to `fetch`, so they cannot read the tokens that our forms need.

use std::time::Duration;

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};
use tokio::time::timeout;

use crate::auth::form::FormToken;
use crate::policy::host::Authority;
use crate::portal::call::Call;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::web::form::{self, Fault, Form};
use crate::web::refusal::Refusal;
use crate::wire::body::Body;

const LONGEST_READ: Duration = Duration::from_secs(15);
const HTTPS_PORT: u16 = 443;

/// Why a form does not prove that our own page sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// The browser did not send our cookie back.
    NoCookie,
    /// Its token is too old, or another browser's, or none.
    Stale,
}

/// Whether the browser wants a page of its own. Browsers that do not say are believed.
pub fn is_tab(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_none_or(|wanted| wanted == "document")
}

/// Reads a form that this site's own page sent.
///
/// # Errors
/// [`Stop`] with a refusal: another site's form, or none that can be read in time.
pub async fn read(call: &Call<'_>, body: Body) -> Result<Form, Stop> {
    if !is_own(call) {
        return Err(Refusal::ForeignForm.into());
    }
    let read = timeout(LONGEST_READ, form::read(call.headers(), body)).await;
    read.map_err(|_| Refusal::TooSlow)?.map_err(|fault| {
        let refusal = match fault {
            Fault::TooLarge => Refusal::TooLarge { app: "this page" },
            Fault::NotAForm | Fault::Malformed | Fault::Body(_) => Refusal::BadRequest,
        };
        refusal.into()
    })
}

/// The token of a form for `purpose`, bound to this browser by `binding`.
pub fn token(portal: &Portal, call: &Call<'_>, binding: &[u8], purpose: &str) -> String {
    FormToken::mint(&portal.forms, binding, purpose, call.now)
}

/// Whether a form came from our page for `purpose` in this very browser.
///
/// # Errors
/// [`Unproven`] with the reason.
pub fn prove(portal: &Portal, call: &Call<'_>, form: &Form, purpose: &str) -> Result<(), Unproven> {
    let visitor = call.visitor().ok_or(Unproven::NoCookie)?;
    let proven = FormToken::verify(&portal.forms, visitor.hash().as_bytes(), purpose, form.text("t"), call.now);
    if proven { Ok(()) } else { Err(Unproven::Stale) }
}

/// By what the browser says of the page that sent the form. Browsers too old to say send neither header and are left to
/// the form's token.
fn is_own(call: &Call<'_>) -> bool {
    let headers = call.headers();
    let site = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    site && headers.get(ORIGIN).is_none_or(|origin| is_own_origin(call, origin))
}

fn is_own_origin(call: &Call<'_>, origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.strip_prefix("https://"));
    let Some(Ok(origin)) = origin.map(Authority::parse) else { return false };
    let authority = call.head().uri.authority().map(http::uri::Authority::as_str);
    let asked = authority.or_else(|| call.headers().get(HOST).and_then(|host| host.to_str().ok()));
    let Some(Ok(asked)) = asked.map(Authority::parse) else { return false };
    let port = |authority: &Authority| authority.port.unwrap_or(HTTPS_PORT);
    origin.host == call.host && port(&origin) == port(&asked)
}
