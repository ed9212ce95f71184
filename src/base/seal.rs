//! Sealing with authenticated encryption, and keys derived from the one master key of an installation.
//!
//! A sealed value is bound to its place: the associated data names table, column and row (or the purpose of a form
//! field), so that a sealed value moved elsewhere does not open. The envelope is `version ‖ key id ‖ nonce ‖ ciphertext`.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{digest, hkdf, hmac};

use crate::base::entropy::Entropy;
use crate::base::key_ring::KeyId;
use crate::base::secret::Secret;

/// Envelopes of [`Sealer`], whose key id is that of the key of one purpose.
const VERSION: u8 = 1;
/// Envelopes of [`RecordSealer`], whose key id is that of the master key.
const RECORD_VERSION: u8 = 2;
const KEY_ID_LENGTH: usize = 4;
const HEAD_LENGTH: usize = 1 + KEY_ID_LENGTH + NONCE_LEN;

/// The master key of an installation. Other keys are derived from it by purpose, it is used for nothing itself.
#[derive(Clone, Debug)]
pub struct MasterKey(Secret<[u8; 32]>);

impl MasterKey {
    /// Length in bytes of the key as stored.
    pub const LENGTH: usize = 32;

    /// A fresh key.
    pub fn draw(entropy: Entropy) -> Self {
        Self(Secret::new(entropy.bytes()))
    }

    /// The key read from where it is kept; `None` if it is not 32 bytes long.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Secret::new(bytes.try_into().ok()?)))
    }

    /// The bytes to keep.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// A sealing key for one purpose.
    pub fn sealer(&self, purpose: &'static str) -> Sealer {
        let key = self.derive(purpose);
        let id = digest::digest(&digest::SHA256, key.expose());
        let id = id.as_ref()[..KEY_ID_LENGTH].try_into().expect("a SHA-256 digest is longer than a key id");
        Sealer(Envelopes::new(VERSION, id, &key))
    }

    /// The name of this key.
    pub fn id(&self) -> KeyId {
        let digest = sha256(self.derive("key id").expose());
        KeyId(digest[..KEY_ID_LENGTH].try_into().expect("a SHA-256 digest is longer than a key id"))
    }

    /// Seals the records of a store under this key.
    pub fn record_sealer(&self, purpose: &'static str) -> RecordSealer {
        RecordSealer(Envelopes::new(RECORD_VERSION, self.id().0, &self.derive(purpose)))
    }

    /// The bytes of the key that [`MasterKey::authenticator`] works with.
    pub fn derived(&self, purpose: &'static str) -> Secret<[u8; 32]> {
        self.derive(purpose)
    }

    /// A key that authenticates messages for one purpose.
    pub fn authenticator(&self, purpose: &'static str) -> Authenticator {
        Authenticator(hmac::Key::new(hmac::HMAC_SHA256, self.derive(purpose).expose()))
    }

    fn derive(&self, purpose: &'static str) -> Secret<[u8; 32]> {
        let info = [purpose.as_bytes()];
        let mut key = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"doorward master key v1")
            .extract(self.0.expose())
            .expand(&info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .expect("HKDF-SHA256 can give 32 bytes");
        Secret::new(key)
    }
}

/// Seals and opens values for one purpose.
#[derive(Debug)]
pub struct Sealer(Envelopes);

/// The sealed value was altered, moved to another place, or made under another key. Which of these is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open")]
pub struct DoesNotOpen;

/// Makes and opens envelopes under one key.
#[derive(Debug)]
struct Envelopes {
    version: u8,
    id: [u8; KEY_ID_LENGTH],
    key: RandomizedNonceKey,
}

impl Envelopes {
    fn new(version: u8, id: [u8; KEY_ID_LENGTH], key: &Secret<[u8; 32]>) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.expose()).expect("the key has the length AES-256 takes");
        Self { version, id, key }
    }

    fn seal(&self, bound_to: Aad<Vec<u8>>, plain: &[u8]) -> Vec<u8> {
        let mut body = plain.to_vec();
        let nonce = self.key.seal_in_place_append_tag(bound_to, &mut body).expect("AES-GCM takes values of our size");
        [&[self.version], &self.id[..], nonce.as_ref(), &body].concat()
    }

    fn open(&self, bound_to: Aad<Vec<u8>>, sealed: &[u8]) -> Result<Secret<Vec<u8>>, DoesNotOpen> {
        let (head, body) = sealed.split_at_checked(HEAD_LENGTH).ok_or(DoesNotOpen)?;
        if head[0] != self.version || head[1..=KEY_ID_LENGTH] != self.id {
            return Err(DoesNotOpen);
        }
        let nonce = Nonce::try_assume_unique_for_key(&head[1 + KEY_ID_LENGTH..]).map_err(|_| DoesNotOpen)?;
        let mut body = body.to_vec();
        let plain = self.key.open_in_place(nonce, bound_to, &mut body).map_err(|_| DoesNotOpen)?.len();
        body.truncate(plain);
        Ok(Secret::new(body))
    }
}

impl Sealer {
    /// Seals `plain` to `place`.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Vec<u8> {
        self.0.seal(self.bound_to(place), plain)
    }

    /// Opens what was sealed to the same `place`.
    ///
    /// # Errors
    /// [`DoesNotOpen`] for anything that this key did not seal to this very place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, DoesNotOpen> {
        self.0.open(self.bound_to(place), sealed)
    }

    fn bound_to(&self, place: &str) -> Aad<Vec<u8>> {
        Aad::from([place.as_bytes(), b"\0", &self.0.id].concat())
    }
}

/// Seals records under one master key. As [`Sealer`], with an envelope that names the master key, so that it can be told
/// which key of a ring opens it.
#[derive(Debug)]
pub struct RecordSealer(Envelopes);

impl RecordSealer {
    /// The master key's name.
    pub fn id(&self) -> KeyId {
        KeyId(self.0.id)
    }

    /// The key that an envelope names; `None` if it is none of ours.
    pub fn key_of(sealed: &[u8]) -> Option<KeyId> {
        let head = sealed.get(..HEAD_LENGTH).filter(|head| head[0] == RECORD_VERSION)?;
        head[1..=KEY_ID_LENGTH].try_into().map(KeyId).ok()
    }

    /// Seals `plain` to `place`.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Vec<u8> {
        self.0.seal(self.bound_to(place), plain)
    }

    /// Opens what was sealed to the same `place`.
    ///
    /// # Errors
    /// [`DoesNotOpen`] for anything that this key did not seal to this very place.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, DoesNotOpen> {
        self.0.open(self.bound_to(place), sealed)
    }

    fn bound_to(&self, place: &str) -> Aad<Vec<u8>> {
        Aad::from([place.as_bytes(), &[0, RECORD_VERSION], &self.0.id].concat())
    }
}

/// Authenticates messages for one purpose (HMAC-SHA-256).
#[derive(Clone, Debug)]
pub struct Authenticator(hmac::Key);

impl Authenticator {
    /// With a key that is kept as it is.
    pub fn with(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The tag of `message`.
    pub fn tag(&self, message: &[u8]) -> [u8; 32] {
        hmac::sign(&self.0, message).as_ref().try_into().expect("an HMAC-SHA-256 tag has 32 bytes")
    }

    /// Whether `tag` belongs to `message`, in constant time.
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        hmac::verify(&self.0, message, tag).is_ok()
    }
}

/// SHA-256 of what comes piece by piece.
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    /// The next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all of them.
    pub fn finish(self) -> [u8; 32] {
        self.0.finish().as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
    }
}

/// SHA-256 of `bytes`: how tokens of full entropy are stored, so that a stolen database holds none.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        MasterKey::from_bytes(&[7; 32]).expect("32 bytes").sealer("test")
    }

    #[test]
    fn what_is_sealed_opens_at_its_place_only() {
        let sealed = sealer().seal("totp|seed|1", b"secret");
        assert_eq!(sealer().open("totp|seed|1", &sealed).expect("opens").expose(), b"secret");
        assert_eq!(sealer().open("totp|seed|2", &sealed).map(|_| ()), Err(DoesNotOpen));
    }

    #[test]
    fn an_altered_or_truncated_value_does_not_open() {
        let sealed = sealer().seal("p", b"secret");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(sealer().open("p", &altered).is_err(), "byte {at}");
            assert!(sealer().open("p", &sealed[..at]).is_err(), "length {at}");
        }
    }

    #[test]
    fn purposes_and_installations_do_not_open_each_others_values() {
        let sealed = sealer().seal("p", b"secret");
        let master = MasterKey::from_bytes(&[7; 32]).expect("32 bytes");
        assert!(master.sealer("other").open("p", &sealed).is_err());
        assert!(MasterKey::from_bytes(&[8; 32]).expect("32 bytes").sealer("test").open("p", &sealed).is_err());
        assert!(master.authenticator("a").verify(b"m", &master.authenticator("a").tag(b"m")));
        assert!(!master.authenticator("a").verify(b"m", &master.authenticator("b").tag(b"m")));
    }
}
