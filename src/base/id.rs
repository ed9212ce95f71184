//! Typed ids: a session's id cannot be handed over where a user's is wanted.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::LazyLock;

use data_encoding::{Encoding, Specification};

use crate::base::entropy::Entropy;

const LENGTH: usize = 16;
/// Crockford's alphabet in lower case: no `i l o u`, so an id survives being read aloud.
const ALPHABET: &str = "0123456789abcdefghjkmnpqrstvwxyz";

/// Built once: every request draws an id.
static ENCODING: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str(ALPHABET);
    specification.encoding().expect("the alphabet has 32 distinct symbols")
});

/// An 80-bit random id of a `T`, written as 16 characters. It is a name, not a secret.
pub struct Id<T>([u8; LENGTH], PhantomData<fn() -> T>);

impl<T> Id<T> {
    /// A fresh id.
    pub fn draw(entropy: Entropy) -> Self {
        let mut text = [0; LENGTH];
        ENCODING.encode_mut(&entropy.bytes::<10>(), &mut text);
        Self(text, PhantomData)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ids are made of ASCII only")
    }
}

/// The text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 16 characters out of 0-9 and a-z without i, l, o and u")]
pub struct NotAnId;

impl<T> FromStr for Id<T> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let bytes: [u8; LENGTH] = text.as_bytes().try_into().map_err(|_| NotAnId)?;
        if bytes.iter().all(|byte| ALPHABET.as_bytes().contains(byte)) { Ok(Self(bytes, PhantomData)) } else { Err(NotAnId) }
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Id<T> {}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_being_written_and_read() {
        let id = Id::<u8>::draw(Entropy);
        assert_eq!(id.to_string().parse::<Id<u8>>(), Ok(id));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "abc", "0123456789abcdeI", "0123456789abcdef0", "0123456789abcde/"] {
            assert_eq!(text.parse::<Id<u8>>(), Err(NotAnId), "{text}");
        }
    }
}
