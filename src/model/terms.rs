//! What its owner set down for one account. It adds to what the installation and its apps ask for, and takes nothing away from it.

use crate::model::method::Methods;
use crate::model::strength::Strength;

/// What its owner set down for one account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The ways to prove who they are that count for this person; all that are allowed otherwise, if nothing was said.
    pub methods: Methods,
    /// How firmly they have to prove it everywhere, if that was said.
    pub demanded: Option<Strength>,
    /// Whether they may change their factors themselves; as the installation has it, if nothing was said.
    pub self_service: Option<bool>,
}
