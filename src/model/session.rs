//! A session: somebody proved who they are, for every host that holds a token of it, until it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::clock::Timestamp;
use crate::base::id::Id;
use crate::base::lifeline::Lifeline;
use crate::model::method::{Method, Methods};
use crate::model::profile::Profile;
use crate::model::strength::Strength;
use crate::model::user::{UserId, UserName};

/// A session's id. Names it for people and the command line; it opens nothing (the token does).
pub type SessionId = Id<Session>;

/// The id of a session, and of a user, that nobody has.
const NOBODY: &str = "0000000000000000";
/// For how long an imagined session lasts.
const IMAGINED: Duration = Duration::from_secs(60);

/// Somebody signed in. Shared by every request that presents one of its tokens; each host has one of its own.
///
/// Besides the last use nothing in it changes: whoever holds one judges by what was known when it was looked up. What becomes
/// known later is a session of its own in this one's place ([`Session::known_as`], [`Session::confirmed`]).
#[derive(Debug)]
pub struct Session {
    /// Names the session.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Their canonical name.
    pub user_name: UserName,
    /// What else is known of them.
    pub profile: Arc<Profile>,
    /// How firmly identity was proven.
    pub strength: Strength,
    /// When that was last done.
    pub proofs: Proofs,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// It ends after this long without a request; `None` for "keep me signed in".
    pub idle_timeout: Option<Duration>,
    /// The client network it began from, for people to recognise it.
    pub network: Box<str>,
    /// The browser it began in (`User-Agent`, shortened), for people to recognise it.
    pub agent: Box<str>,
    /// Cut when the session ends by any way; streams opened under it hold on to this.
    pub lifeline: Lifeline,
    last_seen: Arc<AtomicI64>,
    streams: Arc<AtomicUsize>,
}

/// Something that is under way under a session: a WebSocket, a download. Counted while it is held.
#[derive(Debug)]
pub struct Stream(Arc<AtomicUsize>);

/// When each factor was last proven. Kept apart, because what proves one says nothing of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proofs {
    /// The password.
    pub password: Option<Timestamp>,
    /// A code from an authenticator app.
    pub code: Option<Timestamp>,
    /// A passkey or security key.
    pub passkey: Option<Timestamp>,
}

/// What of a session is stored; the living [`Session`] is made from it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "field by field the same as Session")]
pub struct SessionRecord {
    pub id: SessionId,
    pub user: UserId,
    pub user_name: UserName,
    pub profile: Arc<Profile>,
    pub strength: Strength,
    pub proofs: Proofs,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub idle_timeout: Option<Duration>,
    pub network: Box<str>,
    pub agent: Box<str>,
    pub last_seen: Timestamp,
}

/// Why a session counts no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Signed out, ended by somebody, or the account was disabled.
    Revoked,
    /// Too long without a request.
    Idle,
    /// Its whole time is over.
    Expired,
}

impl SessionRecord {
    /// The session that somebody who has just signed in would have, to ask what it opens. Nobody has it: it is no row anywhere.
    pub fn imagined(user_name: UserName, strength: Strength, now: Timestamp) -> Self {
        Self {
            id: NOBODY.parse().expect("sixteen letters of the alphabet of ids"),
            user: NOBODY.parse().expect("sixteen letters of the alphabet of ids"),
            user_name,
            profile: Arc::default(),
            strength,
            proofs: Proofs { password: Some(now), code: Some(now), passkey: Some(now) },
            created_at: now,
            expires_at: now.plus(IMAGINED),
            idle_timeout: None,
            network: "".into(),
            agent: "".into(),
            last_seen: now,
        }
    }
}

impl From<SessionRecord> for Session {
    fn from(record: SessionRecord) -> Self {
        Self {
            id: record.id,
            user: record.user,
            user_name: record.user_name,
            profile: record.profile,
            strength: record.strength,
            proofs: record.proofs,
            created_at: record.created_at,
            expires_at: record.expires_at,
            idle_timeout: record.idle_timeout,
            network: record.network,
            agent: record.agent,
            lifeline: Lifeline::new(),
            last_seen: Arc::new(AtomicI64::new(record.last_seen.millis())),
            streams: Arc::default(),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Session {
    /// Whether the session counts at `now`.
    ///
    /// # Errors
    /// [`Ended`] with the reason when it does not. A session is over at its last moment, not after it.
    pub fn check(&self, now: Timestamp) -> Result<(), Ended> {
        if self.lifeline.is_cut() {
            Err(Ended::Revoked)
        } else if now >= self.expires_at {
            Err(Ended::Expired)
        } else if self.idle_timeout.is_some_and(|idle| now >= self.last_seen().plus(idle)) {
            Err(Ended::Idle)
        } else {
            Ok(())
        }
    }

    /// The same session under what is known of its holder from now on. It gets a lifeline of its own if it `begins_anew`:
    /// cutting the old one then ends what was opened under what was known before, and nothing else.
    #[must_use]
    pub fn known_as(&self, profile: Arc<Profile>, begins_anew: bool) -> Self {
        let lifeline = if begins_anew { Lifeline::new() } else { self.lifeline.clone() };
        Self { profile, lifeline, ..self.again() }
    }

    /// The same session after a factor was proven once more.
    #[must_use]
    pub fn confirmed(&self, proofs: Proofs) -> Self {
        Self { proofs, ..self.again() }
    }

    /// The same session at another strength, because a factor was added or taken away.
    #[must_use]
    pub fn of_strength(&self, strength: Strength, proofs: Proofs) -> Self {
        Self { strength, ..self.confirmed(proofs) }
    }

    /// What it was begun with, in a word: its strength, and by which factor where it is one.
    pub fn method(&self) -> &'static str {
        let Proofs { password, code, passkey } = self.proofs;
        match self.strength {
            Strength::Password if password.is_none() && code.is_some() => "code",
            Strength::Password if password.is_none() && passkey.is_some() => "security key",
            strength => strength.name(),
        }
    }

    /// The ways in which its holder has proven who they are since it began. One from before proofs were noted tells none.
    pub fn proven(&self) -> Methods {
        let Proofs { password, code, passkey } = self.proofs;
        let (password, two) = (password.is_some(), self.strength >= Strength::TwoFactor);
        Methods::of(Method::ALL.into_iter().filter(|method| match method {
            Method::Password => password,
            Method::PasswordTotp => two && password && code.is_some(),
            Method::PasswordPasskey => two && password && passkey.is_some(),
            Method::Passkey => self.strength == Strength::Passkey && passkey.is_some(),
        }))
    }

    /// Counts something that is under way under this session, for as long as the answer is held.
    pub fn begin_stream(&self) -> Stream {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Stream(Arc::clone(&self.streams))
    }

    /// How much is under way.
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    fn again(&self) -> Self {
        Self {
            user_name: self.user_name.clone(),
            profile: Arc::clone(&self.profile),
            network: self.network.clone(),
            agent: self.agent.clone(),
            lifeline: self.lifeline.clone(),
            last_seen: Arc::clone(&self.last_seen),
            streams: Arc::clone(&self.streams),
            ..*self
        }
    }

    /// The last request seen.
    pub fn last_seen(&self) -> Timestamp {
        Timestamp::from_millis(self.last_seen.load(Ordering::Relaxed))
    }

    /// Notes a request at `now`; earlier moments change nothing.
    pub fn seen(&self, now: Timestamp) {
        // Read first: most requests of a page come within one millisecond, and a plain read keeps the cache line shared.
        if self.last_seen() < now {
            self.last_seen.fetch_max(now.millis(), Ordering::Relaxed);
        }
    }

    /// The moment at which it ends if nobody comes any more.
    pub fn ends_at(&self) -> Timestamp {
        self.idle_timeout.map_or(self.expires_at, |idle| self.expires_at.min(self.last_seen().plus(idle)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(idle: Option<Duration>) -> Session {
        let start = Timestamp::from_secs(1_000);
        let new = SessionRecord::imagined("alice".parse().expect("a name"), Strength::TwoFactor, start);
        let expires_at = start.plus(Duration::from_secs(1_000));
        Session::from(SessionRecord { proofs: Proofs::default(), expires_at, idle_timeout: idle, ..new })
    }

    #[test]
    fn requests_keep_it_from_idling_but_not_from_expiring() {
        let session = session(Some(Duration::from_secs(100)));
        assert_eq!(session.check(Timestamp::from_secs(1_099)), Ok(()));
        assert_eq!(session.check(Timestamp::from_secs(1_100)), Err(Ended::Idle));
        session.seen(Timestamp::from_secs(1_950));
        assert_eq!(session.check(Timestamp::from_secs(1_999)), Ok(()));
        assert_eq!(session.check(Timestamp::from_secs(2_000)), Err(Ended::Expired));
        assert_eq!(session.ends_at(), Timestamp::from_secs(2_000));
    }

    #[test]
    fn a_remembered_session_does_not_idle() {
        assert_eq!(session(None).check(Timestamp::from_secs(1_999)), Ok(()));
    }

    #[test]
    fn a_cut_lifeline_ends_it_at_once() {
        let session = session(None);
        session.lifeline.cut();
        assert_eq!(session.check(session.created_at), Err(Ended::Revoked));
    }

    #[test]
    fn what_becomes_known_later_is_the_same_session_with_one_last_use() {
        let first = session(Some(Duration::from_secs(100)));
        let second = first.known_as(Arc::default(), true);
        let third = second.confirmed(Proofs { code: Some(first.created_at), ..Proofs::default() });
        first.seen(Timestamp::from_secs(1_050));
        assert_eq!((third.id, third.last_seen()), (first.id, Timestamp::from_secs(1_050)));
        first.lifeline.cut();
        assert!(!second.lifeline.is_cut(), "what began anew does not hang on the old line");
        second.lifeline.cut();
        assert!(third.lifeline.is_cut());
    }

    #[test]
    fn a_late_report_of_an_early_request_changes_nothing() {
        let session = session(None);
        session.seen(Timestamp::from_secs(1_500));
        session.seen(Timestamp::from_secs(1_400));
        assert_eq!(session.last_seen(), Timestamp::from_secs(1_500));
    }
}
