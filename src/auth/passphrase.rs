//! A key out of a passphrase, for what leaves the machine: argon2id, heavier than for a sign-in, because whoever has a backup
//! may guess for years.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};

use crate::base::secret::Secret;

/// How much work a guess is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// KiB of memory.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for Cost {
    /// 256 MiB and three passes: about a second.
    fn default() -> Self {
        Self { memory_kib: 256 * 1024, passes: 3, lanes: 1 }
    }
}

impl Cost {
    /// Whether this is neither so little that guessing is cheap, nor so much that a file brings a machine down.
    fn is_sane(self) -> bool {
        (19_456..=1024 * 1024).contains(&self.memory_kib) && (2..=16).contains(&self.passes) && (1..=4).contains(&self.lanes)
    }
}

/// The key; `None` if the cost is out of bounds.
pub fn key(passphrase: &Secret<String>, salt: &[u8; 16], cost: Cost) -> Option<Secret<[u8; 32]>> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).ok().filter(|_| cost.is_sane())?;
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, &mut key)
        .ok()?;
    Some(Secret::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIGHT: Cost = Cost { memory_kib: 19_456, passes: 2, lanes: 1 };

    #[test]
    fn another_passphrase_or_salt_gives_another_key() {
        let of = |text: &str, salt: u8| *key(&Secret::new(text.to_owned()), &[salt; 16], LIGHT).expect("sane").expose();
        assert_eq!(of("a", 1), of("a", 1));
        assert!(of("a", 1) != of("b", 1) && of("a", 1) != of("a", 2));
    }

    /// The attack: a file that asks for all memory, or for a work factor under which its passphrase is guessed at once.
    #[test]
    fn a_cost_out_of_bounds_is_refused() {
        let text = Secret::new("a".to_owned());
        for cost in [
            Cost { memory_kib: u32::MAX, ..LIGHT },
            Cost { memory_kib: 8, ..LIGHT },
            Cost { passes: 1, ..LIGHT },
            Cost { passes: 1000, ..LIGHT },
            Cost { lanes: 0, ..LIGHT },
        ] {
            assert!(key(&text, &[0; 16], cost).is_none(), "{cost:?}");
        }
    }
}
