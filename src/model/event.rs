//! Things worth a line in the log that are not requests: sign-ins, failures, changes to accounts.

/// A security event, named for log readers. The name is stable: filters and alerts are written against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody signed in.
    SignedIn,
    /// A password or code was wrong, or could not be checked.
    SignInFailed,
    /// Tries came too fast or too often.
    Throttled,
    /// Somebody who is signed in proved once more that it is them.
    Confirmed,
    /// A session was opened on one more host.
    HandedOff,
    /// A session was ended by its owner.
    SignedOut,
    /// A session was ended by somebody else.
    SessionEnded,
    /// A set-up link was used to its end.
    SetUp,
    /// An account was made, changed, disabled or deleted.
    UserChanged,
}

impl Event {
    /// The `event` field of the log line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignedIn => "auth.success",
            Self::SignInFailed => "auth.failure",
            Self::Throttled => "auth.throttled",
            Self::Confirmed => "auth.confirmed",
            Self::HandedOff => "session.hand_off",
            Self::SignedOut => "session.sign_out",
            Self::SessionEnded => "session.end",
            Self::SetUp => "user.set_up",
            Self::UserChanged => "user.changed",
        }
    }
}
