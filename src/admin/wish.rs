//! Wishes and their answers, as they travel over the control socket: one JSON document each.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::admin::bans::{BanAnswer, BanWish};
use crate::admin::certificates::{CertificateAnswer, CertificateWish};
use crate::admin::keys::{KeyAnswer, KeyWish};
use crate::admin::status::Status;
use crate::admin::takeover::{Offer, Outcome};
use crate::admin::terms::{TermsLine, TermsWish};
use crate::admin::trail::{TrailAnswer, TrailWish};
use crate::plan::difference::Change;
use crate::plan::owner::Account;

/// What an owner asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case", deny_unknown_fields)]
pub enum Wish {
    /// Make an account.
    UserAdd {
        /// As typed.
        name: String,
        /// What it can sign in with from the start; without, a set-up link is made.
        credentials: Option<Credentials>,
        /// How they are called and where they get mail.
        #[serde(default)]
        details: Details,
    },
    /// Change how somebody is called or where they get mail, and in which ways they sign in.
    UserSet {
        /// As typed.
        name: String,
        /// What is to change; an empty text takes a detail away.
        details: Details,
        /// What the owner sets down for them.
        #[serde(default)]
        terms: TermsWish,
    },
    /// All that is known of one account.
    UserShow {
        /// As typed.
        name: String,
    },
    /// Put somebody into a group, or take them out of it.
    UserGroup {
        /// As typed.
        name: String,
        /// As typed.
        group: String,
        /// `false` takes them out.
        member: bool,
    },
    /// Make a new set-up link; older ones of that user die.
    UserLink {
        /// As typed.
        name: String,
    },
    /// Take a factor of somebody away.
    UserReset {
        /// As typed.
        name: String,
        /// The factor that they lose.
        factor: Resettable,
        /// `false` ends their sessions.
        keep_sessions: bool,
    },
    /// All accounts.
    UserList,
    /// Let nobody sign in as this user, and end their sessions; or allow it again.
    UserDisable {
        /// As typed.
        name: String,
        /// `false` allows it again.
        disabled: bool,
    },
    /// Take the account away with everything that belongs to it.
    UserDelete {
        /// As typed.
        name: String,
    },
    /// All live sessions.
    SessionList,
    /// End sessions.
    SessionEnd {
        /// One, those of a user, or all.
        which: Which,
    },
    /// Something about the master keys.
    Keys {
        /// Whether they are listed, made, sealed anew with, or forgotten.
        ask: KeyWish,
    },
    /// Something about the audit trail.
    Trail {
        /// Whether it is read, verified, or told of a backup.
        ask: TrailWish,
    },
    /// What passkeys are made for.
    Site,
    /// Something about bans on networks.
    Bans {
        /// Whether they are listed, or one is added or lifted.
        ask: BanWish,
    },
    /// Something about certificates.
    Certificates {
        /// Whether they are listed, renewed or revoked, or the key of the account is changed.
        ask: CertificateWish,
    },
    /// Take over certificates of other programs.
    Import {
        /// Their files and accounts, as they were found.
        offer: Box<Offer>,
    },
    /// Whether the gateway is well.
    Health,
    /// Everything there is to see of it.
    Status,
    /// Read the configuration file again and put it into force.
    Reload {
        /// The file that is meant, if the owner named one: the gateway refuses if it runs from another.
        file: Option<PathBuf>,
        /// Go back to the configuration before unless [`Wish::Keep`] comes within so many seconds.
        confirm_secs: Option<u64>,
        /// Whether complaints may be coloured.
        colour: bool,
    },
    /// Keep the configuration that is on trial.
    Keep,
    /// Say what would change with another configuration; nothing is applied.
    Diff {
        /// Where the text comes from; relative paths in it are relative to its folder.
        file: PathBuf,
        /// What stands in that file, or is to stand there.
        text: String,
        /// Whether complaints may be coloured.
        colour: bool,
    },
}

/// How somebody is called and where they get mail, as typed; what is not given stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Details {
    /// How they are called.
    pub display_name: Option<String>,
    /// Where they get mail.
    pub email: Option<String>,
}

/// Ready-made credentials. The password was hashed before it came here: the plain one never leaves the command line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// argon2id, PHC string; none where one owner signs in without a password.
    pub password_hash: Option<String>,
    /// An authenticator's seed in base32.
    pub totp_seed: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// Which factor is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resettable {
    /// Authenticator apps.
    Totp,
    /// Passkeys and security keys.
    Passkey,
    /// Recovery codes.
    Recovery,
}

/// Which sessions.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// One, by its id.
    One(String),
    /// All of one user.
    User(String),
    /// All.
    All,
}

/// What passkeys are made for.
#[derive(Debug, Serialize, Deserialize)]
pub struct SiteLine {
    /// The domain; none while there is no passkey.
    pub id: Option<String>,
    /// How many there are.
    pub passkeys: u64,
    /// Accounts that are not disabled, and what they have to sign in with.
    #[serde(default)]
    pub accounts: Vec<Account>,
}

/// What became of a wish.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// An account and how to get into it.
    User(UserAnswer),
    /// A factor was taken away.
    Reset(ResetAnswer),
    /// One account.
    Person(Box<UserLine>),
    /// Accounts.
    Users {
        /// In order of names.
        users: Vec<UserLine>,
    },
    /// The account was disabled, allowed again or deleted.
    Done {
        /// Its canonical name.
        user: String,
    },
    /// What became of certificates that were to be taken over.
    Imported {
        /// For each file and name.
        outcomes: Vec<Outcome>,
    },
    /// Live sessions.
    Sessions {
        /// Newest last.
        sessions: Vec<SessionLine>,
    },
    /// How many sessions were ended.
    Ended {
        /// How many.
        ended: usize,
    },
    /// What passkeys are made for.
    Site(Box<SiteLine>),
    /// The gateway is well.
    Well {
        /// Its version.
        version: String,
        /// Live sessions.
        sessions: usize,
    },
    /// About the master keys.
    Keys {
        /// As the wish for keys asked.
        said: KeyAnswer,
    },
    /// About the audit trail.
    Trail {
        /// As the wish for the trail asked.
        said: TrailAnswer,
    },
    /// About bans on networks.
    Bans {
        /// As the wish for bans asked.
        said: BanAnswer,
    },
    /// About certificates.
    Certificates {
        /// As the wish for certificates asked.
        said: CertificateAnswer,
    },
    /// Everything there is to see of the gateway.
    Status(Box<Status>),
    /// Another configuration is in force.
    Reloaded(Box<Reloaded>),
    /// The configuration on trial stays.
    Kept {
        /// Its version.
        version: u64,
    },
    /// What would change.
    Different {
        /// The version in force.
        version: u64,
        /// What would change.
        changes: Vec<Change>,
        /// Warnings about the text.
        warnings: Option<Box<Told>>,
    },
    /// The configuration has errors; nothing was changed.
    Complaints(Told),
    /// The wish was not carried out; nothing was changed.
    Refused {
        /// The kind, which decides the exit code.
        kind: RefusedKind,
        /// In plain words, with what to do next.
        message: String,
    },
}

/// Another configuration is in force.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reloaded {
    /// Its version, as in the access log.
    pub version: u64,
    /// Where it was read from.
    pub file: PathBuf,
    /// What changed.
    pub changes: Vec<Change>,
    /// Warnings about the file.
    pub warnings: Option<Box<Told>>,
    /// Keys that differ from what the gateway was started with and take effect with a restart only.
    pub needs_restart: Vec<String>,
    /// Seconds within which it has to be confirmed; `None` if it stays anyway.
    pub confirm_within: Option<u64>,
    /// TLS addresses with their real ports.
    pub https: Vec<SocketAddr>,
    /// Plain addresses with their real ports.
    pub http: Vec<SocketAddr>,
}

/// Complaints about a configuration, as `check` prints them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Value,
}

/// An account and how to get into it.
#[derive(Debug, Serialize, Deserialize)]
pub struct UserAnswer {
    /// The canonical name.
    pub user: String,
    /// Shown this once; `None` if the account has its credentials.
    pub setup_link: Option<String>,
    /// When the link dies, seconds since the Unix epoch.
    pub expires_at: Option<i64>,
    /// Shown this once; `None` without an authenticator.
    pub otpauth: Option<String>,
}

/// What became of a factor that was taken away.
#[derive(Debug, Serialize, Deserialize)]
pub struct ResetAnswer {
    /// The canonical name.
    pub user: String,
    /// The factor that they lost.
    pub factor: Resettable,
    /// How many were taken away.
    pub removed: usize,
    /// Sessions ended by it.
    pub ended: usize,
    /// Authenticators left.
    pub authenticators: usize,
    /// Recovery codes left.
    pub recovery_codes: usize,
    /// Whether nobody has a password here.
    #[serde(default)]
    pub alone: bool,
    /// Where nothing but a password is left: how its holder gets a second factor again. Shown this once.
    pub setup_link: Option<String>,
    /// When the link dies, seconds since the Unix epoch.
    pub expires_at: Option<i64>,
}

/// One account in a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct UserLine {
    /// The canonical name.
    pub user: String,
    /// How they are called.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Where they get mail.
    #[serde(default)]
    pub email: Option<String>,
    /// The groups they are in, in order.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Whether sign-in is barred.
    pub disabled: bool,
    /// Whether there is a password.
    pub password: bool,
    /// Authenticators enrolled.
    pub authenticators: usize,
    /// Passkeys and security keys.
    #[serde(default)]
    pub passkeys: usize,
    /// Recovery codes that can still be used.
    #[serde(default)]
    pub recovery_codes: usize,
    /// What the owner set down for them.
    #[serde(default)]
    pub terms: TermsLine,
    /// Live sessions.
    pub sessions: usize,
    /// Seconds since the Unix epoch.
    pub created_at: i64,
    /// Seconds since the Unix epoch; `None` if never, as far as the audit trail goes back.
    #[serde(default)]
    pub last_sign_in: Option<i64>,
}

/// One session in a list.
#[derive(Debug, Serialize, Deserialize)]
pub struct SessionLine {
    /// For `session end`.
    pub id: String,
    /// Whose.
    pub user: String,
    /// Where it began.
    pub host: String,
    /// Every host that holds a token of it, in the order in which they got one.
    pub hosts: Vec<String>,
    /// `2fa` or `password`.
    pub strength: String,
    /// The client network it began from.
    pub network: String,
    /// The browser it began in.
    pub agent: String,
    /// Seconds since the Unix epoch.
    pub created_at: i64,
    /// Seconds since the Unix epoch.
    pub last_seen: i64,
    /// Seconds since the Unix epoch: when it ends if nobody comes any more.
    pub ends_at: i64,
}

/// Why a wish was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedKind {
    /// There is no such user or session.
    NotFound,
    /// The wish itself is off: a bad name, a name taken.
    Unfit,
    /// The store could not do it.
    Failed,
    /// The configuration in force stays: the new one asks for what cannot be had here.
    NotApplied,
}
