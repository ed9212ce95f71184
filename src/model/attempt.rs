//! Counted tries at a factor of an account, as they are stored.

use crate::base::clock::Timestamp;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Factor {
    /// The password.
    Password,
    /// The second factor: a code from an authenticator app.
    Code,
}

impl Factor {
    /// The stored form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Code => "code",
        }
    }
}

/// The count of one account and factor. A try is counted before it is verified, so that tries made at the same moment
/// cannot slip past each other; a success takes the count back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Failures in a row since the last success, ever.
    pub consecutive: u32,
    /// Failures since `window_start`.
    pub in_window: u32,
    /// When the short window began.
    pub window_start: Timestamp,
    /// Failures since `day_start`.
    pub in_day: u32,
    /// When the day began.
    pub day_start: Timestamp,
    /// The last try counted.
    pub last: Timestamp,
}
