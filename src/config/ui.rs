//! `[ui]`

use crate::config::placed::Placed;
use crate::config::reader::Reader;

/// `[ui]`
#[derive(Clone, Debug, Default)]
pub struct UiTable {
    /// Whom people may turn to.
    pub support: Option<Placed<String>>,
}

impl UiTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self { support: reader.string("support") }
    }
}
