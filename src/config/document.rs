//! The root of gateway.toml as written.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::base::secret::Secret;
use crate::config::acme::AcmeTable;
use crate::config::app::AppTable;
use crate::config::auth::AuthTable;
use crate::config::complaint;
use crate::config::complaint::{Code, Complaint};
use crate::config::environment::Environment;
use crate::config::expect::ExpectTable;
use crate::config::listen::ListenTable;
use crate::config::log::LogTable;
use crate::config::notify::{NotifyTable, StorageTable};
use crate::config::overrides::{Known, Override};
use crate::config::placed::{Place, Placed};
use crate::config::reader::{Findings, Reader};
use crate::config::secret;
use crate::config::session::SessionTable;
use crate::config::source::{Consulted, Origin, Source, Text};
use crate::config::syntax;
use crate::config::tls::TlsTable;
use crate::config::ui::UiTable;

/// Longest text read: a configuration a thousand times the usual size.
pub const MAX_BYTES: usize = 1024 * 1024;

/// gateway.toml as written. A key that is absent, or whose value has the wrong shape, is `None`; the latter has a complaint.
#[derive(Clone, Debug)]
pub struct Document {
    /// The folder that relative paths are relative to; empty for text that comes from no file.
    pub directory: PathBuf,
    /// Where each included file begins, and its folder.
    included: Vec<(usize, PathBuf)>,
    /// What was read to get it.
    pub consulted: Consulted,
    /// Where secrets are written plainly.
    pub hidden: Vec<Place>,
    /// Variables that hold secrets.
    pub variables: BTreeSet<String>,
    /// `include`
    pub include: Vec<Placed<String>>,
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
    /// `[acme]`
    pub acme: AcmeTable,
    /// `[session]`
    pub session: SessionTable,
    /// `[auth]`
    pub auth: AuthTable,
    /// `[[app]]`
    pub apps: Vec<AppTable>,
    /// `[[expect]]`
    pub expects: Vec<ExpectTable>,
    /// `[log]`
    pub log: LogTable,
    /// `[notify]`
    pub notify: NotifyTable,
    /// `[storage]`
    pub storage: StorageTable,
    /// `[ui]`
    pub ui: UiTable,
    /// Faults of shape. They are kept beside the values so that compiling can report everything at once.
    pub complaints: Vec<Complaint>,
}

/// What is said outside of the texts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outside<'a> {
    /// Variables that speak for keys.
    pub overrides: &'a [Override],
    /// The environment, for secrets that stand in it.
    pub environment: Option<&'a Environment>,
}

impl Document {
    /// Where a written path leads: a relative one begins in the folder of the file that it is written in.
    pub fn resolve(&self, written: &Placed<String>) -> PathBuf {
        self.directory_of(&written.place).join(&written.value)
    }

    /// Does without the secrets that could not be read, and no longer complains about them.
    pub fn forgo_secrets(&mut self) {
        self.complaints.retain(|complaint| complaint.code != Code::E0301);
        for (_, written) in self.apps.iter_mut().flat_map(|app| &mut app.request_headers.set) {
            written.value.get_or_insert_with(|| Secret::new("unknown".to_owned()));
        }
        if let Some(written) = &mut self.acme.dns.secret {
            // In base64, sixteen bytes and more: it passes for a key.
            written.value.get_or_insert_with(|| Secret::new("unknown".repeat(4)));
        }
        for (name, written) in &mut self.acme.dns.credentials {
            written.value.get_or_insert_with(|| Secret::new(stand_in(&name.value).to_owned()));
        }
        for written in [&mut self.acme.eab.hmac_key, &mut self.acme.fallback_eab.hmac_key].into_iter().flatten() {
            written.value.get_or_insert_with(|| Secret::new("unknown".to_owned()));
        }
    }

    /// The folder of the file in which something is written.
    pub fn directory_of(&self, place: &Place) -> &Path {
        let included = self.included.iter().rfind(|(start, _)| *start <= place.start);
        included.map_or(&self.directory, |(_, directory)| directory)
    }
}

/// What passes for a provider's credential of that name.
fn stand_in(name: &str) -> &'static str {
    match name {
        "private_key" => "-----BEGIN",
        "service_account" => "{",
        "url" => "https://unknown.invalid",
        "endpoint" => "ovh-eu",
        _ => "unknown",
    }
}

/// Reads the text of a gateway.toml that comes from no file: it can include none.
///
/// # Errors
/// Complaints about text that is not TOML; then nothing else is said. Faults of shape are in [`Document::complaints`].
pub fn parse(text: &str) -> Result<Document, Vec<Complaint>> {
    let source = Source::unnamed("gateway.toml", text.to_owned());
    let (mut document, _) = read(&source, Outside::default())?;
    if let Some(pattern) = document.include.first() {
        let complaint = Complaint::new(Code::E0111, &pattern.place, "only a file can include others").key("include");
        document.complaints.push(complaint.label("this text comes from no file, so there is no folder to look in"));
    }
    Ok(document)
}

/// Reads all texts of a configuration as one document.
///
/// # Errors
/// As [`parse`].
pub fn assemble(source: &Source, outside: Outside<'_>) -> Result<Document, Vec<Complaint>> {
    read(source, outside).map(|(document, _)| document)
}

/// The patterns of `include`, as far as they can be read.
pub fn patterns(text: &str) -> Vec<Placed<String>> {
    let (root, _) = DeTable::parse_recoverable(text);
    Reader::root(root.get_ref(), &mut Findings::default()).list("include").map(|list| list.value).unwrap_or_default()
}

/// Every key this version knows, as in the reference: `app.rule.path`.
pub fn known_keys() -> BTreeSet<String> {
    known().keys
}

/// Every key, and those that a variable may speak for.
pub fn known() -> Known {
    // Tables in lists are read only where there is one.
    let source = Source::unnamed(
        "",
        "[[app]]\nredirect = [{}]\nbypass = [{}]\n[[app.rule]]\n[[expect]]\n[[auth.totp.configuration]]\n".to_owned(),
    );
    let findings = read(&source, Outside::default()).map(|(_, findings)| findings).unwrap_or_default();
    Known { scalars: findings.scalars, keys: findings.asked }
}

fn read(source: &Source, outside: Outside<'_>) -> Result<(Document, Findings), Vec<Complaint>> {
    let mut findings = Findings { environment: outside.environment.cloned().unwrap_or_default(), ..Findings::default() };
    let mut root = merged(source, &mut findings.complaints)?;
    for spoken in outside.overrides {
        spoken.apply(&mut root);
    }
    secret::told(&root, &mut findings.hidden);
    let mut reader = Reader::root(&root, &mut findings);
    let mut document = Document {
        directory: source.main().directory.clone(),
        included: files(source).skip(1).map(|text| (text.start, text.directory.clone())).collect(),
        consulted: Consulted::default(),
        hidden: Vec::new(),
        variables: BTreeSet::new(),
        include: reader.list("include").map(|list| list.value).unwrap_or_default(),
        name: reader.string("name"),
        portal: reader.string("portal"),
        data_dir: reader.string("data_dir"),
        listen: reader.table("listen", ListenTable::read),
        tls: reader.table("tls", TlsTable::read),
        acme: reader.table("acme", AcmeTable::read),
        session: reader.table("session", SessionTable::read),
        auth: reader.table("auth", AuthTable::read),
        apps: reader.tables("app", AppTable::read),
        expects: reader.tables("expect", ExpectTable::read),
        log: reader.table("log", LogTable::read),
        notify: reader.table("notify", NotifyTable::read),
        storage: reader.table("storage", StorageTable::read),
        ui: reader.table("ui", UiTable::read),
        complaints: Vec::new(),
    };
    reader.finish();
    complaint::sort(&mut findings.complaints);
    document.complaints = std::mem::take(&mut findings.complaints);
    document.hidden = std::mem::take(&mut findings.hidden);
    document.variables = std::mem::take(&mut findings.variables);
    Ok((document, findings))
}

fn files(source: &Source) -> impl Iterator<Item = &Text> {
    source.texts().iter().filter(|text| matches!(text.origin, Origin::File { .. }))
}

/// The file and those it includes as one table, with places in the numbering that they share.
fn merged<'a>(source: &'a Source, complaints: &mut Vec<Complaint>) -> Result<DeTable<'a>, Vec<Complaint>> {
    let parsed: Vec<_> = files(source).map(|text| (text, syntax::parse(text))).collect();
    let faults: Vec<Complaint> = parsed.iter().filter_map(|(_, parsed)| parsed.as_ref().err().cloned()).flatten().collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut tables = parsed.into_iter().filter_map(|(_, parsed)| parsed.ok());
    let mut root = tables.next().unwrap_or_default();
    for table in tables {
        include(&mut root, table, complaints);
    }
    Ok(root)
}

/// Adds the apps of an included file to those of the file that includes it.
fn include<'a>(root: &mut DeTable<'a>, included: DeTable<'a>, complaints: &mut Vec<Complaint>) {
    for (key, value) in included {
        let place = value.span();
        match (key.get_ref().as_ref(), value.into_inner()) {
            ("app", DeValue::Array(apps)) => {
                let all = root.entry(Spanned::new(key.span(), Cow::Borrowed("app")));
                let all = all.or_insert_with(|| Spanned::new(place, DeValue::Array(DeArray::new())));
                // Where something else stands there, that is complained about.
                if let DeValue::Array(all) = all.as_mut() {
                    apps.into_iter().for_each(|app| all.push(app));
                }
            }
            ("app", _) => complaints
                .push(Complaint::new(Code::E0201, &place, "`app` must be a list of tables").label("write [[app]]").key("app")),
            (name, _) => {
                let complaint = Complaint::new(Code::E0203, &key.span(), format!("`{name}` does not belong in an included file"));
                let complaint = complaint.label("only [[app]] does").key(name);
                complaints.push(complaint.help("write it in the file that includes this one: then nothing has to be merged"));
            }
        }
    }
}
