//! `app.request_headers` and `app.response_headers`

use crate::config::placed::Placed;
use crate::config::reader::Reader;
use crate::config::secret::WrittenSecret;

/// What is changed about the headers of one direction.
#[derive(Clone, Debug, Default)]
pub struct HeadersTable {
    /// Names and values; a value may be a secret that stands elsewhere.
    pub set: Vec<(Placed<String>, WrittenSecret)>,
    /// Names.
    pub remove: Vec<Placed<String>>,
}

impl HeadersTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self { set: reader.secrets("set"), remove: reader.list("remove").map(|list| list.value).unwrap_or_default() }
    }
}
