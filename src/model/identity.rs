//! Who a request comes from.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::model::session::Session;

/// Who a request comes from. There is no third case: a store that cannot answer is an error, never "anonymous".
#[derive(Clone, Debug)]
pub enum Identity {
    /// Nobody we know.
    Anonymous,
    /// The holder of a session that was valid when the request was judged.
    User(Arc<Session>),
}

impl Identity {
    /// The session, if there is one.
    pub fn session(&self) -> Option<&Arc<Session>> {
        match self {
            Self::Anonymous => None,
            Self::User(session) => Some(session),
        }
    }

    /// The same as of `now`: whoever holds a session that has ended is nobody we know.
    #[must_use]
    pub fn living(self, now: Timestamp) -> Self {
        match self {
            Self::User(session) if session.check(now).is_ok() => Self::User(session),
            Self::User(_) | Self::Anonymous => Self::Anonymous,
        }
    }
}
