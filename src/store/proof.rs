//! A factor that was shown to be right, and using it up.

use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::model::credential::{PasskeyId, TotpId};
use crate::model::strength::Strength;
use crate::model::user::UserId;
use crate::store::credentials;
use crate::store::database::Database;
use crate::store::fault::Fault;
use crate::store::passkeys;

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
    /// A passkey or security key.
    Passkey {
        /// Which.
        id: PasskeyId,
        /// Its count of uses.
        counter: u32,
        /// Whether it verified its user.
        verified: bool,
        /// Whether it is on several devices.
        backed_up: bool,
        /// When.
        at: Timestamp,
    },
}

impl Proof {
    /// Uses it up; a password is not used up. `false` if it is used already, or is not `user`'s.
    pub(super) fn spend(self, database: &Database, user: UserId) -> Result<bool, Fault> {
        match self {
            Self::Password => Ok(true),
            Self::Code { totp, step } => {
                let owned = "SELECT id FROM totp WHERE id = ?1 AND account_id = ?2";
                let owned = database.one(owned, params![totp.as_str(), user.as_str()], |_| Ok(()))?.is_some();
                Ok(owned && credentials::burn(database, totp, step)?)
            }
            Self::Passkey { id, counter, verified, backed_up, at } => {
                passkeys::spend(database, (id, user), (counter, at), (verified, backed_up))
            }
        }
    }

    /// The column of `session` that says when it was last proven.
    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Password => "password_at",
            Self::Code { .. } => "code_at",
            Self::Passkey { .. } => "passkey_at",
        }
    }

    /// How firmly it proves an identity all by itself.
    pub const fn lifts_to(self) -> Option<Strength> {
        match self {
            Self::Passkey { verified: true, .. } => Some(Strength::Passkey),
            Self::Password | Self::Code { .. } | Self::Passkey { verified: false, .. } => None,
        }
    }
}
