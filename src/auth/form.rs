//! Tokens that tie a form to the browser it was shown in, so that another site cannot post it (CSRF).

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use crate::base::clock::Timestamp;
use crate::base::seal::Authenticator;

/// A form counts for this long after it was shown.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);
const TIME_LENGTH: usize = 8;
const TAG_LENGTH: usize = 32;

/// Makes and checks form tokens. Nothing is stored: the token carries its time of issue and an HMAC over it, the purpose
/// and whatever binds it to one browser (the hash of its session or visitor cookie).
#[derive(Clone, Copy, Debug)]
pub struct FormToken;

impl FormToken {
    /// A token for one form (`purpose`) in one browser (`binding`), shown at `now`.
    pub fn mint(key: &Authenticator, binding: &[u8], purpose: &str, now: Timestamp) -> String {
        let issued = now.millis().to_be_bytes();
        let tag = key.tag(&message(binding, purpose, issued));
        BASE64URL_NOPAD.encode(&[&issued[..], &tag].concat())
    }

    /// Whether `text` was minted for this form and browser within the last twelve hours.
    pub fn verify(key: &Authenticator, binding: &[u8], purpose: &str, text: &str, now: Timestamp) -> bool {
        if text.len() > BASE64URL_NOPAD.encode_len(TIME_LENGTH + TAG_LENGTH) {
            return false;
        }
        let Ok(bytes) = BASE64URL_NOPAD.decode(text.as_bytes()) else { return false };
        let Some((issued, tag)) = bytes.split_first_chunk::<TIME_LENGTH>() else { return false };
        let at = Timestamp::from_millis(i64::from_be_bytes(*issued));
        key.verify(&message(binding, purpose, *issued), tag) && at <= now && now.since(at) < LIFETIME
    }
}

/// Lengths stand before the parts, so that no purpose can run into a binding.
fn message(binding: &[u8], purpose: &str, issued: [u8; TIME_LENGTH]) -> Vec<u8> {
    let length = |part: &[u8]| (part.len() as u64).to_be_bytes();
    [&length(purpose.as_bytes())[..], purpose.as_bytes(), &length(binding), binding, &issued].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seal::MasterKey;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn key() -> Authenticator {
        MasterKey::from_bytes(&[7; 32]).expect("32 bytes").authenticator("form")
    }

    #[test]
    fn a_token_counts_for_twelve_hours() {
        let text = FormToken::mint(&key(), b"visitor", "sign in", NOW);
        let after = |seconds| FormToken::verify(&key(), b"visitor", "sign in", &text, NOW.plus(Duration::from_secs(seconds)));
        assert!(after(0));
        assert!(after(12 * 3600 - 1));
        assert!(!after(12 * 3600));
    }

    /// The attack: a token taken from one's own page is planted in somebody else's form, or in another form.
    #[test]
    fn a_token_counts_for_one_form_in_one_browser_only() {
        let text = FormToken::mint(&key(), b"visitor", "sign in", NOW);
        assert!(!FormToken::verify(&key(), b"another", "sign in", &text, NOW));
        assert!(!FormToken::verify(&key(), b"visitor", "sign out", &text, NOW));
        assert!(!FormToken::verify(&key(), b"nvisitor", "sign i", &text, NOW));
        let other = MasterKey::from_bytes(&[8; 32]).expect("32 bytes").authenticator("form");
        assert!(!FormToken::verify(&other, b"visitor", "sign in", &text, NOW));
        assert!(!FormToken::verify(&key(), b"visitor", "sign in", &text, Timestamp::from_secs(1_799_999_999)));
    }

    #[test]
    fn altered_texts_are_refused() {
        let text = FormToken::mint(&key(), b"v", "p", NOW);
        for at in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ASCII");
            assert!(!FormToken::verify(&key(), b"v", "p", &altered, NOW), "character {at}");
            assert!(!FormToken::verify(&key(), b"v", "p", &text[..at], NOW), "length {at}");
        }
        assert!(!FormToken::verify(&key(), b"v", "p", &"A".repeat(1 << 20), NOW));
    }
}
