//! What people prove themselves with, as it is stored.

use crate::base::clock::Timestamp;
use crate::base::id::Id;
use crate::base::secret::Secret;

/// A password as a PHC string (argon2id with its parameters and salt).
#[derive(Clone, Debug)]
pub struct PasswordHash(pub Secret<String>);

/// A set of recovery codes, of which all count or none.
pub type RecoverySetId = Id<RecoverySet>;

/// What of a user's recovery codes may be shown: which there are, and which were used when. Never a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverySet {
    /// Names the set.
    pub id: RecoverySetId,
    /// When its codes were drawn.
    pub created_at: Timestamp,
    /// The rows in order, each with the moment at which its code was used.
    pub rows: Vec<(u8, Option<Timestamp>)>,
}

impl RecoverySet {
    /// How many can still be used.
    pub fn left(&self) -> usize {
        self.rows.iter().filter(|(_, used_at)| used_at.is_none()).count()
    }

    /// When one was used last.
    pub fn last_used(&self) -> Option<Timestamp> {
        self.rows.iter().filter_map(|(_, used_at)| *used_at).max()
    }
}

/// An authenticator's id.
pub type TotpId = Id<Totp>;

/// An authenticator app that shares a seed with us (RFC 6238).
#[derive(Clone, Debug)]
pub struct Totp {
    /// Names the row; part of what the sealed seed is bound to.
    pub id: TotpId,
    /// How codes are made.
    pub recipe: TotpRecipe,
    /// The shared secret.
    pub seed: Secret<Vec<u8>>,
    /// The step of the last code accepted (or burnt). This one and everything before it is refused for ever.
    pub last_step: u64,
    /// When it was enrolled.
    pub created_at: Timestamp,
}

/// How an authenticator makes its codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TotpRecipe {
    /// The hash below the HMAC.
    pub algorithm: TotpAlgorithm,
    /// Length of a code: 6 or 8.
    pub digits: u32,
    /// Seconds for which a code is shown.
    pub period: u64,
}

/// The hash below the HMAC of an authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotpAlgorithm {
    /// What nearly every authenticator app can do.
    Sha1,
    /// Wanted by some rule books, ignored by some apps.
    Sha256,
    /// As SHA256.
    Sha512,
}

impl TotpAlgorithm {
    /// The name in gateway.toml, in `otpauth://` URIs and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    /// Reads that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha512].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

impl Default for TotpRecipe {
    fn default() -> Self {
        Self { algorithm: TotpAlgorithm::Sha1, digits: 6, period: 30 }
    }
}
