//! A person with an account.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use crate::base::clock::Timestamp;
use crate::base::id::Id;

/// A user's id; stays the same for life.
pub type UserId = Id<User>;

/// The account that a new installation begins with, until its owner renames it on the set-up page.
pub const FIRST_USER: &str = "owner";

/// A person with an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Never changes and is never given to anybody else.
    pub id: UserId,
    /// The canonical name, unique.
    pub name: UserName,
    /// May not sign in, and holds no session.
    pub disabled: bool,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// A user name in its one canonical spelling.
///
/// Counters, sessions and log lines are keyed by what this yields, never by what was typed: `Bob`, `bob` and `ＢＯＢ`
/// are one account. Visible ASCII only, so that it can travel in an identity header without escaping.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(Box<str>);

/// The text cannot be a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user name has 1 to 64 characters out of a-z, 0-9 and . _ @ + -, and begins with a letter or digit")]
pub struct BadUserName;

impl UserName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = BadUserName;

    /// Folds width, compatibility forms and letter case, trims surrounding white space, then checks.
    fn from_str(text: &str) -> Result<Self, BadUserName> {
        canonical(text).map(Self).ok_or(BadUserName)
    }
}

/// The one spelling of a name, of a user or group: width, compatibility forms and letter case folded, surrounding white space
/// gone. `None` unless 1 to 64 characters out of `a-z 0-9 . _ @ + -` are left, the first a letter or digit.
pub(super) fn canonical(text: &str) -> Option<Box<str>> {
    if text.len() > 1024 {
        return None;
    }
    let folded: String = text.trim().nfkc().flat_map(char::to_lowercase).collect();
    let known = folded.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._@+-".contains(&byte));
    let begins = folded.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    (known && begins && folded.len() <= 64).then(|| folded.into())
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_however_it_is_spelt() {
        for text in ["bob", "Bob", " BOB ", "ＢＯＢ", "ｂob"] {
            assert_eq!(text.parse::<UserName>().expect(text).as_str(), "bob");
        }
    }

    #[test]
    fn names_that_could_confuse_an_app_or_a_log_are_refused() {
        for text in ["", " ", ".bob", "-rf", "bob smith", "bob\n", "bob\r\nRemote-User: x", "bób", "a/b", "a\0b", &"a".repeat(65)]
        {
            if text == "bob\n" {
                assert_eq!(text.parse::<UserName>().expect("trimmed").as_str(), "bob");
            } else {
                assert_eq!(text.parse::<UserName>(), Err(BadUserName), "{text:?}");
            }
        }
    }
}
