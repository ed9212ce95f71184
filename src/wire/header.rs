//! Header names of our own, and the fold under which a name counts as another's double.

use http::HeaderName;

/// Carries the id of a request towards the app, and of a refusal towards the client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The prefix of our own URLs on every host.
pub const OWN_PREFIX: &str = "/.doorward/";

/// Folds a header name the way lax servers do when they make a variable of it: letters lower, everything else `-`.
///
/// `Remote_User`, `Remote.User` and `remote-user` all reach some app as `HTTP_REMOTE_USER`
/// (measured on PHP, gunicorn, uWSGI and others), so they are one name to us.
pub fn fold(name: &str) -> String {
    name.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte.to_ascii_lowercase()) } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_that_an_app_may_confuse_fold_to_one() {
        for name in ["Remote-User", "remote_user", "REMOTE.USER", "Remote~User"] {
            assert_eq!(fold(name), "remote-user");
        }
    }
}
