//! What else is known of a person: how they are called, where they get mail, which groups they are in.

use std::fmt;
use std::str::FromStr;

use crate::model::terms::Terms;
use crate::model::user::canonical;

/// How many groups a person may be in.
pub const MOST_GROUPS: usize = 100;
const LONGEST_NAME: usize = 100;
/// RFC 5321 section 4.5.3.1.3 leaves this much between the angle brackets.
const LONGEST_EMAIL: usize = 254;

/// What else is known of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// How they are called.
    pub display_name: Option<DisplayName>,
    /// Where they get mail.
    pub email: Option<Email>,
    /// The groups they are in, by name.
    pub groups: Box<[GroupName]>,
    /// What the owner set down for them.
    pub terms: Terms,
}

/// A group's name in its one canonical spelling. Folded like user names, so that `Family` and `family` are one group.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupName(Box<str>);

/// How somebody is called: any script, on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisplayName(Box<str>);

/// An address for mail: visible ASCII, so that it can travel in a header as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(Box<str>);

/// The text cannot be a group's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a group's name has 1 to 64 characters out of a-z, 0-9 and . _ @ + -, and begins with a letter or digit")]
pub struct BadGroupName;

/// The text cannot be a display name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a display name has 1 to {LONGEST_NAME} characters, none of them a control character or one that turns the text round")]
pub struct BadDisplayName;

/// The text cannot be an e-mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an e-mail address is written like alice@example.com, in ASCII without spaces, at most {LONGEST_EMAIL} characters")]
pub struct BadEmail;

impl Profile {
    /// Whether the person is in a group.
    pub fn is_in(&self, group: &GroupName) -> bool {
        self.groups.contains(group)
    }
}

impl GroupName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl DisplayName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Email {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupName {
    type Err = BadGroupName;

    fn from_str(text: &str) -> Result<Self, BadGroupName> {
        canonical(text).map(Self).ok_or(BadGroupName)
    }
}

impl FromStr for DisplayName {
    type Err = BadDisplayName;

    /// Trims surrounding white space, then checks.
    fn from_str(text: &str) -> Result<Self, BadDisplayName> {
        let text = text.trim();
        let fits = !text.is_empty() && text.chars().count() <= LONGEST_NAME;
        if fits && !text.chars().any(disturbs) { Ok(Self(text.into())) } else { Err(BadDisplayName) }
    }
}

impl FromStr for Email {
    type Err = BadEmail;

    /// Checks what could disturb a header or a list of addresses, not whether anybody reads there.
    fn from_str(text: &str) -> Result<Self, BadEmail> {
        let text = text.trim();
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !br#""(),:;<>[\]"#.contains(&byte));
        let parts = text.split_once('@').filter(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'));
        if plain && parts.is_some() && text.len() <= LONGEST_EMAIL { Ok(Self(text.into())) } else { Err(BadEmail) }
    }
}

/// Line breaks, other control characters, and what changes the direction of the text around it.
fn disturbs(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The attack: a group that looks like another, or is another to one half of the program.
    #[test]
    fn one_group_however_it_is_spelt() {
        for text in ["family", "Family", " FAMILY ", "ＦＡＭＩＬＹ"] {
            assert_eq!(text.parse::<GroupName>().expect(text).as_str(), "family");
        }
        // Cyrillic letters that look like Latin ones.
        for text in ["", "fаmily", "a b", "a,b", "a:b", "*", "-x", "a\u{200b}b", "família", &"a".repeat(65)] {
            assert_eq!(text.parse::<GroupName>(), Err(BadGroupName), "{text:?}");
        }
    }

    #[test]
    fn names_of_every_script_are_shown_but_nothing_that_disturbs_a_line() {
        for text in ["Alice", " Łucja Ćwik ", "山田 太郎", "O'Neill, Jr."] {
            assert_eq!(text.parse::<DisplayName>().expect(text).as_str(), text.trim());
        }
        for text in ["", " ", "a\nb", "a\u{202e}b", "a\0", "a\u{2028}b", &"x".repeat(101)] {
            assert_eq!(text.parse::<DisplayName>(), Err(BadDisplayName), "{text:?}");
        }
    }

    #[test]
    fn addresses_that_could_split_a_header_are_refused() {
        for text in ["alice@example.com", "a.b+c@localhost", " x@y "] {
            assert_eq!(text.parse::<Email>().expect(text).as_str(), text.trim());
        }
        for text in [
            "",
            "alice",
            "@x",
            "x@",
            "a@b@c",
            "a b@c",
            "a@b,c@d",
            "<a@b>",
            "a@b\r\nX: y",
            "ä@b",
            &format!("a@{}", "b".repeat(254)),
        ] {
            assert_eq!(text.parse::<Email>(), Err(BadEmail), "{text:?}");
        }
    }
}
