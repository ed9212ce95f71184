//! The texts of a configuration, and where their bytes are for people.
//!
//! A configuration is one text, or several: gateway.toml, the files it includes, the variables that speak for it. They share one
//! numbering of bytes, one text behind the other, so that a [`Place`] says which text it is in and nobody has to carry that along.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::placed::Place;
use crate::config::secret;

/// The texts of a configuration, the file itself first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    texts: Vec<Text>,
}

/// One text.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// Its name in complaints: the path as given, `(command line)`, or the variable it comes from.
    pub name: String,
    /// The folder that relative paths in it are relative to.
    pub directory: PathBuf,
    /// The text.
    pub text: String,
    /// What it comes from.
    pub origin: Origin,
    /// The number of its first byte.
    pub start: usize,
    /// The text as it is shown to people, secrets struck out byte by byte; `None` where that is the text itself.
    shown: Option<String>,
}

/// What a text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file, or what stands for one.
    File {
        /// Which it is, by device and inode; `None` for text that comes from no file.
        identity: Option<(u64, u64)>,
        /// Nobody but its owner may read it.
        private: bool,
    },
    /// An environment variable.
    Variable {
        /// The key it speaks for, if there is one.
        key: Option<String>,
        /// Its value stands in another file, which is not for complaints to quote.
        by_file: bool,
    },
}

/// What was read to get a configuration, besides its own file: what has to be looked at again to notice a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consulted {
    /// Files.
    pub files: Vec<PathBuf>,
    /// Patterns of `include`, each with the folder it is relative to.
    pub patterns: Vec<(PathBuf, String)>,
}

/// A place as people count: from 1, columns in Unicode scalar values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl Source {
    /// A text that comes from no file.
    pub fn unnamed(name: &str, text: String) -> Self {
        Self { texts: vec![Text::new(name.to_owned(), PathBuf::new(), text, Origin::File { identity: None, private: false })] }
    }

    /// A file's text.
    pub fn of_file(path: &Path, text: String) -> Self {
        Self { texts: vec![Text::of_file(path, text, None, false)] }
    }

    /// The same of a file that is there.
    pub fn of_known_file(path: &Path, text: String, identity: (u64, u64), private: bool) -> Self {
        Self { texts: vec![Text::of_file(path, text, Some(identity), private)] }
    }

    /// Adds a text; where its bytes are.
    pub fn add(&mut self, mut text: Text) -> Place {
        // One number stays free in between, so that the end of one text is not the beginning of the next.
        text.start = self.texts.last().map_or(0, |last| last.start + last.text.len() + 1);
        let place = text.start..text.start + text.text.len();
        self.texts.push(text);
        place
    }

    /// The file itself.
    pub fn main(&self) -> &Text {
        &self.texts[0]
    }

    /// All texts, the file itself first.
    pub fn texts(&self) -> &[Text] {
        &self.texts
    }

    /// The text in which a byte is.
    pub fn text_at(&self, byte: usize) -> &Text {
        self.texts.iter().rfind(|text| text.start <= byte).unwrap_or(&self.texts[0])
    }

    /// The nearest place inside one text that begins and ends between characters. Parsers point behind the end now and then.
    pub fn inside(&self, place: &Place) -> Place {
        let text = self.text_at(place.start);
        let local = text.inside(place);
        local.start + text.start..local.end + text.start
    }

    /// Line and column of a byte, in its own text.
    pub fn position(&self, byte: usize) -> Position {
        self.text_at(byte).position(byte)
    }

    /// Strikes out what is never shown.
    pub fn hide(&mut self, places: &[Place]) {
        let mut sorted: Vec<Place> = places.iter().map(|place| self.inside(place)).collect();
        sorted.sort_by_key(|place| place.start);
        for text in &mut self.texts {
            let end = text.start + text.text.len();
            let mine = sorted.iter().filter(|place| (text.start..end).contains(&place.start));
            text.hide(&mine.map(|place| place.start - text.start..place.end - text.start).collect::<Vec<_>>());
        }
    }

    /// The same where nobody knows what the text means, and what is secret in it can only be suspected.
    pub fn hide_suspected(&mut self) {
        for text in &mut self.texts {
            text.hide(&secret::suspected(&text.text));
        }
    }
}

impl Text {
    /// A text that begins the numbering.
    pub fn new(name: String, directory: PathBuf, text: String, origin: Origin) -> Self {
        Self { name, directory, text, origin, start: 0, shown: None }
    }

    /// A file's text.
    pub fn of_file(path: &Path, text: String, identity: Option<(u64, u64)>, private: bool) -> Self {
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Self::new(path.display().to_string(), directory, text, Origin::File { identity, private })
    }

    /// The text as it is shown to people; its bytes are where those of the text are.
    pub fn shown(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.text)
    }

    /// The nearest place that begins and ends between characters, counted from the text's own beginning.
    pub fn inside(&self, place: &Place) -> Place {
        let (start, mut end) = (self.boundary(place.start), place.end.saturating_sub(self.start).min(self.text.len()));
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        start..end.max(start)
    }

    /// Line and column of a byte.
    pub fn position(&self, byte: usize) -> Position {
        let before = &self.text[..self.boundary(byte)];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Position { line, column: before[start..].chars().count() + 1 }
    }

    /// The last boundary between characters up to a byte. (`floor_char_boundary` is younger than the oldest compiler we support.)
    fn boundary(&self, byte: usize) -> usize {
        let mut byte = byte.saturating_sub(self.start).min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
    }

    /// Writes over these bytes; lines stay where they are.
    fn hide(&mut self, places: &[Place]) {
        if places.is_empty() {
            return;
        }
        let mut bytes = self.shown().as_bytes().to_vec();
        for place in places {
            let struck = bytes.get_mut(place.clone()).into_iter().flatten().filter(|byte| !matches!(byte, b'\n' | b'\r'));
            struck.for_each(|byte| *byte = b'*');
        }
        // Places begin and end between characters, so what is left of them is whole.
        self.shown = Some(String::from_utf8(bytes).unwrap_or_default());
    }
}

/// The text itself may hold secrets.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("name", &self.name).field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one_and_columns_count_characters() {
        let source = Source::unnamed("x", "a\näöü = 1".into());
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(2), Position { line: 2, column: 1 });
        assert_eq!(source.position(6), Position { line: 2, column: 3 });
        assert_eq!(source.position(3), Position { line: 2, column: 1 }, "inside ä");
        assert_eq!(source.position(999), Position { line: 2, column: 8 });
        assert_eq!(source.inside(&(3..999)), 2..source.main().text.len());
    }

    #[test]
    fn texts_share_one_numbering_and_keep_their_lines() {
        let mut source = Source::unnamed("main", "a = 1\n".into());
        let place = source.add(Text::of_file(Path::new("conf.d/b.toml"), "\nü = 2".into(), None, false));
        assert_eq!(place, 7..14);
        assert_eq!((source.text_at(6).name.as_str(), source.text_at(7).name.as_str()), ("main", "conf.d/b.toml"));
        assert_eq!(source.position(10), Position { line: 2, column: 2 });
        assert_eq!(source.inside(&(9..999)), 8..14);
        assert_eq!(source.inside(&(2..999)), 2..6, "a place lies in one text");
    }

    #[test]
    fn what_is_struck_out_keeps_every_byte_where_it_was() {
        let mut source = Source::unnamed("main", "key = \"hünter\n2\" # x\n".into());
        source.hide(&[7..15, 0..1]);
        assert_eq!(source.main().shown(), "*ey = \"*******\n*\" # x\n".replace("\"*******\n*\"", "\"*******\n2\""));
        assert!(!format!("{source:?}").contains("key"));
    }
}
