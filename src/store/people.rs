//! What is known of people besides their name: display name, e-mail address, groups. On disk first, then in their sessions.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::params;

use crate::model::profile::{DisplayName, Email, GroupName, MOST_GROUPS, Profile};
use crate::model::user::{UserId, UserName};
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::live::Live;
use crate::store::open::Store;
use crate::store::terms;
use crate::store::users;

/// What is to become of a detail: stay, go, or be this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Edit<T> {
    /// It stays.
    #[default]
    Keep,
    /// It goes.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Edit<T> {
    /// What is written: nothing if it stays, and `None` inside if it goes.
    pub(super) fn value(&self) -> Option<Option<&T>> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }
}

/// What became of a wish to change who is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It was changed; what was open under the old groups has ended.
    Changed,
    /// It was so already.
    AsItWas,
    /// They are in as many groups as anybody may be.
    Full,
    /// There is no such user.
    NoUser,
}

/// What settles a change in memory.
struct Known {
    user: UserId,
    profile: Arc<Profile>,
}

impl Store {
    /// What is known of a user; `None` if there is none of that id.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn profile(&self, user: UserId) -> Result<Option<Arc<Profile>>, Fault> {
        self.ask(move |database| {
            let select = "SELECT 1 FROM account WHERE id = ?1";
            let found = database.one(select, params![user.as_str()], |_| Ok(()))?;
            found.map(|()| read(database, user)).transpose()
        })
        .await
    }

    /// Changes how a user is called and where they get mail. Returns whether there is such a user. Their sessions know it from
    /// the next request on; nothing ends.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn set_details(&self, name: &UserName, display: Edit<DisplayName>, email: Edit<Email>) -> Result<bool, Fault> {
        let (name, told) = (name.clone(), self.told());
        let work = move |database: &Database| {
            let Some(user) = users::find(database, &name)? else { return Ok(None) };
            told.tell(database, Some(&user))?;
            set(database, user.id, "display_name", &text(display, |name| name.as_str().to_owned()))?;
            set(database, user.id, "email", &text(email, |email| email.as_str().to_owned()))?;
            Ok(Some(Known { user: user.id, profile: read(database, user.id)? }))
        };
        let settle = |live: &Live, known: Result<Option<Known>, Fault>| {
            Ok(known?.map(|known| live.know(known.user, &known.profile, false)).is_some())
        };
        self.run(work, settle).await
    }

    /// Puts a user into a group, or takes them out of it. From the next request on their sessions are judged by the new
    /// groups, and everything that was open under the old ones ends.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then, on disk or in memory.
    pub async fn set_membership(&self, name: &UserName, group: &GroupName, member: bool) -> Result<Membership, Fault> {
        let (name, group, now, told) = (name.clone(), group.clone(), self.clock.now(), self.told());
        let work = move |database: &Database| {
            let Some(user) = users::find(database, &name)? else { return Ok((Membership::NoUser, None)) };
            let held = read(database, user.id)?;
            match (held.is_in(&group), member) {
                (true, true) | (false, false) => return Ok((Membership::AsItWas, None)),
                (false, true) if held.groups.len() >= MOST_GROUPS => return Ok((Membership::Full, None)),
                (false, true) => {
                    let insert = "INSERT INTO membership (account_id, name, created_at) VALUES (?1, ?2, ?3)";
                    database.execute(insert, params![user.id.as_str(), group.as_str(), now.millis()])?;
                }
                (true, false) => {
                    let delete = "DELETE FROM membership WHERE account_id = ?1 AND name = ?2";
                    database.execute(delete, params![user.id.as_str(), group.as_str()])?;
                }
            }
            told.tell(database, Some(&user))?;
            Ok((Membership::Changed, Some(Known { user: user.id, profile: read(database, user.id)? })))
        };
        let settle = |live: &Live, outcome: Result<(Membership, Option<Known>), Fault>| {
            let (membership, known) = outcome?;
            if let Some(Known { user, profile }) = known {
                live.know(user, &profile, true);
            }
            Ok(membership)
        };
        self.run(work, settle).await
    }
}

fn text<T>(edit: Edit<T>, shown: impl FnOnce(T) -> String) -> Option<Option<String>> {
    match edit {
        Edit::Keep => None,
        Edit::Clear => Some(None),
        Edit::Set(value) => Some(Some(shown(value))),
    }
}

fn set(database: &Database, user: UserId, column: &str, value: &Option<Option<String>>) -> Result<(), Fault> {
    let Some(value) = value else { return Ok(()) };
    let update = format!("UPDATE account SET {column} = ?2 WHERE id = ?1");
    database.execute(&update, params![user.as_str(), value]).map(|_| ())
}

/// What is known of a user who is there.
pub(super) fn read(database: &Database, user: UserId) -> Result<Arc<Profile>, Fault> {
    let select = "SELECT display_name, email, methods, demanded, self_service FROM account WHERE id = ?1";
    let read = |row: &Record<'_>| Ok((display_name(row, 0)?, email(row, 1)?, terms::read(row, 2)?));
    let (display_name, email, terms) = database.one(select, params![user.as_str()], read)?.unwrap_or_default();
    let select = "SELECT name FROM membership WHERE account_id = ?1 ORDER BY name";
    let groups = database.all(select, params![user.as_str()], |row| group(row, 0))?;
    Ok(Arc::new(Profile { display_name, email, groups: groups.into(), terms }))
}

/// What is known of everybody.
pub(super) fn read_all(database: &Database) -> Result<HashMap<UserId, Arc<Profile>>, Fault> {
    let mut groups: HashMap<UserId, Vec<GroupName>> = HashMap::new();
    let select = "SELECT account_id, name FROM membership ORDER BY account_id, name";
    for (user, group) in database.all(select, [], |row| Ok((row.id(0)?, group(row, 1)?)))? {
        groups.entry(user).or_default().push(group);
    }
    let select = "SELECT id, display_name, email, methods, demanded, self_service FROM account";
    let read = |row: &Record<'_>| Ok((row.id(0)?, display_name(row, 1)?, email(row, 2)?, terms::read(row, 3)?));
    let rows = database.all(select, [], read)?;
    let profile = |(user, display_name, email, terms): (UserId, _, _, _)| {
        (user, Arc::new(Profile { display_name, email, groups: groups.remove(&user).unwrap_or_default().into(), terms }))
    };
    Ok(rows.into_iter().map(profile).collect())
}

fn display_name(row: &Record<'_>, column: usize) -> Result<Option<DisplayName>, Fault> {
    row.optional(column, |row, column| {
        row.text(column)?.parse().map_err(|_| Fault::Unreadable { column: "account.display_name" })
    })
}

fn email(row: &Record<'_>, column: usize) -> Result<Option<Email>, Fault> {
    row.optional(column, |row, column| row.text(column)?.parse().map_err(|_| Fault::Unreadable { column: "account.email" }))
}

/// A group's name that is not canonical could be told from its own spelling elsewhere.
fn group(row: &Record<'_>, column: usize) -> Result<GroupName, Fault> {
    row.text(column)?.parse().map_err(|_| Fault::Unreadable { column: "membership.name" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::task;
    use crate::store::kit::{Kit, hash, name};

    fn named(text: &str) -> GroupName {
        text.parse().unwrap()
    }

    async fn groups_of(kit: &Kit, user: UserId) -> Vec<String> {
        kit.store.profile(user).await.unwrap().unwrap().groups.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn details_and_groups_survive_a_restart_and_are_known_to_sessions() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let new = kit.session(alice.id);
        kit.store.open_session(new.clone()).await.unwrap().unwrap();
        let (display, email): (DisplayName, Email) = ("Alice A.".parse().unwrap(), "alice@example.com".parse().unwrap());
        assert!(kit.store.set_details(&alice.name, Edit::Set(display.clone()), Edit::Set(email.clone())).await.unwrap());
        for group in ["work", "Family"] {
            let changed = kit.store.set_membership(&alice.name, &named(group), true).await.unwrap();
            assert_eq!(changed, Membership::Changed);
        }
        let now = kit.store.session(&new.token, "a.example").unwrap().unwrap();
        let kit = kit.reopened().await;
        let then = kit.store.session(&new.token, "a.example").unwrap().unwrap();
        for profile in [&now.profile, &then.profile, &kit.store.profile(alice.id).await.unwrap().unwrap()] {
            assert_eq!((profile.display_name.as_ref(), profile.email.as_ref()), (Some(&display), Some(&email)));
            assert_eq!(*profile.groups, [named("family"), named("work")]);
        }
        assert!(kit.store.set_details(&alice.name, Edit::Clear, Edit::Keep).await.unwrap());
        let profile = kit.store.profile(alice.id).await.unwrap().unwrap();
        assert_eq!((profile.display_name.as_ref(), profile.email.as_ref()), (None, Some(&email)));
        assert!(!kit.store.set_details(&name("nobody"), Edit::Clear, Edit::Clear).await.unwrap());
    }

    /// The attack: a session goes on by the groups its holder had when it began.
    #[tokio::test]
    async fn a_change_of_groups_reaches_every_session_and_ends_what_is_open() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let (bob, _) = kit.enrolled("bob").await;
        kit.store.set_membership(&alice.name, &named("family"), true).await.unwrap();
        let (first, second, other) = (kit.session(alice.id), kit.session(alice.id), kit.session(bob.id));
        let mut before = vec![];
        for new in [&first, &second] {
            before.push(kit.store.open_session(new.clone()).await.unwrap().unwrap());
        }
        let bystander = kit.store.open_session(other).await.unwrap().unwrap();
        let away = hash();
        kit.store.give_token((before[0].id, first.token), (away, "b.example".into()), "a.example").await.unwrap().unwrap();
        assert!(before.iter().all(|session| session.profile.is_in(&named("family"))));

        assert_eq!(kit.store.set_membership(&alice.name, &named("FAMILY"), false).await.unwrap(), Membership::Changed);
        for (token, host) in [(&first.token, "a.example"), (&second.token, "a.example"), (&away, "b.example")] {
            let session = kit.store.session(token, host).unwrap().expect("still signed in");
            assert!(session.check(kit.clock.now()).is_ok() && !session.profile.is_in(&named("family")));
        }
        assert!(before.iter().all(|session| session.lifeline.is_cut()), "what was open under the old groups ends");
        assert!(!bystander.lifeline.is_cut());
        assert_eq!(kit.store.hosts_of(before[0].id).len(), 2);
        // Ending the session ends what is opened under the new groups.
        let now = kit.store.session(&away, "b.example").unwrap().unwrap();
        assert!(kit.store.end_session(now.id).await.unwrap());
        assert!(now.lifeline.is_cut() && kit.store.session(&away, "b.example").unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_so_already_ends_nothing() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let session = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        assert_eq!(kit.store.set_membership(&alice.name, &named("x"), false).await.unwrap(), Membership::AsItWas);
        assert!(kit.store.set_details(&alice.name, Edit::Clear, Edit::Clear).await.unwrap());
        assert!(!session.lifeline.is_cut());
        assert_eq!(kit.store.set_membership(&name("nobody"), &named("x"), true).await.unwrap(), Membership::NoUser);
    }

    #[tokio::test]
    async fn groups_are_bounded_and_go_with_their_account() {
        let kit = Kit::new();
        let alice = kit.store.add_user(&name("alice")).await.unwrap();
        for number in 0..MOST_GROUPS {
            kit.store.set_membership(&alice.name, &named(&format!("g{number}")), true).await.unwrap();
        }
        assert_eq!(kit.store.set_membership(&alice.name, &named("more"), true).await.unwrap(), Membership::Full);
        assert_eq!(groups_of(&kit, alice.id).await.len(), MOST_GROUPS);
        assert!(kit.store.delete_user(&alice.name).await.unwrap());
        assert_eq!(kit.count("membership"), 0);
        let again = kit.store.add_user(&name("alice")).await.unwrap();
        assert!(groups_of(&kit, again.id).await.is_empty(), "a name that comes back brings no groups along");
    }

    /// The attack: signing in at the very moment in which one is put out of a group.
    #[tokio::test]
    async fn whoever_signs_in_meanwhile_has_the_groups_that_were_decided_last() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        kit.store.set_membership(&alice.name, &named("family"), true).await.unwrap();
        for round in 0..20 {
            let member = round % 2 == 1;
            let news: Vec<_> = (0..6).map(|_| kit.session(alice.id)).collect();
            let mut tasks = vec![];
            for (at, new) in news.iter().enumerate() {
                let (store, new, alice) = (kit.store.clone(), new.clone(), alice.name.clone());
                tasks.push(task::start("open", async move {
                    if at == 3 {
                        store.set_membership(&alice, &named("family"), member).await.unwrap();
                    }
                    store.open_session(new).await.unwrap().unwrap();
                }));
            }
            for task in tasks {
                task.await.unwrap();
            }
            for session in kit.store.list_sessions().await.unwrap() {
                assert_eq!(session.profile.is_in(&named("family")), member, "round {round}");
            }
        }
    }
}
