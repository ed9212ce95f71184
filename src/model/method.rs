//! The ways in which people prove who they are, and sets of them.

use std::fmt;

use crate::model::strength::Strength;

/// A way to prove who one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// A password alone.
    Password,
    /// A password, and a code from an authenticator app, or a recovery code in its place.
    PasswordTotp,
    /// A password, and a passkey or security key.
    PasswordPasskey,
    /// A passkey by itself, which verified its user.
    Passkey,
}

/// A set of ways: those that count. Sets are only ever cut down ([`Methods::and`]); nothing here makes one larger.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Methods(u8);

impl Method {
    /// All, the weakest first.
    pub const ALL: [Self; 4] = [Self::Password, Self::PasswordTotp, Self::PasswordPasskey, Self::Passkey];

    /// The name used in gateway.toml, in the store and in `--json`. It never changes once a row was written with it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::PasswordTotp => "password+totp",
            Self::PasswordPasskey => "password+passkey",
            Self::Passkey => "passkey",
        }
    }

    /// The way of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    /// How firmly it proves an identity.
    pub const fn strength(self) -> Strength {
        match self {
            Self::Password => Strength::Password,
            Self::PasswordTotp | Self::PasswordPasskey => Strength::TwoFactor,
            Self::Passkey => Strength::Passkey,
        }
    }

    /// Whether it begins with a password.
    pub const fn takes_password(self) -> bool {
        match self {
            Self::Password | Self::PasswordTotp | Self::PasswordPasskey => true,
            Self::Passkey => false,
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Password => 1,
            Self::PasswordTotp => 2,
            Self::PasswordPasskey => 4,
            Self::Passkey => 8,
        }
    }
}

impl Methods {
    /// Every way.
    pub const ALL: Self = Self(15);
    /// None.
    pub const NONE: Self = Self(0);

    /// Those in which people may come, once each.
    pub fn of(methods: impl IntoIterator<Item = Method>) -> Self {
        Self(methods.into_iter().fold(0, |bits, method| bits | method.bit()))
    }

    /// Whether `method` is among them.
    pub const fn contains(self, method: Method) -> bool {
        self.0 & method.bit() != 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that prove an identity at least so firmly.
    #[must_use]
    pub fn at_least(self, strength: Strength) -> Self {
        Self::of(self.iter().filter(|method| method.strength() >= strength))
    }

    /// How firmly the firmest of them proves an identity; `None` if there is none.
    pub fn strongest(self) -> Option<Strength> {
        self.iter().map(Method::strength).max()
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of them begins with a password.
    pub fn take_password(self) -> bool {
        self.iter().any(Method::takes_password)
    }

    /// Each of them, the weakest first.
    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL.into_iter().filter(move |method| self.contains(*method))
    }

    /// Reads what [`fmt::Display`] writes: names with commas between them, in any order. `None` for a name that this version does
    /// not know, and for no name at all.
    pub fn parse(text: &str) -> Option<Self> {
        text.split(',').map(|name| Method::of_name(name.trim())).collect::<Option<Vec<_>>>().map(Self::of)
    }
}

impl Default for Methods {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, method) in self.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { ", " }, method.name())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Methods({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every set there is.
    fn sets() -> impl Iterator<Item = Methods> {
        (0..=Methods::ALL.0).map(Methods)
    }

    #[test]
    fn sets_are_written_and_read_back() {
        for set in sets().filter(|set| !set.is_empty()) {
            assert_eq!(Methods::parse(&set.to_string()), Some(set));
        }
        assert_eq!(Methods::parse("passkey , password+totp"), Some(Methods::of([Method::Passkey, Method::PasswordTotp])));
        for text in ["", ",", "passkey,", "oidc", "Passkey", "password totp", "password+totp;passkey"] {
            assert_eq!(Methods::parse(text), None, "{text}");
        }
    }

    /// The attack: a restriction that opens a way which another one shut.
    #[test]
    fn cutting_down_never_makes_a_set_larger() {
        for one in sets() {
            assert_eq!((one.and(Methods::ALL), one.and(Methods::NONE)), (one, Methods::NONE));
            for two in sets() {
                let both = one.and(two);
                assert!(both.iter().all(|method| one.contains(method) && two.contains(method)));
                assert_eq!(both, two.and(one));
            }
            for strength in Strength::ALL {
                let firm = one.at_least(strength);
                assert_eq!(firm.and(one), firm);
                assert!(firm.iter().all(|method| method.strength() >= strength));
            }
        }
    }
}
