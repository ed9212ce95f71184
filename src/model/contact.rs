//! Whom people may turn to when they cannot go on: an address that every page of trouble shows.

use std::fmt;
use std::str::FromStr;

/// Longer than any address that somebody would write to.
const LONGEST: usize = 500;

/// A mail address, a page or a telephone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    href: Box<str>,
}

/// Why a text is no [`Contact`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoContact {
    /// Neither a mail address nor one of the kinds of link that people can follow.
    #[error("write a mail address, or a link that begins with https://, http://, mailto: or tel:")]
    Kind,
    /// It says nothing after its kind, or has what no address has.
    #[error("it has spaces, quotes or other signs that no address has, or ends too early")]
    Odd,
    /// It is longer than 500 bytes.
    #[error("it is too long")]
    TooLong,
}

impl Contact {
    /// The link.
    pub fn href(&self) -> &str {
        &self.href
    }

    /// What people read: a mail address or number without its scheme.
    pub fn shown(&self) -> &str {
        ["mailto:", "tel:"].iter().find_map(|scheme| self.href.strip_prefix(scheme)).unwrap_or(&self.href)
    }
}

impl FromStr for Contact {
    type Err = NoContact;

    /// A bare mail address is one too. Only kinds of link that lead somewhere: `javascript:` would be the owner's own foot, and the
    /// pages' Content-Security-Policy stops it anyhow.
    fn from_str(text: &str) -> Result<Self, NoContact> {
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(NoContact::TooLong);
        }
        let odd = |letter: char| letter.is_control() || letter.is_whitespace() || "\"'<>\\`{}|^".contains(letter);
        if text.contains(odd) {
            return Err(NoContact::Odd);
        }
        let rest = ["https://", "http://", "mailto:", "tel:"].iter().find_map(|scheme| text.strip_prefix(scheme));
        match rest {
            Some("") => Err(NoContact::Odd),
            Some(rest) if text.starts_with("mailto:") && !is_mail(rest) => Err(NoContact::Odd),
            Some(_) => Ok(Self { href: text.into() }),
            None if is_mail(text) => Ok(Self { href: format!("mailto:{text}").into() }),
            None => Err(NoContact::Kind),
        }
    }
}

/// Not a parser of addresses: what certainly is none is refused.
fn is_mail(text: &str) -> bool {
    let address = text.split_once('?').map_or(text, |(address, _)| address);
    address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
        && !address.contains([':', '/'])
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_links_and_read_well() {
        for (written, href, shown) in [
            ("ops@example.com", "mailto:ops@example.com", "ops@example.com"),
            (" mailto:ops@example.com ", "mailto:ops@example.com", "ops@example.com"),
            ("tel:+49301234", "tel:+49301234", "+49301234"),
            ("https://chat.example.com/#help", "https://chat.example.com/#help", "https://chat.example.com/#help"),
        ] {
            let contact: Contact = written.parse().expect(written);
            assert_eq!((contact.href(), contact.shown()), (href, shown));
        }
    }

    /// The attack: a configuration that somebody copied brings a link that runs a script, or markup.
    #[test]
    fn what_leads_nowhere_is_refused() {
        for (written, reason) in [
            ("javascript:alert(1)", NoContact::Kind),
            ("data:text/html,x", NoContact::Kind),
            ("ask Anna", NoContact::Odd),
            ("https://", NoContact::Odd),
            ("mailto:anna", NoContact::Odd),
            ("a@b@c", NoContact::Kind),
            ("https://x.example/\"><script>", NoContact::Odd),
            ("", NoContact::Kind),
            (&format!("https://{}", "a".repeat(500)), NoContact::TooLong),
        ] {
            assert_eq!(written.parse::<Contact>(), Err(reason), "{written}");
        }
    }
}
