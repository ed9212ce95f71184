//! Who may look after their account here, and who has to sign in, or prove once more who they are, first.

use std::sync::Arc;
use std::time::Duration;

use http::Response;

use crate::model::session::Session;
use crate::plan::whole::Plan;
use crate::policy::requirement::Needs;
use crate::portal::call::Call;
use crate::portal::confirm;
use crate::portal::journey::Journey;
use crate::portal::service::Portal;
use crate::portal::why::sign_in_path;
use crate::web::return_to::Destination;
use crate::wire::body::Body;

/// For how long a proof is enough to change something (`ux.md` of the design: once per quarter of an hour).
const FRESH: Duration = Duration::from_secs(15 * 60);

/// The session of a visitor who may see `page`, one of ours.
///
/// # Errors
/// The way to sign in and back to `page`.
pub fn signed_in<'a>(
    portal: &Portal,
    plan: &Plan,
    call: &'a Call<'_>,
    page: &'static str,
) -> Result<&'a Arc<Session>, Box<Response<Body>>> {
    call.session().ok_or_else(|| {
        let go = way_back(portal, plan, call, (page, Needs::of(plan.auth.require)));
        Box::new(call.redirect(&sign_in_path(&go, None)))
    })
}

/// The session of a visitor who may change something: its strongest factor was proven within a quarter of an hour, so that
/// neither an unlocked screen nor a stolen cookie is enough to take an account over.
///
/// # Errors
/// The way to prove that, or to sign in, and back to `page`.
pub fn proven<'a>(
    portal: &Portal,
    plan: &Plan,
    call: &'a Call<'_>,
    page: &'static str,
) -> Result<&'a Arc<Session>, Box<Response<Body>>> {
    let session = signed_in(portal, plan, call, page)?;
    let needs = Needs { strength: session.strength, max_age: Some(FRESH) };
    match needs.lack(session, call.now) {
        None => Ok(session),
        Some(_) => {
            let go = way_back(portal, plan, call, (page, needs));
            Err(Box::new(call.redirect(&confirm::path(&go, None))))
        }
    }
}

fn way_back(portal: &Portal, plan: &Plan, call: &Call<'_>, (page, needs): (&'static str, Needs)) -> String {
    let journey = Journey::new(portal.entropy, plan.portal.clone(), Destination::ours(page), needs);
    portal.journeys.keep(Some(&journey), call.network(), call.now)
}
