//! How firmly somebody's identity was proven.

/// Strengths in rising order: a requirement is met by itself and everything above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// A password alone.
    Password,
    /// Two different factors: a password and a code from an authenticator app.
    TwoFactor,
}

impl Strength {
    /// The stored form. It never changes once a row was written with it.
    pub const fn code(self) -> i64 {
        match self {
            Self::Password => 1,
            Self::TwoFactor => 2,
        }
    }

    /// Reads the stored form; `None` for a code this version does not know.
    pub const fn from_code(code: i64) -> Option<Self> {
        match code {
            1 => Some(Self::Password),
            2 => Some(Self::TwoFactor),
            _ => None,
        }
    }

    /// The name used in gateway.toml and in `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::TwoFactor => "2fa",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths_rise_and_their_codes_are_read_back() {
        assert!(Strength::Password < Strength::TwoFactor);
        for strength in [Strength::Password, Strength::TwoFactor] {
            assert_eq!(Strength::from_code(strength.code()), Some(strength));
        }
        assert_eq!(Strength::from_code(0), None);
    }
}
