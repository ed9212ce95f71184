//! Mount points: several apps on one host, told apart by how paths begin.
//!
//! Which app a path is for is something that is given, so all readings of the path have to agree on it. A path that one server
//! would take for one app's and another server for another's is nobody's.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::policy::pattern::{Pattern, Root};
use crate::policy::reading::Reading;
use crate::policy::refusal::Unreadable;
use crate::policy::target::{Own, Target};

/// The longest mount point in bytes.
const MAX_PATH: usize = 256;

/// Where on its hosts an app is mounted: `/`, or a path such as `/wiki/` with everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    names: Arc<[Box<str>]>,
    pattern: Pattern,
    strips: bool,
}

/// Why a text is not a mount point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMount {
    /// It does not begin with `/`.
    #[error("a path begins with `/`")]
    NoSlash,
    /// More than 256 bytes.
    #[error("at most 256 characters")]
    TooLong,
    /// `//`
    #[error("there is nothing between two slashes")]
    EmptyName,
    /// Anything but letters, digits, `-`, `.`, `_` and `~`, which every server reads alike; or a name that ends with a dot.
    #[error("its names are made of ASCII letters, digits, `-`, `.`, `_` and `~`, and do not end with a dot")]
    Character,
    /// A name that some servers drop from the front of a path, such as `index.php`.
    #[error("servers that drop the name of a script would see another path")]
    Script,
    /// Below `/.doorward/`.
    #[error("`/.doorward/` is ours on every host")]
    Ours,
}

/// Whom a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The one at this place of the list.
    One(usize),
    /// No reading is for anybody, or not all are.
    Nobody,
    /// Some readings are for one and some for another.
    Several,
}

impl Mount {
    /// At the root: every path.
    pub fn root() -> Self {
        Self { names: Arc::default(), pattern: Pattern::parse("/").expect("a pattern"), strips: false }
    }

    /// Reads a mount point, with or without a slash at its end. With `strips` the app does not see it.
    ///
    /// # Errors
    /// [`BadMount`].
    pub fn parse(text: &str, strips: bool) -> Result<Self, BadMount> {
        let rest = text.strip_prefix('/').ok_or(BadMount::NoSlash)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if text.len() > MAX_PATH {
            return Err(BadMount::TooLong);
        }
        if text == "/" {
            return Ok(Self { strips, ..Self::root() });
        }
        let names: Arc<[Box<str>]> = rest.split('/').map(Into::into).collect();
        names.iter().try_for_each(|name| check(name))?;
        let path = format!("/{rest}/");
        let mount = Self { pattern: Pattern::parse(&path).map_err(|_| BadMount::Character)?, names, strips };
        let target = Target::parse(&path).map_err(|_| BadMount::Character)?;
        match (target.own(), choose(&[&mount], &target)) {
            (Own::Page(_) | Own::Disguised, _) => Err(BadMount::Ours),
            (Own::No, Choice::One(_)) => Ok(mount),
            (Own::No, Choice::Nobody | Choice::Several) => Err(BadMount::Script),
        }
    }

    /// Whether it is the root.
    pub fn is_root(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether the app does not see it.
    pub fn strips(&self) -> bool {
        self.strips && !self.is_root()
    }

    /// The path without a slash at its end, as it stands in front of the paths that a stripped app sees; empty for the root.
    pub fn prefix(&self) -> String {
        self.names.iter().flat_map(|name| ["/", name]).collect()
    }

    /// How many names it has: of two that a path is below, the one with more of them counts.
    pub fn depth(&self) -> usize {
        self.names.len()
    }

    /// Whether some server takes the two for the same path. Such a path could never be told to be one app's.
    pub fn is_like(&self, other: &Self) -> bool {
        let mut pairs = self.names.iter().zip(other.names.iter());
        self.depth() == other.depth() && pairs.all(|(one, other)| one.eq_ignore_ascii_case(other))
    }

    /// Whether two apps at these places of one host would be in each other's way: some server takes both for the same path, or
    /// one of them for a path below the other, or either would never be chosen.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let (deep, shallow) = if self.depth() >= other.depth() { (self, other) } else { (other, self) };
        let mut pairs = deep.names.iter().zip(shallow.names.iter());
        let around = pairs.all(|(one, other)| one.eq_ignore_ascii_case(other))
            && (deep.depth() == shallow.depth() || !shallow.is_around(deep));
        let chosen = |mounts: [&Self; 2], at: usize| {
            let target = Target::parse(&mounts[at].to_string());
            target.is_ok_and(|target| choose(&mounts, &target) == Choice::One(at))
        };
        let apart = |mounts: [&Self; 2]| chosen(mounts, 0) && chosen(mounts, 1);
        // Which of two of one depth comes first is an accident.
        around || !apart([deep, shallow]) || (deep.depth() == shallow.depth() && !apart([shallow, deep]))
    }

    /// Whether paths at `other` would be for the app here, if no app were mounted there.
    pub fn is_around(&self, other: &Self) -> bool {
        other.names.starts_with(&self.names)
    }

    /// Whether `pattern` may speak of anything here: else whoever wrote it meant another path.
    pub fn may_be_spoken_of(&self, pattern: &Pattern) -> bool {
        pattern.may_cover_below(&self.names)
    }

    /// A target that was found to be for the app here, with what is left of it for that app.
    ///
    /// # Errors
    /// [`Unreadable`], if what is left cannot be judged by itself.
    pub fn enter(&self, target: Target) -> Result<Target, Unreadable> {
        if self.is_root() { Ok(target) } else { target.below(&self.names, self.strips) }
    }

    fn covers(&self, reading: &Reading<'_>) -> bool {
        self.pattern.covers(reading, Root::Everything)
    }
}

impl fmt::Display for Mount {
    /// With a slash at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.prefix())
    }
}

/// Whom a path is for, of mount points in the order of their depth, the deepest first.
pub fn choose(mounts: &[&Mount], target: &Target) -> Choice {
    if let [only] = mounts
        && only.is_root()
    {
        return Choice::One(0);
    }
    let (mut chosen, mut nobody) = (None, false);
    let broken = target.each_reading(&mut |reading| {
        match (mounts.iter().position(|mount| mount.covers(reading)), chosen) {
            (None, _) => nobody = true,
            (found @ Some(_), None) => chosen = found,
            (Some(found), Some(known)) if found == known => {}
            (Some(_), Some(_)) => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    });
    match chosen {
        _ if broken.is_break() => Choice::Several,
        Some(at) if !nobody => Choice::One(at),
        Some(_) | None => Choice::Nobody,
    }
}

fn check(name: &str) -> Result<(), BadMount> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if name.is_empty() {
        Err(BadMount::EmptyName)
    } else if !name.bytes().all(sound) || name.ends_with('.') {
        Err(BadMount::Character)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
