//! Wishes about the master keys.

use serde::{Deserialize, Serialize};
use tracing::info;

use crate::admin::perform::{Desk, failed, refuse};
use crate::admin::wish::{Answer, RefusedKind};
use crate::base::clock::Timestamp;
use crate::base::key_ring::KeyId;
use crate::model::audit::{Actor, Deed, Entry};
use crate::model::event::Event;
use crate::store::fault::Fault;
use crate::store::vault::{BATCH, KeyOverview};

/// What an owner asks about the master keys.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyWish {
    /// Which there are.
    List,
    /// Make a new one.
    Rotate,
    /// Seal some values anew with the newest.
    Reseal,
    /// Forget one.
    Drop {
        /// Its id.
        id: String,
    },
}

/// What is said of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyAnswer {
    /// All keys, the active one first.
    Keys(Vec<KeyLine>),
    /// A new one seals from now on.
    Rotated {
        /// Its id.
        id: String,
    },
    /// Some values were sealed anew.
    Resealed {
        /// How many.
        done: u64,
        /// How many are left.
        left: u64,
        /// How many of these do not open.
        unreadable: u64,
    },
    /// One is forgotten.
    Dropped {
        /// Its id.
        id: String,
    },
}

/// One key.
#[derive(Debug, Serialize, Deserialize)]
pub struct KeyLine {
    /// For `key drop`.
    pub id: String,
    /// Seconds since the Unix epoch, if known.
    pub made_at: Option<i64>,
    /// Whether it seals from now on.
    pub active: bool,
    /// Values sealed with it.
    pub sealed: u64,
}

impl Desk {
    /// Carries out a wish about the master keys.
    ///
    /// # Errors
    /// An answer that says why not.
    pub(super) async fn keys(&self, ask: KeyWish) -> Result<Answer, Answer> {
        let telling = |deed| self.store.telling(Entry::new(deed, Actor::Owner));
        let said = match ask {
            KeyWish::List => {
                let keys = self.store.keys().await.map_err(|fault| failed(&fault))?;
                let line = |key: KeyOverview| KeyLine {
                    id: key.id.to_string(),
                    made_at: key.made_at.map(Timestamp::secs),
                    active: key.active,
                    sealed: key.sealed,
                };
                KeyAnswer::Keys(keys.into_iter().map(line).collect())
            }
            KeyWish::Rotate => {
                let id = telling(Deed::KeyRotated).rotate_key().await.map_err(|fault| refused(&fault))?;
                info!(event = Event::KeyRotated.name(), key = %id, "a new master key seals from now on");
                KeyAnswer::Rotated { id: id.to_string() }
            }
            KeyWish::Reseal => {
                let resealed = self.store.reseal(BATCH).await.map_err(|fault| failed(&fault))?;
                KeyAnswer::Resealed { done: resealed.done, left: resealed.left, unreadable: resealed.unreadable }
            }
            KeyWish::Drop { id } => {
                let id: KeyId = id.parse().map_err(|fault| refuse(RefusedKind::Unfit, format!("{fault}")))?;
                telling(Deed::KeyDropped).drop_key(id).await.map_err(|fault| refused(&fault))?;
                info!(event = Event::KeyDropped.name(), key = %id, "an old master key is forgotten");
                KeyAnswer::Dropped { id: id.to_string() }
            }
        };
        Ok(Answer::Keys { said })
    }
}

/// What the owner can do something about is said without ado.
fn refused(fault: &Fault) -> Answer {
    match fault {
        Fault::KeysElsewhere { .. } | Fault::KeysFull | Fault::KeyActive { .. } | Fault::KeyNeeded { .. } => {
            refuse(RefusedKind::Unfit, fault.to_string())
        }
        Fault::KeyUnknown { .. } => refuse(RefusedKind::NotFound, fault.to_string()),
        _ => failed(fault),
    }
}
