//! The one parse of a request target.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::policy::charset::Charset;
use crate::policy::host::Authority;
use crate::policy::layer;
use crate::policy::layer::Text;
use crate::policy::reading::{self, Form, Visitor};
use crate::policy::refusal::Unreadable;
use crate::wire::header::OWN_PREFIX;

/// The longest target in bytes; a longer one is answered 414.
pub const MAX_TARGET: usize = 8192;
const OWN_SEGMENT: &str = ".doorward";
const HTTPS_PORT: u16 = 443;

/// A request target that passed the refusal list. Its bytes are exactly those that were received; those that are forwarded are
/// the same, or, for an app mounted with `strip_path`, what stands behind the mount point in them.
///
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: Arc<str>,
    path_length: usize,
    /// What the path may stand for; empty for a plain one, which is just itself.
    texts: Arc<[Text]>,
    whose: Whose,
    /// What it was read in.
    charset: Charset,
    /// What is left of it behind the mount point of the app that it was found to be for.
    below: Option<Arc<Below>>,
}

/// A target as seen from a mount point.
#[derive(Debug, PartialEq, Eq)]
struct Below {
    names: Arc<[Box<str>]>,
    rest: Target,
    /// Whether the rest is all that the app gets to see.
    strips: bool,
}

/// What a target means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own<'a> {
    /// One of our pages; the text behind the prefix.
    Page(&'a str),
    /// Our prefix in a spelling that is not ours: some upstream might take it for ours, so nobody gets it.
    Disguised,
    /// An app's.
    No,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Disguised,
    App,
}

impl Target {
    /// Parses an origin-form target (RFC 9112 section 3.2.1), or HTTP/2's `:path`.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn parse(origin_form: &str) -> Result<Self, Unreadable> {
        Self::parse_as(origin_form, Charset::Utf8)
    }

    /// The same for an app whose paths are written in `charset`.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn parse_as(origin_form: &str, charset: Charset) -> Result<Self, Unreadable> {
        check_bytes(origin_form.as_bytes())?;
        let path_length = origin_form.find('?').unwrap_or(origin_form.len());
        let path = &origin_form[..path_length];
        let texts = texts(path, charset)?;
        let disguised = if texts.is_empty() {
            reading::any_begins_with(path, OWN_SEGMENT)
        } else {
            // Letter by letter too: folding makes a `?` of what is none to others, and cuts there.
            let begins = |text: &str| reading::any_begins_with(text, OWN_SEGMENT);
            let disguises =
                |text: &Text| begins(&text.exact) || begins(text.folded()) || text.by_name.as_deref().is_some_and(begins);
            texts.iter().any(disguises)
        };
        let whose = match path.starts_with(OWN_PREFIX) {
            true => Whose::Ours,
            false if disguised => Whose::Disguised,
            false => Whose::App,
        };
        // A plain path, which most are, shares the one empty list.
        let texts = if texts.is_empty() { Arc::default() } else { texts.into() };
        Ok(Self { text: origin_form.into(), path_length, texts, whose, charset, below: None })
    }

    /// Parses a target from raw bytes; bytes beyond ASCII are refused like in [`Target::parse`].
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn parse_bytes(origin_form: &[u8]) -> Result<Self, Unreadable> {
        check_bytes(origin_form)?;
        Self::parse(std::str::from_utf8(origin_form).expect("checked to be ASCII"))
    }

    /// Parses an absolute-form target (RFC 9112 section 3.2.2): `https` and this very authority, then what is left as if it had
    /// been sent in origin-form.
    ///
    /// # Errors
    /// [`Unreadable::NotOriginForm`] for another scheme or authority, else like [`Target::parse`].
    pub fn parse_absolute(absolute_form: &str, own: &Authority) -> Result<Self, Unreadable> {
        check_length(absolute_form.as_bytes())?;
        let (scheme, rest) = absolute_form.split_once("://").ok_or(Unreadable::NotOriginForm)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
        let named = Authority::parse(authority).map_err(|_| Unreadable::NotOriginForm)?;
        let same = named.host == own.host && named.port.unwrap_or(HTTPS_PORT) == own.port.unwrap_or(HTTPS_PORT);
        if !scheme.eq_ignore_ascii_case("https") || !same {
            return Err(Unreadable::NotOriginForm);
        }
        if path.starts_with('/') { Self::parse(path) } else { Self::parse(&format!("/{path}")) }
    }

    /// What it was read in.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// The same target for an app whose paths are written in `charset`.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read_as(self, charset: Charset) -> Result<Self, Unreadable> {
        // Where every text is ASCII, there is nothing to disagree about.
        let same = self.below.is_none() && self.texts.iter().all(|text| text.exact.is_ascii());
        match charset == self.charset {
            true => Ok(self),
            false if same => Ok(Self { charset, ..self }),
            false => Self::parse_as(&self.text, charset),
        }
    }

    /// The same target as one for an app that is mounted at these names. What is left behind them is parsed and judged as if it
    /// had been sent by itself, and with `strips` it is what is forwarded.
    ///
    /// # Errors
    /// [`Unreadable`]; [`Unreadable::NotOriginForm`] if it does not begin with exactly these names.
    pub(super) fn below(self, names: &Arc<[Box<str>]>, strips: bool) -> Result<Self, Unreadable> {
        let mut rest = &*self.text;
        for name in names.iter() {
            rest = rest.strip_prefix('/').and_then(|rest| rest.strip_prefix(&**name)).ok_or(Unreadable::NotOriginForm)?;
        }
        let rest = match rest.as_bytes().first() {
            Some(b'/') => Self::parse_as(rest, self.charset)?,
            None | Some(b'?') => Self::parse_as(&format!("/{rest}"), self.charset)?,
            Some(_) => return Err(Unreadable::NotOriginForm),
        };
        // Nobody behind us is asked for our pages, neither in our spelling nor in another.
        let whose = if strips && rest.whose != Whose::App { Whose::Disguised } else { self.whose };
        let below = Some(Arc::new(Below { names: Arc::clone(names), rest, strips }));
        Ok(Self { whose, below, ..self })
    }

    /// What is forwarded: the target itself, or what is left of it for an app that does not know where it is mounted.
    pub fn forwarded(&self) -> &Self {
        self.below.as_ref().filter(|below| below.strips).map_or(self, |below| &below.rest)
    }

    /// The bytes judged; forwarded are those of [`Target::forwarded`].
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Up to the first `?`, as received.
    pub fn path(&self) -> &str {
        &self.text[..self.path_length]
    }

    /// Behind the first `?`, as received.
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path_length + 1..)
    }

    /// Whether it is one of our pages. Asked before all rules.
    pub fn own(&self) -> Own<'_> {
        match self.whose {
            Whose::Ours => Own::Page(&self.path()[OWN_PREFIX.len()..]),
            Whose::Disguised => Own::Disguised,
            Whose::App => Own::No,
        }
    }

    /// The texts that the rules are held against, letter by letter; just the path for a plain one. For `explain`.
    pub fn readings(&self) -> Vec<String> {
        let mut readings = Vec::new();
        let _all = self.each_reading(&mut |reading| {
            if reading.form() == Form::Exact && reading.is_proper() {
                let text = reading.joined();
                if !readings.contains(&text) {
                    readings.push(text);
                }
            }
            ControlFlow::Continue(())
        });
        readings
    }

    /// Whether decoding, once or more often, brings to light a separator that the path as written does not show.
    pub fn hides_a_separator(&self) -> bool {
        let slashes = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
        let shown = slashes(self.path());
        self.texts.iter().any(|text| slashes(text.folded()) > shown)
    }

    /// Shows every reading of the path to `visit` until it breaks off.
    pub fn each_reading(&self, visit: &mut Visitor<'_>) -> ControlFlow<()> {
        reading::each(self.path(), &self.texts, visit)?;
        let Some(below) = &self.below else { return ControlFlow::Continue(()) };
        let Below { names, rest, strips } = &**below;
        reading::each(rest.path(), &rest.texts, &mut |reading| {
            // What stands first behind the mount point may be dropped there as well: `/wiki//host/admin/`, `/wiki/index.php/admin/`.
            if reading.has_lost_its_front() {
                visit(&reading.below(names))?;
            }
            if *strips { visit(&reading.stripped_of(names)) } else { ControlFlow::Continue(()) }
        })
    }
}

/// What a path may stand for; nothing for a plain one.
fn texts(path: &str, charset: Charset) -> Result<Vec<Text>, Unreadable> {
    if layer::is_plain(path) {
        return Ok(Vec::new());
    }
    if path.contains('\\') {
        return Err(Unreadable::Backslash);
    }
    let texts = layer::texts(path, charset)?;
    if reading::are_too_many(path, &texts) { Err(Unreadable::TooManyReadings) } else { Ok(texts) }
}

fn check_length(target: &[u8]) -> Result<(), Unreadable> {
    if target.len() > MAX_TARGET { Err(Unreadable::TooLong) } else { Ok(()) }
}

/// What can be refused by looking at single bytes.
fn check_bytes(target: &[u8]) -> Result<(), Unreadable> {
    check_length(target)?;
    if target.first() != Some(&b'/') {
        return Err(Unreadable::NotOriginForm);
    }
    let mut in_query = false;
    for byte in target {
        match byte {
            0..=b' ' | 0x7f.. | b'<' | b'>' => return Err(Unreadable::RawByte),
            // Browsers escape it here, and the parser that reads a request before us takes it for an error.
            b'"' if in_query => return Err(Unreadable::RawByte),
            b'#' => return Err(Unreadable::Fragment),
            b'?' => in_query = true,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Target {
        Target::parse(text).expect(text)
    }

    #[test]
    fn a_target_is_a_path_and_perhaps_a_query() {
        for (text, path, query) in [
            ("/a", "/a", None),
            ("/a?", "/a", Some("")),
            ("/a?b?c=/../%zz\\", "/a", Some("b?c=/../%zz\\")),
            ("/?", "/", Some("")),
        ] {
            let target = parse(text);
            assert_eq!((target.as_str(), target.path(), target.query()), (text, path, query));
        }
    }

    /// The attack: bytes that some parser between us and the app cuts, drops or splits at.
    #[test]
    fn what_no_honest_client_sends_is_refused() {
        for (text, why) in [
            ("", Unreadable::NotOriginForm),
            ("*", Unreadable::NotOriginForm),
            ("a/b", Unreadable::NotOriginForm),
            ("?a", Unreadable::NotOriginForm),
            ("http://h/a", Unreadable::NotOriginForm),
            ("/a b", Unreadable::RawByte),
            ("/a\r\nX: y", Unreadable::RawByte),
            ("/a?b c", Unreadable::RawByte),
            ("/é", Unreadable::RawByte),
            ("/a?é", Unreadable::RawByte),
            ("/a\u{7f}", Unreadable::RawByte),
            ("/a<b", Unreadable::RawByte),
            ("/a?b>c", Unreadable::RawByte),
            ("/a?b\"c", Unreadable::RawByte),
            ("/a#b", Unreadable::Fragment),
            ("/a?b#c", Unreadable::Fragment),
            ("/a\\b", Unreadable::Backslash),
            ("/a/../b", Unreadable::DotSegment),
        ] {
            assert_eq!(Target::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(Target::parse_bytes(b"/a\xe9"), Err(Unreadable::RawByte));
        assert_eq!(Target::parse_bytes(b"/a"), Ok(parse("/a")));
    }

    /// The attack: bytes that are no UTF-8, to have a name read otherwise than the app reads it.
    #[test]
    fn any_bytes_are_read_in_every_way_where_an_app_wants_them() {
        let bytes = |text: &str| Target::parse_as(text, Charset::Bytes);
        let readings = bytes("/caf%E9").expect("readable").readings();
        assert_eq!(readings, ["/caf%E9", "/café", "/caf", "/caf?", "/cafi", "/caf\u{fffd}"]);
        for (text, why) in [
            ("/%c0%af", Unreadable::NotUtf8),
            ("/%25e0%2580%25af", Unreadable::NotUtf8),
            ("/\u{e9}", Unreadable::RawByte),
            ("/%E9%00", Unreadable::EncodedControl),
            ("/%E9/..", Unreadable::DotSegment),
            ("/%AE", Unreadable::DotSegment),
            ("/..%E9", Unreadable::DotSegment),
            ("/%E9%2525252561", Unreadable::TooManyLayers),
        ] {
            assert_eq!(bytes(text), Err(why), "{text}");
        }
        assert!(
            (0x80..=0xff_u8)
                .filter(|byte| ![0x85, 0xae, 0xaf].contains(byte))
                .all(|byte| bytes(&format!("/x%{byte:02x}y/")).is_ok())
        );
        // What has no such bytes is read as ever.
        for text in ["/a%2Fb;c//d", "/plain", "/%41?%E9"] {
            assert_eq!(
                bytes(text).map(|target| target.readings()),
                Target::parse(text).map(|target| target.readings()),
                "{text}"
            );
        }
        assert_eq!(bytes("/a").and_then(|target| target.read_as(Charset::Utf8)), Target::parse("/a"));
        assert_eq!(bytes("/%E9").and_then(|target| target.read_as(Charset::Utf8)), Err(Unreadable::NotUtf8));
        assert_eq!(parse("/%C3%A9").read_as(Charset::Bytes), bytes("/%C3%A9"));
        assert!(matches!(bytes(&format!("/{}", "%E9%41;".repeat(1_100))), Err(Unreadable::TooManyReadings)));
    }

    #[test]
    fn length_counts_the_whole_target_and_is_the_only_414() {
        let longest = format!("/{}", "a".repeat(MAX_TARGET - 1));
        assert!(Target::parse(&longest).is_ok());
        let longer = Target::parse(&(longest + "?")).expect_err("too long");
        assert!(longer.too_long());
        assert!(!Unreadable::DotSegment.too_long());
        assert_eq!(longer.name(), "too-long");
    }

    /// The attack: absolute-form, whose authority many servers ignore, to name one host and reach another.
    #[test]
    fn absolute_form_counts_only_for_this_very_host() {
        let own = |text: &str| Authority::parse(text).expect(text);
        for (text, host, path) in [
            ("https://a.example/x?y", "a.example", "/x?y"),
            ("HTTPS://A.Example:443/", "a.example", "/"),
            ("https://a.example", "a.example:443", "/"),
            ("https://a.example?x", "a.example", "/?x"),
            ("https://a.example:8443/x", "a.example:8443", "/x"),
        ] {
            assert_eq!(Target::parse_absolute(text, &own(host)), Ok(parse(path)), "{text}");
        }
        for text in [
            "http://a.example/",
            "https://b.example/",
            "https://a.example:8443/",
            "https://u@a.example/",
            "https:/a.example/",
            "https:///x",
            "//a.example/",
            "ftp://a.example/",
            "https://a.example@b/",
            "/x",
            "",
        ] {
            assert_eq!(Target::parse_absolute(text, &own("a.example")), Err(Unreadable::NotOriginForm), "{text}");
        }
        assert_eq!(Target::parse_absolute("https://a.example\\x", &own("a.example")), Err(Unreadable::Backslash));
        assert_eq!(Target::parse_absolute("https://a.example#x", &own("a.example")), Err(Unreadable::Fragment));
        assert_eq!(Target::parse_absolute("https://a.example//b/../x", &own("a.example")), Err(Unreadable::DotSegment));
    }

    #[test]
    fn our_pages_are_ours_in_exactly_one_spelling() {
        for (text, page) in [("/.doorward/", ""), ("/.doorward/login?go=x", "login"), ("/.doorward/a//b%2Fc", "a//b%2Fc")] {
            assert_eq!(parse(text).own(), Own::Page(page), "{text}");
        }
        for text in
            ["/", "/doorward/", "/.doorwards/", "/x/.doorward/", "/?/.doorward/", "/.well-known/acme-challenge/x", "/.doorward-x"]
        {
            assert_eq!(parse(text).own(), Own::No, "{text}");
        }
        assert_eq!(Target::parse("/.doorward/../x"), Err(Unreadable::DotSegment));
    }

    /// The attack: a spelling of our prefix that the app serves as its own page, with our name in the address bar.
    #[test]
    fn disguises_of_our_prefix_are_nobodys() {
        for text in [
            "/.doorward",
            "/.Doorward/",
            "//.doorward/login",
            "/%2edoorward/",
            "/.doorward%2Flogin",
            "/.doorward;x/",
            "/;/.doorward/",
            "//h/.doorward/",
            "/.door%77ard/",
            "/.doorward%20/",
            "/.doorward./",
            "/.doorward%5C",
            "/.doorward%3Fx",
            "/%252edoorward/",
            "/.%EF%BD%84oorward/",
            "/index.php/.doorward/",
            "/%EF%BC%8Edoorward/x",
            "/.doorward%E2%80%8B/",
        ] {
            assert_eq!(parse(text).own(), Own::Disguised, "{text}");
        }
    }

    #[test]
    fn readings_are_told_for_explanation() {
        assert_eq!(parse("/a/b?c").readings(), ["/a/b"]);
        assert_eq!(parse("/a%2Fb").readings(), ["/a%2Fb", "/a/b"]);
    }

    /// The attack: anybody, without a session, sends 8 KiB of what is costliest to read in every way. One such request took more
    /// than a hundred milliseconds of a core, so ten a second were enough to shut the door for everybody.
    #[test]
    fn what_a_target_costs_is_bounded() {
        let front = "//a;%25252f%ef%bc%8f%5c;/%3f";
        let mut refused = 0;
        for unit in ["%ef%b7%ba", "%e1%84%80", "%cc%81", "%c4%b0", "%2541;", "a%2541", "a", "+"] {
            let filled = format!("{front}{}", unit.repeat((MAX_TARGET - front.len()) / unit.len()));
            let Ok(target) = Target::parse(&filled) else {
                refused += 1;
                continue;
            };
            let mut bytes = 0;
            let _all = target.each_reading(&mut |reading| {
                bytes += reading.joined().len();
                ControlFlow::Continue(())
            });
            assert!(bytes <= 300_000, "{unit}: {bytes}");
        }
        assert!(refused >= 3, "{refused}");
        assert_eq!(Target::parse(&format!("/{}", "%ef%b7%ba".repeat(900))).map(|target| target.texts.len()), Ok(1));
    }

    #[test]
    fn long_honest_targets_have_few_readings() {
        let document =
            format!("https%3A%2F%2Foffice.example%2Findex.php%2Fwopi%2Ffiles%2F12_ab%3Faccess_token%3D{}", "aB3-".repeat(900));
        for path in [
            format!("/cool/{document}/ws"),
            format!("/insecure/rs:fit:300/plain/{document}@webp"),
            format!("/remote.php/dav/files/me/{}", "%E6%96%87%E4%BB%B6%E5%A4%B9/".repeat(200)),
            format!("/files/{}", "two%20words%20%26%20more/".repeat(200)),
            format!("/api/v4/projects/{}/raw", "group%2Fproject%2F".repeat(100)),
            format!("//a//{};v=1/x%2Fy/", "name%20of%20it".repeat(200)),
        ] {
            assert!(Target::parse(&path).is_ok(), "{} bytes: {}", path.len(), &path[..60]);
        }
    }
}
