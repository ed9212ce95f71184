//! Passwords: hashed with argon2id, verified in equal work for known and unknown names, and judged when they are chosen.

use std::sync::LazyLock;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use unicode_normalization::UnicodeNormalization;

use crate::auth::guessable::{Guess, guess};
use crate::base::secret::Secret;
use crate::model::credential::PasswordHash;

/// Longest password as typed, in bytes.
pub const MAX_BYTES: usize = 1024;
/// Longest password, in characters.
pub const MAX_CHARS: usize = 256;

/// OWASP's floor for argon2id at two passes: 19 MiB, one lane.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const OUTPUT: usize = 32;

/// Of the right shape and nobody's: salt and hash were drawn at random, so no password is known that it verifies.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$kKQe0uqvYGmMYWfGPQrLdw$Yy1zpdkyuQvWT9vpyXbVbVhEwpBHCmIJXvYTIyAaTtY";

/// Why a password will not do. The text completes "This password …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer characters than the installation asks for.
    #[error("is too short: use at least {min} characters")]
    TooShort {
        /// The least number of characters.
        min: usize,
    },
    /// More than can be hashed without risk to the service.
    #[error("is too long: use at most {MAX_CHARS} characters")]
    TooLong,
    /// Little more than a well-known password.
    #[error("is among the first that attackers try: use several unrelated words, or a password manager")]
    Common,
    /// Little more than one character or group of characters over and over.
    #[error("repeats itself: use several unrelated words, or a password manager")]
    Repeated,
    /// Little more than a run along the alphabet, the digits or the keyboard.
    #[error("follows the alphabet, the digits or the keyboard: use several unrelated words, or a password manager")]
    Sequence,
    /// Little more than the user's name or the name of this site.
    #[error("is mostly your name or the name of this site: use several unrelated words, or a password manager")]
    AboutYou,
}

/// Hashes `password` (some 20 ms of a core and 19 MiB: never on a worker thread).
pub fn hash(password: &Secret<String>, salt: [u8; 16]) -> PasswordHash {
    let hash: phc::PasswordHash = hasher()
        .hash_password_with_salt(normal(password.expose()).expose().as_bytes(), &salt)
        .expect("a password of any length has an argon2id hash under these parameters");
    PasswordHash(Secret::new(hash.to_string()))
}

/// Whether `password` is the one that was hashed. As costly as [`hash`], whatever the answer; what is longer than any
/// password can be is refused without that work, alike for every account.
pub fn verify(hash: &PasswordHash, password: &str) -> bool {
    if password.len() > MAX_BYTES {
        return false;
    }
    let Ok(hash) = phc::PasswordHash::new(hash.0.expose()) else { return false };
    hasher().verify_password(normal(password).expose().as_bytes(), &hash).is_ok()
}

/// What to verify against when there is no such account or it has no password, so that the answer costs the same.
pub fn decoy() -> &'static PasswordHash {
    static DECOY: LazyLock<PasswordHash> = LazyLock::new(|| PasswordHash(Secret::new(NOBODYS.to_owned())));
    &DECOY
}

/// Judges a new password. `context` holds what an attacker would try first here: the user's name, the host, the name of
/// the installation. No rules on kinds of characters: they make passwords worse (NIST SP 800-63B).
///
/// # Errors
/// [`WeakPassword`] with the reason to show.
pub fn judge(password: &str, min_length: usize, context: &[&str]) -> Result<(), WeakPassword> {
    if password.len() > MAX_BYTES {
        return Err(WeakPassword::TooLong);
    }
    let password = normal(password);
    let length = password.expose().chars().count();
    if length > MAX_CHARS {
        return Err(WeakPassword::TooLong);
    }
    if length < min_length {
        return Err(WeakPassword::TooShort { min: min_length });
    }
    match guess(password.expose(), context) {
        None => Ok(()),
        Some(Guess::Word) => Err(WeakPassword::Common),
        Some(Guess::Repeat) => Err(WeakPassword::Repeated),
        Some(Guess::Sequence) => Err(WeakPassword::Sequence),
        Some(Guess::Context) => Err(WeakPassword::AboutYou),
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT)).expect("the parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// One spelling for what keyboards and systems write differently (é as one or two code points), and nothing more:
/// NFKC would make different passwords equal.
fn normal(password: &str) -> Secret<String> {
    Secret::new(password.nfc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(text: &str) -> PasswordHash {
        hash(&Secret::new(text.to_owned()), [7; 16])
    }

    #[test]
    fn a_password_verifies_itself_only() {
        let stored = hashed("correct horse battery staple");
        assert!(stored.0.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(&stored, "correct horse battery staple"));
        assert!(!verify(&stored, "correct horse battery stapl"));
        assert!(!verify(&stored, ""));
        assert!(!verify(&PasswordHash(Secret::new("not a hash".to_owned())), ""));
    }

    #[test]
    fn the_same_letters_typed_on_another_system_verify() {
        assert!(verify(&hashed("caf\u{e9} au lait"), "cafe\u{301} au lait"));
        assert!(!verify(&hashed("\u{fb01}sh"), "fish"));
    }

    /// The attack: bcrypt and its kin stop reading after 72 bytes, so that a long password matches by its head.
    #[test]
    fn no_part_of_a_long_password_is_cut_off() {
        let long = "x".repeat(MAX_CHARS);
        let stored = hashed(&long);
        assert!(verify(&stored, &long));
        assert!(!verify(&stored, &long[..MAX_CHARS - 1]));
        assert!(!verify(&stored, &format!("{long}{}", "y".repeat(MAX_BYTES))));
    }

    /// The attack: telling unknown names by the work done for them.
    #[test]
    fn the_decoy_costs_what_a_real_hash_costs() {
        let parts = |hash: &PasswordHash| {
            let parsed = phc::PasswordHash::new(hash.0.expose()).expect("a hash");
            let salt = parsed.salt.expect("a salt");
            (parsed.algorithm, parsed.version, parsed.params.to_string(), salt.as_ref().len(), parsed.hash.expect("a hash").len())
        };
        assert_eq!(parts(decoy()), parts(&hashed("anything")));
        assert!(!verify(decoy(), "anything"));
    }

    #[test]
    fn length_is_counted_in_characters_after_normalising() {
        assert_eq!(judge("kräuterbütt", 12, &[]), Err(WeakPassword::TooShort { min: 12 }));
        assert_eq!(judge("kräuterbütte", 12, &[]), Ok(()));
        assert_eq!(judge("kra\u{308}uterbu\u{308}tt", 12, &[]), Err(WeakPassword::TooShort { min: 12 }));
        assert_eq!(judge(&"Xk9 ".repeat(65), 12, &[]), Err(WeakPassword::TooLong));
        assert_eq!(judge(&"x".repeat(1 << 20), 12, &[]), Err(WeakPassword::TooLong));
    }

    #[test]
    fn reasons_read_as_the_end_of_a_sentence() {
        assert_eq!(WeakPassword::TooShort { min: 12 }.to_string(), "is too short: use at least 12 characters");
        assert_eq!(judge("password1234", 12, &[]), Err(WeakPassword::Common));
        assert_eq!(judge("aaaaaaaaaaaa", 12, &[]), Err(WeakPassword::Repeated));
        assert_eq!(judge("123456789012", 12, &[]), Err(WeakPassword::Sequence));
        assert_eq!(judge("alice-alice1", 12, &["alice"]), Err(WeakPassword::AboutYou));
    }
}
