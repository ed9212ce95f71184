//! The pages on which people look after their own account, `/.doorward/security` and what is below it.

pub mod recovery;

use http::Response;

use crate::plan::whole::Plan;
use crate::portal::call::Call;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::web::refusal::Refusal;
use crate::wire::body::Body;

/// Answers a request for the page `rest` below `/.doorward/security`, with the form that was sent, if one was.
///
/// # Errors
/// [`Stop`]: no such page, a foreign or unreadable form, or the store does not answer.
pub async fn serve(
    portal: &Portal,
    plan: &Plan,
    call: &Call<'_>,
    (rest, sent): (&str, Option<Body>),
) -> Result<Response<Body>, Stop> {
    match rest {
        "recovery" => recovery::serve(portal, plan, call, sent).await,
        _ => Err(Refusal::NotFound.into()),
    }
}
