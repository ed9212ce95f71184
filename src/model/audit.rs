//! What is written down for the owner's duty to answer for it: who did what, from where, by which method, and what came of it.
//!
//! Every text in here is one of ours or a name that an account has. What a visitor typed never gets in: people type passwords
//! and codes where names belong.

use std::net::IpAddr;

use crate::base::clock::Timestamp;
use crate::model::user::{User, UserId, UserName};

/// What was done. The name is stable: filters, webhooks and other programs are written against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Somebody signed in.
    SignIn,
    /// Somebody signed in with a browser from a network that their records did not know.
    NewDevice,
    /// A password or code was wrong, or could not be checked.
    SignInFailed,
    /// Tries came too fast or too often.
    Throttled,
    /// Somebody signed out.
    SignOut,
    /// A session was ended by somebody else, or ran out.
    SessionEnded,
    /// A new account was set up by its holder.
    SetUp,
    /// A password, authenticator or another factor was added, replaced or taken away.
    CredentialChanged,
    /// Somebody signed in with a recovery code.
    RecoveryUsed,
    /// An account was made.
    UserAdded,
    /// Details of an account changed.
    UserChanged,
    /// An account may not sign in any more.
    UserDisabled,
    /// An account may sign in again.
    UserEnabled,
    /// An account was deleted.
    UserDeleted,
    /// A set-up link was made for an account.
    LinkIssued,
    /// An account joined or left a group.
    GroupChanged,
    /// A network was barred.
    BanAdded,
    /// A network was let in again.
    BanLifted,
    /// Another configuration came into force.
    Reloaded,
    /// A name got its first certificate of an authority out there.
    CertificateIssued,
    /// A name got a new one.
    CertificateRenewed,
    /// A certificate could not be renewed or taken up.
    CertificateFailing,
    /// A certificate was taken over from another program.
    CertificateImported,
    /// A certificate was revoked.
    CertificateRevoked,
    /// Our account at an authority out there got another key.
    AccountKeyChanged,
    /// A new master key seals from now on.
    KeyRotated,
    /// An old master key was forgotten.
    KeyDropped,
    /// A backup was made.
    BackupMade,
    /// The data came out of a backup.
    BackupRestored,
    /// The trail did not go on from where it had ended: somebody has been at the database.
    TrailBroken,
}

impl Deed {
    /// Every deed.
    pub const ALL: [Self; 30] = [
        Self::SignIn,
        Self::NewDevice,
        Self::SignInFailed,
        Self::Throttled,
        Self::SignOut,
        Self::SessionEnded,
        Self::SetUp,
        Self::CredentialChanged,
        Self::RecoveryUsed,
        Self::UserAdded,
        Self::UserChanged,
        Self::UserDisabled,
        Self::UserEnabled,
        Self::UserDeleted,
        Self::LinkIssued,
        Self::GroupChanged,
        Self::BanAdded,
        Self::BanLifted,
        Self::Reloaded,
        Self::CertificateIssued,
        Self::CertificateRenewed,
        Self::CertificateFailing,
        Self::CertificateImported,
        Self::CertificateRevoked,
        Self::AccountKeyChanged,
        Self::KeyRotated,
        Self::KeyDropped,
        Self::BackupMade,
        Self::BackupRestored,
        Self::TrailBroken,
    ];

    /// The name in the trail, in `notify.events` and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::NewDevice => "sign_in.new_device",
            Self::SignInFailed => "sign_in.failed",
            Self::Throttled => "sign_in.throttled",
            Self::SignOut => "session.signed_out",
            Self::SessionEnded => "session.ended",
            Self::SetUp => "user.set_up",
            Self::CredentialChanged => "credential.changed",
            Self::RecoveryUsed => "recovery.used",
            Self::UserAdded => "user.added",
            Self::UserChanged => "user.changed",
            Self::UserDisabled => "user.disabled",
            Self::UserEnabled => "user.enabled",
            Self::UserDeleted => "user.deleted",
            Self::LinkIssued => "user.link_issued",
            Self::GroupChanged => "group.changed",
            Self::BanAdded => "ban.added",
            Self::BanLifted => "ban.lifted",
            Self::Reloaded => "config.reloaded",
            Self::CertificateIssued => "cert.issued",
            Self::CertificateRenewed => "cert.renewed",
            Self::CertificateFailing => "cert.failing",
            Self::CertificateImported => "cert.imported",
            Self::CertificateRevoked => "cert.revoked",
            Self::AccountKeyChanged => "cert.account_key",
            Self::KeyRotated => "key.rotated",
            Self::KeyDropped => "key.dropped",
            Self::BackupMade => "backup.made",
            Self::BackupRestored => "backup.restored",
            Self::TrailBroken => "audit.broken",
        }
    }

    /// Reads that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.name() == name)
    }

    /// Whether it is meant by `event`: its name, or what it begins with before a full stop.
    pub fn is_of(self, event: &str) -> bool {
        self.name().strip_prefix(event).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// What a webhook is told unless the configuration says otherwise.
    pub const TOLD: [Self; 6] = [
        Self::CredentialChanged,
        Self::RecoveryUsed,
        Self::NewDevice,
        Self::CertificateFailing,
        Self::BanAdded,
        Self::TrailBroken,
    ];

    /// Whether the person concerned is told on their next visit.
    pub const fn is_told_to_its_person(self) -> bool {
        matches!(self, Self::NewDevice | Self::CredentialChanged | Self::RecoveryUsed)
    }

    /// Whether an attacker can have as many of these written as they like, so that they are bounded.
    pub const fn is_cheap(self) -> bool {
        matches!(self, Self::SignInFailed | Self::Throttled)
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was tried and failed.
    Failed,
    /// It was not even tried.
    Refused,
}

impl Outcome {
    /// The name in the trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A visitor: the account's holder, or somebody who tries to be.
    Visitor,
    /// The owner, at the command line.
    Owner,
    /// The gateway by itself.
    Gateway,
}

impl Actor {
    /// The name in the trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Visitor => "visitor",
            Self::Owner => "owner",
            Self::Gateway => "gateway",
        }
    }
}

/// Something to write down.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was done.
    pub deed: Deed,
    /// What came of it.
    pub outcome: Outcome,
    /// Who did it.
    pub actor: Actor,
    /// The account it was done to or with, if there is one.
    pub account: Option<(UserId, UserName)>,
    /// The same, where only the name is known.
    pub name: Option<UserName>,
    /// From where.
    pub address: Option<IpAddr>,
    /// The browser, as it calls itself; only a keyed hash of it is kept.
    pub agent: Option<Box<str>>,
    /// By which method: `code`, `password`, …
    pub method: Option<&'static str>,
    /// Why, in words of ours.
    pub reason: Option<&'static str>,
    /// More: a host, a group, a key's id. Never what somebody typed to prove who they are.
    pub detail: Option<Box<str>>,
    /// The request, as in the log.
    pub request: Option<Box<str>>,
}

impl Entry {
    /// Something that was done by `actor`.
    pub fn new(deed: Deed, actor: Actor) -> Self {
        Self {
            deed,
            outcome: Outcome::Done,
            actor,
            account: None,
            name: None,
            address: None,
            agent: None,
            method: None,
            reason: None,
            detail: None,
            request: None,
        }
    }

    /// Something that failed or was refused.
    #[must_use]
    pub fn came_to(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// The account concerned.
    #[must_use]
    pub fn of(self, user: &User) -> Self {
        self.of_account(user.id, &user.name)
    }

    /// The account concerned, by id and name.
    #[must_use]
    pub fn of_account(self, id: UserId, name: &UserName) -> Self {
        Self { account: Some((id, name.clone())), ..self }
    }

    /// The account of that name, if there is one.
    #[must_use]
    pub fn named(self, name: Option<&UserName>) -> Self {
        Self { name: name.cloned(), ..self }
    }

    /// Where the request came from, and by which name the log knows it.
    #[must_use]
    pub fn from(self, address: IpAddr, request: &str) -> Self {
        Self { address: Some(address), request: Some(request.into()), ..self }
    }

    /// The browser.
    #[must_use]
    pub fn with(self, agent: &str) -> Self {
        Self { agent: Some(agent.into()), ..self }
    }

    /// The method.
    #[must_use]
    pub fn by(self, method: &'static str) -> Self {
        Self { method: Some(method), ..self }
    }

    /// The reason.
    #[must_use]
    pub fn because(self, reason: &'static str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// More about it. See [`Entry::detail`].
    #[must_use]
    pub fn detailed(self, detail: impl Into<Box<str>>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

/// Something that was written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its number; the next one is one more.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What was done; the name of a [`Deed`] of this or another version.
    pub event: String,
    /// What came of it.
    pub outcome: String,
    /// The id of the account.
    pub account_id: Option<String>,
    /// Its name at that time.
    pub account: Option<String>,
    /// Who did it.
    pub actor: String,
    /// From where.
    pub address: Option<String>,
    /// By which method.
    pub method: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// More.
    pub detail: Option<String>,
    /// How many times.
    pub tally: u64,
    /// Keyed hash of browser and network.
    pub device: Option<Vec<u8>>,
    /// The request.
    pub request: Option<String>,
}

/// What a person is told on their next visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub deed: Deed,
    /// From where.
    pub address: Option<String>,
    /// More.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deed_has_a_name_of_its_own() {
        for deed in Deed::ALL {
            assert_eq!(Deed::from_name(deed.name()), Some(deed));
        }
        assert_eq!(Deed::from_name("sign_in "), None);
    }
}
