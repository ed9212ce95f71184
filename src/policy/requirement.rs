//! What a route asks of a visitor.

use crate::model::strength::Strength;

/// What a route asks of a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// How firmly identity must be proven.
    pub strength: Strength,
}

impl Requirement {
    /// Both requirements together: what two readings of one path ask for must all be met.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { strength: self.strength.max(other.strength) }
    }
}

impl Default for Requirement {
    /// A configured app that says nothing asks for a full second-factor session.
    fn default() -> Self {
        Self { strength: Strength::TwoFactor }
    }
}
