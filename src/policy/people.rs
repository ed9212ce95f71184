//! Whom a route lets in: everybody who is signed in, or those on every one of some lists.

use std::fmt;
use std::sync::Arc;

use crate::model::profile::GroupName;
use crate::model::session::Session;
use crate::model::user::UserName;

/// Whom a route lets in. Cheap to clone: lists are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum People {
    /// Everybody who is signed in.
    #[default]
    Everybody,
    /// Those on this list.
    Listed(Arc<Allowed>),
    /// Those on each of these lists: two or more, in order, none twice.
    OnEach(Arc<[Arc<Allowed>]>),
}

/// A list of users and groups; who is one of the users or in one of the groups is on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    users: Box<[UserName]>,
    groups: Box<[GroupName]>,
}

impl Allowed {
    /// A list. In which order they come and whether one comes twice makes no difference.
    pub fn new(mut users: Vec<UserName>, mut groups: Vec<GroupName>) -> Self {
        users.sort();
        users.dedup();
        groups.sort();
        groups.dedup();
        Self { users: users.into(), groups: groups.into() }
    }

    /// Whether nobody can be on it.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }

    /// Its entries as they are written in gateway.toml.
    pub fn entries(&self) -> impl Iterator<Item = String> {
        let users = self.users.iter().map(|user| format!("user:{user}"));
        users.chain(self.groups.iter().map(|group| format!("group:{group}")))
    }

    fn holds(&self, session: &Session) -> bool {
        self.users.contains(&session.user_name) || self.groups.iter().any(|group| session.profile.is_in(group))
    }
}

impl People {
    /// Those on `allowed`.
    pub fn listed(allowed: Allowed) -> Self {
        Self::Listed(Arc::new(allowed))
    }

    /// Whether it lets the holder of this session in.
    pub fn let_in(&self, session: &Session) -> bool {
        match self {
            Self::Everybody => true,
            Self::Listed(allowed) => allowed.holds(session),
            Self::OnEach(lists) => lists.iter().all(|allowed| allowed.holds(session)),
        }
    }

    /// Those whom both let in.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Everybody, people) | (people, Self::Everybody) => people.clone(),
            (one, two) if one == two => one.clone(),
            (one, two) => {
                let mut lists: Vec<_> = one.lists().iter().chain(two.lists()).cloned().collect();
                lists.sort();
                lists.dedup();
                Self::OnEach(lists.into())
            }
        }
    }

    /// The lists one has to be on.
    pub fn lists(&self) -> &[Arc<Allowed>] {
        match self {
            Self::Everybody => &[],
            Self::Listed(allowed) => std::slice::from_ref(allowed),
            Self::OnEach(lists) => lists,
        }
    }
}

impl fmt::Display for People {
    /// Such as `group:family, user:bob`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Everybody = self {
            return f.write_str("everybody who is signed in");
        }
        for (at, allowed) in self.lists().iter().enumerate() {
            let entries: Vec<String> = allowed.entries().collect();
            let told = if entries.is_empty() { "nobody".to_owned() } else { entries.join(", ") };
            write!(f, "{}{told}", if at == 0 { "" } else { " and also " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;
    use crate::model::profile::Profile;
    use crate::model::session::SessionRecord;
    use crate::model::strength::Strength;

    fn session(name: &str, groups: &[&str]) -> Session {
        let groups = groups.iter().map(|group| group.parse().expect("a group")).collect();
        let profile = Arc::new(Profile { groups, ..Profile::default() });
        let new = SessionRecord::imagined(name.parse().expect("a name"), Strength::TwoFactor, Timestamp::from_secs(0));
        Session::from(SessionRecord { profile, ..new })
    }

    fn people(users: &[&str], groups: &[&str]) -> People {
        let users = users.iter().map(|user| user.parse().expect("a name")).collect();
        People::listed(Allowed::new(users, groups.iter().map(|group| group.parse().expect("a group")).collect()))
    }

    /// The attack: a user who is called like a group, or a group like a user.
    #[test]
    fn users_and_groups_are_told_apart() {
        let family = people(&[], &["family"]);
        assert!(family.let_in(&session("alice", &["work", "family"])));
        assert!(!family.let_in(&session("family", &["work"])));
        let alice = people(&["Alice"], &[]);
        assert!(alice.let_in(&session("alice", &[])));
        assert!(!alice.let_in(&session("bob", &["alice"])));
        assert!(!people(&[], &[]).let_in(&session("alice", &["family"])), "an empty list lets nobody in");
        assert!(People::Everybody.let_in(&session("bob", &[])));
    }

    #[test]
    fn two_lists_let_in_who_is_on_both_and_order_makes_no_difference() {
        let (one, two) = (people(&["bob", "bob"], &["family"]), people(&["alice", "bob"], &[]));
        let both = one.and(&two);
        assert_eq!(both, two.and(&one));
        assert_eq!(both.and(&one), both);
        assert_eq!(one.and(&one), one);
        assert_eq!(one.and(&People::Everybody), one);
        for (name, groups, in_) in
            [("bob", &[][..], true), ("alice", &[], false), ("alice", &["family"], true), ("carol", &["family"], false)]
        {
            assert_eq!(both.let_in(&session(name, groups)), in_, "{name} {groups:?}");
        }
        assert_eq!(both.to_string(), "user:alice, user:bob and also user:bob, group:family");
        assert_eq!(people(&["bob", "Alice"], &[]), people(&["alice", "BOB", "alice"], &[]));
    }
}
