//! Counted tries at a factor of an account, as they are stored.

use crate::base::clock::Timestamp;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Factor {
    /// The password.
    Password,
    /// The second factor: a code from an authenticator app.
    Code,
    /// A recovery code in place of the second factor.
    Recovery,
}

impl Factor {
    /// The stored form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Code => "code",
            Self::Recovery => "recovery",
        }
    }
}

/// The count of one account and factor. A try is counted before it is verified, so that tries made at the same moment
/// cannot slip past each other; a success takes the count back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Failures in a row since the last success, ever.
    pub consecutive: u32,
    /// Tries without a quarter of an hour of quiet between them; of recovery codes, an hour.
    pub in_window: u32,
    /// Tries without a day of quiet between them.
    pub in_day: u32,
    /// The last try counted.
    pub last: Timestamp,
}
