//! The one who owns an installation that has a single account, and what every account has to sign in with.

use std::sync::Arc;

use crate::model::terms::Terms;
use crate::model::user::UserName;
use crate::store::credentials::{self, SignInFacts};
use crate::store::database::Database;
use crate::store::fault::Fault;
use crate::store::open::Store;
use crate::store::terms;
use crate::store::users;

/// Whose installation it is, where it is one person's.
#[derive(Clone, Debug)]
pub enum Owner {
    /// Nobody's yet.
    Nobody,
    /// The holder of the only account that is not disabled.
    One(Box<SignInFacts>),
    /// There are several accounts, so nobody can say whose code it is.
    Unclear,
}

/// What an account that is not disabled has to sign in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Means {
    /// Whose they are.
    pub name: UserName,
    /// Whether there is a password.
    pub password: bool,
    /// How many authenticators there are.
    pub authenticators: u64,
    /// How many passkeys that were not set aside.
    pub passkeys: u64,
    /// What the owner set down for it.
    pub terms: Terms,
}

impl Owner {
    /// What signing in needs to know of them, if it is clear who they are.
    pub fn facts(&self) -> Option<&SignInFacts> {
        match self {
            Self::One(facts) => Some(facts),
            Self::Nobody | Self::Unclear => None,
        }
    }
}

impl Store {
    /// Whose installation it is, if it is one person's.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn owner(&self) -> Result<Owner, Fault> {
        let keys = Arc::clone(&self.keys);
        self.ask(move |database| {
            let select = "SELECT id, name, disabled, created_at FROM account WHERE disabled = 0 LIMIT 2";
            let mut users = database.all(select, [], users::user)?;
            let Some(user) = users.pop() else { return Ok(Owner::Nobody) };
            if !users.is_empty() {
                return Ok(Owner::Unclear);
            }
            Ok(Owner::One(Box::new(credentials::facts(database, &keys, user)?)))
        })
        .await
    }

    /// What every account that is not disabled has to sign in with, by name.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn means(&self) -> Result<Vec<Means>, Fault> {
        self.ask(|database: &Database| {
            let select = "SELECT name, password IS NOT NULL, (SELECT count(*) FROM totp WHERE totp.account_id = account.id),
                                 (SELECT count(*) FROM passkey WHERE passkey.account_id = account.id AND set_aside_at IS NULL),
                                 methods, demanded, self_service
                          FROM account WHERE disabled = 0 ORDER BY name";
            database.all(select, [], |row| {
                let name = users::name(row, 0)?;
                let terms = terms::read(row, 4)?;
                Ok(Means { name, password: row.flag(1)?, authenticators: row.count(2)?, passkeys: row.count(3)?, terms })
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::kit::{Kit, name};

    #[tokio::test]
    async fn the_owner_is_whoever_is_left() {
        let kit = Kit::new();
        assert!(matches!(kit.store.owner().await.unwrap(), Owner::Nobody));
        let (alice, _) = kit.enrolled("alice").await;
        let facts = kit.store.owner().await.unwrap();
        assert_eq!(facts.facts().map(|facts| (facts.user.id, facts.totps.len())), Some((alice.id, 1)));
        kit.store.add_user(&name("bob")).await.unwrap();
        assert!(matches!(kit.store.owner().await.unwrap(), Owner::Unclear));
        let means = kit.store.means().await.unwrap();
        assert_eq!(
            means.iter().map(|one| (one.name.as_str(), one.authenticators)).collect::<Vec<_>>(),
            [("alice", 1), ("bob", 0)]
        );
        kit.store.set_disabled(&name("alice"), true).await.unwrap();
        let facts = kit.store.owner().await.unwrap();
        assert_eq!(facts.facts().map(|facts| facts.user.name.as_str()), Some("bob"));
        assert_eq!(kit.store.means().await.unwrap().len(), 1);
    }
}
