//! A value that is replaced whole while others read it: readers keep the one they took until they are done.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// Holds the current `T`. Reading never waits for a writer.
#[derive(Debug)]
pub struct Current<T>(ArcSwap<T>);

impl<T> Current<T> {
    /// Starts with `value`.
    pub fn new(value: T) -> Self {
        Self(ArcSwap::from_pointee(value))
    }

    /// The value as of now; later replacements do not change what the caller holds.
    pub fn get(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Looks at the value as of now without keeping it, which is cheaper than [`Current::get`].
    pub fn read<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.0.load())
    }

    /// Puts `value` in place for all who ask from now on.
    pub fn replace(&self, value: T) {
        self.put(Arc::new(value));
    }

    /// As [`Current::replace`], with a value that is shared already.
    pub fn put(&self, value: Arc<T>) {
        self.0.store(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_keeps_what_it_took() {
        let current = Current::new(1);
        let before = current.get();
        current.replace(2);
        assert_eq!((*before, *current.get()), (1, 2));
    }
}
