//! Who may see the pages of their account, and who may change something on them: asked in one place, before any of them is shown or
//! given what was sent to it.

use askama::Template;
use http::{Response, StatusCode};

use crate::model::method::Method;
use crate::model::session::Session;
use crate::model::terms::Terms;
use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::fresh;
use crate::portal::owner_sign_in;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::portal::ways;
use crate::portal::why::sign_in_path;
use crate::web::asset;
use crate::web::page;
use crate::web::security;
use crate::web::text;
use crate::wire::body::Body;
use crate::wire::header::OWN_PREFIX;

/// What is sent to these changes no factor: a password of one's own, and one's own sessions.
const OWN_AFFAIRS: &[&str] = &["password", "sessions"];
/// What is added on these is for these ways, one of which may be what the owner asks for.
const ADDING: &[(&str, &[Method])] =
    &[("authenticators/add", &[Method::PasswordTotp]), ("passkeys/add", &[Method::PasswordPasskey, Method::Passkey])];

#[derive(Template)]
#[template(config = ".askama.toml", path = "no_self_service.html")]
struct NoSelfServicePage<'a> {
    installation: &'a str,
    user: &'a str,
}

/// What stands between a visitor and the page `rest` below `/.doorward/security`, or what is sent to it if it `changes` something;
/// `None` if nothing does. Who is not signed in is for the page itself.
///
/// # Errors
/// [`Stop`] if the store does not answer, or the account is gone or disabled.
pub async fn keep(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (rest, changes): (&str, bool),
) -> Result<Option<Response<Body>>, Stop> {
    let Some(session) = call.session() else { return Ok(None) };
    let terms = &session.profile.terms;
    let needs = ways::of_account(plan, terms);
    let closed = !serves_itself(plan, terms) && is_change(rest, changes);
    let lacks = needs.lack_of_proof(session, call.now).is_some();
    if !closed && !lacks {
        return Ok(None);
    }
    let has_any = ways::has_any(portal, plan, &fresh::facts(portal, session).await?);
    if lacks && has_any {
        let go = fresh::way_back(portal, plan, call, (&format!("{OWN_PREFIX}{}", call.page), needs));
        return Ok(Some(call.redirect(&sign_in_path(&go, None))));
    }
    // What the owner asks for may be added even so: else nobody could come by it.
    let asked = owner_sign_in::reachable(plan, session, needs).ways();
    if closed && (has_any || !adds(rest).iter().any(|way| asked.contains(*way))) {
        return Ok(Some(refused(plan, session)));
    }
    Ok(None)
}

/// Whether somebody may change their factors themselves.
pub fn serves_itself(plan: &Plan, terms: &Terms) -> bool {
    terms.self_service.unwrap_or(plan.auth.self_service)
}

/// The page that says whom to ask.
pub fn refused(plan: &Plan, session: &Session) -> Response<Body> {
    page::render(StatusCode::FORBIDDEN, &NoSelfServicePage { installation: &plan.name, user: session.user_name.as_str() })
}

/// Whatever is sent changes something unless it is listed above, so that a page that is new is closed before anybody thinks of it. The
/// pages on which something is added have nothing else to show.
fn is_change(rest: &str, sent: bool) -> bool {
    !OWN_AFFAIRS.contains(&rest) && (sent || !adds(rest).is_empty())
}

/// The ways for which something is added on a page; none if nothing is.
fn adds(rest: &str) -> &'static [Method] {
    ADDING.iter().find(|(page, _)| *page == rest).map_or(&[], |(_, ways)| ways)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attack: what is sent to a page that nobody thought of when this was written.
    #[test]
    fn whatever_is_sent_changes_something_unless_it_is_known_not_to() {
        for rest in ["recovery", "authenticators/x", "authenticators/add", "passkeys/rename", "passkeys/add", "later", ""] {
            assert!(is_change(rest, true), "{rest}");
        }
        for (rest, sent) in [("password", true), ("sessions", true), ("password", false), ("", false), ("passkeys", false)] {
            assert!(!is_change(rest, sent), "{rest}");
        }
    }
}
