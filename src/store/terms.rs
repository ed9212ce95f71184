//! What the owner set down for one account. On disk first, then in the sessions of its holder.

use std::sync::Arc;

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::model::method::Methods;
use crate::model::profile::Profile;
use crate::model::strength::Strength;
use crate::model::terms::Terms;
use crate::model::user::{User, UserId, UserName};
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::live::Live;
use crate::store::open::Store;
use crate::store::people::{self, Edit};
use crate::store::users;

/// What is to become of the terms of an account; what is cleared is as the installation has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The ways that count.
    pub methods: Edit<Methods>,
    /// How firmly identity has to be proven.
    pub demanded: Edit<Strength>,
    /// Whether its holder may change factors.
    pub self_service: Edit<bool>,
}

impl Change {
    /// Whether everything stays.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Whether sessions have to be judged anew.
    fn touches_sessions(&self) -> bool {
        self.methods != Edit::Keep || self.demanded != Edit::Keep
    }

    /// Whether something is asked for that its holder may lack.
    fn demands(&self) -> bool {
        matches!(self.methods, Edit::Set(_)) || matches!(self.demanded, Edit::Set(_))
    }
}

/// What settles a change in memory.
struct Known {
    user: UserId,
    profile: Arc<Profile>,
}

impl Store {
    /// Sets down terms for an account. From the next request on its sessions are judged by them, and if they could lose anything by
    /// that, everything that was open under the old ones ends. Returns whether there is such a user.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then, on disk or in memory.
    pub async fn set_terms(&self, name: &UserName, change: Change) -> Result<bool, Fault> {
        let (name, now, told, begins_anew) = (name.clone(), self.clock.now(), self.told(), change.touches_sessions());
        let work = move |database: &Database| {
            let Some(user) = users::find(database, &name)? else { return Ok(None) };
            write(database, user.id, &change, now)?;
            told.tell(database, Some(&user))?;
            Ok(Some(Known { user: user.id, profile: people::read(database, user.id)? }))
        };
        let settle = move |live: &Live, known: Result<Option<Known>, Fault>| {
            Ok(known?.map(|known| live.know(known.user, &known.profile, begins_anew)).is_some())
        };
        self.run(work, settle).await
    }
}

fn write(database: &Database, user: UserId, change: &Change, now: Timestamp) -> Result<(), Fault> {
    let id = user.as_str();
    if let Some(methods) = change.methods.value() {
        let methods = methods.map(ToString::to_string);
        database.execute("UPDATE account SET methods = ?2 WHERE id = ?1", params![id, methods])?;
    }
    if let Some(demanded) = change.demanded.value() {
        let demanded = demanded.map(|strength| strength.code());
        database.execute("UPDATE account SET demanded = ?2 WHERE id = ?1", params![id, demanded])?;
    }
    if let Some(self_service) = change.self_service.value() {
        database.execute("UPDATE account SET self_service = ?2 WHERE id = ?1", params![id, self_service.copied()])?;
    }
    if change.demands() {
        database.execute("UPDATE account SET demanded_at = ?2 WHERE id = ?1", params![id, now.millis()])?;
    }
    Ok(())
}

/// Reads the columns `methods, demanded, self_service` from `first` on. What cannot be read is no reason to let somebody in.
pub(super) fn read(row: &Record<'_>, first: usize) -> Result<Terms, Fault> {
    let unreadable = |column| Fault::Unreadable { column };
    let methods = row.optional(first, |row, column| Methods::parse(&row.text(column)?).ok_or(unreadable("account.methods")))?;
    let demanded =
        row.optional(first + 1, |row, column| Strength::from_code(row.integer(column)?).ok_or(unreadable("account.demanded")))?;
    let self_service = row.optional(first + 2, Record::flag)?;
    Ok(Terms { methods: methods.unwrap_or_default(), demanded, self_service })
}

/// The terms of an account, and since when what is asked of its holder has been asked.
pub(super) fn of(database: &Database, user: &User) -> Result<(Terms, Timestamp), Fault> {
    let select = "SELECT methods, demanded, self_service, demanded_at FROM account WHERE id = ?1";
    let found = database.one(select, params![user.id.as_str()], |row| Ok((read(row, 0)?, row.optional(3, Record::time)?)))?;
    let (terms, demanded_at) = found.unwrap_or_default();
    Ok((terms, demanded_at.map_or(user.created_at, |at| at.max(user.created_at))))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::method::Method;
    use crate::store::kit::{Kit, name};

    fn only(methods: &[Method]) -> Change {
        Change { methods: Edit::Set(Methods::of(methods.iter().copied())), ..Change::default() }
    }

    /// The attack: a session goes on by a way that the owner has just taken from its holder.
    #[tokio::test]
    async fn terms_reach_every_session_end_what_is_open_and_survive_a_restart() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let (bob, _) = kit.enrolled("bob").await;
        let new = kit.session(alice.id);
        let before = kit.store.open_session(new.clone()).await.unwrap().unwrap();
        let bystander = kit.store.open_session(kit.session(bob.id)).await.unwrap().unwrap();
        assert_eq!(before.profile.terms, Terms::default());

        assert!(kit.store.set_terms(&alice.name, only(&[Method::Passkey])).await.unwrap());
        assert!(before.lifeline.is_cut() && !bystander.lifeline.is_cut());
        let now = kit.store.session(&new.token, "a.example").unwrap().expect("still signed in");
        assert_eq!(now.profile.terms.methods, Methods::of([Method::Passkey]));

        let lesser = Change { demanded: Edit::Set(Strength::Passkey), self_service: Edit::Set(false), ..Change::default() };
        assert!(kit.store.set_terms(&alice.name, lesser).await.unwrap());
        let kit = kit.reopened().await;
        let then = kit.store.session(&new.token, "a.example").unwrap().unwrap();
        let all = Terms { methods: Methods::of([Method::Passkey]), demanded: Some(Strength::Passkey), self_service: Some(false) };
        assert_eq!(then.profile.terms, all);
        assert_eq!(kit.store.sign_in_facts(&alice.name).await.unwrap().unwrap().terms, all);
        let inherit = Change { methods: Edit::Clear, demanded: Edit::Clear, self_service: Edit::Clear };
        assert!(kit.store.set_terms(&alice.name, inherit).await.unwrap());
        assert_eq!(kit.store.profile(alice.id).await.unwrap().unwrap().terms, Terms::default());
        assert!(!kit.store.set_terms(&name("nobody"), Change::default()).await.unwrap());
    }

    #[tokio::test]
    async fn what_is_open_goes_on_where_nothing_can_be_lost() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let session = kit.store.open_session(kit.session(alice.id)).await.unwrap().unwrap();
        let change = Change { self_service: Edit::Set(false), ..Change::default() };
        assert!(kit.store.set_terms(&alice.name, change).await.unwrap());
        assert!(!session.lifeline.is_cut());
    }

    /// The attack: the time in which a password is enough is stretched by terms that ask for nothing.
    #[tokio::test]
    async fn only_what_is_demanded_begins_the_time_for_it_anew() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        let since = async || kit.store.sign_in_facts(&alice.name).await.unwrap().unwrap().asked_since;
        assert_eq!(since().await, alice.created_at);
        kit.clock.advance(Duration::from_secs(60));
        for change in [
            Change { self_service: Edit::Set(true), ..Change::default() },
            Change { methods: Edit::Clear, demanded: Edit::Clear, ..Change::default() },
        ] {
            assert!(kit.store.set_terms(&alice.name, change).await.unwrap());
            assert_eq!(since().await, alice.created_at);
        }
        assert!(kit.store.set_terms(&alice.name, only(&[Method::PasswordTotp])).await.unwrap());
        assert_eq!(since().await, kit.clock.now());
    }

    /// The attack (by a damaged disk, or an older program): terms that cannot be read count as none.
    #[tokio::test]
    async fn terms_that_cannot_be_read_let_nobody_in() {
        let kit = Kit::new();
        let (alice, _) = kit.enrolled("alice").await;
        for set in ["methods = 'carrier pigeon'", "demanded = 9"] {
            let update = format!("UPDATE account SET {set}");
            kit.store.ask(move |database| database.execute(&update, [])).await.unwrap();
            assert!(kit.store.sign_in_facts(&alice.name).await.is_err(), "{set}");
            kit.store.ask(|database| database.execute("UPDATE account SET methods = NULL, demanded = NULL", [])).await.unwrap();
        }
    }
}
