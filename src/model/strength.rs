//! How firmly somebody's identity was proven.

/// Strengths in rising order: a requirement is met by itself and everything above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// One factor: a password alone; with [`Mode::SingleOwner`] a code, a recovery code or an unverified passkey alone.
    ///
    /// [`Mode::SingleOwner`]: crate::model::mode::Mode::SingleOwner
    Password,
    /// Two different factors: a password, and a code from an authenticator app or a security key.
    TwoFactor,
    /// A passkey that verified its user: two factors in one, which no other site can be given.
    Passkey,
}

impl Strength {
    /// All, in rising order.
    pub const ALL: [Self; 3] = [Self::Password, Self::TwoFactor, Self::Passkey];

    /// The stored form. It never changes once a row was written with it.
    pub const fn code(self) -> i64 {
        match self {
            Self::Password => 1,
            Self::TwoFactor => 2,
            Self::Passkey => 3,
        }
    }

    /// Reads the stored form; `None` for a code this version does not know.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            1 => Some(Self::Password),
            2 => Some(Self::TwoFactor),
            3 => Some(Self::Passkey),
            _ => None,
        }
    }

    /// The name used in gateway.toml and in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::TwoFactor => "2fa",
            Self::Passkey => "passkey",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_rise_and_their_codes_are_read_back() {
        assert!(Strength::ALL.is_sorted());
        for strength in Strength::ALL {
            assert_eq!(Strength::from_code(strength.code()), Some(strength));
        }
        assert_eq!(Strength::from_code(0), None);
    }
}
