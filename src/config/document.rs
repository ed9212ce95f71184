//! The root of gateway.toml as written.

use std::collections::BTreeSet;
use std::path::PathBuf;

use toml::de::DeTable;

use crate::config::app::AppTable;
use crate::config::auth::AuthTable;
use crate::config::complaint;
use crate::config::complaint::Complaint;
use crate::config::listen::ListenTable;
use crate::config::log::LogTable;
use crate::config::notify::{NotifyTable, StorageTable};
use crate::config::placed::Placed;
use crate::config::reader::{Findings, Reader};
use crate::config::session::SessionTable;
use crate::config::syntax;
use crate::config::tls::TlsTable;

/// Longest text read: a configuration a thousand times the usual size.
pub const MAX_BYTES: usize = 1024 * 1024;

/// gateway.toml as written. A key that is absent, or whose value has the wrong shape, is `None`; the latter has a complaint.
#[derive(Clone, Debug)]
pub struct Document {
    /// The folder that relative paths are relative to; empty for text that comes from no file.
    pub directory: PathBuf,
    /// `name`
    pub name: Option<Placed<String>>,
    /// `portal`
    pub portal: Option<Placed<String>>,
    /// `data_dir`
    pub data_dir: Option<Placed<String>>,
    /// `[listen]`
    pub listen: ListenTable,
    /// `[tls]`
    pub tls: TlsTable,
    /// `[session]`
    pub session: SessionTable,
    /// `[auth]`
    pub auth: AuthTable,
    /// `[[app]]`
    pub apps: Vec<AppTable>,
    /// `[log]`
    pub log: LogTable,
    /// `[notify]`
    pub notify: NotifyTable,
    /// `[storage]`
    pub storage: StorageTable,
    /// Faults of shape. They are kept beside the values so that compiling can report everything at once.
    pub complaints: Vec<Complaint>,
}

/// Reads the text of a gateway.toml.
///
/// # Errors
/// Complaints about text that is not TOML; then nothing else is said. Faults of shape are in [`Document::complaints`].
pub fn parse(text: &str) -> Result<Document, Vec<Complaint>> {
    read(text).map(|(document, _)| document)
}

/// Every key this version knows, as in the reference: `app.rule.path`.
pub fn known_keys() -> BTreeSet<String> {
    // Tables in lists are read only where there is one.
    let text = "[[app]]\nredirect = [{}]\nbypass = [{}]\n[[app.rule]]\n";
    read(text).map(|(_, asked)| asked).unwrap_or_default()
}

fn read(text: &str) -> Result<(Document, BTreeSet<String>), Vec<Complaint>> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        return Err(syntax::complaints(text, &errors));
    }
    let mut findings = Findings::default();
    let mut reader = Reader::root(root.get_ref(), &mut findings);
    let mut document = Document {
        directory: PathBuf::new(),
        name: reader.string("name"),
        portal: reader.string("portal"),
        data_dir: reader.string("data_dir"),
        listen: reader.table("listen", ListenTable::read),
        tls: reader.table("tls", TlsTable::read),
        session: reader.table("session", SessionTable::read),
        auth: reader.table("auth", AuthTable::read),
        apps: reader.tables("app", AppTable::read),
        log: reader.table("log", LogTable::read),
        notify: reader.table("notify", NotifyTable::read),
        storage: reader.table("storage", StorageTable::read),
        complaints: Vec::new(),
    };
    reader.finish();
    complaint::sort(&mut findings.complaints);
    document.complaints = findings.complaints;
    Ok((document, findings.asked))
}
