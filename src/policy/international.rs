//! Host names as people write them, `bücher.example`, in the spelling that browsers send, `xn--bcher-kva.example`.
//!
//! For what owners write only. A request that names its host in anything but ASCII comes from no browser and is refused.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::policy::host::{Authority, BadHost, Host};

/// Begins a label that stands for other letters (RFC 5890 section 2.3.2.1).
const PREFIX: &str = "xn--";

/// Reads a host that may have letters of any script. A label that is written in its `xn--` form already has to be one that
/// browsers would make.
///
/// # Errors
/// [`BadHost`].
pub fn host(text: &str) -> Result<Host, BadHost> {
    if is_plain(text) {
        return Host::parse(text);
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    // As browsers do it (UTS #46), but with letters, digits and hyphens only, and no label that DNS could not hold.
    let ascii = Uts46::new().to_ascii(name.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify);
    let host = Host::parse(&ascii.map_err(|_| BadHost::International)?)?;
    // `１２７.0.0.1` folds to an address. Nobody who means one writes it so.
    if host.ip().is_some() { Err(BadHost::Address) } else { Ok(host) }
}

/// Reads such a host with an optional port.
///
/// # Errors
/// [`BadHost`].
pub fn authority(text: &str) -> Result<Authority, BadHost> {
    if is_plain(text) {
        return Authority::parse(text);
    }
    match text.rsplit_once(':') {
        Some((name, port)) => Authority::parse(&format!("{}:{port}", host(name)?)),
        None => Ok(Authority { host: host(text)?, port: None }),
    }
}

fn is_plain(text: &str) -> bool {
    let encoded = |label: &str| label.get(..PREFIX.len()).is_some_and(|head| head.eq_ignore_ascii_case(PREFIX));
    text.is_ascii() && !text.split('.').any(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_any_script_become_what_browsers_send() {
        for (text, sent) in [
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.Example.", "xn--bcher-kva.example"),
            ("bu\u{308}cher.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
            ("faß.example", "xn--fa-hia.example"),
            ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
            ("r3---sn-x.example", "r3---sn-x.example"),
            ("a.example", "a.example"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(host(text).map(|host| host.to_string()), Ok(sent.to_owned()), "{text}");
        }
        let written = authority("https.bücher.example:8443").expect("an authority");
        assert_eq!(written.to_string(), "https.xn--bcher-kva.example:8443");
        assert_eq!(authority("bücher.example").map(|authority| authority.port), Ok(None));
    }

    /// The attack: a name that looks like one host to the owner and is another to browsers.
    #[test]
    fn what_browsers_would_not_make_is_refused() {
        for (text, why) in [
            ("xn--a.example", BadHost::International),
            // `xn--` of what has a spelling of its own: `example` in ASCII.
            ("xn--example-.example", BadHost::International),
            ("bü cher.example", BadHost::International),
            ("bü_cher.example", BadHost::International),
            ("-bücher.example", BadHost::International),
            ("bü..example", BadHost::International),
            ("bücher.example/x", BadHost::International),
            ("a@bücher.example", BadHost::International),
            ("１２７.0.0.1", BadHost::Address),
            ("bücher.１２", BadHost::Address),
        ] {
            assert_eq!(host(text), Err(why), "{text}");
        }
        assert_eq!(host(&format!("{}.example", "ü".repeat(80))), Err(BadHost::International));
        for text in ["bücher.example:", "bücher.example:0", "u@bücher.example:1"] {
            assert!(authority(text).is_err(), "{text}");
        }
    }
}
