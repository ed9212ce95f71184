//! The file and what it names: the only part of this room that touches the disk.

use std::fs::File;
use std::io;
use std::io::Read;
use std::path::Path;

use crate::config::complaint::{Code, Complaint};
use crate::config::document;
use crate::config::document::{Document, MAX_BYTES};
use crate::config::placed::Placed;
use crate::config::report::Report;
use crate::config::source::Source;
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
    let bytes = read(path, MAX_BYTES).map_err(|fault| unread(path, &fault))?;
    if bytes.len() > MAX_BYTES {
        return Err(Unread::Unfit(refusal(
            path,
            Complaint::without_place(Code::E0110, "the configuration is larger than 1 MiB"),
        )));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::of_file(path, text)),
        Err(fault) => Err(Unread::Unfit(not_utf8(path, fault.as_bytes(), fault.utf8_error().valid_up_to()))),
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

/// A configuration file's text as a document.
///
/// # Errors
/// As [`document::parse`].
pub fn document(source: &Source) -> Result<Document, Vec<Complaint>> {
    let mut document = document::parse(&source.text)?;
    document.directory.clone_from(&source.directory);
    Ok(document)
}

/// Complaints about the files that a document names, as far as reading them tells: `check` asks for this, as nothing else about
/// the world is its business. Whether a key belongs to its certificate is found out where certificates are loaded.
pub fn named_files(document: &Document) -> Vec<Complaint> {
    let pairs = std::iter::once(("tls", &document.tls.pair)).chain(document.apps.iter().map(|app| ("app", &app.pair)));
    let mut faults: Vec<Complaint> = pairs.flat_map(|(table, pair)| faults_of(pair, &document.directory, table)).collect();
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
            Some(fault_of(*written, &document.directory, marker)?.key(format!("app.upstream_tls.{key}")))
        }));
    }
    faults
}

fn faults_of(pair: &WrittenPair, directory: &Path, table: &str) -> Vec<Complaint> {
    // Half a pair is complained about as such.
    if pair.certificate.is_none() || pair.private_key.is_none() {
        return Vec::new();
    }
    let certificate = fault_of(pair.certificate.as_ref(), directory, "CERTIFICATE-----");
    let private_key = fault_of(pair.private_key.as_ref(), directory, "PRIVATE KEY-----");
    certificate
        .map(|fault| fault.key(format!("{table}.certificate")))
        .into_iter()
        .chain(private_key.map(|fault| fault.key(format!("{table}.private_key"))))
        .collect()
}

fn fault_of(written: Option<&Placed<String>>, directory: &Path, marker: &str) -> Option<Complaint> {
    let written = written?;
    let path = directory.join(&written.value);
    let complaint = |message: String| Complaint::new(Code::E0509, &written.place, message);
    match read(&path, MAX_BYTES) {
        Err(fault) => Some(complaint(format!("cannot read `{}`: {fault}", path.display()))),
        Ok(bytes) => {
            let pem = bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
            let told = format!("a PEM file has a line that ends in `{marker}`");
            (!pem).then(|| complaint(format!("`{}` is not what it should be", path.display())).label(told))
        }
    }
}

/// At most one byte more than `most`, so that a file without end is not read to its end.
fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let mut bytes = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
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
    Report::new(Source::of_file(path, text), vec![complaint.help("save the file as UTF-8")])
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
    }

    #[test]
    fn files_that_a_document_names_are_tried() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("gateway.toml");
        std::fs::write(folder.path().join("key.pem"), "-----BEGIN CERTIFICATE-----\n").expect("written");
        std::fs::write(&path, "[tls]\ncertificate = \"none.pem\"\nprivate_key = \"key.pem\"\n").expect("written");
        let read = document(&source(&path).expect("a source")).expect("a document");
        let faults = named_files(&read);
        assert_eq!(faults.iter().map(|fault| fault.code).collect::<Vec<_>>(), [Code::E0509, Code::E0509]);
    }
}
