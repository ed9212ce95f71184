//! Rules found by the first names of the paths they speak of, so that what judging costs hardly grows with their number.
//!
//! The index only passes over what cannot match; whether one does match is still asked of [`Pattern::covers`]. What begins with a
//! star, a regular expression, or a name whose spellings do not agree on a key is asked about every path.

use std::collections::HashMap;
use std::ops::{ControlFlow, Deref};

use crate::policy::pattern::Pattern;
use crate::policy::reading::{Reading, without_junk};

/// Names of a pattern that the index looks at. One name can be read in two ways, so a look-up asks for twice as many keys with each.
pub const DEPTH: usize = 3;

/// FNV-1a, 64 bits. Two paths with one key cost a comparison and nothing else, and owners do not attack themselves.
const SEED: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// Something that speaks of paths.
pub trait Speaks {
    /// Of those under any of these patterns, and of no others.
    fn patterns(&self) -> &[Pattern];
}

/// A list in its written order, and an index over it.
#[derive(Clone, Debug)]
pub struct Indexed<T> {
    items: Box<[T]>,
    /// Places of those that any path may concern.
    everywhere: Box<[u32]>,
    /// Places of the others by their first names; a key that only leads on to deeper ones has none.
    by_names: HashMap<u64, Vec<u32>>,
}

impl<T: Speaks> Indexed<T> {
    /// The first in written order that may speak of the reading and passes `test`.
    pub fn first(&self, reading: &Reading<'_>, mut test: impl FnMut(&T) -> bool) -> Option<&T> {
        let mut first: Option<usize> = None;
        let _all = self.each(reading, &mut |at| {
            if first.is_none_or(|first| at < first) && test(&self.items[at]) {
                first = Some(at);
            }
            ControlFlow::Continue(())
        });
        first.map(|at| &self.items[at])
    }

    /// Whether any that may speak of the reading passes `test`.
    pub fn any(&self, reading: &Reading<'_>, mut test: impl FnMut(&T) -> bool) -> bool {
        let mut found = |at: usize| if test(&self.items[at]) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        self.each(reading, &mut found).is_break()
    }

    /// Shows the places of all that may speak of the reading, in no order, one perhaps more than once.
    fn each(&self, reading: &Reading<'_>, visit: &mut impl FnMut(usize) -> ControlFlow<()>) -> ControlFlow<()> {
        self.everywhere.iter().try_for_each(|at| visit(*at as usize))?;
        if self.by_names.is_empty() { ControlFlow::Continue(()) } else { self.below((SEED, 0), reading.segments(), visit) }
    }

    fn below<'a>(
        &self,
        (key, depth): (u64, usize),
        mut names: impl Iterator<Item = &'a str> + Clone,
        visit: &mut impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(name) = names.next().filter(|_| depth < DEPTH) else { return ControlFlow::Continue(()) };
        let bare = without_junk(name);
        let bare = (bare.len() < name.len()).then_some(bare);
        for name in std::iter::once(name).chain(bare) {
            let key = longer(key, stem(name));
            if let Some(places) = self.by_names.get(&key) {
                places.iter().try_for_each(|at| visit(*at as usize))?;
                self.below((key, depth + 1), names.clone(), visit)?;
            }
        }
        ControlFlow::Continue(())
    }
}

impl<T: Speaks> From<Vec<T>> for Indexed<T> {
    fn from(items: Vec<T>) -> Self {
        let (mut everywhere, mut by_names) = (Vec::new(), HashMap::<u64, Vec<u32>>::new());
        let push = |places: &mut Vec<u32>, at| {
            if places.last() != Some(&at) {
                places.push(at);
            }
        };
        for (at, item) in items.iter().enumerate() {
            let at = u32::try_from(at).expect("a configuration is far smaller than four thousand million rules");
            for pattern in item.patterns() {
                let keys: Vec<u64> = keys(pattern).collect();
                for key in &keys {
                    by_names.entry(*key).or_default();
                }
                match keys.last() {
                    Some(key) => push(by_names.entry(*key).or_default(), at),
                    None => push(&mut everywhere, at),
                }
            }
        }
        Self { items: items.into(), everywhere: everywhere.into(), by_names }
    }
}

/// The keys of its first name, of its first two names… as far as every path it covers begins with them.
fn keys(pattern: &Pattern) -> impl Iterator<Item = u64> {
    let names = pattern.names().take(DEPTH).map_while(|(exact, folded)| {
        let same = stem(exact).eq_ignore_ascii_case(stem(folded));
        same.then(|| stem(folded))
    });
    names.scan(SEED, |key, name| {
        *key = longer(*key, name);
        Some(*key)
    })
}

/// What a name and every name that is like it have in common: a suffix begins with none of these bytes, and no fold that keeps
/// them in place changes more than their case.
fn stem(name: &str) -> &str {
    let end = name.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
    &name[..end.unwrap_or(name.len())]
}

fn longer(key: u64, name: &str) -> u64 {
    let step = |key: u64, byte: u8| (key ^ u64::from(byte)).wrapping_mul(PRIME);
    name.bytes().fold(step(key, b'/'), |key, byte| step(key, byte.to_ascii_lowercase()))
}

impl<T: Speaks> FromIterator<T> for Indexed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        items.into_iter().collect::<Vec<T>>().into()
    }
}

impl<T> Deref for Indexed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<'a, T> IntoIterator for &'a Indexed<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<T> Default for Indexed<T> {
    fn default() -> Self {
        Self { items: Box::default(), everywhere: Box::default(), by_names: HashMap::new() }
    }
}

/// The index follows from the list.
impl<T: PartialEq> PartialEq for Indexed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}
impl<T: Eq> Eq for Indexed<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::pattern::Root;
    use crate::policy::target::Target;

    fn list(texts: &[&str]) -> Indexed<Pattern> {
        texts.iter().map(|text| Pattern::parse(text).expect(text)).collect()
    }

    /// How many patterns are asked about the first reading of a path.
    fn asked(list: &Indexed<Pattern>, path: &str) -> usize {
        let mut count = 0;
        let _first = Target::parse(path).expect(path).each_reading(&mut |reading| {
            count = 0;
            let _none = list.any(reading, |_| {
                count += 1;
                false
            });
            ControlFlow::Break(())
        });
        count
    }

    #[test]
    fn only_what_begins_alike_is_asked() {
        let list = list(&["/admin/", "/a/b/c/d", "/a/b/c/e", "/a/x/", "/Admin-0/", "/*/x", "/**/.git/"]);
        for (path, count) in [("/documents/1", 2), ("/admin", 3), ("/ADMIN.json", 3), ("/a/b/c/d", 4), ("/a", 2), ("/", 2)] {
            assert_eq!(asked(&list, path), count, "{path}");
        }
    }

    /// The attack: a spelling that the pattern covers and that the index looks for elsewhere.
    #[test]
    fn no_spelling_is_looked_for_elsewhere() {
        let patterns =
            ["/admin/", "/a.b/", "/Café/", "/.git/", "/~x", "/@fs/", "/é/", "/a+b/", "/a%/", "/x-1_y/", "/ﬁx/", "/K/", "/100%/x"];
        let heads = ["", "~", ".", "%20", "+", ".~", "%e2%80%8b", "A", "-"];
        let tails =
            ["", ".json", "::$DATA", "-x", "_", "%", "%25", "é", "%c3%a9", "%cc%81", ";x", "%3fx", "~1", "@", "/x", ".", "+"];
        let mut covered = 0;
        for text in patterns {
            let (pattern, list) = (Pattern::parse(text).expect(text), list(&[text]));
            let written = text.trim_matches('/');
            for name in [written.to_owned(), written.to_uppercase(), written.to_lowercase()] {
                let name: String = name.replace('%', "%25").chars().map(escaped).collect();
                for (head, tail) in heads.iter().flat_map(|head| tails.map(|tail| (head, tail))) {
                    let Ok(target) = Target::parse(&format!("/{head}{name}{tail}")) else { continue };
                    let _all = target.each_reading(&mut |reading| {
                        let covers = pattern.covers(reading, Root::Everything);
                        covered += usize::from(covers);
                        let found = list.any(reading, |pattern| pattern.covers(reading, Root::Everything));
                        assert_eq!(found, covers, "{text} {}", reading.joined());
                        ControlFlow::Continue(())
                    });
                }
            }
        }
        assert!(covered > 1_000, "{covered}");
    }

    fn escaped(letter: char) -> String {
        if letter.is_ascii() {
            return letter.to_string();
        }
        letter.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect()
    }

    #[test]
    fn the_first_is_the_first_that_was_written() {
        let list = list(&["/*", "/b", "/a", "/**", "/A"]);
        let _all = Target::parse("/a").expect("a target").each_reading(&mut |reading| {
            let found = |test: &dyn Fn(&Pattern) -> bool| list.first(reading, |pattern| test(pattern)).map(ToString::to_string);
            assert_eq!(found(&|_| true).as_deref(), Some("/*"));
            assert_eq!(found(&|pattern| !pattern.to_string().contains('*')).as_deref(), Some("/a"));
            assert_eq!(found(&|_| false), None);
            ControlFlow::Continue(())
        });
    }
}
