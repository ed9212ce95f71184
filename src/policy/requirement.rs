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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_requirements_the_stronger_holds() {
        let [weak, strong] = [Strength::Password, Strength::TwoFactor].map(|strength| Requirement { strength });
        for (one, two) in [(weak, strong), (strong, weak), (strong, strong)] {
            assert_eq!(one.and(two), strong);
        }
        assert_eq!(weak.and(weak), weak);
    }

    #[test]
    fn saying_nothing_asks_for_two_factors() {
        assert_eq!(Requirement::default().strength, Strength::TwoFactor);
    }
}
