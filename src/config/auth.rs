//! `[auth]`, `[auth.totp]`, `[auth.throttle]` and `[auth.webauthn]`

use std::time::Duration;

use crate::config::placed::{Place, Placed};
use crate::config::reader::Reader;
use crate::model::credential::TotpAlgorithm;
use crate::model::mode::Mode;
use crate::model::strength::Strength;

/// `[auth]`
#[derive(Clone, Debug, Default)]
pub struct AuthTable {
    /// Whether there are people, or one owner.
    pub mode: Option<Placed<Mode>>,
    /// What apps ask for.
    pub require: Option<Placed<Strength>>,
    /// The ways in which people may prove who they are.
    pub methods: Option<Placed<Vec<Placed<String>>>>,
    /// Whether people may change their factors themselves.
    pub self_service: Option<Placed<bool>>,
    /// How long somebody new may add what is asked for with a password alone.
    pub enrol_deadline: Option<Placed<Duration>>,
    /// Shortest password.
    pub password_min_length: Option<Placed<u64>>,
    /// How many recovery codes people get.
    pub recovery_codes: Option<Placed<u64>>,
    /// `[auth.totp]`
    pub totp: TotpTable,
    /// `[auth.throttle]`
    pub throttle: ThrottleTable,
    /// `[auth.webauthn]`
    pub webauthn: WebauthnTable,
}

/// `[auth.throttle]`
#[derive(Clone, Debug, Default)]
pub struct ThrottleTable {
    /// Wrong passwords until the wait is a minute long.
    pub failures: Option<Placed<u64>>,
    /// The quiet after which codes are counted anew.
    pub window: Option<Placed<Duration>>,
    /// How long a network is barred that does not wait; the inner `None` is `"off"`.
    pub ban: Option<Placed<Option<Duration>>>,
    /// Networks that are not held to what they get wrong, and never barred.
    pub exempt: Option<Placed<Vec<Placed<String>>>>,
}

/// `[auth.webauthn]`
#[derive(Clone, Debug, Default)]
pub struct WebauthnTable {
    /// The domain that passkeys are made for.
    pub rp_id: Option<Placed<String>>,
    /// What browsers call it.
    pub rp_name: Option<Placed<String>>,
    /// Whether they have to verify their user.
    pub user_verification: Option<Placed<WrittenVerification>>,
    /// Whether they say of what make they are, signed.
    pub attestation: Option<Placed<WrittenAttestation>>,
}

/// `auth.webauthn.attestation`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenAttestation {
    /// They are not asked for it.
    None,
    /// They are.
    Direct,
}

/// `auth.webauthn.user_verification`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenVerification {
    /// They are asked to.
    Preferred,
    /// They must.
    Required,
}

/// `[auth.totp]`
#[derive(Clone, Debug, Default)]
pub struct TotpTable {
    /// The name that authenticator apps show.
    pub issuer: Option<Placed<String>>,
    /// How codes are made.
    pub recipe: RecipeTable,
    /// `[[auth.totp.configuration]]`
    pub configurations: Vec<ConfigurationTable>,
}

/// `[[auth.totp.configuration]]`
#[derive(Clone, Debug)]
pub struct ConfigurationTable {
    /// Where it is written.
    pub place: Place,
    /// What people who choose it see.
    pub name: Option<Placed<String>>,
    /// The name that authenticator apps show.
    pub issuer: Option<Placed<String>>,
    /// How codes are made.
    pub recipe: RecipeTable,
}

/// How codes are made, in either of these tables.
#[derive(Clone, Debug, Default)]
pub struct RecipeTable {
    /// The hash below the HMAC.
    pub algorithm: Option<Placed<TotpAlgorithm>>,
    /// Length of a code.
    pub digits: Option<Placed<u32>>,
    /// Seconds for which a code is shown.
    pub period: Option<Placed<u64>>,
}

impl AuthTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            mode: reader.choice("mode", &[Mode::People, Mode::SingleOwner].map(|mode| (mode.name(), mode))),
            require: strength(reader),
            methods: reader.list("methods"),
            self_service: reader.boolean("self_service"),
            enrol_deadline: reader.duration("enrol_deadline"),
            // NIST SP 800-63B allows no fewer than 8; more than 64 would keep people from using pass phrases of their own.
            password_min_length: reader.integer("password_min_length", 8, 64),
            recovery_codes: reader.integer("recovery_codes", 0, 20),
            totp: reader.table("totp", TotpTable::read),
            webauthn: reader.table("webauthn", WebauthnTable::read),
            throttle: reader.table("throttle", ThrottleTable::read),
        }
    }
}

impl ThrottleTable {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            // Fewer would leave no free try for a slip of the finger, more would let a guesser on for too long.
            failures: reader.integer("failures", 6, 20),
            window: reader.duration("window"),
            ban: reader.duration_or("ban", "off"),
            exempt: reader.list("exempt"),
        }
    }
}

impl TotpTable {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            issuer: reader.string("issuer"),
            recipe: RecipeTable::read(reader),
            configurations: reader.tables("configuration", ConfigurationTable::read),
        }
    }
}

impl ConfigurationTable {
    fn read(reader: &mut Reader<'_>) -> Self {
        reader.demand(&["name"], "people choose a configuration by its name", "name = \"Hardware token\"");
        Self {
            place: reader.place(),
            name: reader.string("name"),
            issuer: reader.string("issuer"),
            recipe: RecipeTable::read(reader),
        }
    }
}

impl RecipeTable {
    fn read(reader: &mut Reader<'_>) -> Self {
        let algorithms = [TotpAlgorithm::Sha1, TotpAlgorithm::Sha256, TotpAlgorithm::Sha512].map(|one| (one.name(), one));
        Self {
            algorithm: reader.choice("algorithm", &algorithms),
            digits: reader.choice("digits", &[("6", 6), ("8", 8)]),
            period: reader.integer("period", 15, 120),
        }
    }
}

impl WebauthnTable {
    fn read(reader: &mut Reader<'_>) -> Self {
        let attestations = [("none", WrittenAttestation::None), ("direct", WrittenAttestation::Direct)];
        let verifications = [("preferred", WrittenVerification::Preferred), ("required", WrittenVerification::Required)];
        Self {
            rp_id: reader.string("rp_id"),
            rp_name: reader.string("rp_name"),
            user_verification: reader.choice("user_verification", &verifications),
            attestation: reader.choice("attestation", &attestations),
        }
    }
}

/// The key `require` of a table.
pub fn strength(reader: &mut Reader<'_>) -> Option<Placed<Strength>> {
    let strengths = [Strength::TwoFactor, Strength::Passkey, Strength::Password];
    reader.choice("require", &strengths.map(|strength| (strength.name(), strength)))
}
