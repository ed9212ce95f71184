//! From a cookie to an identity.

use http::HeaderMap;

use crate::auth::token::Token;
use crate::gate::refusal::Refusal;
use crate::model::identity::Identity;
use crate::policy::host::Host;
use crate::store::open::Store;
use crate::wire::cookie::{self, Found, SESSION};

/// Who sends these headers to `host`.
///
/// Two cookies of our name, a value that is no token, or a token of another host count as none. Whether the session found is
/// still good is decided where the verdict is made.
///
/// # Errors
/// [`Refusal::Unavailable`] when the store cannot say: "I do not know" is not "nobody".
pub fn identify(store: &Store, headers: &HeaderMap, host: &Host) -> Result<Identity, Refusal> {
    let Found::One(value) = cookie::find(headers, SESSION) else { return Ok(Identity::Anonymous) };
    let Some(token) = Token::parse(value) else { return Ok(Identity::Anonymous) };
    let session = store.session(&token.hash(), host.as_str()).map_err(Refusal::Unavailable)?;
    Ok(session.map_or(Identity::Anonymous, Identity::User))
}
