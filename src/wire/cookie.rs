//! Our cookies: reading them exactly, setting them with the right attributes, and keeping them from apps.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

/// Holds the session token.
pub const SESSION: &str = "__Host-doorward";
/// Binds half-done sign-ins to a browser. Never becomes a session.
pub const VISITOR: &str = "__Host-doorward-pre";
/// Says that somebody has signed in with this browser before. Opens nothing.
pub const DEVICE: &str = "__Host-doorward-device";

/// What a request says under one cookie name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// No cookie of that name.
    Nothing,
    /// Exactly one.
    One(&'a str),
    /// More than one: a sibling site may have planted one of them, so none is believed.
    Several,
}

/// Looks for `name` in every `Cookie` line.
///
/// Bytes only: the name must match exactly, nothing but spaces and tabs (OWS) is trimmed, quotes are part of the value and
/// `$Version` has no meaning. What some frameworks trim (Unicode white space) would let a cookie without the `__Host-` prefix
/// pose as one with it.
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Found<'a> {
    let mut found = Found::Nothing;
    for (key, value) in headers.get_all(COOKIE).iter().flat_map(|line| pairs(line.as_bytes())) {
        if key == name.as_bytes() {
            match (found, std::str::from_utf8(value)) {
                (Found::Nothing, Ok(value)) => found = Found::One(value),
                _ => return Found::Several,
            }
        }
    }
    found
}

/// Takes our cookies out of every `Cookie` line; what the app set passes byte for byte, in its order.
pub fn strip(headers: &mut HeaderMap) {
    let ours = |line: &HeaderValue| pairs(line.as_bytes()).any(|(key, _)| is_ours(key));
    if !headers.get_all(COOKIE).iter().any(ours) {
        return;
    }
    let kept: Vec<HeaderValue> = headers.get_all(COOKIE).iter().filter_map(without_ours).collect();
    headers.remove(COOKIE);
    for line in kept {
        headers.append(COOKIE, line);
    }
}

/// Whether a `Set-Cookie` line of an app would set one of our names. `=__Host-doorward=x` has no name, and is sent back as if it had
/// ours by browsers that do not know of that trick.
pub fn sets_ours(line: &HeaderValue) -> bool {
    let pair = line.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    let mut parts = pair.split(|byte| *byte == b'=').map(trim).skip_while(|part| part.is_empty());
    is_ours(parts.next().unwrap_or_default())
}

/// A `Set-Cookie` line for one of our names. Without `max_age` it lives as long as the browser.
pub fn set(name: &'static str, value: &str, max_age: Option<Duration>) -> HeaderValue {
    let mut cookie = base(name, value);
    if let Some(max_age) = max_age {
        cookie.set_max_age(cookie::time::Duration::seconds(i64::try_from(max_age.as_secs()).unwrap_or(i64::MAX)));
    }
    line(&cookie)
}

/// A `Set-Cookie` line that takes one of our cookies away.
pub fn clear(name: &'static str) -> HeaderValue {
    let mut cookie = base(name, "");
    cookie.set_max_age(cookie::time::Duration::ZERO);
    line(&cookie)
}

/// Adds a `Set-Cookie` line.
pub fn attach(headers: &mut HeaderMap, line: HeaderValue) {
    headers.append(SET_COOKIE, line);
}

fn base<'a>(name: &'static str, value: &'a str) -> Cookie<'a> {
    Cookie::build((name, value)).path("/").secure(true).http_only(true).same_site(SameSite::Lax).build()
}

fn line(cookie: &Cookie<'_>) -> HeaderValue {
    HeaderValue::try_from(cookie.to_string()).expect("our cookies are visible ASCII")
}

/// Ours by the fold of RFC 6265 readers that are laxer than we are: case and surrounding white space.
fn is_ours(name: &[u8]) -> bool {
    name.trim_ascii().to_ascii_lowercase().starts_with(b"__host-doorward")
}

fn without_ours(header: &HeaderValue) -> Option<HeaderValue> {
    let raw = header.as_bytes();
    if !pairs(raw).any(|(key, _)| is_ours(key)) {
        return Some(header.clone());
    }
    let kept: Vec<&[u8]> = raw
        .split(|byte| *byte == b';')
        .filter(|pair| !is_ours(pair.split(|byte| *byte == b'=').next().unwrap_or_default()))
        .map(trim)
        .filter(|pair| !pair.is_empty())
        .collect();
    if kept.is_empty() { None } else { HeaderValue::from_bytes(&kept.join(&b"; "[..])).ok() }
}

fn pairs(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(|byte| *byte == b';').map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=');
        at.map_or((trim(pair), &b""[..]), |at| (trim(&pair[..at]), trim(&pair[at + 1..])))
    })
}

/// Takes off spaces and tabs, nothing else.
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn a_cookie_is_found_on_any_line_and_in_any_position() {
        assert_eq!(find(&headers(&["a=1; __Host-doorward=x"]), SESSION), Found::One("x"));
        assert_eq!(find(&headers(&["a=1", "b=2;__Host-doorward=x ;c"]), SESSION), Found::One("x"));
        assert_eq!(find(&headers(&["a=1", "__host-doorward=x", "__Host-doorward-pre=y"]), SESSION), Found::Nothing);
    }

    /// The attack: a sibling site plants a second cookie of our name and hopes that its own is read.
    #[test]
    fn two_cookies_of_our_name_are_none() {
        assert_eq!(find(&headers(&["__Host-doorward=x; __Host-doorward=x"]), SESSION), Found::Several);
        assert_eq!(find(&headers(&["__Host-doorward=x", "__Host-doorward=y"]), SESSION), Found::Several);
    }

    /// The attack: names that some parsers trim or unquote into ours.
    #[test]
    fn look_alikes_are_not_our_cookie() {
        let mut tossed = HeaderMap::new();
        for line in [&b"\xc2\x85__Host-doorward=x"[..], b"\xe2\x80\x80__Host-doorward=x", b"$Version=1; \"__Host-doorward\"=x"] {
            tossed.append(COOKIE, HeaderValue::from_bytes(line).expect("opaque bytes"));
        }
        assert_eq!(find(&tossed, SESSION), Found::Nothing);
    }

    #[test]
    fn our_cookies_never_pass_to_the_app_and_the_apps_own_do() {
        let mut all = headers(&[
            "a=1; __Host-doorward=x; b=\"2; __Host-Doorward-Pre=y\"",
            "__Host-doorward=z; __Host-doorward-device=d",
            "c=3",
        ]);
        strip(&mut all);
        let left: Vec<_> = all.get_all(COOKIE).iter().map(|line| line.to_str().expect("ASCII")).collect();
        assert_eq!(left, ["a=1; b=\"2", "c=3"]);
        assert_eq!(find(&all, SESSION), Found::Nothing);
    }

    #[test]
    fn lines_without_our_cookies_pass_byte_for_byte() {
        let mut all = headers(&["a=1;  b=2;;c"]);
        strip(&mut all);
        assert_eq!(all.get(COOKIE).expect("kept"), "a=1;  b=2;;c");
    }

    #[test]
    fn our_cookies_are_host_only_secure_and_closed_to_scripts() {
        let line = set(SESSION, "x", Some(Duration::from_secs(60)));
        assert_eq!(line.to_str().expect("ASCII"), "__Host-doorward=x; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60");
        assert!(sets_ours(&line));
        assert!(!sets_ours(&HeaderValue::from_static("sessionid=__Host-doorward")));
    }

    /// The attack: an app, or whoever can make it set a cookie, plants a session of their own choice under no name at all.
    #[test]
    fn a_nameless_cookie_is_not_taken_for_another() {
        for line in ["=__Host-doorward=x", " = __host-doorward=x; Path=/", "==__Host-doorward-pre", "__Host-doorward"] {
            assert!(sets_ours(&HeaderValue::from_static(line)), "{line}");
        }
        for line in ["=x", "=", "", "a==__Host-doorward=x", "; __Host-doorward=x"] {
            assert!(!sets_ours(&HeaderValue::from_static(line)), "{line}");
        }
    }
}
