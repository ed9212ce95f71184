//! What a visitor without a sufficient session gets instead of the app: the way to the sign-in page.

use http::{HeaderMap, Method, Response, StatusCode};

use crate::base::clock::Timestamp;
use crate::model::session::Ended;
use crate::policy::host::Host;
use crate::policy::target::Target;
use crate::portal::service::Portal;
use crate::web::audience::Audience;
use crate::web::page;
use crate::web::refusal::Refusal;
use crate::web::worker;
use crate::wire::body::Body;

/// The request that may not pass yet.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its target.
    pub target: &'a Target,
    /// Its host.
    pub host: &'a Host,
    /// Names it in the log.
    pub request_id: &'a str,
}

/// Answers a request that may not pass yet: people are sent to sign in, programs are told to, and a service worker is
/// replaced by one that does not stand in the way.
pub fn answer(portal: &Portal, wanted: Wanted<'_>, ended: Option<Ended>, now: Timestamp) -> Response<Body> {
    if worker::is_wanted(wanted.headers) {
        return worker::answer();
    }
    let mut login_url = sign_in_url(portal, wanted.target, wanted.host, now);
    if let Some(ended) = ended {
        login_url.push_str(match ended {
            Ended::Revoked => "&why=ended",
            Ended::Idle => "&why=idle",
            Ended::Expired => "&why=expired",
        });
    }
    match Audience::of(wanted.method, wanted.headers) {
        Audience::Person => {
            let safe = matches!(*wanted.method, Method::GET | Method::HEAD);
            page::redirect(if safe { StatusCode::FOUND } else { StatusCode::SEE_OTHER }, &login_url)
        }
        Audience::Program => Refusal::SignInRequired { login_url: &login_url }.answer(Audience::Program, wanted.request_id),
    }
}

/// The sign-in page that leads back to `target`.
pub fn sign_in_url(portal: &Portal, target: &Target, host: &Host, now: Timestamp) -> String {
    format!("/.doorward/login?go={}", portal.returns.seal(host, target, now))
}
