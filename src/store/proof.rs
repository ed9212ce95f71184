//! A factor that was shown to be right, and using it up.

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::model::credential::{RecoverySetId, TotpId};
use crate::model::user::UserId;
use crate::store::credentials;
use crate::store::database::Database;
use crate::store::fault::Fault;
use crate::store::recovery;

/// What was proven. It counts once its use is written, in the transaction of what it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The password.
    Password,
    /// A code that the authenticator showed at this step.
    Code {
        /// The authenticator.
        totp: TotpId,
        /// The step.
        step: u64,
    },
    /// A recovery code.
    Recovery {
        /// The set it belongs to.
        set: RecoverySetId,
        /// The row it stands in.
        row: u8,
    },
}

impl Proof {
    /// Uses it up at `now`; a password is not used up. `false` if it is used already, or is not `user`'s.
    pub(super) fn spend(self, database: &Database, user: UserId, now: Timestamp) -> Result<bool, Fault> {
        match self {
            Self::Password => Ok(true),
            Self::Code { totp, step } => {
                let owned = "SELECT id FROM totp WHERE id = ?1 AND account_id = ?2";
                let owned = database.one(owned, params![totp.as_str(), user.as_str()], |_| Ok(()))?.is_some();
                Ok(owned && credentials::burn(database, totp, step)?)
            }
            Self::Recovery { set, row } => recovery::spend(database, user, (set, row), now),
        }
    }

    /// Notes when it was used, for its owner to see.
    pub(super) fn note_use(self, database: &Database, now: Timestamp) -> Result<(), Fault> {
        match self {
            // A recovery code is marked where it is used up.
            Self::Password | Self::Recovery { .. } => Ok(()),
            Self::Code { totp, .. } => {
                let update = "UPDATE totp SET used_at = ?2 WHERE id = ?1";
                database.execute(update, params![totp.as_str(), now.millis()]).map(|_| ())
            }
        }
    }

    /// The column of `session` that says when it was last proven.
    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Password => "password_at",
            // It stands for the authenticator that is gone.
            Self::Code { .. } | Self::Recovery { .. } => "code_at",
        }
    }
}
