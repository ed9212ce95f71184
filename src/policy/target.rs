//! The one parse of a request target.

/// A request target that was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Box<str>);

/// What a target means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own<'a> {
    /// One of our pages; the text behind the prefix.
    Page(&'a str),
    /// Our prefix in a spelling that is not ours.
    Disguised,
    /// An app's.
    No,
}

/// Why a target is refused before it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unreadable")]
pub struct Unreadable;

impl Unreadable {
    /// For logs.
    pub fn name(self) -> &'static str {
        "unreadable"
    }

    /// Whether the target is too long (414).
    pub fn too_long(self) -> bool {
        false
    }
}

impl Target {
    /// Parses an origin-form target.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn parse(origin_form: &str) -> Result<Self, Unreadable> {
        if origin_form.starts_with('/') { Ok(Self(origin_form.into())) } else { Err(Unreadable) }
    }

    /// The bytes judged and forwarded.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Up to the first `?`.
    pub fn path(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }

    /// Behind the first `?`.
    pub fn query(&self) -> Option<&str> {
        self.0.split_once('?').map(|(_, query)| query)
    }

    /// Whether it is one of our pages.
    pub fn own(&self) -> Own<'_> {
        self.path().strip_prefix("/.doorward/").map_or(Own::No, Own::Page)
    }
}
