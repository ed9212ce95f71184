//! Values that are never printed and are wiped when dropped.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// A secret. `Debug` shows nothing of it, dropping it overwrites it, and comparing takes the same time wherever the
/// difference is.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes `value` into keeping. The caller's own copies stay the caller's duty.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself. Every call is a place where the secret may leak: keep them few.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Whether both hold the same bytes, without telling by time where they differ.
    pub fn same_as(&self, other: &[u8]) -> bool {
        self.0.as_ref().ct_eq(other).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret(…)");
    }

    #[test]
    fn comparison_is_by_bytes() {
        let secret = Secret::new(vec![1, 2, 3]);
        assert!(secret.same_as(&[1, 2, 3]));
        assert!(!secret.same_as(&[1, 2]));
        assert!(!secret.same_as(&[1, 2, 4]));
    }
}
