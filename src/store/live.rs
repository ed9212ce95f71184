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
use crate::model::session::{Session, SessionId};
use crate::model::user::{UserId, UserName};

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
            Self::Named(name) => session.user_name == *name,
        }
    }
}

/// A session and what is only known here of it.
#[derive(Clone, Debug)]
struct Known {
    token: TokenHash,
    session: Arc<Session>,
    /// The last request as it is on disk, in milliseconds.
    persisted: Arc<AtomicI64>,
}

/// All sessions that have not been ended. Those that have run out stay until they are swept, so that their holder can be
/// told so.
#[derive(Debug, Default)]
pub(super) struct Live {
    by_token: HashMap<TokenHash, Arc<Session>>,
    by_id: HashMap<SessionId, Known>,
    /// Ended here, but still on disk because deleting failed; tried again at every sweep.
    owed: HashSet<SessionId>,
}

impl Live {
    /// The session that `token` opens.
    pub(super) fn of_token(&self, token: &TokenHash) -> Option<Arc<Session>> {
        self.by_token.pin().get(token).cloned()
    }

    /// Adds a session that is on disk.
    pub(super) fn add(&self, token: TokenHash, session: Session) -> Arc<Session> {
        let session = Arc::new(session);
        let persisted = Arc::new(AtomicI64::new(session.last_seen().millis()));
        self.by_id.pin().insert(session.id, Known { token, session: Arc::clone(&session), persisted });
        self.by_token.pin().insert(token, Arc::clone(&session));
        session
    }

    /// Ends sessions: nobody finds them any more, and what lives by them is cut off. `deleted` tells whether they are
    /// gone from disk too. Returns how many there were.
    pub(super) fn end(&self, which: &Which, deleted: bool) -> usize {
        let ended: Vec<Known> = match which {
            Which::One(id) => self.by_id.pin().get(id).cloned().into_iter().collect(),
            Which::These(ids) => ids.iter().filter_map(|id| self.by_id.pin().get(id).cloned()).collect(),
            Which::All | Which::Of(_) | Which::Named(_) => self.known(|known| which.holds(&known.session)),
        };
        for known in &ended {
            self.by_token.pin().remove(&known.token);
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
