//! What browsers send, read with care: the library reads some of it too, and is content with less.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::Value;
use webauthn_rs_core::internals::AuthenticatorData;
use webauthn_rs_core::proto::{PublicKeyCredential, RegisterPublicKeyCredential, Registration};

use crate::auth::passkey::refused::Refused;

/// The longest answer that is read.
const LONGEST_ANSWER: usize = 64 << 10;
/// The longest name of a way to reach a key that is kept, and how many.
const LONGEST_TRANSPORT: usize = 16;
const MOST_TRANSPORTS: usize = 8;

/// An answer that was read and not yet judged.
#[derive(Debug)]
pub struct Answer(pub(super) PublicKeyCredential);

/// An answer that brings a new key.
pub(super) struct NewKey {
    /// As the library reads it.
    pub(super) credential: RegisterPublicKeyCredential,
    extra: Extra,
}

/// What a browser says of the page that asked.
#[derive(Deserialize)]
struct ClientData {
    origin: String,
    #[serde(rename = "crossOrigin")]
    cross_origin: Option<bool>,
    #[serde(rename = "topOrigin")]
    top_origin: Option<Value>,
}

/// What browsers say beside what the library reads.
#[derive(Deserialize)]
struct Extra {
    response: ExtraResponse,
}

#[derive(Deserialize)]
struct ExtraResponse {
    #[serde(rename = "authenticatorData")]
    authenticator_data: Option<String>,
    #[serde(default)]
    transports: Vec<String>,
}

impl Answer {
    /// Reads an answer.
    ///
    /// # Errors
    /// [`Refused::Unreadable`].
    pub fn read(text: &str) -> Result<Self, Refused> {
        parse(text).map(Self)
    }

    /// The key it says it is of.
    pub fn credential_id(&self) -> &[u8] {
        &self.0.raw_id
    }

    /// Whether it says whose key it is, as keys do that find themselves.
    pub fn names_user(&self) -> bool {
        self.0.response.user_handle.is_some()
    }
}

impl NewKey {
    pub(super) fn read(text: &str) -> Result<Self, Refused> {
        let mut said: Value = parse(text)?;
        let extra = Extra::deserialize(&said).map_err(|_| Refused::Unreadable)?;
        // A way to reach keys that the library does not know yet must not keep anybody from adding theirs.
        if let Some(response) = said.get_mut("response").and_then(Value::as_object_mut) {
            response.remove("transports");
        }
        let credential = serde_json::from_value(said).map_err(|_| Refused::Unreadable)?;
        Ok(Self { credential, extra })
    }

    /// The make of the key, as far as it says so of the very key `credential_id`. Nobody vouches for it: it is good for a name and no
    /// more.
    pub(super) fn aaguid(&self, credential_id: &[u8]) -> [u8; 16] {
        let data = self.extra.response.authenticator_data.as_ref();
        let data = data.and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let data = data.and_then(|bytes| AuthenticatorData::<Registration>::try_from(bytes.as_slice()).ok());
        data.and_then(|data| data.acd).filter(|made| made.credential_id == credential_id).map_or([0; 16], |made| made.aaguid)
    }

    /// How browsers reach it, separated by spaces.
    pub(super) fn transports(&self) -> String {
        let plain = |text: &&String| {
            text.len() <= LONGEST_TRANSPORT && !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
        };
        let known = self.extra.response.transports.iter().filter(plain).take(MOST_TRANSPORTS);
        known.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// Whether the page that asked is of `origin`, to the letter, and in no frame of another site.
pub(super) fn check_page(client_data: &[u8], origin: &str) -> Result<(), Refused> {
    let said: ClientData = serde_json::from_slice(client_data).map_err(|_| Refused::Unreadable)?;
    if said.cross_origin == Some(true) || said.top_origin.is_some() {
        return Err(Refused::CrossOrigin);
    }
    if said.origin == origin { Ok(()) } else { Err(Refused::OtherOrigin) }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Refused> {
    if text.len() > LONGEST_ANSWER {
        return Err(Refused::Unreadable);
    }
    serde_json::from_str(text).map_err(|_| Refused::Unreadable)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The attack: an answer that is huge, or deep, or no answer at all.
    #[test]
    fn what_cannot_be_read_is_refused() {
        let deep = "[".repeat(60_000);
        for text in ["", "{}", "null", "[]", deep.as_str(), &"x".repeat(LONGEST_ANSWER + 1)] {
            assert_eq!(Answer::read(text).expect_err("refused"), Refused::Unreadable);
            assert_eq!(NewKey::read(text).err(), Some(Refused::Unreadable));
        }
    }

    /// The attack: a page of another site, or of ours in a frame of another, passes on what it was given.
    #[test]
    fn only_our_own_page_in_a_tab_of_its_own_counts() {
        let judge = |said: &str| check_page(said.as_bytes(), "https://auth.example:8443");
        assert_eq!(judge(r#"{"origin":"https://auth.example:8443","crossOrigin":false,"new":1}"#), Ok(()));
        for origin in
            ["https://auth.example", "http://auth.example:8443", "https://x.auth.example:8443", "https://auth.example:8443/"]
        {
            assert_eq!(judge(&json!({ "origin": origin }).to_string()), Err(Refused::OtherOrigin), "{origin}");
        }
        let framed = r#"{"origin":"https://auth.example:8443","crossOrigin":true}"#;
        let top = r#"{"origin":"https://auth.example:8443","topOrigin":"https://evil.example"}"#;
        assert_eq!((judge(framed), judge(top)), (Err(Refused::CrossOrigin), Err(Refused::CrossOrigin)));
    }
}
