//! What a visitor without a sufficient session gets instead of the app: the way to the sign-in page.

use std::net::IpAddr;

use http::{HeaderMap, Method, Response, StatusCode};

use crate::base::clock::Timestamp;
use crate::plan::whole::Plan;
use crate::policy::decide::Challenge;
use crate::policy::host::Host;
use crate::portal::confirm;
use crate::portal::elsewhere::{self, Leaving};
use crate::portal::journey::Journey;
use crate::portal::service::Portal;
use crate::portal::why::{Why, sign_in_path};
use crate::web::audience::Audience;
use crate::web::page;
use crate::web::refusal::Refusal;
use crate::web::return_to::Destination;
use crate::web::worker;
use crate::wire::body::Body;
use crate::wire::client::Network;

/// The request that may not pass yet.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its host.
    pub host: &'a Host,
    /// The client's address.
    pub client: IpAddr,
    /// What it lacks.
    pub challenge: &'a Challenge,
    /// Names it in the log.
    pub request_id: &'a str,
}

/// Answers a request that may not pass yet: people are sent to sign in, programs are told to, and a service worker is
/// replaced by one that does not stand in the way.
pub fn answer(portal: &Portal, plan: &Plan, wanted: Wanted<'_>, now: Timestamp) -> Response<Body> {
    if worker::is_wanted(wanted.headers) {
        return worker::answer();
    }
    match Audience::of(wanted.method, wanted.headers) {
        Audience::Person => send(portal, plan, wanted, now),
        Audience::Program => {
            // What a program asks for is no page for people to come back to, and a script in a forgotten tab asks all day.
            match wanted.challenge.needs.max_age.filter(|_| wanted.challenge.stale) {
                Some(max_age) => Refusal::ConfirmRequired { max_age }.answer(Audience::Program, wanted.request_id, None),
                None => {
                    let login_url = sign_in_path("", wanted.challenge.ended.map(Why::from));
                    Refusal::SignInRequired { login_url: &login_url }.answer(Audience::Program, wanted.request_id, None)
                }
            }
        }
    }
}

fn send(portal: &Portal, plan: &Plan, wanted: Wanted<'_>, now: Timestamp) -> Response<Body> {
    let Wanted { method, headers, host, client, challenge, request_id } = wanted;
    let safe = matches!(*method, Method::GET | Method::HEAD);
    // Whether anything was lost matters more to somebody who sent a form than why.
    let lost = if challenge.stale { Why::Unconfirmed } else { Why::Post };
    let why = if safe { challenge.ended.map(Why::from) } else { Some(lost) };
    let (to, needs) = (Destination::of(&challenge.target), challenge.needs);
    if !plan.is_portal(host) {
        return elsewhere::set_out(portal, plan, Leaving { method, headers, host, client, to, needs, why, request_id, now });
    }
    let journey = Journey::new(portal.entropy, host.clone(), to, needs);
    let go = portal.journeys.keep(Some(&journey), Network::of(client), now);
    let path = if challenge.stale { confirm::path(&go, why) } else { sign_in_path(&go, why) };
    page::redirect(if safe { StatusCode::FOUND } else { StatusCode::SEE_OTHER }, &path)
}
