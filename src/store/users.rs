//! Accounts.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::base::id::Id;
use crate::model::profile::Profile;
use crate::model::user::{FIRST_USER, User, UserId, UserName};
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::live::Which;
use crate::store::open::Store;
use crate::store::people;

/// A user, and what there is to know of them at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserOverview {
    /// Who it is.
    pub user: User,
    /// What else is known of them.
    pub profile: Arc<Profile>,
    /// Whether a password is set.
    pub has_password: bool,
    /// How many authenticators are enrolled.
    pub authenticators: usize,
    /// How many passkeys and security keys, without those set aside.
    pub passkeys: usize,
    /// How many recovery codes can still be used.
    pub recovery_left: usize,
    /// When they signed in last, as far as the audit trail goes back.
    pub last_sign_in: Option<Timestamp>,
    /// How many sessions count right now.
    pub sessions: usize,
}

impl Store {
    /// Makes an account that cannot sign in yet. Failures counted for the name while nobody had it are forgotten.
    ///
    /// # Errors
    /// [`Fault::Taken`] if the name has an account; else any [`Fault`].
    pub async fn add_user(&self, name: &UserName) -> Result<User, Fault> {
        self.add(name, false).await
    }

    /// The same where one owner has the only account: of two that are added at once, one is refused.
    ///
    /// # Errors
    /// [`Fault::Owned`] if anybody has an account that is not disabled; else as [`Store::add_user`].
    pub async fn add_only_user(&self, name: &UserName) -> Result<User, Fault> {
        self.add(name, true).await
    }

    async fn add(&self, name: &UserName, alone: bool) -> Result<User, Fault> {
        let user = User { id: Id::draw(self.entropy), name: name.clone(), disabled: false, created_at: self.clock.now() };
        let (key, told) = (self.keys.attempts.tag(name.as_str().as_bytes()), self.told());
        self.ask(move |database| {
            if find(database, &user.name)?.is_some() {
                return Err(Fault::Taken);
            }
            if alone && database.one("SELECT 1 FROM account WHERE disabled = 0 LIMIT 1", [], |_| Ok(()))?.is_some() {
                return Err(Fault::Owned);
            }
            let insert = "INSERT INTO account (id, name, disabled, created_at) VALUES (?1, ?2, 0, ?3)";
            database.execute(insert, params![user.id.as_str(), user.name.as_str(), user.created_at.millis()])?;
            for table in ["attempt", "guess"] {
                database.execute(&format!("DELETE FROM {table} WHERE name = ?1"), params![key])?;
            }
            told.tell(database, Some(&user))?;
            Ok(user)
        })
        .await
    }

    /// Gives the installation's first account, which the gateway made itself, the name its holder wants, as long as it was
    /// never set up and is the only one. Every other name is the owner's to give: `allow` lets people in by it, so an invited
    /// person who chose one could choose somebody's rights. Returns whether this was that account.
    ///
    /// # Errors
    /// [`Fault::Taken`] if another account has the name; else any [`Fault`].
    pub async fn name_new_account(&self, user: UserId, name: &UserName) -> Result<bool, Fault> {
        let name = name.clone();
        let (key, told) = (self.keys.attempts.tag(name.as_str().as_bytes()), self.told());
        self.ask(move |database| {
            if find(database, &name)?.is_some_and(|holder| holder.id != user) {
                return Err(Fault::Taken);
            }
            let update = "UPDATE account SET name = ?2 WHERE id = ?1 AND password IS NULL AND name = ?3
                          AND NOT EXISTS (SELECT 1 FROM account AS other WHERE other.id <> ?1)";
            let renamed = database.execute(update, params![user.as_str(), name.as_str(), FIRST_USER])? == 1;
            if renamed {
                for table in ["attempt", "guess"] {
                    let delete = format!("DELETE FROM {table} WHERE name = ?1 AND account_id IS NULL");
                    database.execute(&delete, params![key])?;
                }
                told.tell_of(database, user)?;
            }
            Ok(renamed)
        })
        .await
    }

    /// The user of that name.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn user(&self, name: &UserName) -> Result<Option<User>, Fault> {
        let name = name.clone();
        self.ask(move |database| find(database, &name)).await
    }

    /// Everybody, by name.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn users(&self) -> Result<Vec<UserOverview>, Fault> {
        let now = self.clock.now();
        let work = |database: &Database| {
            let select = "SELECT id, name, disabled, created_at, password,
                                 (SELECT count(*) FROM totp WHERE totp.account_id = account.id),
                                 (SELECT count(*) FROM recovery_code JOIN recovery_set ON recovery_set.id = set_id
                                  WHERE recovery_set.account_id = account.id AND pending = 0 AND used_at IS NULL),
                                 (SELECT at FROM audit WHERE audit.account_id = account.id AND event = 'sign_in'
                                  ORDER BY seq DESC LIMIT 1),
                                 (SELECT count(*) FROM passkey WHERE passkey.account_id = account.id AND set_aside_at IS NULL)
                          FROM account ORDER BY name";
            let mut profiles = people::read_all(database)?;
            let rows = database.all(select, [], |row| {
                Ok(UserOverview {
                    user: user(row)?,
                    profile: Arc::default(),
                    has_password: !row.is_null(4)?,
                    authenticators: row.small(5)? as usize,
                    passkeys: row.small(8)? as usize,
                    recovery_left: row.small(6)? as usize,
                    last_sign_in: row.optional(7, Record::time)?,
                    sessions: 0,
                })
            })?;
            let mut known = |user: &User| profiles.remove(&user.id).unwrap_or_default();
            Ok(rows.into_iter().map(|row| UserOverview { profile: known(&row.user), ..row }).collect::<Vec<_>>())
        };
        self.run(work, move |live, rows| {
            let mut counts: HashMap<UserId, usize> = HashMap::new();
            for session in live.list().iter().filter(|session| session.check(now).is_ok()) {
                *counts.entry(session.user).or_default() += 1;
            }
            let counted = |row: UserOverview| UserOverview { sessions: counts.get(&row.user.id).copied().unwrap_or(0), ..row };
            Ok(rows?.into_iter().map(counted).collect())
        })
        .await
    }

    /// Disables an account (which ends its sessions, set-up links and half-done sign-ins) or enables it again. Returns
    /// whether there is such an account.
    ///
    /// # Errors
    /// Any [`Fault`]; sessions have ended in memory even then.
    pub async fn set_disabled(&self, name: &UserName, disabled: bool) -> Result<bool, Fault> {
        let (wanted, told) = (name.clone(), self.told());
        let work = move |database: &Database| {
            let update = "UPDATE account SET disabled = ?2 WHERE name = ?1";
            let found = database.execute(update, params![wanted.as_str(), disabled])? > 0;
            if disabled {
                for table in ["session", "link", "ceremony", "device"] {
                    let delete = format!("DELETE FROM {table} WHERE account_id = (SELECT id FROM account WHERE name = ?1)");
                    database.execute(&delete, params![wanted.as_str()])?;
                }
            }
            if let Some(user) = find(database, &wanted)?.filter(|_| found) {
                told.tell(database, Some(&user))?;
            }
            Ok(found)
        };
        if disabled { self.ending(Which::Named(name.clone()), work).await } else { self.ask(work).await }
    }

    /// Deletes an account and all that hangs on it. Returns whether there was one.
    ///
    /// # Errors
    /// Any [`Fault`]; sessions have ended in memory even then.
    pub async fn delete_user(&self, name: &UserName) -> Result<bool, Fault> {
        let (wanted, told) = (name.clone(), self.told());
        let found = self.ending(Which::Named(name.clone()), move |database| {
            if let Some(user) = find(database, &wanted)? {
                told.tell(database, Some(&user))?;
            }
            Ok(database.execute("DELETE FROM account WHERE name = ?1", params![wanted.as_str()])? > 0)
        });
        let found = found.await?;
        self.reread_site().await?;
        Ok(found)
    }
}

/// The user of that name.
pub(super) fn find(database: &Database, name: &UserName) -> Result<Option<User>, Fault> {
    database.one("SELECT id, name, disabled, created_at FROM account WHERE name = ?1", params![name.as_str()], user)
}

/// Deletes what a user has in these tables.
pub(super) fn delete_from(database: &Database, user: UserId, tables: &[&'static str]) -> Result<(), Fault> {
    for table in tables {
        database.execute(&format!("DELETE FROM {table} WHERE account_id = ?1"), params![user.as_str()])?;
    }
    Ok(())
}

/// The user of that id, if they may sign in.
pub(super) fn enabled(database: &Database, id: UserId) -> Result<Option<User>, Fault> {
    let select = "SELECT id, name, disabled, created_at FROM account WHERE id = ?1 AND disabled = 0";
    database.one(select, params![id.as_str()], user)
}

/// Reads the columns `id, name, disabled, created_at`.
pub(super) fn user(row: &Record<'_>) -> Result<User, Fault> {
    Ok(User { id: row.id(0)?, name: name(row, 1)?, disabled: row.flag(2)?, created_at: row.time(3)? })
}

/// Reads a canonical user name.
pub(super) fn name(row: &Record<'_>, column: usize) -> Result<UserName, Fault> {
    row.text(column)?.parse().map_err(|_| Fault::Unreadable { column: "account.name" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::kit::{Kit, hash, name};
    use crate::store::proof::Proof;

    #[tokio::test]
    async fn a_name_is_one_account_and_survives_a_restart() {
        let kit = Kit::new();
        let alice = kit.store.add_user(&name("alice")).await.unwrap();
        assert!(matches!(kit.store.add_user(&name("ALICE")).await, Err(Fault::Taken)));
        assert!(matches!(kit.store.add_only_user(&name("bob")).await, Err(Fault::Owned)));
        let kit = kit.reopened().await;
        assert_eq!(kit.store.user(&name("alice")).await.unwrap(), Some(alice));
        assert_eq!(kit.store.user(&name("bob")).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_overview_tells_what_each_has() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let bob = kit.store.add_user(&name("bob")).await.unwrap();
        kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        let overview = |user, has_password, authenticators, sessions| UserOverview {
            user,
            profile: Arc::default(),
            has_password,
            authenticators,
            passkeys: 0,
            recovery_left: 0,
            last_sign_in: None,
            sessions,
        };
        assert_eq!(kit.store.users().await.unwrap(), [overview(alice, true, 1, 1), overview(bob, false, 0, 0)]);
    }

    /// The attack: somebody just dismissed goes on with what was open.
    #[tokio::test]
    async fn disabling_ends_sessions_links_and_half_done_sign_ins() {
        let kit = Kit::new();
        let (alice, totp) = kit.enrolled("alice").await;
        let (new, ceremony, link) = (kit.session(alice.id), kit.ceremony(alice.id), hash());
        let session = kit.store.open_session(new.clone()).await.unwrap().unwrap();
        assert!(kit.store.begin_ceremony(ceremony.clone()).await.unwrap());
        assert!(kit.store.issue_link(alice.id, link, kit.in_an_hour()).await.unwrap());

        assert!(kit.store.set_disabled(&alice.name, true).await.unwrap());
        assert!(session.lifeline.is_cut());
        assert!(kit.store.session(&new.token, "a.example").unwrap().is_none());
        assert!(kit.store.link(link).await.unwrap().is_none());
        assert!(kit.store.ceremony(ceremony.id).await.unwrap().is_none());
        assert!(!kit.store.begin_ceremony(kit.ceremony(alice.id)).await.unwrap());
        assert!(kit.store.open_session(kit.session(alice.id)).await.unwrap().is_none());
        let facts = kit.store.sign_in_facts(&alice.name).await.unwrap().unwrap();
        assert!(facts.user.disabled && facts.password.is_some() && facts.totps.len() == 1);

        assert!(kit.store.set_disabled(&alice.name, false).await.unwrap());
        assert!(kit.store.session(&new.token, "a.example").unwrap().is_none(), "enabling revives nothing");
        assert!(kit.store.begin_ceremony(ceremony.clone()).await.unwrap());
        assert!(
            kit.store
                .finish_sign_in(ceremony.id, Proof::Code { totp: totp.id, step: 1 }, kit.session(alice.id))
                .await
                .unwrap()
                .is_some()
        );
        assert!(!kit.store.set_disabled(&name("nobody"), true).await.unwrap());
    }

    #[tokio::test]
    async fn a_link_of_a_disabled_user_opens_nothing() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        kit.store.set_disabled(&alice.name, true).await.unwrap();
        let link = hash();
        assert!(kit.store.issue_link(alice.id, link, kit.in_an_hour()).await.unwrap());
        assert!(kit.store.link(link).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn deleting_leaves_nothing_behind() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let session = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        kit.store.begin_ceremony(kit.ceremony(alice.id)).await.unwrap();
        kit.store.issue_link(alice.id, hash(), kit.in_an_hour()).await.unwrap();
        assert!(kit.store.delete_user(&alice.name).await.unwrap());
        assert!(!kit.store.delete_user(&alice.name).await.unwrap());
        assert!(session.lifeline.is_cut());
        for table in ["account", "totp", "session", "link", "ceremony", "attempt", "guess", "device"] {
            assert_eq!(kit.count(table), 0, "{table}");
        }
        let again = kit.store.add_user(&alice.name).await.unwrap();
        assert_ne!(again.id, alice.id);
        assert!(!kit.store.issue_link(alice.id, hash(), kit.in_an_hour()).await.unwrap());
        assert!(!kit.store.provision(alice.id, None, None).await.unwrap());
    }
}
