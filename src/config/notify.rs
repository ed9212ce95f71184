//! `[notify]` and `[storage]`

use std::time::Duration;

use crate::config::placed::Placed;
use crate::config::reader::Reader;

/// How an event is said, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenForm {
    /// `"json"`
    Json,
    /// `"ntfy"`
    Ntfy,
}

/// `[notify]`
#[derive(Clone, Debug, Default)]
pub struct NotifyTable {
    /// Where events are posted to.
    pub url: Option<Placed<String>>,
    /// How they are said.
    pub format: Option<Placed<WrittenForm>>,
    /// Which.
    pub events: Option<Placed<Vec<Placed<String>>>>,
}

impl NotifyTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            url: reader.string("url"),
            format: reader.choice("format", &[("json", WrittenForm::Json), ("ntfy", WrittenForm::Ntfy)]),
            events: reader.list("events"),
        }
    }
}

/// `[storage]`
#[derive(Clone, Debug, Default)]
pub struct StorageTable {
    /// How long the audit trail goes back.
    pub retention: Option<Placed<Duration>>,
}

impl StorageTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self { retention: reader.duration("retention") }
    }
}
