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
    /// Every factor whose tries are counted.
    pub const ALL: &[Self] = &[Self::Password, Self::Code, Self::Recovery];

    /// The stored form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Code => "code",
            Self::Recovery => "recovery",
        }
    }
}

/// The count of one factor of an account: over all unknown devices together, or of one known device. A try is counted before it is verified, so that tries made at the same moment
/// cannot slip past each other; a success takes the count back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Failures in a row since the last success, ever.
    pub consecutive: u32,
    /// Tries without the factor's short time of quiet between them.
    pub in_window: u32,
    /// Tries without its long time of quiet between them.
    pub in_day: u32,
    /// The last try counted.
    pub last: Timestamp,
}
