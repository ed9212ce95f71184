//! The sessions in memory: what a request is looked up in, without a lock and without asking the disk.
//!
//! Changed by the writer's thread only, in the order of its commits (and by whoever ends sessions when that thread is
//! no more).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use papaya::{HashMap, HashSet};

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::model::profile::Profile;
use crate::model::session::{Proofs, Session, SessionId};
use crate::model::user::{UserId, UserName};
use crate::store::remembered::Remembered;

/// Which sessions are meant.
#[derive(Clone, Debug)]
pub(super) enum Which {
    /// Every one.
    All,
    /// The one of this id.
    One(SessionId),
    /// These.
    These(Vec<SessionId>),
    /// Those of a user.
    Of(UserId),
    /// Those of a user, but for one.
    Others(UserId, SessionId),
    /// Those of the user of that name.
    Named(UserName),
}

impl Which {
    fn holds(&self, session: &Session) -> bool {
        match self {
            Self::All => true,
            Self::One(id) => session.id == *id,
            Self::These(ids) => ids.contains(&session.id),
            Self::Of(user) => session.user == *user,
            Self::Others(user, stays) => session.user == *user && session.id != *stays,
            Self::Named(name) => session.user_name == *name,
        }
    }
}

/// What a token opens.
#[derive(Clone, Debug)]
struct Held {
    /// The one host on which it counts, canonical.
    host: Box<str>,
    session: Arc<Session>,
}

/// A session and what is only known here of it.
#[derive(Clone, Debug)]
struct Known {
    /// Oldest first.
    tokens: Vec<TokenHash>,
    session: Arc<Session>,
    /// The last request as it is on disk, in milliseconds.
    persisted: Arc<AtomicI64>,
}

/// All sessions that have not been ended. Those that have run out stay until they are swept, so that their holder can be
/// told so.
#[derive(Debug, Default)]
pub(super) struct Live {
    by_token: HashMap<TokenHash, Held>,
    by_id: HashMap<SessionId, Known>,
    /// Ended here, but still on disk because deleting failed; tried again at every sweep.
    owed: HashSet<SessionId>,
    /// Bans and known devices.
    pub(super) remembered: Remembered,
}

impl Live {
    /// The session that `token` opens on `host`.
    pub(super) fn of_token(&self, token: &TokenHash, host: &str) -> Option<Arc<Session>> {
        self.by_token.pin().get(token).filter(|held| *held.host == *host).map(|held| Arc::clone(&held.session))
    }

    /// The session of that id.
    pub(super) fn of_id(&self, id: &SessionId) -> Option<Arc<Session>> {
        self.by_id.pin().get(id).map(|known| Arc::clone(&known.session))
    }

    /// The hosts on which a session holds a token, each once, in the order in which it came there.
    pub(super) fn hosts(&self, id: &SessionId) -> Vec<Box<str>> {
        let (by_id, by_token) = (self.by_id.pin(), self.by_token.pin());
        let mut hosts: Vec<Box<str>> = Vec::new();
        for token in by_id.get(id).map(|known| known.tokens.as_slice()).unwrap_or_default() {
            if let Some(held) = by_token.get(token).filter(|held| !hosts.contains(&held.host)) {
                hosts.push(held.host.clone());
            }
        }
        hosts
    }

    /// Adds a session that is on disk; it opens nothing before it has a token.
    pub(super) fn add(&self, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        let persisted = Arc::new(AtomicI64::new(session.last_seen().millis()));
        self.by_id.pin().insert(session.id, Known { tokens: Vec::new(), session: Arc::clone(&session), persisted });
        session
    }

    /// Lets `token`, which is on disk, open a session on `host`, and takes away those that gave way to it. `None` if the
    /// session has ended meanwhile.
    pub(super) fn give(&self, id: &SessionId, token: TokenHash, host: Box<str>, gone: &[TokenHash]) -> Option<Arc<Session>> {
        let by_id = self.by_id.pin();
        let mut known = by_id.get(id)?.clone();
        known.tokens.retain(|held| !gone.contains(held));
        known.tokens.push(token);
        let session = Arc::clone(&known.session);
        by_id.insert(*id, known);
        let by_token = self.by_token.pin();
        for token in gone {
            by_token.remove(token);
        }
        by_token.insert(token, Held { host, session: Arc::clone(&session) });
        Some(session)
    }

    /// Lets the sessions of a user go on under what is known of them now. With `begins_anew`, what was opened under what was
    /// known before is cut off, once nobody can find the old one any more.
    pub(super) fn know(&self, user: UserId, profile: &Arc<Profile>, begins_anew: bool) {
        for known in self.known(|known| known.session.user == user) {
            self.replace(&known, known.session.known_as(Arc::clone(profile), begins_anew));
            if begins_anew {
                known.session.lifeline.cut();
            }
        }
    }

    /// Lets a session go on after a factor was proven once more: `token`, which is on disk, opens it on `host`, and no other
    /// token does any longer. `None` if the session has ended meanwhile.
    pub(super) fn confirm(&self, id: &SessionId, held: (TokenHash, Box<str>), proofs: Proofs) -> Option<Arc<Session>> {
        self.renew(id, held, |session| session.confirmed(proofs))
    }

    /// Lets a session go on in another state, with one new token in place of all it had. `None` if it has ended meanwhile.
    pub(super) fn renew(
        &self,
        id: &SessionId,
        (token, host): (TokenHash, Box<str>),
        state: impl FnOnce(&Session) -> Session,
    ) -> Option<Arc<Session>> {
        let known = self.by_id.pin().get(id).cloned()?;
        // First of all: whoever holds an old token must not find what was proven with a new one.
        for token in &known.tokens {
            self.by_token.pin().remove(token);
        }
        let session = self.replace(&Known { tokens: Vec::new(), ..known.clone() }, state(&known.session));
        self.give(id, token, host, &[])?;
        Some(session)
    }

    /// Puts another state of a session in the place of the one known.
    fn replace(&self, known: &Known, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        self.by_id.pin().insert(session.id, Known { session: Arc::clone(&session), ..known.clone() });
        let by_token = self.by_token.pin();
        for token in &known.tokens {
            if let Some(held) = by_token.get(token) {
                by_token.insert(*token, Held { session: Arc::clone(&session), host: held.host.clone() });
            }
        }
        session
    }

    /// Ends sessions: nobody finds them any more, and what lives by them is cut off. `deleted` tells whether they are
    /// gone from disk too. Returns how many there were.
    pub(super) fn end(&self, which: &Which, deleted: bool) -> usize {
        let ended: Vec<Known> = match which {
            Which::One(id) => self.by_id.pin().get(id).cloned().into_iter().collect(),
            Which::These(ids) => ids.iter().filter_map(|id| self.by_id.pin().get(id).cloned()).collect(),
            Which::All | Which::Of(_) | Which::Others(..) | Which::Named(_) => self.known(|known| which.holds(&known.session)),
        };
        for known in &ended {
            for token in &known.tokens {
                self.by_token.pin().remove(token);
            }
            self.by_id.pin().remove(&known.session.id);
            if !deleted {
                self.owed.pin().insert(known.session.id);
            }
            known.session.lifeline.cut();
        }
        ended.len()
    }

    /// All sessions, oldest first.
    pub(super) fn list(&self) -> Vec<Arc<Session>> {
        let mut sessions: Vec<_> = self.known(|_| true).into_iter().map(|known| known.session).collect();
        sessions.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.id.as_str().cmp(b.id.as_str())));
        sessions
    }

    /// How many sessions count at `now`: those that were used within `recent`, and the others.
    pub(super) fn count(&self, now: Timestamp, recent: Duration) -> (usize, usize) {
        let map = self.by_id.pin();
        let live = map.values().map(|known| &known.session).filter(|session| session.check(now).is_ok());
        live.fold(
            (0, 0),
            |(active, idle), session| {
                if now.since(session.last_seen()) <= recent { (active + 1, idle) } else { (active, idle + 1) }
            },
        )
    }

    /// At most `most` sessions that have run out by `now`.
    pub(super) fn run_out(&self, now: Timestamp, most: usize) -> Vec<SessionId> {
        let map = self.by_id.pin();
        map.values().filter(|known| known.session.check(now).is_err()).map(|known| known.session.id).take(most).collect()
    }

    /// At most `most` sessions that were seen at least `by` later than the disk says, and when.
    pub(super) fn moved(&self, by: Duration, most: usize) -> Vec<(SessionId, Timestamp)> {
        let on_disk = |known: &Known| Timestamp::from_millis(known.persisted.load(Ordering::Relaxed));
        let moved =
            |known: &&Known| known.session.last_seen() > on_disk(known) && known.session.last_seen().since(on_disk(known)) >= by;
        let map = self.by_id.pin();
        map.values().filter(moved).map(|known| (known.session.id, known.session.last_seen())).take(most).collect()
    }

    /// Notes what `moved` returned as being on disk.
    pub(super) fn persisted(&self, seen: &[(SessionId, Timestamp)]) {
        for (id, at) in seen {
            if let Some(known) = self.by_id.pin().get(id) {
                known.persisted.store(at.millis(), Ordering::Relaxed);
            }
        }
    }

    /// At most `most` of the sessions that are still to be deleted from disk.
    pub(super) fn owed(&self, most: usize) -> Vec<SessionId> {
        self.owed.pin().iter().take(most).copied().collect()
    }

    /// Notes that `ids` are gone from disk.
    pub(super) fn paid(&self, ids: &[SessionId]) {
        for id in ids {
            self.owed.pin().remove(id);
        }
    }

    fn known(&self, wanted: impl Fn(&Known) -> bool) -> Vec<Known> {
        self.by_id.pin().values().filter(|known| wanted(known)).cloned().collect()
    }
}
