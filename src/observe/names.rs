//! Counts by name, for names that are closed lists elsewhere. Counting never waits, and there is room for so many names only:
//! whatever goes wrong, the number of series stays bounded.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of at most `N` names; further names count as `other`.
#[derive(Debug)]
pub struct NameCounts<const N: usize> {
    cells: [(OnceLock<&'static str>, AtomicU64); N],
    other: AtomicU64,
}

impl<const N: usize> Default for NameCounts<N> {
    fn default() -> Self {
        Self { cells: [const { (OnceLock::new(), AtomicU64::new(0)) }; N], other: AtomicU64::new(0) }
    }
}

impl<const N: usize> NameCounts<N> {
    /// Counts one.
    pub fn add(&self, name: &'static str) {
        // Names are texts of the program: where they begin scatters them well enough.
        let start = name.bytes().fold(name.len(), |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        for step in 0..N {
            let (known, count) = &self.cells[start.wrapping_add(step) % N];
            if *known.get_or_init(|| name) == name {
                count.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.other.fetch_add(1, Ordering::Relaxed);
    }

    /// Every name that was counted, with its count.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let known = self.cells.iter().filter_map(|(name, count)| Some((*name.get()?, count.load(Ordering::Relaxed))));
        let other = self.other.load(Ordering::Relaxed);
        known.chain((other > 0).then_some(("other", other)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_room_count_as_other() {
        let counts = NameCounts::<3>::default();
        for name in ["a", "b", "a", "c", "d", "e", "b"] {
            counts.add(name);
        }
        let mut all: Vec<_> = counts.all().collect();
        all.sort_unstable();
        assert_eq!(all, [("a", 2), ("b", 2), ("c", 1), ("other", 2)]);
    }
}
