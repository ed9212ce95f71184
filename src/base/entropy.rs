//! The only source of chance.

use aws_lc_rs::rand;

/// Draws random bytes from the operating system's generator (through aws-lc).
#[derive(Clone, Copy, Debug, Default)]
pub struct Entropy;

impl Entropy {
    /// `N` fresh random bytes.
    ///
    /// # Panics
    /// When the operating system has no randomness to give: nothing secret can be made then, and a predictable token
    /// would be worse than a stopped request.
    #[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
    pub fn bytes<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        rand::fill(&mut bytes).expect("the operating system's random generator works");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(Entropy.bytes::<32>(), Entropy.bytes::<32>());
    }
}
