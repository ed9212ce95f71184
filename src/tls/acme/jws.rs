//! Signed requests (RFC 8555 section 6.2) for what the library does not speak, or not so that a crash in between does no harm.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::plan::eab::Eab;

/// A private key that signs: of an account, or of a certificate.
#[derive(Debug)]
pub struct SigningKey {
    pair: EcdsaKeyPair,
    curve: &'static Curve,
}

#[derive(Debug)]
struct Curve {
    name: &'static str,
    algorithm: &'static str,
    signs: &'static EcdsaSigningAlgorithm,
}

static CURVES: [Curve; 2] = [
    Curve { name: "P-256", algorithm: "ES256", signs: &ECDSA_P256_SHA256_FIXED_SIGNING },
    Curve { name: "P-384", algorithm: "ES384", signs: &ECDSA_P384_SHA384_FIXED_SIGNING },
];

/// How the signer says who they are.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// By the key itself.
    Key,
    /// By the address of an account.
    Account(&'a str),
}

/// Where a request goes, and the nonce that keeps it from being repeated. What is within another request has none.
#[derive(Clone, Copy, Debug)]
pub struct Aim<'a> {
    /// The address.
    pub url: &'a str,
    /// The nonce.
    pub nonce: Option<&'a str>,
}

impl SigningKey {
    /// Reads the first private key of a PEM text; `None` if there is none on a curve that authorities take.
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let der = PrivateKeyDer::from_pem_slice(pem).ok()?;
        let read = |curve: &'static Curve| {
            let pair = EcdsaKeyPair::from_private_key_der(curve.signs, der.secret_der()).ok()?;
            Some(Self { pair, curve })
        };
        CURVES.iter().find_map(read)
    }

    /// The public key (RFC 7517).
    pub fn public(&self) -> Value {
        // An uncompressed point: a byte that says so, then both coordinates.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at((point.len() - 1) / 2);
        json!({ "kty": "EC", "crv": self.curve.name, "x": BASE64URL_NOPAD.encode(x), "y": BASE64URL_NOPAD.encode(y) })
    }

    /// `payload`, signed.
    pub fn sign(&self, who: Who<'_>, aim: Aim<'_>, payload: &Value) -> Value {
        let mut head = json!({ "alg": self.curve.algorithm, "url": aim.url });
        match who {
            Who::Key => head["jwk"] = self.public(),
            Who::Account(address) => head["kid"] = address.into(),
        }
        if let Some(nonce) = aim.nonce {
            head["nonce"] = nonce.into();
        }
        signed(&head, payload, |text| {
            let signature = self.pair.sign(&SystemRandom::new(), text).expect("signing needs nothing that could be missing");
            BASE64URL_NOPAD.encode(signature.as_ref())
        })
    }
}

/// Binds an account to what the authority knows of us (RFC 8555 section 7.3.4).
pub fn bind(eab: &Eab, account: &SigningKey, new_account: &str) -> Value {
    let key = hmac::Key::new(hmac::HMAC_SHA256, eab.hmac_key.expose());
    let head = json!({ "alg": "HS256", "kid": eab.kid, "url": new_account });
    signed(&head, &account.public(), |text| BASE64URL_NOPAD.encode(hmac::sign(&key, text).as_ref()))
}

fn signed(head: &Value, payload: &Value, sign: impl FnOnce(&[u8]) -> String) -> Value {
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let (head, payload) = (encode(head), encode(payload));
    let signature = sign(format!("{head}.{payload}").as_bytes());
    json!({ "protected": head, "payload": payload, "signature": signature })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
    use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};

    use super::*;
    use crate::base::secret::Secret;

    fn part(value: &Value, name: &str) -> Vec<u8> {
        BASE64URL_NOPAD.decode(value[name].as_str().expect("text").as_bytes()).expect("base64url")
    }

    #[test]
    fn what_is_signed_verifies_with_the_key_it_names() {
        let kinds = [
            (&PKCS_ECDSA_P256_SHA256, &ECDSA_P256_SHA256_FIXED, "ES256"),
            (&PKCS_ECDSA_P384_SHA384, &ECDSA_P384_SHA384_FIXED, "ES384"),
        ];
        for (makes, verifies, algorithm) in kinds {
            let pem = rcgen::KeyPair::generate_for(makes).expect("a key").serialize_pem();
            let key = SigningKey::from_pem(pem.as_bytes()).expect("a key");
            let aim = Aim { url: "https://ca.example/x", nonce: Some("n") };
            let made = key.sign(Who::Key, aim, &json!({ "a": 1 }));
            let head: Value = serde_json::from_slice(&part(&made, "protected")).expect("JSON");
            assert_eq!((&head["alg"], &head["url"], &head["nonce"]), (&algorithm.into(), &aim.url.into(), &"n".into()));
            let point = [vec![4], part(&head["jwk"], "x"), part(&head["jwk"], "y")].concat();
            let text = format!("{}.{}", made["protected"].as_str().expect("text"), made["payload"].as_str().expect("text"));
            UnparsedPublicKey::new(verifies, point).verify(text.as_bytes(), &part(&made, "signature")).expect("verifies");
            let known = key.sign(Who::Account("https://ca.example/1"), Aim { nonce: None, ..aim }, &json!({}));
            let head: Value = serde_json::from_slice(&part(&known, "protected")).expect("JSON");
            assert_eq!((&head["kid"], head.get("jwk"), head.get("nonce")), (&"https://ca.example/1".into(), None, None));
        }
    }

    #[test]
    fn a_binding_is_the_accounts_key_under_the_key_of_the_customer() {
        let pem = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        let key = SigningKey::from_pem(pem.as_bytes()).expect("a key");
        let eab = Eab { kid: "kid-1".to_owned(), hmac_key: Secret::new(vec![7; 32]) };
        let bound = bind(&eab, &key, "https://ca.example/new-account");
        assert_eq!(serde_json::from_slice::<Value>(&part(&bound, "payload")).expect("JSON"), key.public());
        let text = format!("{}.{}", bound["protected"].as_str().expect("text"), bound["payload"].as_str().expect("text"));
        let verifying = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        hmac::verify(&verifying, text.as_bytes(), &part(&bound, "signature")).expect("verifies");
    }

    #[test]
    fn what_is_no_key_is_none() {
        for text in ["", "-----BEGIN PRIVATE KEY-----\nMIIB", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"] {
            assert!(SigningKey::from_pem(text.as_bytes()).is_none());
        }
    }
}
