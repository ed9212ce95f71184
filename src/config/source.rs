//! The text of a configuration, and where its bytes are for people.

use std::path::{Path, PathBuf};

use crate::config::placed::Place;

/// The text of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name in complaints: the path as given, or `<command line>`.
    pub name: String,
    /// The folder that relative paths in it are relative to.
    pub directory: PathBuf,
    /// The text.
    pub text: String,
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
        Self { name: name.to_owned(), directory: PathBuf::new(), text }
    }

    /// A file's text.
    pub fn of_file(path: &Path, text: String) -> Self {
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Self { name: path.display().to_string(), directory, text }
    }

    /// The nearest place inside the text that begins and ends between characters. Parsers point behind the end now and then.
    pub fn inside(&self, place: &Place) -> Place {
        let (start, mut end) = (self.boundary(place.start), place.end.min(self.text.len()));
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
        let mut byte = byte.min(self.text.len());
        while !self.text.is_char_boundary(byte) {
            byte -= 1;
        }
        byte
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
        assert_eq!(source.inside(&(3..999)), 2..source.text.len());
    }
}
