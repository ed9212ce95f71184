//! `include`: which files a pattern names, and reading them. Included files hold `[[app]]` only and include nothing themselves, so
//! there are no circles and nothing is merged but a list.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::config::complaint::{Code, Complaint};
use crate::config::document::MAX_BYTES;
use crate::config::open;
use crate::config::placed::Placed;
use crate::config::source::{Consulted, Origin, Source, Text};

/// Most files that are included.
const MOST_FILES: usize = 1_000;
/// Most bytes of all of them together.
const MOST_BYTES: usize = 8 * MAX_BYTES;
/// Most names in folders that are looked at for one pattern.
const MOST_NAMES: usize = 10_000;
const KEY: &str = "include";

/// Why a pattern names no files.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be a pattern.
    #[error("{0}")]
    Pattern(&'static str),
    /// A folder cannot be looked into.
    #[error("cannot look into {}: {source}", .path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is too much to look at.
    #[error("more than {MOST_NAMES} names to compare it with")]
    TooMany,
}

/// Reads what `include` names into `source`, in the order of the patterns, and for each by name.
pub fn read(patterns: &[Placed<String>], source: &mut Source, consulted: &mut Consulted) -> Vec<Complaint> {
    let directory = source.main().directory.clone();
    let mut gathering = Gathering { complaints: Vec::new(), seen: BTreeSet::new(), files: 0, bytes: 0, full: false };
    gathering.seen.extend(identity(source.main()));
    for pattern in patterns {
        consulted.patterns.push((directory.clone(), pattern.value.clone()));
        match expand(&directory, &pattern.value) {
            Err(fault) => gathering.complain(unusable(pattern, &fault)),
            Ok(paths) if paths.is_empty() => gathering.complain(
                Complaint::new(Code::W0112, &pattern.place, "this `include` matches no file")
                    .label("nothing is included")
                    .help("put a file there, or remove the pattern"),
            ),
            Ok(paths) => paths.iter().for_each(|path| gathering.take(path, pattern, source, consulted)),
        }
    }
    gathering.complaints
}

fn unusable(pattern: &Placed<String>, fault: &Fault) -> Complaint {
    let code = if let Fault::Folder { .. } = fault { Code::E0110 } else { Code::E0111 };
    Complaint::new(code, &pattern.place, "this `include` cannot be followed").label(fault.to_string())
}

struct Gathering {
    complaints: Vec<Complaint>,
    seen: BTreeSet<(u64, u64)>,
    files: usize,
    bytes: usize,
    full: bool,
}

impl Gathering {
    fn complain(&mut self, complaint: Complaint) {
        self.complaints.push(complaint.key(KEY));
    }

    fn take(&mut self, path: &Path, pattern: &Placed<String>, source: &mut Source, consulted: &mut Consulted) {
        if self.full {
            return;
        }
        consulted.files.push(path.to_owned());
        let at = |code, message: String| Complaint::new(code, &pattern.place, message);
        let opened = match open::regular(path, MAX_BYTES) {
            Ok(opened) => opened,
            Err(fault) => {
                let complaint = at(Code::E0110, format!("cannot read {}", path.display()));
                return self.complain(complaint.label(fault.to_string()).help("let this user read it, or do not include it"));
            }
        };
        // By two patterns, by two links, or the file that includes: once is enough, and itself is none.
        if !self.seen.insert(opened.identity()) {
            if identity(source.main()) == Some(opened.identity()) && !is_wild(&pattern.value) {
                self.complain(at(Code::E0111, "a file cannot include itself".to_owned()).label("this is the file it stands in"));
            }
            return;
        }
        self.files += 1;
        self.bytes += opened.bytes.len();
        if opened.bytes.len() > MAX_BYTES || self.files > MOST_FILES || self.bytes > MOST_BYTES {
            self.full = true;
            let most = format!("at most {MOST_FILES} files of 1 MiB, and 8 MiB in all");
            return self.complain(at(Code::E0111, format!("{} is too much to include", path.display())).label(most));
        }
        let (identity, private) = (opened.identity(), opened.is_private());
        let text = |text: String| Text::of_file(path, text, Some(identity), private);
        match String::from_utf8(opened.bytes) {
            Ok(read) => drop(source.add(text(read))),
            Err(fault) => {
                let valid = fault.utf8_error().valid_up_to();
                let place = source.add(text(String::from_utf8_lossy(fault.as_bytes()).into_owned()));
                let byte = place.start + valid;
                let byte = byte..(byte + char::REPLACEMENT_CHARACTER.len_utf8()).min(place.end);
                let complaint = Complaint::new(Code::E0103, &byte, "the file is not UTF-8").label("this byte is no UTF-8");
                self.complaints.push(complaint.help("save the file as UTF-8"));
            }
        }
    }
}

fn identity(text: &Text) -> Option<(u64, u64)> {
    match text.origin {
        Origin::File { identity, .. } => identity,
        Origin::Variable { .. } => None,
    }
}

fn is_wild(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// The paths that a pattern names, sorted; a path without `*` and `?` names itself, whether it is there or not. `*` and `?` stay
/// within a name and do not stand for a dot at its beginning.
///
/// # Errors
/// [`Fault`].
pub fn expand(directory: &Path, pattern: &str) -> Result<Vec<PathBuf>, Fault> {
    let fault = [
        (pattern.is_empty() || pattern.ends_with('/'), "the name of a file is missing"),
        (pattern.contains('\0'), "a name holds no zero byte"),
        (pattern.contains("**"), "`**` is not known here: `*` stands for any part of one name"),
        (pattern.contains(['[', ']', '{', '}']), "brackets are not known here: `*` and `?` are"),
    ];
    if let Some((_, reason)) = fault.iter().find(|(is_so, _)| *is_so) {
        return Err(Fault::Pattern(reason));
    }
    let mut found = vec![directory.to_owned()];
    let mut names = 0;
    for component in Path::new(pattern).components() {
        let part = component.as_os_str();
        if !matches!(component, Component::Normal(_)) || !part.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?')) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        let mut next = Vec::new();
        let several = found.len() > 1;
        for folder in &found {
            next.extend(matching(folder, part.as_bytes(), several, &mut names)?);
        }
        found = next;
    }
    found.sort();
    Ok(found)
}

/// What a folder holds under names that a pattern stands for. One that an earlier `*` found may turn out to be no folder.
fn matching(folder: &Path, pattern: &[u8], may_fail: bool, names: &mut usize) -> Result<Vec<PathBuf>, Fault> {
    let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let failed = |source| Fault::Folder { path: shown.to_owned(), source };
    let entries = match fs::read_dir(shown) {
        Ok(entries) => entries,
        Err(fault) if may_fail && matches!(fault.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::NotFound) => {
            return Ok(Vec::new());
        }
        Err(fault) => return Err(failed(fault)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        *names += 1;
        if *names > MOST_NAMES {
            return Err(Fault::TooMany);
        }
        let hidden = name.as_bytes().starts_with(b".") && !pattern.starts_with(b".");
        if !hidden && matches(pattern, name.as_bytes()) {
            found.push(folder.join(name));
        }
    }
    Ok(found)
}

/// Whether a name is one that a pattern of `*` and `?` stands for. Going back to the last `*` only is enough, and keeps the time
/// from growing with the number of stars.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name, mut star) = (0, 0, None);
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            Some(_) | None => match star {
                Some((star_at, taken)) => {
                    star = Some((star_at, taken + 1));
                    at = star_at + 1;
                    in_name = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_parts_of_a_name() {
        for (pattern, name, expected) in [
            ("*.toml", "a.toml", true),
            ("*.toml", "a.toml~", false),
            ("a?c*", "abcdef", true),
            ("*a*a*", "banana", true),
            ("*a*a*a*b", "banana", false),
            ("", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
        assert!(!matches("*a".repeat(500).as_bytes(), "a".repeat(400).as_bytes()));
    }

    #[test]
    fn paths_come_sorted_and_hidden_ones_only_when_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b/2.toml", "a/1.toml", "a/.hidden.toml", "a/x.txt", "c"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, "").expect("written");
        }
        let found = |pattern: &str| -> Vec<String> {
            let paths = expand(folder.path(), pattern).expect(pattern);
            paths.iter().map(|path| path.strip_prefix(folder.path()).expect("below").display().to_string()).collect()
        };
        assert_eq!(found("*/*.toml"), ["a/1.toml", "b/2.toml"]);
        assert_eq!(found("a/.*.toml"), ["a/.hidden.toml"]);
        assert_eq!(found("none.toml"), ["none.toml"]);
        assert_eq!(found("a/*.none"), Vec::<String>::new());
        assert!(matches!(expand(folder.path(), "none/*.toml"), Err(Fault::Folder { .. })));
        for pattern in ["", "a/", "**/x", "[ab].toml", "a\0"] {
            assert!(matches!(expand(folder.path(), pattern), Err(Fault::Pattern(_))), "{pattern}");
        }
    }
}
