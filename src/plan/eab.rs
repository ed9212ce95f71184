//! `acme.eab`, `acme.fallback_eab`: as whom an authority knows us already (RFC 8555 section 7.3.4).

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};

use crate::base::secret::Secret;
use crate::config::acme::EabTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;

/// As whom an authority knows us already. Each customer of such an authority is given one.
#[derive(Clone, Debug)]
pub struct Eab {
    /// Our number there.
    pub kid: String,
    /// What proves that it is ours.
    pub hmac_key: Secret<Vec<u8>>,
}

impl PartialEq for Eab {
    fn eq(&self, other: &Self) -> bool {
        self.kid == other.kid && self.hmac_key.same_as(other.hmac_key.expose())
    }
}

impl Eq for Eab {}

/// What the table `key` says; nothing where it is not written, or not whole.
pub fn compile(table: &EabTable, key: &str, document: &Document, complaints: &mut Vec<Complaint>) -> Option<Eab> {
    let place = table.place.as_ref().or(table.kid.as_ref().map(|kid| &kid.place))?;
    let (Some(kid), Some(secret)) = (&table.kid, &table.hmac_key) else {
        let missing = if table.kid.is_none() { "kid" } else { "hmac_key" };
        // Half a table may be one whose other half has been complained about.
        let told = document.complaints.iter().any(|told| told.place.as_ref().is_some_and(|told| place.contains(&told.start)));
        if !told {
            let complaint = Complaint::new(Code::E0202, place, format!("`{key}` has no `{missing}`")).key(key);
            complaints.push(complaint.help(format!("write {key} = {{ kid = \"…\", hmac_key = {{ file = \"…\" }} }}")));
        }
        return None;
    };
    let odd = |letter: char| letter.is_control() || letter.is_whitespace();
    if kid.value.is_empty() || kid.value.len() > 256 || kid.value.contains(odd) {
        let complaint =
            Complaint::new(Code::E0206, &kid.place, "`kid` is not one that an authority gives").key(format!("{key}.kid"));
        complaints.push(complaint.label("a text without blanks, as it stands at the authority"));
        return None;
    }
    // One that could not be read is complained about where that was tried.
    let text = secret.value.as_ref()?;
    let Some(hmac_key) = decoded(text) else {
        let complaint = Complaint::new(Code::E0206, &secret.place, "`hmac_key` is not base64url").key(format!("{key}.hmac_key"));
        complaints.push(complaint.label("the authority gives it in letters, digits, - and _"));
        return None;
    };
    Some(Eab { kid: kid.value.clone(), hmac_key })
}

/// Authorities give it in base64url (RFC 8555 section 7.3.4); some with padding, some in the other alphabet.
fn decoded(text: &Secret<String>) -> Option<Secret<Vec<u8>>> {
    let text = text.expose().trim().as_bytes();
    let bytes = [BASE64URL_NOPAD, BASE64URL, BASE64_NOPAD, BASE64].iter().find_map(|encoding| encoding.decode(text).ok())?;
    (!bytes.is_empty()).then(|| Secret::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::compile_text;

    fn eab(table: &str) -> Result<Option<Eab>, Vec<&'static str>> {
        let text =
            format!("[acme]\nagree_tos = true\n{table}\n[[app]]\nhost = \"a.example\"\nupstream = \"http://127.0.0.1:1\"\n");
        let compiled = compile_text(&text).map_err(|all| all.iter().map(|one| one.code.name()).collect::<Vec<_>>())?;
        Ok(compiled.plan.acme.clone().expect("on").eab)
    }

    #[test]
    fn both_halves_are_needed_and_the_key_is_read_as_authorities_give_it() {
        for key in ["_-8ArA", "_-8ArA==", "/+8ArA==", "/+8ArA"] {
            let found = eab(&format!("eab = {{ kid = \"kid-1\", hmac_key = \"{key}\" }}")).expect("compiles").expect("bound");
            assert_eq!((found.kid.as_str(), found.hmac_key.expose().as_slice()), ("kid-1", &[0xff, 0xef, 0x00, 0xac][..]));
        }
        assert_eq!(eab("").expect("compiles"), None);
        for (table, code) in [
            ("eab = { kid = \"a\" }", "E0202"),
            ("eab = { hmac_key = \"_-8ArA\" }", "E0202"),
            ("eab = { kid = \"\", hmac_key = \"_-8ArA\" }", "E0206"),
            ("eab = { kid = \"a b\", hmac_key = \"_-8ArA\" }", "E0206"),
            ("eab = { kid = \"a\", hmac_key = \"not one\" }", "E0206"),
            ("eab = { kid = \"a\", hmac_key = \"\" }", "E0206"),
            ("eab = { kid = \"a\", hmac_key = 1 }", "E0201"),
            ("eab = { kid = \"a\", hmac_key = \"_-8ArA\", alg = \"HS256\" }", "E0203"),
            ("fallback_eab = { kid = \"a\", hmac_key = \"_-8ArA\" }", "E0202"),
        ] {
            assert_eq!(eab(table), Err(vec![code]), "{table}");
        }
    }

    /// The attack: whoever reads what the gateway says of itself binds accounts of their own.
    #[test]
    fn the_key_is_never_shown() {
        let found = eab("eab = { kid = \"kid-1\", hmac_key = \"c2VjcmV0IHNlY3JldA\" }").expect("compiles").expect("bound");
        let shown = format!("{found:?}");
        assert!(shown.contains("kid-1") && !shown.contains("115, 101") && !shown.contains("secret "), "{shown}");
    }
}
