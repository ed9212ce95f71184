//! Requests to an authority as RFC 8555 section 6 wants them, read with strictness: what a real authority would refuse, this refuses.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;

/// A public key, as its two coordinates and the curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub curve: String,
    pub x: String,
    pub y: String,
}

/// A request whose signature has not been looked at.
#[derive(Clone, Debug)]
pub struct Signed {
    pub head: Value,
    pub payload: Vec<u8>,
    text: String,
    signature: Vec<u8>,
}

/// Decodes base64url without padding, and nothing else.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

impl PublicKey {
    pub fn of(jwk: &Value) -> Option<Self> {
        let text = |name: &str| Some(jwk.get(name)?.as_str()?.to_owned());
        (text("kty")? == "EC").then_some(Self { curve: text("crv")?, x: text("x")?, y: text("y")? })
    }

    /// RFC 7638.
    pub fn thumbprint(&self) -> String {
        let Self { curve, x, y } = self;
        let text = format!(r#"{{"crv":"{curve}","kty":"EC","x":"{x}","y":"{y}"}}"#);
        BASE64URL_NOPAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref())
    }

    pub fn point(&self) -> Option<Vec<u8>> {
        Some([vec![4], decode(&self.x)?, decode(&self.y)?].concat())
    }
}

impl Signed {
    pub fn read(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name)?.as_str();
        let (head, payload) = (text("protected")?, text("payload")?);
        Some(Self {
            head: serde_json::from_slice(&decode(head)?).ok()?,
            payload: decode(payload)?,
            text: format!("{head}.{payload}"),
            signature: decode(text("signature")?)?,
        })
    }

    pub fn said(&self, name: &str) -> &str {
        self.head.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn is_by(&self, key: &PublicKey) -> bool {
        let kinds = [("ES256", "P-256", &ECDSA_P256_SHA256_FIXED), ("ES384", "P-384", &ECDSA_P384_SHA384_FIXED)];
        let Some((_, _, verifies)) = kinds.iter().find(|(name, curve, _)| *name == self.said("alg") && *curve == key.curve)
        else {
            return false;
        };
        key.point()
            .is_some_and(|point| UnparsedPublicKey::new(*verifies, point).verify(self.text.as_bytes(), &self.signature).is_ok())
    }

    /// RFC 8555 section 7.3.4.
    pub fn is_bound_by(&self, key: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        self.said("alg") == "HS256" && hmac::verify(&key, self.text.as_bytes(), &self.signature).is_ok()
    }
}
