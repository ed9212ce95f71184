//! The cookie that makes a browser a known device of whoever signed in with it: its failures are counted apart, so that a flood
//! of strangers does not keep them out. It opens nothing.
//!
//! It holds a random token for each account, none of which says whose it is; the store knows them by their hashes.

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::auth::token::{Token, TokenHash};
use crate::model::user::{UserId, UserName};
use crate::portal::call::Call;
use crate::portal::service::Portal;
use crate::portal::stop::Stop;
use crate::wire::cookie::{self, Found};

/// How long a browser counts as known after a sign-in.
const LIFE: Duration = Duration::from_secs(90 * 86_400);
/// Accounts that one browser is known for; the one not used for longest gives way.
const MOST: usize = 4;
const SEPARATOR: char = '.';

/// What a browser says to be known by; the last used first.
pub fn offered(headers: &HeaderMap) -> Vec<TokenHash> {
    tokens(headers).iter().map(Token::hash).collect()
}

/// Makes the browser a known device of whoever has just signed in with it; the cookie that says so.
///
/// # Errors
/// [`Stop`] when the store does not answer.
pub async fn remember(portal: &Portal, call: &Call<'_>, (user, name): (UserId, &UserName)) -> Result<HeaderValue, Stop> {
    let held = tokens(call.headers());
    let known = |token: &Token| portal.store.known_device(&[token.hash()], name).is_some();
    let (own, others): (Vec<Token>, Vec<Token>) =
        held.into_iter().filter(|token| portal.store.knows_device(&token.hash())).partition(known);
    let own = own.into_iter().next().unwrap_or_else(|| Token::draw(portal.entropy));
    portal.store.remember_device(user, own.hash(), call.now.plus(LIFE)).await?;
    let texts: Vec<String> = [own].iter().chain(&others).take(MOST).map(|token| token.to_text().expose().clone()).collect();
    Ok(cookie::set(cookie::DEVICE, &texts.join(&SEPARATOR.to_string()), Some(LIFE)))
}

fn tokens(headers: &HeaderMap) -> Vec<Token> {
    match cookie::find(headers, cookie::DEVICE) {
        Found::One(text) => text.split(SEPARATOR).take(MOST).filter_map(Token::parse).collect(),
        Found::Nothing | Found::Several => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;
    use crate::base::entropy::Entropy;

    /// The attack: a cookie with so many tokens that looking them up is work.
    #[test]
    fn of_a_cookie_no_more_than_four_tokens_are_read() {
        let texts: Vec<String> = (0..9).map(|_| Token::draw(Entropy).to_text().expose().clone()).collect();
        let headers = |value: &str| -> HeaderMap {
            [(COOKIE, HeaderValue::from_str(&format!("{}={value}", cookie::DEVICE)).unwrap())].into_iter().collect()
        };
        assert_eq!(offered(&headers(&texts.join("."))).len(), MOST);
        assert_eq!(offered(&headers(&format!("{}.x..{}", texts[0], texts[1]))).len(), 2);
        assert!(offered(&headers("")).is_empty());
        let mut twice = headers(&texts[0]);
        twice.append(COOKIE, headers(&texts[1])[COOKIE].clone());
        assert!(offered(&twice).is_empty(), "a sibling site may have planted one");
    }
}
