//! Takes credentials out of what a provider's client, or the provider, says of a failure: they stand in addresses, and in requests that
//! an answer repeats.

use data_encoding::{BASE64, BASE64URL_NOPAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::plan::dns_interface::Interface;

/// So much of a credential is taken for it, also where the rest was cut off. What is shorter is looked for whole, and by itself: it
/// may be a part of any word.
const TELLING: usize = 8;
/// What is shorter is no secret, and stands in sentences by chance.
const SHORTEST: usize = 4;
/// As forms escape (application/x-www-form-urlencoded).
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');
/// As queries of addresses do.
const QUERY: &AsciiSet = &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'\'');

/// The same, with what may be a credential, and every query of an address, left out.
pub fn without_secrets(said: &str, interface: &Interface) -> String {
    let secrets = spellings(interface);
    let said = without_queries(said);
    let (mut shown, mut rest, mut before) = (String::with_capacity(said.len()), said.as_str(), None);
    while let Some(letter) = rest.chars().next() {
        let longest = secrets.iter().map(|secret| begins(rest, secret, before)).max().unwrap_or(0);
        match longest {
            0 => shown.push(letter),
            _ => shown.push('…'),
        }
        let (taken, left) = rest.split_at(longest.max(letter.len_utf8()));
        (before, rest) = (taken.chars().last(), left);
    }
    shown
}

/// How many bytes of `text`, which follows the letter `before`, are the secret, or the beginning of one that was cut off.
fn begins(text: &str, secret: &str, before: Option<char>) -> usize {
    let same = text.chars().zip(secret.chars()).take_while(|(one, other)| one == other);
    let count: usize = same.map(|(letter, _)| letter.len_utf8()).sum();
    let goes_on = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let alone = || !goes_on(before) && !goes_on(text[count..].chars().next());
    if count >= TELLING || (count == secret.len() && alone()) { count } else { 0 }
}

/// Every way in which a credential may be written down.
fn spellings(interface: &Interface) -> Vec<String> {
    // An address is no secret, and is needed to understand what is said.
    let given = interface.credentials.iter().filter(|(key, _)| **key != "url");
    let given: Vec<&str> = given.map(|(_, value)| value.expose().as_str()).filter(|value| value.len() >= SHORTEST).collect();
    // What is heard of a program has its white space collapsed.
    let plain = given.iter().flat_map(|value| [(*value).to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" ")]);
    let mut all: Vec<String> = plain.collect();
    for value in &given {
        all.push(utf8_percent_encode(value, NON_ALPHANUMERIC).to_string());
        all.push(utf8_percent_encode(value, FORM).to_string().replace("%20", "+"));
        all.push(utf8_percent_encode(value, QUERY).to_string());
        all.push(serde_json::to_string(value).unwrap_or_default().trim_matches('"').to_owned());
        all.push(BASE64.encode(value.as_bytes()));
        all.push(BASE64URL_NOPAD.encode(value.as_bytes()));
        // As RFC 7617 has users and passwords.
        all.extend(given.iter().map(|user| BASE64.encode(format!("{user}:{value}").as_bytes())));
    }
    all.retain(|spelling| spelling.len() >= SHORTEST);
    all
}

/// Nobody needs what stands behind the question mark of an address to know who was asked.
fn without_queries(said: &str) -> String {
    let mut shown = String::with_capacity(said.len());
    for word in said.split_inclusive([' ', '"', ')', ',', ';']) {
        match word.split_once("://").and_then(|(_, rest)| rest.find('?').map(|at| word.len() - rest.len() + at)) {
            Some(at) => {
                shown.push_str(&word[..=at]);
                shown.push('…');
                shown.extend(word[at..].chars().last().filter(|last| [' ', '"', ')', ',', ';'].contains(last)));
            }
            None => shown.push_str(word),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;
    use crate::plan::dns_providers;

    fn interface(credentials: &[(&'static str, &str)]) -> Interface {
        let provider = dns_providers::named("duckdns").expect("known");
        let credentials = credentials.iter().map(|(key, value)| (*key, Secret::new((*value).to_owned()))).collect();
        Interface { provider, credentials, zone: None, ca_file: None }
    }

    /// The attack: a provider that takes its token in the address, or repeats what it was sent, and a log that everybody reads.
    #[test]
    fn what_is_said_holds_no_secret_however_it_is_written() {
        let secret = "p@ss-word.1/x  y~'\"ü";
        let given = interface(&[("username", "doorward"), ("password", secret), ("url", "https://dns.example")]);
        for said in [
            secret.to_owned(),
            "p@ss-word.1/x y~'\"ü".to_owned(),
            "p%40ss%2Dword%2E1%2Fx%20%20y%7E%27%22%C3%BC".to_owned(),
            "p%40ss-word.1%2Fx++y%7E%27%22%C3%BC".to_owned(),
            "p@ss-word.1/x%20%20y~%27%22%C3%BC".to_owned(),
            "p@ss-word.1/x  y~'\\\"ü".to_owned(),
            BASE64.encode(secret.as_bytes()),
            BASE64.encode(format!("doorward:{secret}").as_bytes()),
            // Cut off by the library in the middle.
            "p@ss-word".to_owned(),
        ] {
            assert_eq!(without_secrets(&format!("see {said}, please"), &given), "see …, please", "{said}");
        }
    }

    #[test]
    fn what_is_no_secret_is_still_read() {
        let given = interface(&[("region", "eu"), ("username", "doorward"), ("password", "doorward-123456")]);
        assert_eq!(without_secrets("eu: doorward-123456 of doorward", &given), "eu: … of …");
        let short = interface(&[("project_id", "main"), ("api_token", "k3y-7")]);
        assert_eq!(without_secrets("the domain main, key=k3y-7, mainly", &short), "the domain …, key=…, mainly");
        assert_eq!(
            without_secrets("asked (https://a.example/x?one=1&two=2) and \"https://b.example?c\", why?", &given),
            "asked (https://a.example/x?…) and \"https://b.example?…\", why?"
        );
        assert_eq!(without_secrets("", &interface(&[])), "");
    }
}
