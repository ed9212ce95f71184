//! Names in DNS, as this room takes and gives them: lower case, without the dot at the end.

use hickory_proto::rr::Name;

use crate::dns::fault::Fault;

/// RFC 1035 section 2.3.4, as text.
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

/// A name in canonical spelling; `None` unless it is made of letters, digits, hyphens and underscores alone. DNS allows any byte,
/// but these names get into the arguments of programs and into logs.
pub fn canonical(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let fits = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        plain && !label.is_empty() && label.len() <= LONGEST_LABEL && !label.starts_with('-')
    };
    (name.len() <= LONGEST && name.split('.').all(fits)).then_some(name)
}

/// The name above, if there is one.
pub fn parent(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}

/// Whether `name` is `zone` or below it.
pub fn is_within(name: &str, zone: &str) -> bool {
    name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// For the library.
pub(crate) fn written(name: &str) -> Result<Name, Fault> {
    let unwritable = || Fault::Unwritable(name.to_owned());
    let mut written = Name::from_ascii(name).map_err(|_| unwritable())?;
    written.set_fqdn(true);
    Ok(written)
}

/// From the library.
pub(crate) fn read(name: &Name) -> Option<String> {
    canonical(&name.to_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attack: a record that leads to a name which is a shell's word, an option or a path where a program takes it.
    #[test]
    fn names_of_other_bytes_are_none() {
        for odd in [
            "$(reboot).example",
            "-rf.example",
            "a b.example",
            "../x",
            "a/b.example",
            "a;b.example",
            "",
            ".",
            "a..b",
            "é.example",
        ] {
            assert_eq!(canonical(odd), None, "{odd}");
        }
        let wire = Name::from_labels(vec![&b"a.b"[..], b"\n", b"example"]).expect("any bytes");
        assert_eq!(read(&wire), None);
        assert_eq!(canonical("_Acme-Challenge.Example.COM.").as_deref(), Some("_acme-challenge.example.com"));
        assert_eq!(canonical(&format!("{}.example", "a".repeat(64))), None);
    }

    #[test]
    fn a_zone_holds_whole_labels() {
        assert!(is_within("a.example.com", "example.com") && is_within("example.com", "example.com"));
        assert!(!is_within("aexample.com", "example.com") && !is_within("com", "example.com"));
        assert_eq!(parent("a.example"), Some("example"));
        assert_eq!(parent("example"), None);
    }
}
