//! Where a visitor wanted to go before we asked who they are: a path that may be sent to a browser.

use crate::policy::charset::Charset;
use crate::policy::refusal::Unreadable;
use crate::policy::target::{Own, Target};

/// Longer targets are cut to their path: many of them are kept at a time.
const MAX_BYTES: usize = 2048;

/// A path that may be sent to a browser as the place to go on to on a host: a page of an app, or one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(Target);

impl Destination {
    /// The root of the host.
    pub fn home() -> Self {
        Self(Target::parse("/").expect("the root is a target"))
    }

    /// What was asked for, without its query where it is too long; the root where nothing of it would do.
    pub fn of(target: &Target) -> Self {
        let fits = |text: &&str| text.len() <= MAX_BYTES;
        [target.as_str(), target.path()].into_iter().filter(fits).find_map(Self::parse).unwrap_or_else(Self::home)
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
        // Whether the app takes such bytes is asked of the request that comes back with them.
        let target = match Target::parse(text) {
            Err(Unreadable::NotUtf8) => Target::parse_as(text, Charset::Bytes),
            read => read,
        };
        let target = target.ok()?;
        if target.own() == Own::No { Some(Self(target)) } else { None }
    }

    /// A page of ours on the portal. Named by ourselves only: nothing that a browser sends becomes one.
    pub fn ours(page: &str) -> Self {
        Self(Target::parse(page).expect("our own pages are targets"))
    }

    /// Whether it is a page of ours.
    pub fn is_ours(&self) -> bool {
        self.0.own() != Own::No
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

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        Destination::of(&Target::parse(text).expect("a target")).as_str().to_owned()
    }

    #[test]
    fn a_target_keeps_its_query_and_is_cut_only_when_it_is_too_long() {
        assert_eq!(of("/documents?page=2&q=a%20b"), "/documents?page=2&q=a%20b");
        assert_eq!(of(&format!("/list?q={}", "x".repeat(3_000))), "/list");
        assert_eq!(of(&format!("/{}", "x".repeat(3_000))), "/");
    }

    #[test]
    fn bytes_that_an_app_takes_are_a_place_to_go_on_to() {
        let target = Target::parse_as("/caf%E9?x", Charset::Bytes).expect("a target");
        assert_eq!(Destination::of(&target).as_str(), "/caf%E9?x");
        assert_eq!(Destination::parse("/%c0%af"), None);
    }

    /// The attack: a sign-in link that leads to another site, into our own pages (signing out, say) or to a script.
    #[test]
    fn only_a_plain_path_is_a_place_to_go_on_to() {
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
            assert_eq!(Destination::parse(text), None, "{text:?}");
        }
        assert_eq!(Destination::parse("/a//b?u=https://x/").expect("a path").as_str(), "/a//b?u=https://x/");
        assert_eq!(of("//evil.example/x"), "/", "two slashes are a target, but not a place to send a browser to");
    }
}
