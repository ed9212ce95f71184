//! Account keys of other programs: certbot's (JWK, RFC 7517) and lego's (PEM). Only P-256 is used here, as for accounts of ours.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use instant_acme::Key;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::Deserialize;
use zeroize::Zeroizing;

/// Why a key is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Another kind of key.
    #[error("the account's key is not for P-256, which is the only kind that is used here; a new account is made by itself")]
    OtherKind,
    /// Not a key at all.
    #[error("the account's key cannot be read")]
    Damaged,
}

/// AlgorithmIdentifier of EC keys on P-256 (RFC 5480 section 2.1.1).
const ALGORITHM: [u8; 21] = [
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
];
/// Bytes of a number on P-256.
const SIZE: usize = 32;

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<Zeroizing<String>>,
    y: Option<Zeroizing<String>>,
    d: Option<Zeroizing<String>>,
}

/// The key as PEM (PKCS #8), tried out.
///
/// # Errors
/// [`Unusable`].
pub fn read(text: &str) -> Result<Zeroizing<String>, Unusable> {
    let der = if text.trim_start().starts_with('{') { of_jwk(text)? } else { of_pem(text)? };
    let checked = PrivatePkcs8KeyDer::from(der.as_slice());
    Key::from_pkcs8_der(checked).map_err(|_| Unusable::OtherKind)?;
    let body = Zeroizing::new(BASE64.encode(&der));
    let lines: Vec<&str> = (0..body.len()).step_by(64).map(|at| &body[at..body.len().min(at + 64)]).collect();
    Ok(Zeroizing::new(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))))
}

fn of_jwk(text: &str) -> Result<Zeroizing<Vec<u8>>, Unusable> {
    let jwk: Jwk = serde_json::from_str(text).map_err(|_| Unusable::Damaged)?;
    if jwk.kty != "EC" || jwk.crv.as_deref() != Some("P-256") {
        return Err(Unusable::OtherKind);
    }
    let number = |written: Option<Zeroizing<String>>| {
        let bytes = BASE64URL_NOPAD.decode(written.ok_or(Unusable::Damaged)?.as_bytes()).map(Zeroizing::new);
        bytes.ok().filter(|bytes| bytes.len() == SIZE).ok_or(Unusable::Damaged)
    };
    let (x, y, d) = (number(jwk.x)?, number(jwk.y)?, number(jwk.d)?);
    // ECPrivateKey with its public key (RFC 5915 section 3).
    let mut key = Zeroizing::new(vec![0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20]);
    key.extend_from_slice(&d);
    key.extend_from_slice(&[0xa1, 0x44, 0x03, 0x42, 0x00, 0x04]);
    key.extend_from_slice(&x);
    key.extend_from_slice(&y);
    wrapped(&key)
}

fn of_pem(text: &str) -> Result<Zeroizing<Vec<u8>>, Unusable> {
    match PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| Unusable::Damaged)? {
        PrivateKeyDer::Pkcs8(der) => Ok(Zeroizing::new(der.secret_pkcs8_der().to_vec())),
        PrivateKeyDer::Sec1(der) => wrapped(der.secret_sec1_der()),
        _ => Err(Unusable::OtherKind),
    }
}

/// PKCS #8 around an ECPrivateKey (RFC 5958 section 2).
fn wrapped(key: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unusable> {
    // Both lengths in one byte after 0x81, as those of P-256 are.
    let length = u8::try_from(key.len()).map_err(|_| Unusable::OtherKind)?;
    let whole = u8::try_from(3 + ALGORITHM.len() + 3 + key.len()).map_err(|_| Unusable::OtherKind)?;
    if length < 0x64 {
        // Without the public key; nobody writes that for an account.
        return Err(Unusable::Damaged);
    }
    let mut der = Zeroizing::new(vec![0x30, 0x81, whole, 0x02, 0x01, 0x00]);
    der.extend_from_slice(&ALGORITHM);
    match length {
        0x80.. => der.extend_from_slice(&[0x04, 0x81, length]),
        _ => {
            der.extend_from_slice(&[0x04, length]);
            der[2] = whole - 1;
        }
    }
    der.extend_from_slice(key);
    Ok(der)
}

#[cfg(test)]
mod tests {
    use rcgen::KeyPair;

    use super::*;

    /// A key of ours, and its three numbers.
    fn ground() -> (KeyPair, [Vec<u8>; 3]) {
        let key = KeyPair::generate().expect("a key");
        let der = key.serialize_der();
        let at = der.windows(4).position(|window| window == [0x02, 0x01, 0x01, 0x04]).expect("an ECPrivateKey") + 5;
        let public = key.public_key_raw();
        (
            KeyPair::from_pem(&key.serialize_pem()).expect("a key"),
            [public[1..33].to_vec(), public[33..].to_vec(), der[at..at + 32].to_vec()],
        )
    }

    fn jwk(numbers: &[Vec<u8>; 3]) -> String {
        let [x, y, d] = numbers.clone().map(|number| BASE64URL_NOPAD.encode(&number));
        format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","d":"{d}"}}"#)
    }

    #[test]
    fn certbots_and_legos_keys_are_the_same_key_here() {
        let (key, numbers) = ground();
        let same = |text: &str| KeyPair::from_pem(text).expect("a key").public_key_raw() == key.public_key_raw();
        assert!(same(&read(&jwk(&numbers)).expect("usable")));
        assert!(same(&read(&key.serialize_pem()).expect("usable")));
        // SEC 1 as OpenSSL and Go write it: with the curve.
        let [x, y, d] = &numbers;
        let curve = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        let sec1 =
            [&[0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20][..], d, &curve, &[0xa1, 0x44, 0x03, 0x42, 0x00, 0x04], x, y].concat();
        let pem = format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", BASE64.encode(&sec1));
        assert!(same(&read(&pem).expect("usable")));
    }

    /// The attack: a file that is no key, or half of one, in a folder that somebody else may have written.
    #[test]
    fn what_is_no_such_key_is_refused() {
        let (_, numbers) = ground();
        let mut other = numbers.clone();
        other[0] = numbers[1].clone();
        for (text, fault) in [
            (r#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}"#.to_owned(), Unusable::OtherKind),
            (r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA","d":"AA"}"#.to_owned(), Unusable::OtherKind),
            (r#"{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}"#.to_owned(), Unusable::Damaged),
            (jwk(&other), Unusable::OtherKind),
            ("{".to_owned(), Unusable::Damaged),
            (String::new(), Unusable::Damaged),
            ("-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n".to_owned(), Unusable::Damaged),
            ("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n".to_owned(), Unusable::OtherKind),
        ] {
            assert_eq!(read(&text).expect_err("of no use"), fault, "{text}");
        }
    }
}
