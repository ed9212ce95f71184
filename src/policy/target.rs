//! The one parse of a request target.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::policy::host::Authority;
use crate::policy::layer;
use crate::policy::reading::{self, Form, Visitor};
use crate::policy::refusal::Unreadable;

/// The longest target in bytes; a longer one is answered 414.
pub const MAX_TARGET: usize = 8192;
/// Everything below this is ours, on every host.
const OWN_PREFIX: &str = "/.doorward/";
const OWN_SEGMENT: &str = ".doorward";
const HTTPS_PORT: u16 = 443;

/// A request target that passed the refusal list. Its bytes are exactly those that were received, and those that are forwarded.
///
/// Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: Arc<str>,
    path_length: usize,
    plain: bool,
    whose: Whose,
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
        check_bytes(origin_form.as_bytes())?;
        let path_length = origin_form.find('?').unwrap_or(origin_form.len());
        let path = &origin_form[..path_length];
        let plain = layer::is_plain(path);
        if !plain {
            if path.contains('\\') {
                return Err(Unreadable::Backslash);
            }
            layer::texts(path)?;
        }
        Ok(Self { path_length, plain, whose: whose(path, plain), text: origin_form.into() })
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

    /// The bytes judged and forwarded.
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

    /// Shows every reading of the path to `visit` until it breaks off.
    pub fn each_reading(&self, visit: &mut Visitor<'_>) -> ControlFlow<()> {
        reading::each(self.path(), self.plain, visit)
    }
}

fn whose(path: &str, plain: bool) -> Whose {
    if path.starts_with(OWN_PREFIX) {
        Whose::Ours
    } else if reading::any_begins_with(path, plain, OWN_SEGMENT) {
        Whose::Disguised
    } else {
        Whose::App
    }
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
    for byte in target {
        match byte {
            0..=b' ' | 0x7f.. => return Err(Unreadable::RawByte),
            b'#' => return Err(Unreadable::Fragment),
            _ => {}
        }
    }
    Ok(())
}
