//! `app.websocket`

use std::time::Duration;

use crate::config::placed::Placed;
use crate::config::reader::Reader;

/// `app.websocket`
#[derive(Clone, Debug, Default)]
pub struct WebSocketTable {
    /// Whether the app gets any.
    pub enabled: Option<Placed<bool>>,
    /// Whose pages may open one.
    pub allowed_origins: Option<Placed<Vec<Placed<String>>>>,
    /// Longest life; zero is for ever.
    pub max_lifetime: Option<Placed<Duration>>,
    /// Longest silence; zero allows any.
    pub idle_timeout: Option<Placed<Duration>>,
}

impl WebSocketTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            enabled: reader.boolean("enabled"),
            allowed_origins: reader.list("allowed_origins"),
            max_lifetime: reader.duration("max_lifetime"),
            idle_timeout: reader.duration("idle_timeout"),
        }
    }
}
