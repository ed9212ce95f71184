//! `[tls]`

use crate::config::placed::Placed;
use crate::config::reader::Reader;

/// A version of TLS as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenVersion {
    /// `"1.2"`
    V1_2,
    /// `"1.3"`
    V1_3,
}

/// `[tls]`
#[derive(Clone, Debug, Default)]
pub struct TlsTable {
    /// The oldest version spoken.
    pub min_version: Option<Placed<WrittenVersion>>,
    /// A certificate for hosts without one of their own.
    pub pair: WrittenPair,
}

/// `certificate` and `private_key`, in `[tls]` or an app.
#[derive(Clone, Debug, Default)]
pub struct WrittenPair {
    /// The chain's file.
    pub certificate: Option<Placed<String>>,
    /// The key's file.
    pub private_key: Option<Placed<String>>,
}

impl TlsTable {
    /// Reads the table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            min_version: reader.choice("min_version", &[("1.2", WrittenVersion::V1_2), ("1.3", WrittenVersion::V1_3)]),
            pair: WrittenPair::read(reader),
        }
    }
}

impl WrittenPair {
    /// Reads the two keys of a table.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let (certificate, private_key) = (reader.string("certificate"), reader.secret_file("private_key"));
        // What is written and cannot be read is complained about; that the other lacks it then is no second fault.
        let is_unread = |key: &str, read: bool| reader.written(key).is_some() && !read;
        if is_unread("certificate", certificate.is_some()) || is_unread("private_key", private_key.is_some()) {
            return Self::default();
        }
        Self { certificate, private_key }
    }
}
