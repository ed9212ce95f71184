//! A passkey or security key in software, and the browser that it is plugged into: another code base than the gateway's.

use std::sync::{Arc, Mutex, MutexGuard};

use data_encoding::BASE64URL_NOPAD;
use passkey::authenticator::UserValidationMethod;
use passkey::authenticator::{Authenticator, CredentialStore, DiscoverabilitySupport, StoreInfo, UiHint, UserCheck};
use passkey::client::{Client, DefaultClientData};
use passkey::crypto::aws_lc_rs::AwsLcRsBackend;
use passkey_types::Passkey;
use passkey_types::ctap2::make_credential::{Options, PublicKeyCredentialRpEntity, PublicKeyCredentialUserEntity};
use passkey_types::ctap2::{Aaguid, Ctap2Error, StatusCode};
use passkey_types::webauthn::{CredentialCreationOptions, CredentialRequestOptions, PublicKeyCredentialDescriptor};
use serde_json::{Value, json};

/// What a key holds. That of the library never finds a key without being told which.
#[derive(Clone, Default)]
pub struct Held(Arc<Mutex<Vec<Passkey>>>);

impl Held {
    fn all(&self) -> MutexGuard<'_, Vec<Passkey>> {
        self.0.lock().expect("not poisoned")
    }
}

#[async_trait::async_trait]
impl CredentialStore for Held {
    type PasskeyItem = Passkey;

    async fn find_credentials(
        &self,
        ids: Option<&[PublicKeyCredentialDescriptor]>,
        rp_id: &str,
        _user: Option<&[u8]>,
    ) -> Result<Vec<Passkey>, StatusCode> {
        let wanted =
            |passkey: &&Passkey| ids.is_none_or(|ids| ids.is_empty() || ids.iter().any(|id| id.id == passkey.credential_id));
        let found: Vec<Passkey> = self.all().iter().filter(|passkey| passkey.rp_id == rp_id).filter(wanted).cloned().collect();
        if found.is_empty() { Err(Ctap2Error::NoCredentials.into()) } else { Ok(found) }
    }

    async fn save_credential(
        &mut self,
        passkey: Passkey,
        _user: PublicKeyCredentialUserEntity,
        _rp: PublicKeyCredentialRpEntity,
        _options: Options,
    ) -> Result<(), StatusCode> {
        self.all().push(passkey);
        Ok(())
    }

    async fn update_credential(&mut self, passkey: &Passkey) -> Result<(), StatusCode> {
        for held in self.all().iter_mut().filter(|held| held.credential_id == passkey.credential_id) {
            *held = passkey.clone();
        }
        Ok(())
    }

    async fn get_info(&self) -> StoreInfo {
        StoreInfo { discoverability: DiscoverabilitySupport::Full }
    }
}

/// Whether whoever touches it is verified too.
pub struct Touch {
    verifies: bool,
}

#[async_trait::async_trait]
impl UserValidationMethod for Touch {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _: UiHint<'a, Passkey>,
        _presence: bool,
        _verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence: true, verification: self.verifies })
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(self.verifies)
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }
}

/// A key and its browser.
pub struct Key {
    verifies: bool,
    held: Held,
}

impl Key {
    /// One that verifies its user, or one that does not; both count their uses.
    pub fn new(verifies: bool) -> Self {
        Self { verifies, held: Held::default() }
    }

    /// What a page of `origin` gets for what it asked: a new key.
    pub async fn register(&self, origin: &str, options: &Value) -> Value {
        let options: CredentialCreationOptions = serde_json::from_value(json!({ "publicKey": options })).expect("options");
        let origin = origin.parse().expect("an origin");
        let made = Client::new(self.authenticator())
            .user_verification_when_preferred(self.verifies)
            .register(&origin, options, DefaultClientData)
            .await;
        serde_json::to_value(made.expect("made")).expect("JSON")
    }

    /// The same, a proof.
    pub async fn prove(&self, origin: &str, options: &Value) -> Value {
        let options: CredentialRequestOptions = serde_json::from_value(json!({ "publicKey": options })).expect("options");
        let origin = origin.parse().expect("an origin");
        let proof = Client::new(self.authenticator())
            .user_verification_when_preferred(self.verifies)
            .authenticate(&origin, options, DefaultClientData)
            .await;
        serde_json::to_value(proof.expect("proven")).expect("JSON")
    }

    /// Changes what it holds.
    pub fn alter(&self, change: impl FnMut(&mut Passkey)) {
        self.held.all().iter_mut().for_each(change);
    }

    fn authenticator(&self) -> Authenticator<Held, Touch, AwsLcRsBackend> {
        let touch = Touch { verifies: self.verifies };
        let mut authenticator = Authenticator::new(Aaguid::new_empty(), self.held.clone(), touch, AwsLcRsBackend);
        authenticator.set_make_credentials_with_signature_counter(true);
        authenticator
    }
}

/// Changes bytes of an answer.
pub fn alter(proof: &mut Value, part: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let text = proof["response"][part].as_str().expect("text").to_owned();
    let mut bytes = BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url");
    change(&mut bytes);
    proof["response"][part] = BASE64URL_NOPAD.encode(&bytes).into();
}

/// Changes what the browser says of the page.
pub fn said(proof: &mut Value, change: impl FnOnce(&mut Value)) {
    alter(proof, "clientDataJSON", |bytes| {
        let mut said: Value = serde_json::from_slice(bytes).expect("JSON");
        change(&mut said);
        *bytes = said.to_string().into_bytes();
    });
}
