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

/// How the line of a request looks, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenAccess {
    /// `"json"`
    Json,
    /// `"combined"`
    Combined,
    /// `"common"`
    Common,
    /// `"off"`
    Off,
}

/// Which part of client addresses is logged, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenAddress {
    /// `"full"`
    Full,
    /// `"truncate"`
    Truncate,
}

/// `[log]`
#[derive(Clone, Debug, Default)]
pub struct LogTable {
    /// Least severity of a line.
    pub level: Option<Placed<&'static str>>,
    /// How lines look.
    pub format: Option<Placed<WrittenFormat>>,
    /// How the line of a request looks.
    pub access: Option<Placed<WrittenAccess>>,
    /// Where access lines go.
    pub file: Option<Placed<String>>,
    /// Query parameters whose values are never written.
    pub redact_query: Option<Placed<Vec<Placed<String>>>>,
    /// Which part of client addresses is logged.
    pub client_ip: Option<Placed<WrittenAddress>>,
}

impl LogTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let formats = [("auto", WrittenFormat::Auto), ("text", WrittenFormat::Text), ("json", WrittenFormat::Json)];
        let accesses = [
            ("json", WrittenAccess::Json),
            ("combined", WrittenAccess::Combined),
            ("common", WrittenAccess::Common),
            ("off", WrittenAccess::Off),
        ];
        let addresses = [("full", WrittenAddress::Full), ("truncate", WrittenAddress::Truncate)];
        Self {
            level: reader.choice("level", &["error", "warn", "info", "debug", "trace"].map(|level| (level, level))),
            format: reader.choice("format", &formats),
            access: reader.choice("access", &accesses),
            file: reader.string("file"),
            redact_query: reader.list("redact_query"),
            client_ip: reader.choice("client_ip", &addresses),
        }
    }
}
