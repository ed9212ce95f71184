//! A network from which nobody may sign in for a while.

use ipnet::IpNet;

use crate::base::clock::Timestamp;

/// A ban. It is on a network, never on an account: otherwise whoever knows a name could keep its holder out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The network.
    pub network: IpNet,
    /// Since when.
    pub since: Timestamp,
    /// Until when; `None`: until it is lifted.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Box<str>,
    /// Whether the owner made it; else the gateway did.
    pub by_owner: bool,
}

impl Ban {
    /// Whether it still counts at `now`.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}
