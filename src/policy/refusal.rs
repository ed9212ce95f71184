//! Why a request target is refused before any rule is asked.

/// Why a target is refused before it is judged: no honest client sends such a thing, and upstreams disagree about its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// More than [`MAX_TARGET`](crate::policy::target::MAX_TARGET) bytes.
    #[error("the target is longer than 8192 bytes")]
    TooLong,
    /// It does not begin with `/`, nor does it name this host in absolute form.
    #[error("the target is not a path on this host")]
    NotOriginForm,
    /// A control byte, a space, a byte beyond ASCII, `<`, `>`, or `"` in the query stands in it; such characters
    /// are percent-encoded by those who mean them.
    #[error("the target has a character that must be percent-encoded")]
    RawByte,
    /// A `#`: fragments are never sent.
    #[error("the target has a fragment")]
    Fragment,
    /// A `\` in the path: browsers make it a `/`, servers do not agree.
    #[error("the path has a backslash")]
    Backslash,
    /// A `%` without two hexadecimal digits behind it, or `%u` with four.
    #[error("the path has a broken percent escape")]
    BadEscape,
    /// Percent-encoded over and over.
    #[error("the path is percent-encoded more than four times")]
    TooManyLayers,
    /// A percent-encoded control character.
    #[error("the path has an encoded control character")]
    EncodedControl,
    /// What the escapes stand for is not UTF-8.
    #[error("the path is not UTF-8 when decoded")]
    NotUtf8,
    /// `.` or `..`, however disguised.
    #[error("the path has a dot segment")]
    DotSegment,
    /// More than [`MAX_SEGMENTS`](crate::policy::layer::MAX_SEGMENTS) parts.
    #[error("the path has more than 256 segments")]
    TooDeep,
    /// More ways to read it than can be judged in a moment.
    #[error("the path can be read in too many ways")]
    TooManyReadings,
}

impl Unreadable {
    /// A short name for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::NotOriginForm => "not-origin-form",
            Self::RawByte => "raw-byte",
            Self::Fragment => "fragment",
            Self::Backslash => "backslash",
            Self::BadEscape => "bad-escape",
            Self::TooManyLayers => "too-many-layers",
            Self::EncodedControl => "encoded-control",
            Self::NotUtf8 => "not-utf8",
            Self::DotSegment => "dot-segment",
            Self::TooDeep => "too-deep",
            Self::TooManyReadings => "too-many-readings",
        }
    }

    /// Whether the answer is 414; all others are answered 400.
    pub fn too_long(self) -> bool {
        self == Self::TooLong
    }
}
