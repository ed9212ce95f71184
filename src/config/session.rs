//! `[session]`

use std::time::Duration;

use crate::config::placed::Placed;
use crate::config::reader::Reader;

/// A set of defaults for the rest of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// For people at home and most offices.
    Standard,
    /// For those who must sign in every day.
    Strict,
}

/// `[session]`
#[derive(Clone, Debug, Default)]
pub struct SessionTable {
    /// A set of defaults for the other keys.
    pub profile: Option<Placed<Profile>>,
    /// Longest time without a request.
    pub idle_timeout: Option<Placed<Duration>>,
    /// Longest time in any case.
    pub absolute_timeout: Option<Placed<Duration>>,
    /// For "keep me signed in"; the inner `None` is `"off"`.
    pub remember: Option<Placed<Option<Duration>>>,
    /// How old a proof may be for a change of one's own account.
    pub sudo_timeout: Option<Placed<Duration>>,
}

impl SessionTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            profile: reader.choice("profile", &[("standard", Profile::Standard), ("strict", Profile::Strict)]),
            idle_timeout: reader.duration("idle_timeout"),
            absolute_timeout: reader.duration("absolute_timeout"),
            remember: reader.duration_or("remember", "off"),
            sudo_timeout: reader.duration("sudo_timeout"),
        }
    }
}
