//! Lets somebody in on what they proved: the proof is used up, what it ends has ended, and the session is open, or nothing of
//! all this.

use std::sync::Arc;

use crate::base::clock::Timestamp;
use crate::base::entropy::Entropy;
use crate::model::session::Session;
use crate::model::user::UserId;
use crate::store::attempts;
use crate::store::audit::Told;
use crate::store::database::Database;
use crate::store::fault::Fault;
use crate::store::live::Which;
use crate::store::open::Store;
use crate::store::proof::Proof;
use crate::store::sessions::{self, NewSession, Opened};
use crate::store::users;

/// Somebody who is in on disk, and not yet in memory.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) opened: Opened,
    /// Whose other sessions ended.
    pub(super) recovered: Option<UserId>,
}

/// What an admission is made with.
#[derive(Debug)]
pub(super) struct Door {
    told: Told,
    now: Timestamp,
    entropy: Entropy,
}

impl Door {
    /// Admits the user of `session` by `proof`; `None`, and nothing has changed, if it is used up or not theirs, or they are gone
    /// or disabled. A recovery code ends their other sessions, half-done sign-ins and open set-up links: whoever needs one has lost
    /// something, and while a link is open that the owner sent, perhaps to what was lost, they could put nothing in its place.
    pub(super) fn admit(&self, database: &Database, (proof, session): (Proof, NewSession)) -> Result<Option<Admitted>, Fault> {
        let user = session.user;
        if users::enabled(database, user)?.is_none() || !proof.spend(database, user, self.now)? {
            return Ok(None);
        }
        proof.note_use(database, self.now)?;
        let recovers = matches!(proof, Proof::Recovery { .. });
        if recovers {
            users::delete_from(database, user, &["session", "ceremony", "link"])?;
        } else {
            attempts::forgive_recovery(database, user)?;
        }
        self.told.tell_of(database, user)?;
        let opened = sessions::write(database, session, self.now, self.entropy)?;
        Ok(opened.map(|opened| Admitted { opened, recovered: recovers.then_some(user) }))
    }
}

impl Store {
    /// Opens a session for somebody who proved all of it at once. A recovery code ends the user's other sessions and what is half
    /// done in their name. `None`, and nothing of all this, if the proof is used up or not its user's, or the user is gone or
    /// disabled.
    ///
    /// # Errors
    /// Any [`Fault`]; nothing has changed then.
    pub async fn open_by(&self, proof: Proof, session: NewSession) -> Result<Option<Arc<Session>>, Fault> {
        let door = self.door();
        self.admitting(move |database| door.admit(database, (proof, session))).await
    }

    pub(super) fn door(&self) -> Door {
        Door { told: self.told(), now: self.clock.now(), entropy: self.entropy }
    }

    /// Does `work`, then lets whom it admitted into memory.
    pub(super) async fn admitting(
        &self,
        work: impl FnOnce(&Database) -> Result<Option<Admitted>, Fault> + Send + 'static,
    ) -> Result<Option<Arc<Session>>, Fault> {
        self.run(work, |live, admitted| {
            Ok(admitted?.map(|Admitted { opened, recovered }| {
                if let Some(user) = recovered {
                    live.end(&Which::Of(user), true);
                }
                opened.enter(live)
            }))
        })
        .await
    }
}
