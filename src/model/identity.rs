//! Who a request comes from.

use std::sync::Arc;

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
}
