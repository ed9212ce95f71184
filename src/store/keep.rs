//! What has to stay when somebody takes a factor away: judged in the transaction that takes it, because two tabs may take one each.

use rusqlite::params;

use crate::model::method::{Method, Methods};
use crate::model::user::UserId;
use crate::store::credentials::SignInFacts;
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;

/// What is asked of somebody that a factor of theirs may be needed for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Whether one second factor stays, whichever it is.
    pub last: bool,
    /// Of each of these sets one way that can be taken today stays one.
    pub ways: Vec<Methods>,
}

/// What somebody has to prove themselves with, keys that were set aside left out. Recovery codes are not among it: they stand in for
/// a factor that is lost, and not for one that was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Whether there is a password.
    pub password: bool,
    /// Authenticator apps.
    pub authenticators: u64,
    /// Passkeys and security keys.
    pub keys: u64,
    /// Those of them that verify their user.
    pub verifying: u64,
}

impl Keep {
    /// Whether `before` must not become `after`.
    pub fn forbids(&self, before: Holding, after: Holding) -> bool {
        let is_last = after.second_factors() == 0 && before.second_factors() > 0;
        let shuts = |ways: &Methods| !ways.and(before.ways()).is_empty() && ways.and(after.ways()).is_empty();
        is_last && (self.last || !after.password) || self.ways.iter().any(shuts)
    }
}

impl From<&SignInFacts> for Holding {
    fn from(facts: &SignInFacts) -> Self {
        Self {
            password: facts.password.is_some(),
            authenticators: facts.totps.len() as u64,
            keys: facts.passkeys.len() as u64,
            verifying: facts.passkeys.iter().filter(|key| key.verifies).count() as u64,
        }
    }
}

impl Holding {
    /// What `user` has.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub(super) fn of(database: &Database, user: UserId) -> Result<Self, Fault> {
        let keys = "SELECT count(*) FROM passkey WHERE account_id = account.id AND set_aside_at IS NULL";
        let select = format!(
            "SELECT password IS NOT NULL, (SELECT count(*) FROM totp WHERE account_id = account.id), ({keys}), ({keys} AND verifies)
             FROM account WHERE id = ?1"
        );
        let read = |row: &Record<'_>| {
            Ok(Self { password: row.flag(0)?, authenticators: row.count(1)?, keys: row.count(2)?, verifying: row.count(3)? })
        };
        let nothing = Self { password: false, authenticators: 0, keys: 0, verifying: 0 };
        Ok(database.one(&select, params![user.as_str()], read)?.unwrap_or(nothing))
    }

    /// Second factors of every kind.
    pub const fn second_factors(self) -> u64 {
        self.authenticators + self.keys
    }

    /// One authenticator fewer.
    #[must_use]
    pub const fn without_authenticator(self) -> Self {
        Self { authenticators: self.authenticators.saturating_sub(1), ..self }
    }

    /// One key fewer.
    #[must_use]
    pub const fn without_key(self, verifies: bool) -> Self {
        let verifying = if verifies { self.verifying.saturating_sub(1) } else { self.verifying };
        Self { keys: self.keys.saturating_sub(1), verifying, ..self }
    }

    /// The ways that can be taken with it.
    pub fn ways(self) -> Methods {
        Methods::of(Method::ALL.into_iter().filter(|method| match method {
            Method::Password => self.password,
            Method::PasswordTotp => self.password && self.authenticators > 0,
            Method::PasswordPasskey => self.password && self.keys > 0,
            Method::Passkey => self.verifying > 0,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Holding = Holding { password: true, authenticators: 1, keys: 2, verifying: 1 };

    /// The attack: what an owner asks for is taken away, so that something lesser opens what it guarded.
    #[test]
    fn the_last_way_that_counts_stays_whatever_else_there_is() {
        let asks = |methods: &[Method]| Keep { last: false, ways: vec![Methods::ALL, Methods::of(methods.iter().copied())] };
        let (no_code, no_key, no_passkey) = (ALICE.without_authenticator(), ALICE.without_key(false), ALICE.without_key(true));
        for (methods, forbidden) in [
            (&[Method::Passkey][..], [false, false, true]),
            (&[Method::PasswordTotp], [true, false, false]),
            (&[Method::PasswordPasskey], [false; 3]),
            (&[Method::PasswordTotp, Method::Passkey], [false; 3]),
        ] {
            assert_eq!([no_code, no_key, no_passkey].map(|after| asks(methods).forbids(ALICE, after)), forbidden, "{methods:?}");
        }
        assert!(!asks(&[Method::Passkey]).forbids(no_passkey, no_passkey.without_key(false)), "what is not there shuts nothing");
    }

    #[test]
    fn the_last_factor_stays_where_one_is_asked_for_or_nothing_else_signs_in() {
        let one = Holding { keys: 0, verifying: 0, ..ALICE };
        let none = one.without_authenticator();
        let passwordless = |holding| Holding { password: false, ..holding };
        assert!(Keep { last: true, ways: vec![] }.forbids(one, none));
        assert!(!Keep::default().forbids(one, none));
        assert!(Keep::default().forbids(passwordless(one), passwordless(none)));
        assert!(!Keep { last: true, ways: vec![] }.forbids(none, none), "a key that was set aside is none");
    }
}
