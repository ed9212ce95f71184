//! Where a visitor wanted to go before we asked who they are: kept sealed in the URL, opened with suspicion.
//!
//! Sealed and not only signed: what a visitor looked for is nobody's business who sees the sign-in URL. Sealing alone
//! would not make it safe to follow, so what opens is judged again like any request target.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use crate::base::clock::Timestamp;
use crate::base::seal::{MasterKey, Sealer};
use crate::policy::host::Host;
use crate::policy::target::{Own, Target};

const LIFETIME: Duration = Duration::from_secs(3600);
/// Longer targets are cut to their path: the sign-in URL has to pass through browsers and logs.
const MAX_BYTES: usize = 2048;
const TIME_BYTES: usize = 8;

/// Seals and opens return targets.
#[derive(Debug)]
pub struct ReturnTargets(Sealer);

/// A path of the same host that may be sent to a browser as the place to go on to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(Target);

impl ReturnTargets {
    /// With a key derived from the installation's.
    pub fn new(master: &MasterKey) -> Self {
        Self(master.sealer("return target v1"))
    }

    /// Seals what was asked for on `host`, as base64url text.
    pub fn seal(&self, host: &Host, target: &Target, now: Timestamp) -> String {
        let wanted = [target.as_str(), target.path(), "/"];
        let text = wanted.into_iter().find(|text| text.len() <= MAX_BYTES).unwrap_or("/");
        let plain = [&now.millis().to_be_bytes()[..], text.as_bytes()].concat();
        BASE64URL_NOPAD.encode(&self.0.seal(&place(host), &plain))
    }

    /// Opens what was sealed for this host within the last hour; anything else is `/`.
    pub fn open(&self, host: &Host, sealed: &str, now: Timestamp) -> Destination {
        self.unseal(host, sealed, now).unwrap_or_else(Destination::home)
    }

    fn unseal(&self, host: &Host, sealed: &str, now: Timestamp) -> Option<Destination> {
        let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).ok()?;
        let plain = self.0.open(&place(host), &sealed).ok()?;
        let (time, text) = plain.expose().split_at_checked(TIME_BYTES)?;
        let sealed_at = Timestamp::from_millis(i64::from_be_bytes(time.try_into().ok()?));
        if now.since(sealed_at) >= LIFETIME {
            return None;
        }
        Destination::parse(std::str::from_utf8(text).ok()?)
    }
}

impl Destination {
    /// The root of the host.
    pub fn home() -> Self {
        Self(Target::parse("/").expect("the root is a target"))
    }

    /// Judges a path; `None` unless every browser will take it for a path of this very host that is none of our pages.
    ///
    /// Browsers read `//host` and `/\host` as another host and drop tabs and line breaks before they look, so a target has
    /// to begin with exactly one slash and hold neither backslash nor control characters.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = text.bytes();
        let begins = bytes.next() == Some(b'/') && !matches!(bytes.next(), Some(b'/' | b'\\'));
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !begins || !plain {
            return None;
        }
        let target = Target::parse(text).ok()?;
        if target.own() == Own::No { Some(Self(target)) } else { None }
    }

    /// The path and query.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// As a judged target.
    pub fn target(&self) -> &Target {
        &self.0
    }
}

fn place(host: &Host) -> String {
    format!("return|{}", host.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> ReturnTargets {
        ReturnTargets::new(&MasterKey::from_bytes(&[7; 32]).expect("32 bytes"))
    }

    fn host(text: &str) -> Host {
        Host::parse(text).expect("a host")
    }

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn sealed(text: &str) -> String {
        let plain = [&NOW.millis().to_be_bytes()[..], text.as_bytes()].concat();
        BASE64URL_NOPAD.encode(&targets().0.seal("return|a.example", &plain))
    }

    #[test]
    fn a_target_comes_back_with_its_query_for_an_hour() {
        let target = Target::parse("/documents?page=2&q=a%20b").expect("a target");
        let text = targets().seal(&host("a.example"), &target, NOW);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        let open = |seconds: i64| targets().open(&host("a.example"), &text, Timestamp::from_secs(1_000_000 + seconds));
        assert_eq!(open(3_599).as_str(), "/documents?page=2&q=a%20b");
        assert_eq!(open(3_600).as_str(), "/");
    }

    #[test]
    fn a_long_target_is_cut_to_its_path_or_to_the_root() {
        let open = |text: &str| {
            let target = Target::parse(text).expect("a target");
            let text = targets().seal(&host("a.example"), &target, NOW);
            assert!(text.len() < 3_000);
            targets().open(&host("a.example"), &text, NOW)
        };
        assert_eq!(open(&format!("/list?q={}", "x".repeat(3_000))).as_str(), "/list");
        assert_eq!(open(&format!("/{}", "x".repeat(3_000))).as_str(), "/");
    }

    /// The attack: a target sealed while visiting one host, used to send visitors of another astray; or altered text.
    #[test]
    fn a_target_opens_on_its_own_host_only() {
        let target = Target::parse("/x").expect("a target");
        let text = targets().seal(&host("a.example"), &target, NOW);
        assert_eq!(targets().open(&host("b.example"), &text, NOW), Destination::home());
        for text in ["", "x", "////", "%00", &text[1..], &format!("{text}A"), "https://evil.example/"] {
            assert_eq!(targets().open(&host("a.example"), text, NOW), Destination::home(), "{text}");
        }
    }

    /// The attack: a sign-in link that leads to another site, into our own pages (signing out, say) or to a script.
    #[test]
    fn even_a_sealed_target_must_be_a_plain_path_of_this_host() {
        let refused = [
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "https://evil.example/",
            "https:evil.example",
            "javascript:alert(1)",
            "evil.example",
            "",
            "/.doorward/logout",
            "/.doorward/login?go=x",
            "/a\r\nSet-Cookie: x=y",
            "/a\0",
            "/a b",
            "/\u{e9}",
        ];
        for text in refused {
            assert_eq!(targets().open(&host("a.example"), &sealed(text), NOW), Destination::home(), "{text:?}");
        }
        assert_eq!(targets().open(&host("a.example"), &sealed("/a//b?u=https://x/"), NOW).as_str(), "/a//b?u=https://x/");
    }
}
