//! A value and where it was written.

use std::ops::Range;

/// Bytes of a text, first inclusive, last exclusive.
pub type Place = Range<usize>;

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where: strings with their quotes, tables at their header.
    pub place: Place,
}

impl<T> Placed<T> {
    /// A value and where it was written.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

/// The value, without its place, of a key that may be absent.
pub fn value<T: Clone>(placed: Option<&Placed<T>>) -> Option<T> {
    placed.map(|placed| placed.value.clone())
}
