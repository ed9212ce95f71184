//! How far orders that run have come, for those who wait for them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::policy::wildcard::HostPattern;

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The authority is asked for an order.
    Order,
    /// The proof is put where the authority will look.
    Challenge,
    /// The authority looks at it.
    Waiting,
    /// The certificate is being issued.
    Finalising,
}

impl Phase {
    /// For people.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Challenge => "challenge",
            Self::Waiting => "waiting for the authority",
            Self::Finalising => "finalise",
        }
    }
}

/// How far each name's order has come; what is left of one that has ended says nothing.
#[derive(Debug, Default)]
pub struct Phases(Mutex<HashMap<HostPattern, Phase>>);

impl Phases {
    /// Notes that the order of `host` has come so far.
    pub fn reached(&self, host: &HostPattern, phase: Phase) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone(), phase);
    }

    /// How far the order of `host` has come, or had when it ended.
    pub fn of(&self, host: &HostPattern) -> Option<Phase> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(host).copied()
    }
}
