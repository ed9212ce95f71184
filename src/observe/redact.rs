//! What never appears in a log: secrets in queries, and tokens in our own paths.

use std::borrow::Cow;

use crate::wire::header::OWN_PREFIX;

/// Our own paths whose last segment opens something.
const TOKEN_PATHS: &[&str] = &["/.doorward/setup/"];
/// Query parameters of our own that open something, on top of the configured ones.
const OWN_PARAMETERS: &[&str] = &["go", "c", "ticket"];
/// Characters kept of what a client wrote about itself.
const LONGEST: usize = 300;
/// Bytes kept of a field that is written as it was sent.
const LONGEST_FIELD: usize = 1_024;
const REDACTED: &str = "REDACTED";
/// Characters of a token as it stands in a link.
const TOKEN_LENGTH: usize = 43;

/// The target as it may be logged: values of the named query parameters (given in lower case) and tokens in our own paths are
/// replaced. What cannot be read as a parameter is kept, since it is no value of a named one.
pub fn uri(target: &str, parameters: &[String]) -> Box<str> {
    let target = in_graphic(target);
    let (path, query) = target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
    let token_path = TOKEN_PATHS.iter().find(|prefix| path.len() > prefix.len() && path.starts_with(**prefix));
    let path = match token_path {
        Some(prefix) => format!("{prefix}{REDACTED}"),
        None if is_misspelt_link(path) => format!("/.doorward/{REDACTED}"),
        None => path.to_owned(),
    };
    let own = path.starts_with(OWN_PREFIX);
    let Some(query) = query else { return path.into() };
    let query: Vec<String> = query.split('&').map(|pair| parameter(pair, parameters, own)).collect();
    format!("{path}?{}", query.join("&")).into()
}

/// The page a visitor came from, as it may be logged: of an address its query and path as [`uri`] has them, without user name,
/// password and fragment. The beginning only; `None` if nothing is left.
pub fn referer(bytes: &[u8], parameters: &[String]) -> Option<Box<[u8]>> {
    let text = String::from_utf8_lossy(bytes);
    // Secrets are looked for in the whole of it: what is cut off first could leave a half one behind.
    let text = text.split('#').next().unwrap_or_default();
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let target = if target.is_empty() { Box::default() } else { uri(target, parameters) };
    let mark = if text.contains("://") { "://" } else { "" };
    let mut shown = format!("{scheme}{mark}{host}{target}").into_bytes();
    shown.truncate(LONGEST_FIELD);
    (!shown.is_empty()).then(|| shown.into())
}

/// As much of a field as is kept for the log.
pub fn beginning(bytes: &[u8]) -> Box<[u8]> {
    bytes[..bytes.len().min(LONGEST_FIELD)].into()
}

/// What a client wrote about itself, short and without control characters: JSON escapes only some of them, and those of
/// U+0080 to U+009F steer terminals too.
pub fn harmless(bytes: &[u8]) -> Box<str> {
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(LONGEST).map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

/// The target in visible ASCII. HTTP/2 lets raw UTF-8 through to us; such a target is refused, but it is logged first, and it may
/// hold the control characters of U+0080 to U+009F or marks that turn the direction of writing.
fn in_graphic(target: &str) -> Cow<'_, str> {
    if target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(target);
    }
    target.chars().map(|letter| if letter.is_ascii_graphic() { letter } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// A set-up link in a spelling that is not ours (`//.doorward/setup/…`) opens nothing, but the token in it still does.
fn is_misspelt_link(path: &str) -> bool {
    if path.len() <= TOKEN_LENGTH || path.starts_with("/.doorward/") {
        return false;
    }
    let plain = percent_encoding::percent_decode_str(path).decode_utf8_lossy().to_ascii_lowercase();
    plain.contains(".doorward") && plain.contains("setup")
}

fn parameter(pair: &str, parameters: &[String], own: bool) -> String {
    let Some((key, _)) = pair.split_once('=') else { return pair.to_owned() };
    let name = percent_encoding::percent_decode_str(key).decode_utf8_lossy().to_ascii_lowercase();
    let secret = parameters.contains(&name) || (own && OWN_PARAMETERS.contains(&name.as_str()));
    if secret { format!("{key}={REDACTED}") } else { pair.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(target: &str) -> String {
        uri(target, &["token".to_owned(), "api_key".to_owned()]).into()
    }

    #[test]
    fn named_parameters_lose_their_values_however_they_are_spelt() {
        assert_eq!(redacted("/a?x=1&token=abc&y"), "/a?x=1&token=REDACTED&y");
        assert_eq!(redacted("/a?TOKEN=abc&%61pi_key=s"), "/a?TOKEN=REDACTED&%61pi_key=REDACTED");
        assert_eq!(redacted("/token=abc"), "/token=abc");
        assert_eq!(redacted("/a?tokens=1"), "/a?tokens=1");
    }

    fn came_from(text: &str) -> String {
        let shown = referer(text.as_bytes(), &["token".to_owned()]).unwrap_or_default();
        String::from_utf8(shown.into()).expect("UTF-8")
    }

    /// The attack: a secret in the address of the page before, which browsers send along.
    #[test]
    fn the_page_before_is_logged_without_secrets() {
        assert_eq!(came_from("https://a.example/x?token=abc&y=1"), "https://a.example/x?token=REDACTED&y=1");
        assert_eq!(came_from("https://a.example?token=abc"), "https://a.example?token=REDACTED");
        assert_eq!(came_from("/x?token=abc"), "/x?token=REDACTED");
        assert_eq!(came_from("x?token=abc"), "x?token=REDACTED");
        assert_eq!(came_from("https://bob:secret@a.example/x#token=abc"), "https://a.example/x");
        assert_eq!(came_from("https://bob:se@cret@a.example"), "https://a.example");
        assert_eq!(came_from("https://a.example/.doorward/setup/SECRET"), "https://a.example/.doorward/setup/REDACTED");
        assert_eq!(
            came_from("https://a.example/.doorward/enter?ticket=SECRET"),
            "https://a.example/.doorward/enter?ticket=REDACTED"
        );
        let token = "SqhBVTFCW2z7Bf-9EL9_CT4kiV_FQuNIMeCWBHqEb1E";
        assert!(!came_from(&format!("https://a.example//.doorward/setup/{token}")).contains(token));
        let long = format!("https://a.example/?{}token=SECRET", "x=1&".repeat(254));
        assert!(!came_from(&long).contains("SEC") && came_from(&long).len() <= LONGEST_FIELD);
        assert_eq!((came_from(""), came_from("#x")), (String::new(), String::new()));
    }

    /// The attack: an agent that colours or clears the terminal of whoever reads the log.
    #[test]
    fn control_characters_of_every_kind_are_replaced() {
        let text = harmless("a\u{1b}[31m\u{9b}2J\n\u{7f}b".as_bytes());
        assert!(!text.chars().any(char::is_control) && text.starts_with('a') && text.ends_with('b'), "{text}");
        assert_eq!(harmless(&[b'x'; 1000]).len(), LONGEST);
    }

    #[test]
    fn set_up_links_and_our_own_tickets_are_never_logged() {
        assert_eq!(redacted("/.doorward/setup/SECRET"), "/.doorward/setup/REDACTED");
        assert_eq!(redacted("/.doorward/login/code?c=SECRET"), "/.doorward/login/code?c=REDACTED");
        assert_eq!(redacted("/.doorward/enter?ticket=SECRET"), "/.doorward/enter?ticket=REDACTED");
        assert_eq!(redacted("/app?c=1"), "/app?c=1");
    }

    /// The attack: a raw `:path` of HTTP/2 with U+009B in it, which starts a terminal's control sequence like `ESC [` does.
    #[test]
    fn a_target_is_logged_in_visible_ascii() {
        let logged = redacted("/a\u{9b}2J\u{202e}b?x=\u{85}1");
        assert_eq!(logged, "/a\u{fffd}2J\u{fffd}b?x=\u{fffd}1");
    }

    /// The attack: a set-up link that a mail program or a hurried hand spelt wrongly is answered 404, stays valid, and waits in
    /// the log for whoever may read it.
    #[test]
    fn the_token_of_a_misspelt_link_is_not_logged() {
        let token = "SqhBVTFCW2z7Bf-9EL9_CT4kiV_FQuNIMeCWBHqEb1E";
        for path in
            ["//.doorward/setup/", "/.Doorward/setup/", "/%2edoorward/setup/", "/.doorward%2fSetup%2f", "/x/.doorward/setup/"]
        {
            assert!(!redacted(&format!("{path}{token}")).contains(token), "{path}");
        }
        let honest = "/doorward/doorward/blob/0123456789abcdef0123456789/src/setup.rs";
        assert_eq!(redacted(honest), honest);
    }
}
