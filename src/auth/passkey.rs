//! Passkeys and security keys (WebAuthn): what a browser is asked for, and whether its answer proves anything.
//!
//! The cryptography and the steps of the specification are `webauthn-rs-core`'s. Its friendlier sister `webauthn-rs` was the road
//! not taken: it always demands user verification of a passkey and cannot ask for an unknown person's key without it, and here a
//! key without verification is a second step. What the library leaves open is closed here: the origin to the letter,
//! frames of other sites, sizes, whose key it is, and that a key which once verified its user may come without doing so.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::proto::{AuthenticationState, COSEAlgorithm, Credential, RegistrationState, UserVerificationPolicy};

use crate::auth::passkey::answer::{Answer, NewKey, check_page};
use crate::auth::passkey::refused::Refused;
use crate::model::credential::Passkey;
use crate::model::user::UserId;

pub mod answer;
pub mod refused;

/// For how long a browser may take to answer.
pub const LIFE: Duration = Duration::from_secs(120);

/// Whether a key has to verify its user, by finger, face or PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// It is asked to; one that does not counts as second step only.
    Preferred,
    /// It must.
    Required,
}

/// Whether a key is asked what make it is of, signed by its maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attestation {
    /// It is not: what it says of itself is good for a name.
    None,
    /// It is; a statement that its signature does not bear out refuses the key. Nobody vouches for makers here.
    Direct,
}

/// What keys are made for: this site, and no other.
pub struct RelyingParty {
    library: WebauthnCore,
    id: String,
    name: String,
    origin: String,
}

/// A registration that a browser was asked for.
pub struct Registering(RegistrationState);

/// A proof that a browser was asked for.
pub struct Asking(AuthenticationState);

/// A key that was made for this site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Made {
    /// Names it, to the browser and us.
    pub credential_id: Vec<u8>,
    /// All that is needed to recognise it, as the library writes it.
    pub state: Vec<u8>,
    /// The make of the key, as it calls itself; zeros for none.
    pub aaguid: [u8; 16],
    /// Uses so far, as it counts them.
    pub counter: u32,
    /// Whether it verified its user.
    pub verified: bool,
    /// Whether it finds itself without being told whose sign-in it is.
    pub discoverable: bool,
    /// Whether it can be on several devices.
    pub backup_eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
    /// How browsers reach it, as they say; separated by spaces.
    pub transports: String,
}

/// What a right answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Uses of the key, as it counts them; 0 where it does not.
    pub counter: u32,
    /// Whether it verified its user.
    pub verified: bool,
    /// Whether it is on several devices.
    pub backed_up: bool,
}

impl RelyingParty {
    /// The site `id`, called `name`, on pages of `origin`; `None` if `origin` is no URL.
    pub fn new(id: &str, name: &str, origin: &str) -> Option<Self> {
        let library = WebauthnCore::new_unsafe_experts_only(name, id, vec![origin.parse().ok()?], LIFE, None, None);
        Some(Self { library, id: id.to_owned(), name: name.to_owned(), origin: origin.to_owned() })
    }

    /// What a browser needs to make a key for a user, as JSON: one that finds itself if it can, and none of `known`.
    pub fn begin_registration(
        &self,
        (user, name): (UserId, &str),
        known: &[Passkey],
        (verification, attestation): (Verification, Attestation),
    ) -> Option<(String, Registering)> {
        let builder = self.library.new_challenge_register_builder(user.as_str().as_bytes(), name, name).ok()?;
        let builder = builder.user_verification_policy(verification.policy()).credential_algorithms(algorithms());
        let (asked, state) = self.library.generate_challenge_register(builder).ok()?;
        let known: Vec<Value> = known.iter().map(descriptor).collect();
        let algorithms: Vec<Value> =
            algorithms().into_iter().map(|algorithm| json!({ "type": "public-key", "alg": algorithm as i64 })).collect();
        let options = json!({
            "rp": { "id": self.id, "name": self.name },
            "user": { "id": BASE64URL_NOPAD.encode(user.as_str().as_bytes()), "name": name, "displayName": name },
            "challenge": BASE64URL_NOPAD.encode(asked.public_key.challenge.as_ref()),
            "pubKeyCredParams": algorithms,
            "timeout": millis(),
            "excludeCredentials": known,
            // Preferred: a small security key may have no room left, and is a second step then.
            "authenticatorSelection": { "residentKey": "preferred", "userVerification": verification.name() },
            "attestation": attestation.name(),
            "extensions": { "credProps": true },
        });
        Some((options.to_string(), Registering(state)))
    }

    /// The key that an answer brings.
    ///
    /// # Errors
    /// [`Refused`] with the reason.
    pub fn finish_registration(&self, asked: &Registering, answer: &str) -> Result<Made, Refused> {
        let new = NewKey::read(answer)?;
        check_page(&new.credential.response.client_data_json, &self.origin)?;
        let credential =
            self.library.register_credential(&new.credential, &asked.0, None).map_err(|fault| Refused::from(&fault))?;
        if credential.cred_id != new.credential.raw_id {
            return Err(Refused::Unreadable);
        }
        let state = serde_json::to_vec(&credential).map_err(|_| Refused::Unreadable)?;
        Ok(Made {
            aaguid: new.aaguid(&credential.cred_id),
            credential_id: credential.cred_id,
            state,
            counter: credential.counter,
            verified: credential.user_verified,
            discoverable: new.credential.extensions.cred_props.as_ref().and_then(|props| props.rk).unwrap_or(true),
            backup_eligible: credential.backup_eligible,
            backed_up: credential.backup_state,
            transports: new.transports(),
        })
    }

    /// What a browser needs to prove a key, as JSON: one of `allowed`, or whichever it has for this site if there are none.
    pub fn begin(&self, allowed: &[Passkey], verification: Verification) -> Option<(String, Asking)> {
        // What the library checks is judged below: the policy here must not refuse what may be a second step.
        let policy = UserVerificationPolicy::Preferred;
        let builder = self.library.new_challenge_authenticate_builder(Vec::new(), Some(policy)).ok()?;
        let (asked, state) = self.library.generate_challenge_authenticate(builder).ok()?;
        let mut options = json!({
            "challenge": BASE64URL_NOPAD.encode(asked.public_key.challenge.as_ref()),
            "rpId": self.id,
            "timeout": millis(),
            "userVerification": verification.name(),
        });
        if !allowed.is_empty() {
            options["allowCredentials"] = allowed.iter().map(descriptor).collect();
        }
        Some((options.to_string(), Asking(state)))
    }

    /// Judges an answer that says it is of `passkey`.
    ///
    /// # Errors
    /// [`Refused`] with the reason.
    pub fn finish(
        &self,
        asked: &Asking,
        answer: &Answer,
        passkey: &Passkey,
        verification: Verification,
    ) -> Result<Shown, Refused> {
        let Answer(answer) = answer;
        check_page(&answer.response.client_data_json, &self.origin)?;
        if answer.response.user_handle.as_ref().is_some_and(|user| user != passkey.user.as_str().as_bytes()) {
            return Err(Refused::OtherUser);
        }
        if passkey.set_aside.is_some() {
            return Err(Refused::SetAside);
        }
        let mut credential: Credential = serde_json::from_slice(passkey.state.expose()).map_err(|_| Refused::Unknown)?;
        credential.counter = passkey.counter;
        // As long as it says it verified its user it counts as that, and else as less; the library would refuse it for good.
        credential.user_verified = false;
        credential.registration_policy = UserVerificationPolicy::Preferred;
        let result =
            self.library.authenticate_single_credential(answer, &asked.0, &credential).map_err(|fault| Refused::from(&fault))?;
        let shown = Shown { counter: result.counter(), verified: result.user_verified(), backed_up: result.backup_state() };
        if verification == Verification::Required && !shown.verified {
            return Err(Refused::NotVerified);
        }
        Ok(shown)
    }
}

impl Attestation {
    /// As it is written in gateway.toml and in what a browser is asked.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Direct => "direct",
        }
    }
}

impl Verification {
    /// As it is written in gateway.toml and in what a browser is asked.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Preferred => "preferred",
            Self::Required => "required",
        }
    }

    const fn policy(self) -> UserVerificationPolicy {
        match self {
            Self::Preferred => UserVerificationPolicy::Preferred,
            Self::Required => UserVerificationPolicy::Required,
        }
    }
}

/// ES256, ES384 and RS256. No EdDSA: the library has none since it left OpenSSL.
fn algorithms() -> Vec<COSEAlgorithm> {
    COSEAlgorithm::secure_algs()
}

fn millis() -> u64 {
    u64::try_from(LIFE.as_millis()).unwrap_or(u64::MAX)
}

fn descriptor(passkey: &Passkey) -> Value {
    let transports: Vec<&str> = passkey.transports.split_whitespace().collect();
    json!({ "type": "public-key", "id": BASE64URL_NOPAD.encode(&passkey.credential_id), "transports": transports })
}

impl fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelyingParty({})", self.id)
    }
}

impl fmt::Debug for Registering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registering(…)")
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::entropy::Entropy;
    use crate::base::id::Id;

    fn party() -> RelyingParty {
        RelyingParty::new("auth.example", "Home", "https://auth.example:8443").expect("a site")
    }

    #[test]
    fn a_browser_is_asked_for_a_key_that_finds_itself_and_for_its_make_only_if_wanted() {
        let (options, _) = party()
            .begin_registration((Id::draw(Entropy), "alice"), &[], (Verification::Preferred, Attestation::None))
            .expect("asked");
        let options: Value = serde_json::from_str(&options).expect("JSON");
        assert_eq!(options["authenticatorSelection"]["residentKey"], "preferred");
        assert_eq!((&options["attestation"], &options["rp"]["id"]), (&"none".into(), &"auth.example".into()));
        let (asked, _) = party()
            .begin_registration((Id::draw(Entropy), "alice"), &[], (Verification::Preferred, Attestation::Direct))
            .expect("asked");
        assert_eq!(serde_json::from_str::<Value>(&asked).expect("JSON")["attestation"], "direct");
        let algorithms: Vec<i64> =
            options["pubKeyCredParams"].as_array().expect("a list").iter().filter_map(|one| one["alg"].as_i64()).collect();
        assert_eq!(algorithms, [-7, -35, -257]);
        let (first, _) = party().begin(&[], Verification::Required).expect("asked");
        let (second, _) = party().begin(&[], Verification::Required).expect("asked");
        let [first, second]: [Value; 2] = [first, second].map(|text| serde_json::from_str(&text).expect("JSON"));
        assert!(first.get("allowCredentials").is_none() && first["userVerification"] == "required");
        assert_ne!(first["challenge"], second["challenge"]);
    }

    /// The attack: a key within an answer that is well-formed and deep beyond measure.
    #[test]
    fn a_key_that_cannot_be_read_is_refused() {
        let (_, asked) = party()
            .begin_registration((Id::draw(Entropy), "a"), &[], (Verification::Required, Attestation::Direct))
            .expect("asked");
        let cbor = BASE64URL_NOPAD.encode(&[0x9f; 40_000]);
        let data = BASE64URL_NOPAD.encode(br#"{"type":"webauthn.create","challenge":"AA","origin":"https://auth.example:8443"}"#);
        let answer = json!({ "id": "AA", "rawId": "AA", "type": "public-key",
                             "response": { "attestationObject": cbor, "clientDataJSON": data } });
        let refused = party().finish_registration(&asked, &answer.to_string()).expect_err("refused");
        assert!(matches!(refused, Refused::Unreadable), "{refused:?}");
    }
}
