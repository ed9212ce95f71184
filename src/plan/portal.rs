//! The host that signs people in, as written.

use crate::config::complaint::{Code, Complaint};
use crate::config::placed::{Place, Placed};
use crate::policy::host::{Authority, BadHost, Host};
use crate::policy::international;

const KEY: &str = "portal";
const SCHEME: &str = "https://";

/// Where people sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The host; an app's own, or one that has no app.
    pub host: Host,
    /// The port under which browsers reach every host, if that is not the one we listen on.
    pub port: Option<u16>,
}

/// Why a text is no address of a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BadPortal {
    Scheme,
    Path,
    Wildcard,
    Host(BadHost),
}

/// `portal`; the first app's host if it is not written. `None` only without any app.
pub fn compile(written: Option<&Placed<String>>, first: Option<&Host>, complaints: &mut Vec<Complaint>) -> Option<Address> {
    let fallback = first.map(|host| Address { host: host.clone(), port: None });
    let Some(written) = written else { return fallback };
    match parse(&written.value) {
        Ok(address) => Some(address),
        Err(reason) => {
            complaints.push(unusable(written, reason));
            fallback
        }
    }
}

/// The first app has no host that is written out, so there is none to sign in on.
pub fn needed(app: &Place) -> Complaint {
    let complaint = Complaint::new(Code::E0504, app, "where do people sign in?").label("this app has wildcards only");
    complaint.help("add `portal = \"https://auth.example.com\"` above the first table").key(KEY)
}

fn parse(text: &str) -> Result<Address, BadPortal> {
    let text = text.trim();
    let authority = match text.split_once("://") {
        Some(("https", rest)) => rest.strip_suffix('/').unwrap_or(rest),
        Some(_) => return Err(BadPortal::Scheme),
        None => text,
    };
    if authority.contains(['/', '?', '#']) {
        return Err(BadPortal::Path);
    }
    if authority.contains('*') {
        return Err(BadPortal::Wildcard);
    }
    let Authority { host, port } = international::authority(authority).map_err(BadPortal::Host)?;
    Ok(Address { host, port })
}

fn unusable(written: &Placed<String>, reason: BadPortal) -> Complaint {
    let complaint = Complaint::new(Code::E0504, &written.place, "`portal` cannot be used").key(KEY);
    let guess = guess(&written.value);
    match (reason, guess) {
        (BadPortal::Scheme | BadPortal::Path, Some(guess)) => {
            let why = if reason == BadPortal::Scheme { "people sign in over https only" } else { "no path belongs here" };
            complaint.label(format!("{why}: did you mean \"{guess}\"?")).fix(format!("\"{guess}\""))
        }
        (BadPortal::Scheme, None) => complaint.label("people sign in over https only"),
        (BadPortal::Path, None) => complaint.label("no path belongs here"),
        (BadPortal::Wildcard, _) => complaint.label("one host, written out").help("such as \"https://auth.example.com\""),
        (BadPortal::Host(reason), _) => complaint.label(reason.to_string()).help("such as \"https://auth.example.com\""),
    }
}

/// What was probably meant: the same host, by https and without a path.
fn guess(text: &str) -> Option<String> {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let Address { host, port } = parse(authority).ok()?;
    // Another scheme's port is hardly ours.
    let port = if text.starts_with(SCHEME) { port } else { None };
    Some(format!("{SCHEME}{}", Authority { host, port }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_or_a_host_with_or_without_a_port() {
        for (text, host, port) in [
            ("https://auth.example.com", "auth.example.com", None),
            ("https://Auth.Example.com./", "auth.example.com", None),
            ("auth.example.com", "auth.example.com", None),
            ("https://auth.example.com:8443", "auth.example.com", Some(8443)),
            ("https://[::1]:8443/", "::1", Some(8443)),
        ] {
            assert_eq!(parse(text), Ok(Address { host: Host::parse(host).expect("a host"), port }), "{text}");
        }
    }

    #[test]
    fn what_was_meant_is_proposed() {
        assert_eq!(guess("http://a.example:8080/login").as_deref(), Some("https://a.example"));
        assert_eq!(guess("https://a.example:8443/login").as_deref(), Some("https://a.example:8443"));
        assert_eq!(guess("https:///"), None);
    }
}
