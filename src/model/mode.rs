//! Whose installation this is, which decides what signing in asks for.

/// Who signs in, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// People with names: a password, and what is asked for besides; or a passkey.
    #[default]
    People,
    /// One owner, who has the only account: a code from the authenticator app alone, or a passkey. No name, no password.
    SingleOwner,
}

impl Mode {
    /// The name used in gateway.toml and in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::SingleOwner => "single_owner",
        }
    }

    /// Whether a code alone signs in.
    pub const fn is_single_owner(self) -> bool {
        matches!(self, Self::SingleOwner)
    }
}
