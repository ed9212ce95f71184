//! The file and what it names: reads each once, so that what was judged is what is run.

use std::io;
use std::path::Path;

use crate::config::complaint;
use crate::config::complaint::{Code, Complaint};
use crate::config::document;
use crate::config::document::{Document, MAX_BYTES, Outside};
use crate::config::environment::Environment;
use crate::config::include;
use crate::config::open;
use crate::config::overrides;
use crate::config::placed::Placed;
use crate::config::report::Report;
use crate::config::secret;
use crate::config::secret::{Form, WrittenSecret};
use crate::config::source::{Consulted, Origin, Source};
use crate::config::tls::WrittenPair;

/// Why a configuration file gives no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is missing, a folder, too large or not UTF-8.
    Unfit(Report),
    /// This user may not read it; nothing is known of what it says.
    Denied(Report),
}

impl Unread {
    /// What is said about it.
    pub fn into_report(self) -> Report {
        match self {
            Self::Unfit(report) | Self::Denied(report) => report,
        }
    }
}

/// Reads a configuration file as text.
///
/// # Errors
/// A report that says why there is none.
pub fn source(path: &Path) -> Result<Source, Unread> {
    let opened = open::any(path, MAX_BYTES).map_err(|fault| unread(path, &fault))?;
    let (identity, private) = (opened.identity(), opened.is_private());
    if opened.bytes.len() > MAX_BYTES {
        return Err(Unread::Unfit(refusal(
            path,
            Complaint::without_place(Code::E0110, "the configuration is larger than 1 MiB"),
        )));
    }
    match String::from_utf8(opened.bytes) {
        Ok(text) => Ok(Source::of_known_file(path, text, identity, private)),
        Err(fault) => Err(Unread::Unfit(not_utf8(path, fault.as_bytes(), fault.utf8_error().valid_up_to()))),
    }
}

/// A text that stands for a file: one that is about to be written there, perhaps. Who may read it is asked of what is there.
pub fn in_place_of(path: &Path, text: String) -> Source {
    match path.metadata() {
        Ok(metadata) => Source::of_known_file(path, text, open::identity(&metadata), open::is_private(&metadata)),
        Err(_) => Source::of_file(path, text),
    }
}

fn unread(path: &Path, fault: &io::Error) -> Unread {
    let complaint = Complaint::without_place(Code::E0110, format!("cannot read the configuration: {fault}"));
    match fault.kind() {
        io::ErrorKind::NotFound => Unread::Unfit(refusal(path, complaint.help("name the file with `--config PATH`"))),
        io::ErrorKind::PermissionDenied => {
            Unread::Denied(refusal(path, complaint.help("let this user read the file and enter the folders above it")))
        }
        _ => Unread::Unfit(refusal(path, complaint)),
    }
}

fn refusal(path: &Path, complaint: Complaint) -> Report {
    Report::new(Source::of_file(path, String::new()), vec![complaint])
}

/// Reads all that belongs to a configuration: the files it includes, the variables that speak for it, and its secrets.
///
/// # Errors
/// A report of text that is not TOML; then nothing else is said. All other faults are in [`Document::complaints`].
pub fn whole(mut source: Source, environment: &Environment) -> Result<(Source, Document), Box<Report>> {
    let mut consulted = Consulted::default();
    let patterns = document::patterns(&source.main().text);
    let mut complaints = include::read(&patterns, &mut source, &mut consulted);
    if complaints.iter().any(|complaint| complaint.code == Code::E0103) {
        source.hide_suspected();
        return Err(Box::new(Report::new(source, complaints).after(consulted)));
    }
    let said = overrides::read(environment, &document::known(), &mut source, &mut consulted);
    let outside = Outside { overrides: &said.overrides, environment: Some(environment) };
    let mut document = match document::assemble(&source, outside) {
        Ok(document) => document,
        Err(faults) => {
            source.hide_suspected();
            return Err(Box::new(Report::new(source, faults).after(consulted)));
        }
    };
    complaints.extend(said.complaints);
    let holds_secret = |name: &str| document.variables.contains(name);
    complaints.extend(said.unknown.into_iter().filter(|(name, _)| !holds_secret(name)).map(|(_, complaint)| complaint));
    complaints.extend(secrets(&mut document, &source, &mut consulted));
    document.consulted = consulted;
    document.complaints.extend(complaints);
    complaint::sort(&mut document.complaints);
    source.hide(&document.hidden);
    Ok((source, document))
}

/// Reads the secrets that stand in files of their own, and warns of those that stand where others may read them.
fn secrets(document: &mut Document, source: &Source, consulted: &mut Consulted) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut apps = std::mem::take(&mut document.apps);
    for (name, written) in apps.iter_mut().flat_map(|app| &mut app.request_headers.set) {
        let (known, called) = (secret::is_telling(&name.value), format!("`{}`", name.value));
        let found = secret(written, (known, &called), (document, source), consulted);
        complaints.extend(found.into_iter().map(|fault| fault.key("app.request_headers")));
    }
    document.apps = apps;
    let mut acme = std::mem::take(&mut document.acme);
    for (key, called, written) in [
        ("acme.dns.secret", "`secret`", &mut acme.dns.secret),
        ("acme.eab.hmac_key", "`hmac_key`", &mut acme.eab.hmac_key),
        ("acme.fallback_eab.hmac_key", "`hmac_key`", &mut acme.fallback_eab.hmac_key),
    ] {
        let found = written.as_mut().map(|written| secret(written, (true, called), (document, source), consulted));
        complaints.extend(found.into_iter().flatten().map(|fault| fault.key(key)));
    }
    for (name, written) in &mut acme.dns.credentials {
        let (known, called) = (secret::is_telling(&name.value), format!("`{}`", name.value));
        let found = secret(written, (known, &called), (document, source), consulted);
        complaints.extend(found.into_iter().map(|fault| fault.key("acme.dns.credentials")));
    }
    document.acme = acme;
    complaints
}

/// Reads one secret. `known` tells whether what it is `called` is a secret for certain.
fn secret(
    written: &mut WrittenSecret,
    (known, called): (bool, &str),
    (document, source): (&Document, &Source),
    consulted: &mut Consulted,
) -> Vec<Complaint> {
    let mut complaints = written.read(document.directory_of(&written.place), &mut consulted.files);
    let text = source.text_at(written.place.start);
    let open = matches!(text.origin, Origin::File { private: false, .. });
    if written.form == Form::Plain && open && known {
        let message = format!("the value of {called} stands where others may read it");
        let complaint = Complaint::new(Code::W0311, &written.place, message).label("seems to be a secret");
        let help = format!("write {{ file = \"…\" }} and put it there, or close this file: chmod 600 {}", text.name);
        complaints.push(complaint.help(help));
    }
    complaints
}

/// Complaints about the files that a document names, as far as reading them tells: `check` asks for this, as nothing else about
/// the world is its business. Whether a key belongs to its certificate is found out where certificates are loaded.
pub fn named_files(document: &Document) -> Vec<Complaint> {
    let pairs = std::iter::once(("tls", &document.tls.pair)).chain(document.apps.iter().map(|app| ("app", &app.pair)));
    let mut faults: Vec<Complaint> = pairs.flat_map(|(table, pair)| faults_of(pair, document, table)).collect();
    for (key, ca) in [("acme.ca_file", &document.acme.ca_file), ("acme.dns.ca_file", &document.acme.dns.ca_file)] {
        let fault = ca.as_ref().and_then(|written| fault_of(written, document, "CERTIFICATE-----", false));
        faults.extend(fault.map(|fault| fault.key(key)));
    }
    for app in &document.apps {
        let tls = &app.upstream_tls;
        // Half a pair is complained about as such.
        let pair = tls.client_cert.as_ref().zip(tls.client_key.as_ref());
        let files = [
            (tls.ca.as_ref(), "CERTIFICATE-----", "ca"),
            (pair.map(|pair| pair.0), "CERTIFICATE-----", "client_cert"),
            (pair.map(|pair| pair.1), "PRIVATE KEY-----", "client_key"),
        ];
        faults.extend(files.iter().filter_map(|(written, marker, key)| {
            let fault = fault_of((*written)?, document, marker, *key == "client_key")?;
            Some(fault.key(format!("app.upstream_tls.{key}")))
        }));
    }
    faults
}

fn faults_of(pair: &WrittenPair, document: &Document, table: &str) -> Vec<Complaint> {
    // Half a pair is complained about as such.
    let (Some(certificate), Some(private_key)) = (&pair.certificate, &pair.private_key) else { return Vec::new() };
    let certificate = fault_of(certificate, document, "CERTIFICATE-----", false);
    let private_key = fault_of(private_key, document, "PRIVATE KEY-----", true);
    certificate
        .map(|fault| fault.key(format!("{table}.certificate")))
        .into_iter()
        .chain(private_key.map(|fault| fault.key(format!("{table}.private_key"))))
        .collect()
}

fn fault_of(written: &Placed<String>, document: &Document, marker: &str, is_secret: bool) -> Option<Complaint> {
    let path = document.resolve(written);
    let complaint = |message: String| Complaint::new(Code::E0509, &written.place, message);
    match open::regular(&path, MAX_BYTES) {
        Err(fault) => Some(complaint(format!("cannot read `{}`: {fault}", path.display()))),
        Ok(opened) => {
            let pem = opened.bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
            let told = format!("a PEM file has a line that ends in `{marker}`");
            match pem {
                false => Some(complaint(format!("`{}` is not what it should be", path.display())).label(told)),
                true => (is_secret && opened.is_world_readable()).then(|| secret::world_readable_file(&written.place, &path)),
            }
        }
    }
}

fn not_utf8(path: &Path, bytes: &[u8], valid: usize) -> Report {
    let text = String::from_utf8_lossy(bytes).into_owned();
    // Up to the fault the text is the file; there stands a replacement character now.
    let place = valid..(valid + char::REPLACEMENT_CHARACTER.len_utf8()).min(text.len());
    let complaint = Complaint::new(Code::E0103, &place, "the file is not UTF-8").label("this byte is no UTF-8");
    let complaint = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => complaint.note("it looks like UTF-16"),
        _ => complaint,
    };
    let mut source = Source::of_file(path, text);
    source.hide_suspected();
    Report::new(source, vec![complaint.help("save the file as UTF-8")])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<Source, Unread>) -> Code {
        let report = result.expect_err("a report").into_report();
        assert!(report.human(false).contains("nothing was applied"));
        report.complaints[0].code
    }

    #[test]
    fn a_file_that_is_missing_a_folder_or_endless_is_said_to_be_so() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(code(source(&folder.path().join("gateway.toml"))), Code::E0110);
        assert_eq!(code(source(folder.path())), Code::E0110);
        let path = folder.path().join("big.toml");
        std::fs::write(&path, vec![b'#'; MAX_BYTES + 1]).expect("written");
        assert_eq!(code(source(&path)), Code::E0110);
    }

    /// Root may read everything, so the fault is made, not met.
    #[test]
    fn a_file_that_is_closed_to_us_is_told_apart() {
        let fault = |kind| unread(Path::new("gateway.toml"), &io::Error::from(kind));
        assert!(matches!(fault(io::ErrorKind::PermissionDenied), Unread::Denied(_)));
        assert!(matches!(fault(io::ErrorKind::NotFound), Unread::Unfit(_)));
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_pointed_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gateway.toml");
        std::fs::write(&path, b"name = \"Caf\xe9\"\n").expect("written");
        let report = source(&path).expect_err("a report").into_report();
        assert_eq!(report.complaints[0].code, Code::E0103);
        assert_eq!(report.complaints[0].place.as_ref().map(|place| place.start), Some(11));
        std::fs::write(&path, b"\xff\xfen\0").expect("written");
        let report = source(&path).expect_err("a report").into_report();
        assert!(report.human(false).contains("UTF-16"));
        // A secret on the line of the fault stays one.
        std::fs::write(&path, b"request_headers = { set = { Authorization = \"Bearer hunter2\" } }\xff\n").expect("written");
        let report = source(&path).expect_err("a report").into_report();
        assert!(!report.human(false).contains("hunter2"), "{}", report.human(false));
    }

    #[test]
    fn files_that_a_document_names_are_tried() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gateway.toml");
        std::fs::write(folder.path().join("key.pem"), "-----BEGIN CERTIFICATE-----\n").expect("written");
        std::fs::write(&path, "[tls]\ncertificate = \"none.pem\"\nprivate_key = \"key.pem\"\n").expect("written");
        let (_, read) = whole(source(&path).expect("a source"), &Environment::default()).expect("a document");
        let faults = named_files(&read);
        assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), [Code::E0509, Code::E0509]);
    }
}
