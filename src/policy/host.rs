//! Host names in their one canonical spelling.

use std::borrow::Borrow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest host name in bytes (RFC 1035 section 3.1, written out without the trailing dot).
const MAX_NAME: usize = 253;
/// The longest label in bytes.
const MAX_LABEL: usize = 63;
/// Suffixes that no public authority certifies (RFC 6761, 6762, 8375, and `.internal` as reserved by ICANN).
const LOCAL: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

/// A host, canonical: lower case, no trailing dot, no port; addresses in their shortest form and without brackets.
///
/// Two hosts are equal exactly if they name the same place, so that routing, cookies and certificates need one comparison.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Box<str>);

/// A host and the port written behind it, as in `Host` and `:authority`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, if one was written.
    pub port: Option<u16>,
}

/// Why a text is not a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHost {
    /// Nothing is there.
    #[error("a host name is missing")]
    Empty,
    /// More than 253 bytes.
    #[error("a host name has at most 253 characters")]
    TooLong,
    /// `user@host`.
    #[error("a host has no user name in front of it")]
    UserInfo,
    /// Letters outside ASCII.
    #[error("write an international name in its `xn--` form")]
    NotAscii,
    /// Not an international name, or an `xn--` form that stands for none.
    #[error("this is not an international name as browsers read it")]
    International,
    /// Something other than letters, digits, `-` and `.`; the underscore is refused too, because no certificate can name it.
    #[error("a host name has letters, digits, `-` and `.` only")]
    Character,
    /// An empty label, one over 63 characters, or one that begins or ends with a hyphen.
    #[error("each part of a host name has 1 to 63 characters and neither begins nor ends with `-`")]
    Label,
    /// It looks like an address but is none, or is spelt in a way that programs read differently (`127.1`, `0x7f.0.0.1`).
    #[error("an address is written like 192.0.2.1 or [2001:db8::1]")]
    Address,
    /// The port is not a number from 1 to 65535.
    #[error("a port is a number from 1 to 65535")]
    Port,
}

impl Host {
    /// Reads a host without a port. IPv6 may stand with or without brackets.
    ///
    /// # Errors
    /// [`BadHost`] for all that is not exactly one host.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        match text.strip_prefix('[') {
            Some(rest) => ipv6(rest.strip_suffix(']').ok_or(BadHost::Address)?),
            None if text.bytes().filter(|byte| *byte == b':').count() > 1 => ipv6(text),
            None => name_or_ipv4(text),
        }
    }

    /// The host as text; IPv6 without brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name behind the first label, where there is one; addresses have no labels.
    pub fn behind_first_label(&self) -> Option<&str> {
        let (_, parent) = self.0.split_once('.')?;
        self.ip().is_none().then_some(parent)
    }

    /// The address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }

    /// Whether no public authority would certify it: addresses, names without a dot, and names under `localhost`, `local`,
    /// `internal` and `home.arpa`.
    pub fn is_local(&self) -> bool {
        let under = |suffix: &&str| self.0.strip_suffix(*suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        !self.0.contains('.') || LOCAL.iter().any(under) || self.ip().is_some()
    }
}

/// Both hash and compare as their text, so that a map of hosts can be asked with a part of one.
impl Borrow<str> for Host {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Authority {
    /// Reads a host with an optional port.
    ///
    /// # Errors
    /// [`BadHost`]; a user name in front, an empty port and port 0 are refused.
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        if text.contains('@') {
            return Err(BadHost::UserInfo);
        }
        let end_of_host = if text.starts_with('[') {
            text.find(']').ok_or(BadHost::Address)? + 1
        } else {
            text.find(':').unwrap_or(text.len())
        };
        let (host, behind) = text.split_at(end_of_host);
        let port = match behind.strip_prefix(':') {
            Some(digits) => Some(port(digits)?),
            None if behind.is_empty() => None,
            None => return Err(BadHost::Address),
        };
        Ok(Self { host: Host::parse(host)?, port })
    }
}

impl fmt::Display for Authority {
    /// As it stands in a URL: IPv6 in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.0.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            write!(f, "{}", self.host)?
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

fn port(digits: &str) -> Result<u16, BadHost> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = if plain { digits.parse().ok() } else { None };
    number.filter(|port| *port != 0).ok_or(BadHost::Port)
}

fn ipv6(text: &str) -> Result<Host, BadHost> {
    let address: Ipv6Addr = text.parse().map_err(|_| BadHost::Address)?;
    Ok(Host(address.to_string().into()))
}

fn name_or_ipv4(text: &str) -> Result<Host, BadHost> {
    if !text.is_ascii() {
        return Err(BadHost::NotAscii);
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() {
        return Err(BadHost::Empty);
    }
    if name.len() > MAX_NAME {
        return Err(BadHost::TooLong);
    }
    name.split('.').try_for_each(label)?;
    // The WHATWG URL standard reads every name whose last part is a number as an address, in many spellings. One is enough.
    let last = name.rsplit('.').next().unwrap_or_default();
    if is_number(last) && name.parse::<Ipv4Addr>().is_err() {
        return Err(BadHost::Address);
    }
    Ok(Host(name.to_ascii_lowercase().into()))
}

fn label(label: &str) -> Result<(), BadHost> {
    if label.contains('@') {
        Err(BadHost::UserInfo)
    } else if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        Err(BadHost::Character)
    } else if label.is_empty() || label.len() > MAX_LABEL || label.starts_with('-') || label.ends_with('-') {
        Err(BadHost::Label)
    } else {
        Ok(())
    }
}

/// Whether URL parsers take this last part for (part of) an IPv4 address: decimal digits, or `0x` and hex digits.
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.bytes().all(|byte| byte.is_ascii_digit()) || hex.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).expect(text)
    }

    #[test]
    fn one_host_has_one_spelling() {
        for text in ["a.example", "A.EXAMPLE", "a.example.", "A.eXample."] {
            assert_eq!(host(text).as_str(), "a.example", "{text}");
        }
        assert_eq!(host("192.0.2.1").ip(), Some(IpAddr::from([192, 0, 2, 1])));
        for text in ["[2001:DB8:0::1]", "2001:db8::1", "[2001:0db8:0000::0001]"] {
            assert_eq!(host(text).as_str(), "2001:db8::1", "{text}");
        }
    }

    /// The attack: a spelling of a host that we route by one rule and somebody else reads as another host.
    #[test]
    fn what_is_not_exactly_one_host_is_refused() {
        let long_label = "a".repeat(64);
        let long_name = "a.".repeat(127) + "aa";
        for (text, why) in [
            ("", BadHost::Empty),
            (".", BadHost::Empty),
            ("a.example..", BadHost::Label),
            (".a.example", BadHost::Label),
            ("a..example", BadHost::Label),
            ("-a.example", BadHost::Label),
            ("a-.example", BadHost::Label),
            (&long_label, BadHost::Label),
            (&long_name, BadHost::TooLong),
            ("user@a.example", BadHost::UserInfo),
            ("bücher.example", BadHost::NotAscii),
            ("a_b.example", BadHost::Character),
            ("a.example:443", BadHost::Character),
            ("a.example/", BadHost::Character),
            ("a b", BadHost::Character),
            ("a%2eexample", BadHost::Character),
            ("127.1", BadHost::Address),
            ("2130706433", BadHost::Address),
            ("0177.0.0.1", BadHost::Address),
            ("0x7f.0.0.0x1", BadHost::Address),
            ("1.2.3.4.5", BadHost::Address),
            ("256.1.1.1", BadHost::Address),
            ("[::1", BadHost::Address),
            ("[::1]x", BadHost::Address),
            ("[fe80::1%25eth0]", BadHost::Address),
            ("[192.0.2.1]", BadHost::Address),
        ] {
            assert_eq!(Host::parse(text), Err(why), "{text:?}");
        }
    }

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        for (text, written, port) in [
            ("A.Example", "a.example", None),
            ("a.example.:443", "a.example:443", Some(443)),
            ("[::1]:8443", "[::1]:8443", Some(8443)),
            ("[::1]", "[::1]", None),
            ("127.0.0.1:00080", "127.0.0.1:80", Some(80)),
        ] {
            let authority = Authority::parse(text).expect(text);
            assert_eq!((authority.to_string().as_str(), authority.port), (written, port), "{text}");
        }
        for text in ["a:", "a:0", "a:65536", "a:+1", "a:1:2", "a: 1", "u@a", "u:p@a", "::1", "[::1]443", "[::1]:", ":443", ""] {
            assert!(Authority::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn local_names_are_those_no_public_authority_certifies() {
        for text in ["localhost", "a.localhost", "nas", "nas.local", "x.internal", "x.home.arpa", "127.0.0.1", "[::1]"] {
            assert!(host(text).is_local(), "{text}");
        }
        for text in ["a.example", "notlocal.example", "mylocal.org", "evilhome.arpa", "localhost.example"] {
            assert!(!host(text).is_local(), "{text}");
        }
    }
}
