//! `[log]`

use crate::config::placed::Placed;
use crate::config::reader::Reader;

/// How log lines look, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenFormat {
    /// `"auto"`
    Auto,
    /// `"text"`
    Text,
    /// `"json"`
    Json,
}

/// `[log]`
#[derive(Clone, Debug, Default)]
pub struct LogTable {
    /// Least severity of a line.
    pub level: Option<Placed<&'static str>>,
    /// How lines look.
    pub format: Option<Placed<WrittenFormat>>,
    /// Whether each request gets a line.
    pub access: Option<Placed<bool>>,
    /// Where access lines go.
    pub file: Option<Placed<String>>,
    /// Query parameters whose values are never written.
    pub redact_query: Option<Placed<Vec<Placed<String>>>>,
}

impl LogTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let formats = [("auto", WrittenFormat::Auto), ("text", WrittenFormat::Text), ("json", WrittenFormat::Json)];
        Self {
            level: reader.choice("level", &["error", "warn", "info", "debug", "trace"].map(|level| (level, level))),
            format: reader.choice("format", &formats),
            access: reader.choice("access", &[("json", true), ("off", false)]),
            file: reader.string("file"),
            redact_query: reader.list("redact_query"),
        }
    }
}
