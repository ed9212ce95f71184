//! Random tokens that open things: sessions, set-up links, half-done sign-ins. Stored as their hash only.

use std::fmt;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use crate::base::entropy::Entropy;
use crate::base::seal::sha256;
use crate::base::secret::Secret;

const LENGTH: usize = 32;
const TEXT_LENGTH: usize = 43;

/// 256 random bits. Whoever holds them is let in, so they are shown to one browser once and never kept.
#[derive(Clone, Debug)]
pub struct Token(Secret<[u8; LENGTH]>);

impl Token {
    /// A fresh token.
    pub fn draw(entropy: Entropy) -> Self {
        Self(Secret::new(entropy.bytes()))
    }

    /// Reads a token from a cookie or link: exactly 43 base64url characters without padding, and of the several texts
    /// that would decode to the same bytes only the one that [`Token::to_text`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TEXT_LENGTH {
            return None;
        }
        let bytes = Secret::new(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?);
        Some(Self(Secret::new(bytes.expose().as_slice().try_into().ok()?)))
    }

    /// The text to hand to the browser.
    pub fn to_text(&self) -> Secret<String> {
        Secret::new(BASE64URL_NOPAD.encode(self.0.expose()))
    }

    /// What is stored, and looked up by. Plain SHA-256 is enough: 256 random bits cannot be searched.
    pub fn hash(&self) -> TokenHash {
        TokenHash(sha256(self.0.expose()))
    }
}

/// The SHA-256 of a token. Opens nothing.
///
/// Compared as plain bytes: a caller cannot steer the hash of a token it does not know, so timing tells nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; LENGTH]);

impl TokenHash {
    /// The hash as it was stored.
    pub const fn from_bytes(bytes: [u8; LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({})", HEXLOWER.encode(&self.0[..4]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_being_written_and_read() {
        let token = Token::draw(Entropy);
        let text = token.to_text();
        assert_eq!(text.expose().len(), TEXT_LENGTH);
        assert_eq!(Token::parse(text.expose()).expect("a token").hash(), token.hash());
        assert_ne!(Token::draw(Entropy).hash(), token.hash());
    }

    /// The attack: a second spelling of a token slips past whatever remembers the first.
    #[test]
    fn only_the_canonical_text_is_a_token() {
        let text = Token::draw(Entropy).to_text().expose().clone();
        let last = text.chars().last().expect("43 characters");
        let stem = &text[..TEXT_LENGTH - 1];
        let twins = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.\0é"
            .chars()
            .filter(|c| *c != last)
            .filter(|c| Token::parse(&format!("{stem}{c}")).is_some_and(|t| t.to_text().expose()[..42] == *stem))
            .count();
        // Sixteen values of the last character keep the unused bits zero; each is a token of its own.
        assert_eq!(twins, 15);
        for bad in ["", &text[1..], &format!("{text}="), &format!(" {text}"), &format!("{}+/", &text[..41])] {
            assert!(Token::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn a_token_does_not_print() {
        assert_eq!(format!("{:?}", Token::draw(Entropy)), "Token(Secret(…))");
    }
}
