//! The master keys of an installation: the one that seals from now on, and those before it, which only open.
//!
//! Written as text, newest key first, so that one file, one systemd credential or one variable holds the whole ring:
//!
//! ```text
//! doorward keys v1
//! 1f2e3d4c 1800000000 <43 characters, base64url>
//! 9a8b7c6d 1700000000 <43 characters, base64url>
//! ```
//!
//! A line is the key's id, the second it was made in, and the key. A single key of 32 bytes, or of 43 characters, is a ring
//! of one.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};

use crate::base::clock::Timestamp;
use crate::base::entropy::Entropy;
use crate::base::seal::{DoesNotOpen, MasterKey, RecordSealer};
use crate::base::secret::Secret;

/// How many keys a ring holds at most. Whoever rotates more often than things are re-sealed has another problem.
pub const MOST: usize = 8;
/// Longest text of a ring in bytes; far more than [`MOST`] keys and some comments need.
pub const LONGEST: usize = 16 * 1024;
const HEADING: &str = "doorward keys v1";

/// Names a master key. Derived from it, so a key cannot be kept under another's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// The text is no key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key's id has 8 characters out of 0-9 and a-f")]
pub struct NotAKeyId;

impl FromStr for KeyId {
    type Err = NotAKeyId;

    fn from_str(text: &str) -> Result<Self, NotAKeyId> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| NotAKeyId)?;
        bytes.try_into().map(Self).map_err(|_| NotAKeyId)
    }
}

/// A key and when it was made; nobody knows for a key that came without its date.
#[derive(Clone, Debug)]
pub struct RingKey {
    /// The key.
    pub key: MasterKey,
    /// Its name.
    pub id: KeyId,
    /// When it was made.
    pub made_at: Option<Timestamp>,
}

/// All master keys, never none. The first is active.
#[derive(Clone, Debug)]
pub struct KeyRing(Vec<RingKey>);

/// Why a text is no ring of keys. What it holds is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRing {
    /// There is no key in it.
    #[error("it holds no key")]
    Empty,
    /// A line is not what a line has to be.
    #[error("line {0} is not a key: it needs an id, a time and 43 characters of base64url")]
    Line(usize),
    /// A key stands behind another's id.
    #[error("the key in line {0} does not belong to the id before it")]
    Id(usize),
    /// A key is there twice.
    #[error("the key in line {0} is there twice")]
    Twice(usize),
    /// There are more than [`MOST`].
    #[error("it holds more than {MOST} keys")]
    TooMany,
}

impl KeyRing {
    /// A ring of one key.
    pub fn of(key: MasterKey, made_at: Option<Timestamp>) -> Self {
        Self(vec![RingKey { id: key.id(), key, made_at }])
    }

    /// Reads what [`KeyRing::to_text`] wrote, or a single key of 32 bytes or 43 characters.
    ///
    /// # Errors
    /// [`BadRing`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadRing> {
        if let Some(key) = MasterKey::from_bytes(bytes).filter(|_| !bytes.starts_with(HEADING.as_bytes())) {
            return Ok(Self::of(key, None));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| BadRing::Line(1))?;
        if let Some(key) = read_key(text.trim()) {
            return Ok(Self::of(key, None));
        }
        let mut keys: Vec<RingKey> = Vec::new();
        let mut headed = false;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if !headed && line == HEADING {
                headed = true;
                continue;
            }
            let key = line_key(line).filter(|_| headed).ok_or(BadRing::Line(number))?;
            if key.id != key.key.id() {
                return Err(BadRing::Id(number));
            }
            if keys.iter().any(|held| held.id == key.id) {
                return Err(BadRing::Twice(number));
            }
            keys.push(key);
        }
        match keys.len() {
            0 => Err(BadRing::Empty),
            1..=MOST => Ok(Self(keys)),
            _ => Err(BadRing::TooMany),
        }
    }

    /// The ring as text.
    pub fn to_text(&self) -> Secret<String> {
        let mut text = String::with_capacity(LONGEST);
        text.push_str(HEADING);
        text.push('\n');
        for RingKey { key, id, made_at } in &self.0 {
            let seconds = made_at.map_or(0, Timestamp::secs);
            let written = Secret::new(BASE64URL_NOPAD.encode(key.expose()));
            text.push_str(&format!("{id} {seconds} "));
            text.push_str(written.expose());
            text.push('\n');
        }
        Secret::new(text)
    }

    /// The key that seals.
    pub fn active(&self) -> &RingKey {
        self.0.first().expect("a ring holds at least one key")
    }

    /// All keys, the active one first.
    pub fn keys(&self) -> &[RingKey] {
        &self.0
    }

    /// The key of that name.
    pub fn find(&self, id: KeyId) -> Option<&RingKey> {
        self.0.iter().find(|key| key.id == id)
    }

    /// The same ring with a fresh key in front; `None` if it is full.
    pub fn rotated(&self, entropy: Entropy, now: Timestamp) -> Option<Self> {
        if self.0.len() >= MOST {
            return None;
        }
        let fresh = std::iter::repeat_with(|| MasterKey::draw(entropy)).find(|key| self.find(key.id()).is_none())?;
        let fresh = RingKey { id: fresh.id(), key: fresh, made_at: Some(now) };
        Some(Self([vec![fresh], self.0.clone()].concat()))
    }

    /// The same ring without a key; `None` for the active one, and for one that is not in it.
    pub fn without(&self, id: KeyId) -> Option<Self> {
        let rest: Vec<RingKey> = self.0.iter().filter(|key| key.id != id).cloned().collect();
        (id != self.active().id && rest.len() < self.0.len()).then_some(Self(rest))
    }

    /// The keys of both, this ring's first.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let more = other.0.iter().filter(|key| self.find(key.id).is_none()).cloned();
        Self(self.0.iter().cloned().chain(more).take(MOST).collect())
    }

    /// Seals records with the active key and opens those of every key.
    pub fn sealer(&self, purpose: &'static str) -> RingSealer {
        RingSealer(self.0.iter().map(|key| key.key.record_sealer(purpose)).collect())
    }
}

/// Seals with the active key of a ring; opens what any of its keys sealed.
#[derive(Debug)]
pub struct RingSealer(Vec<RecordSealer>);

impl RingSealer {
    /// Seals `plain` to `place`.
    pub fn seal(&self, place: &str, plain: &[u8]) -> Vec<u8> {
        self.0.first().expect("a ring holds at least one key").seal(place, plain)
    }

    /// Opens what one of the keys sealed to the same `place`. Only the key that the envelope names is tried.
    ///
    /// # Errors
    /// [`DoesNotOpen`].
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, DoesNotOpen> {
        let id = RecordSealer::key_of(sealed).ok_or(DoesNotOpen)?;
        self.0.iter().find(|sealer| sealer.id() == id).ok_or(DoesNotOpen)?.open(place, sealed)
    }

    /// The id of the key that seals.
    pub fn active(&self) -> KeyId {
        self.0.first().expect("a ring holds at least one key").id()
    }

    /// Whether the ring has that key.
    pub fn knows(&self, id: KeyId) -> bool {
        self.0.iter().any(|sealer| sealer.id() == id)
    }
}

fn line_key(line: &str) -> Option<RingKey> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [id, seconds, key] = words[..] else { return None };
    let seconds: i64 = seconds.parse().ok()?;
    let made_at = (seconds > 0).then_some(Timestamp::from_secs(seconds));
    Some(RingKey { id: id.parse().ok()?, key: read_key(key)?, made_at })
}

fn read_key(text: &str) -> Option<MasterKey> {
    let bytes = Secret::new(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?);
    MasterKey::from_bytes(bytes.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn ring() -> KeyRing {
        KeyRing::of(MasterKey::from_bytes(&[7; 32]).expect("32 bytes"), None)
    }

    #[test]
    fn a_ring_survives_being_written_and_read() {
        let ring = ring().rotated(Entropy, NOW).expect("room");
        let read = KeyRing::parse(ring.to_text().expose().as_bytes()).expect("a ring");
        let facts = |ring: &KeyRing| ring.keys().iter().map(|key| (key.id, *key.key.expose(), key.made_at)).collect::<Vec<_>>();
        assert_eq!(facts(&read), facts(&ring));
        assert_eq!(KeyRing::parse(&[7; 32]).expect("a bare key").active().id, self::ring().active().id);
        let text = BASE64URL_NOPAD.encode(&[7; 32]);
        assert_eq!(KeyRing::parse(format!("{text}\n").as_bytes()).expect("a line").active().id, self::ring().active().id);
    }

    /// The attack (mostly by mishap): a ring that was cut off, mixed up or typed by hand.
    #[test]
    fn what_is_no_ring_is_refused_with_its_line() {
        let whole = ring().rotated(Entropy, NOW).expect("room").to_text().expose().clone();
        let lines: Vec<&str> = whole.lines().collect();
        let [_, first, second] = lines[..] else { unreachable!("three lines") };
        let swapped = format!("{HEADING}\n{}{}\n", &second[..8], &first[8..]);
        for (text, fault) in [
            (String::new(), BadRing::Empty),
            (format!("{HEADING}\n"), BadRing::Empty),
            (format!("{first}\n"), BadRing::Line(1)),
            (whole[..whole.len() - 9].to_owned(), BadRing::Line(3)),
            (swapped, BadRing::Id(2)),
            (format!("{HEADING}\n{first}\n# a remark\n\n{first}\n"), BadRing::Twice(5)),
        ] {
            assert_eq!(KeyRing::parse(text.as_bytes()).map(|_| ()), Err(fault), "{fault}");
        }
        assert!(KeyRing::parse(&[0xff; 31]).is_err() && KeyRing::parse(&[0xff; 33]).is_err());
    }

    #[test]
    fn the_newest_key_seals_and_every_key_of_the_ring_opens() {
        let old = ring();
        let new = old.rotated(Entropy, NOW).expect("room");
        let sealed = old.sealer("p").seal("place", b"secret");
        assert_eq!(new.sealer("p").open("place", &sealed).expect("opens").expose(), b"secret");
        let resealed = new.sealer("p").seal("place", b"secret");
        assert_eq!(RecordSealer::key_of(&resealed), Some(new.active().id));
        assert!(old.sealer("p").open("place", &resealed).is_err());
        let rest = new.without(old.active().id).expect("not the active one");
        assert!(rest.sealer("p").open("place", &sealed).is_err());
        assert!(new.without(new.active().id).is_none() && rest.without(old.active().id).is_none());
    }

    /// The attack: the envelope is given the id of another key of the ring, or another version.
    #[test]
    fn the_key_id_and_the_version_are_part_of_what_is_sealed() {
        let ring = ring().rotated(Entropy, NOW).expect("room");
        let sealed = ring.sealer("p").seal("place", b"secret");
        let mut other = sealed.clone();
        other[1..5].copy_from_slice(&ring.keys()[1].id.0);
        assert!(ring.sealer("p").open("place", &other).is_err());
        for version in [0, 1, 3] {
            other = sealed.clone();
            other[0] = version;
            assert!(ring.sealer("p").open("place", &other).is_err());
        }
    }

    #[test]
    fn a_ring_does_not_grow_without_end() {
        let mut ring = ring();
        while let Some(next) = ring.rotated(Entropy, NOW) {
            ring = next;
        }
        assert_eq!(ring.keys().len(), MOST);
        assert!(ring.to_text().expose().len() < LONGEST);
        assert_eq!(KeyRing::parse(ring.to_text().expose().as_bytes()).expect("a ring").keys().len(), MOST);
    }
}
