//! Values that are secret: written plainly, or kept elsewhere as `{ file = … }`, `{ env = … }`, `{ credential = … }`.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::secret::Secret;
use crate::config::complaint::{Code, Complaint};
use crate::config::nearest::nearest;
use crate::config::open;
use crate::config::placed::{Place, Placed};
use crate::config::reader::Reader;

/// Longest secret in bytes. A header's value is far shorter, a chain of certificates is not a secret.
const MOST: usize = 64 * 1024;
const FORMS: [&str; 3] = ["file", "env", "credential"];

/// A value that is secret, as written.
#[derive(Clone, Debug)]
pub struct WrittenSecret {
    /// Where.
    pub place: Place,
    /// How.
    pub form: Form,
    /// The value itself; `None` until it is read from its file, or where it cannot be had.
    pub value: Option<Secret<String>>,
}

/// How a secret is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Plain,
    /// `{ file = … }`, or where systemd put a credential.
    File(PathBuf),
    /// `{ env = … }`
    Variable(String),
}

/// A secret that stands in a file.
enum Kept {
    File(PathBuf),
    Variable(String),
}

impl Reader<'_> {
    /// A table whose keys are the owner's own and whose values may be secrets.
    pub fn secrets(&mut self, key: &'static str) -> Vec<(Placed<String>, WrittenSecret)> {
        let mut secrets = Vec::new();
        let Some(found) = self.find(key) else { return secrets };
        let DeValue::Table(table) = found.get_ref() else {
            // It may have been meant as a secret.
            self.hide(&found.span());
            self.wrong_type(key, "a table of strings", found.get_ref(), &found.span());
            return secrets;
        };
        for (name, value) in table {
            if let Some(secret) = self.written_secret(key, value) {
                secrets.push((Placed::new(name.get_ref().to_string(), name.span()), secret));
            }
        }
        secrets
    }

    /// A secret.
    pub fn secret(&mut self, key: &'static str) -> Option<WrittenSecret> {
        let found = self.find(key)?;
        self.written_secret(key, found)
    }

    fn written_secret(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<WrittenSecret> {
        let place = value.span();
        match value.get_ref() {
            DeValue::String(text) => {
                self.hide(&place);
                Some(WrittenSecret { place, form: Form::Plain, value: Some(Secret::new(text.to_string())) })
            }
            DeValue::Table(table) => match self.kept(key, table, &place)? {
                Kept::File(path) => Some(WrittenSecret { place, form: Form::File(path), value: None }),
                Kept::Variable(name) => {
                    let value = self.variable(key, &name, &place);
                    Some(WrittenSecret { place, form: Form::Variable(name), value })
                }
            },
            other => {
                // Whatever it is, it may have been meant as a secret: it is neither shown nor proposed in quotes.
                self.hide(&place);
                let complaint = Complaint::new(Code::E0201, &place, format!("`{}` must hold strings", self.full(key)));
                let complaint = complaint.label(format!("this is of type {}", other.type_str())).key(self.full(key));
                self.complain(complaint.help("write it in quotes, or as { file = \"…\" }"));
                None
            }
        }
    }

    /// The path of a file whose content is secret: as such, `{ file = … }` or `{ credential = … }`.
    pub fn secret_file(&mut self, key: &'static str) -> Option<Placed<String>> {
        let found = self.find(key)?;
        self.speaks(key, Scalar::SecretFile);
        let place = found.span();
        match found.get_ref() {
            DeValue::String(path) => Some(Placed::new(path.to_string(), place)),
            DeValue::Table(table) => match self.kept(key, table, &place)? {
                Kept::File(path) => Some(Placed::new(path.display().to_string(), place)),
                Kept::Variable(_) => {
                    let complaint =
                        Complaint::new(Code::E0201, &place, format!("`{}` cannot stand in a variable", self.full(key)));
                    let complaint = complaint.label("it is read again when it changes, and a variable never does");
                    self.complain(complaint.help("write { file = \"…\" } or { credential = \"…\" }").key(self.full(key)));
                    None
                }
            },
            other => {
                self.wrong_type(key, "the path of a file, as a string or { file = \"…\" }", other, &place);
                None
            }
        }
    }

    /// Where `{ file = … }`, `{ env = … }` or `{ credential = … }` says a secret is.
    fn kept(&mut self, key: &str, table: &DeTable<'_>, place: &Place) -> Option<Kept> {
        let full = self.full(key);
        let mut forms = Vec::new();
        for (name, value) in table {
            let Some(form) = FORMS.iter().find(|form| **form == name.get_ref()) else {
                let complaint =
                    Complaint::new(Code::E0203, &name.span(), format!("unknown key `{}` in a secret", name.get_ref()));
                self.complain(match nearest(name.get_ref(), FORMS) {
                    Some(meant) => complaint.label(format!("did you mean `{meant}`?")).fix(meant),
                    None => complaint.label("no such key").help("known here: file, env, credential"),
                });
                return None;
            };
            match value.get_ref().as_str().filter(|text| !text.is_empty() && !text.contains('\0')) {
                Some(text) => forms.push((*form, text.to_owned(), value.span())),
                None => {
                    let complaint = Complaint::new(Code::E0201, &value.span(), format!("`{form}` names where a secret is"));
                    self.complain(complaint.label("a string that is not empty").key(full));
                    return None;
                }
            }
        }
        forms.sort_by_key(|(_, _, place)| place.start);
        let mut forms = forms.into_iter();
        match (forms.next(), forms.next()) {
            (None, _) => {
                let complaint = Complaint::new(Code::E0202, place, "this says nothing of where the secret is").key(full);
                self.complain(complaint.help("write one of { file = \"…\" }, { env = \"…\" }, { credential = \"…\" }"));
                None
            }
            (Some((_, _, first)), Some((_, _, second))) => {
                let complaint = Complaint::new(Code::E0310, &second, "a secret has two places").label("and here");
                self.complain(complaint.also(&first, "it is here").help("keep one of the two").key(full));
                None
            }
            (Some(("file", path, _)), None) => Some(Kept::File(PathBuf::from(path))),
            (Some(("env", name, _)), None) => Some(Kept::Variable(name)),
            (Some((_, name, at)), None) => self.credential(&name, &at, full).map(Kept::File),
        }
    }

    /// The file of a credential (systemd.exec(5), `LoadCredential=`).
    fn credential(&mut self, name: &str, place: &Place, key: String) -> Option<PathBuf> {
        let complaint = Complaint::new(Code::E0301, place, "this credential cannot be read").key(key);
        if name.contains('/') || matches!(name, "." | "..") {
            self.complain(complaint.label("a name alone, as in `LoadCredential=name:/path`"));
            return None;
        }
        let Some(folder) = self.environment().credentials() else {
            let complaint = complaint.label("$CREDENTIALS_DIRECTORY is not set");
            self.complain(
                complaint.help("systemd sets it for a unit with `LoadCredential=`; elsewhere name a file with { file = … }"),
            );
            return None;
        };
        Some(folder.join(name))
    }

    fn variable(&mut self, key: &str, name: &str, place: &Place) -> Option<Secret<String>> {
        self.names_variable(name);
        let refused = match self.environment().value(name).map(|value| value.to_str()) {
            Some(Some(value)) => return Some(Secret::new(value.to_owned())),
            Some(None) => "its value is not UTF-8",
            None => "it is not set, or empty",
        };
        let complaint = Complaint::new(Code::E0301, place, format!("the variable `{name}` holds no secret")).label(refused);
        self.complain(complaint.help("set it where the gateway is started").key(self.full(key)));
        None
    }
}

impl WrittenSecret {
    /// Reads the secret from its file, if it stands in one. Complaints never say what the file holds.
    pub fn read(&mut self, directory: &Path, files: &mut Vec<PathBuf>) -> Vec<Complaint> {
        let Form::File(path) = &self.form else { return Vec::new() };
        let path = directory.join(path);
        files.push(path.clone());
        let mut complaints = Vec::new();
        match content(&path) {
            Ok((value, world_readable)) => {
                self.value = Some(value);
                if world_readable {
                    complaints.push(world_readable_file(&self.place, &path));
                }
            }
            Err(reason) => {
                let complaint = Complaint::new(Code::E0301, &self.place, format!("no secret in `{}`", path.display()));
                complaints
                    .push(complaint.label(reason).help("the file holds the secret and nothing else, readable by the gateway"));
            }
        }
        complaints
    }
}

/// A warning of a secret file that everybody may read.
pub fn world_readable_file(place: &Place, path: &Path) -> Complaint {
    let complaint = Complaint::new(Code::W0312, place, format!("everybody on this machine may read `{}`", path.display()));
    complaint.help(format!("chmod o-rwx {}", path.display()))
}

/// What a secret file holds, without one line end behind it, and whether everybody may read it.
///
/// # Errors
/// Why there is no secret in it.
pub fn content(path: &Path) -> Result<(Secret<String>, bool), String> {
    let opened = open::regular(path, MOST).map_err(|fault| fault.to_string())?;
    let world_readable = opened.is_world_readable();
    let bytes = Secret::new(opened.bytes);
    if bytes.expose().len() > MOST {
        return Err("it is larger than 64 KiB".to_owned());
    }
    let text = std::str::from_utf8(bytes.expose()).map_err(|_| "it is not UTF-8".to_owned())?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    Ok((Secret::new(text.to_owned()), world_readable))
}

/// What a key outside of lists takes, where a variable may speak for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A string, a duration or a size.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// The path of a file whose content is secret.
    SecretFile,
}

/// Whether a name is one that usually has a secret for its value: a header's, or that of a key which is misspelt, stands in the
/// wrong table or belongs to another program.
pub fn is_telling(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let last = name.rsplit(['-', '_']).next().unwrap_or_default();
    let words = ["authorization", "key", "apikey", "token", "secret", "password", "passwd", "signature"];
    words.contains(&last) && name != "private_key"
}

/// Whether what a name says is never shown: secrets, and the addresses of webhooks, whose paths are as good as passwords.
fn is_hidden(name: &str) -> bool {
    is_telling(name) || ["url", "webhook"].iter().any(|hidden| name.eq_ignore_ascii_case(hidden))
}

/// Where telling names have texts for their values.
pub fn told(table: &DeTable<'_>, places: &mut Vec<Place>) {
    for (key, value) in table {
        told_by(Some(key.get_ref()), value, places);
    }
}

fn told_by(key: Option<&str>, value: &Spanned<DeValue<'_>>, places: &mut Vec<Place>) {
    match value.get_ref() {
        DeValue::Table(inner) => told(inner, places),
        DeValue::Array(items) => items.iter().for_each(|item| told_by(key, item, places)),
        _ if key.is_some_and(is_hidden) => places.push(value.span()),
        // A key, or a document that holds one, where nobody looks for one.
        DeValue::String(text) if ["-----BEGIN", "private_key"].iter().any(|part| text.contains(part)) => {
            places.push(value.span())
        }
        _ => {}
    }
}

/// What follows a telling name on its line, in a text that is not TOML, so that nobody knows where values are.
pub fn suspected(text: &str) -> Vec<Place> {
    let mut places = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
        let names = line.split(|letter: char| !is_part(letter)).filter(|name| is_hidden(name));
        let end = names.map(|name| name.as_ptr().addr() - line.as_ptr().addr() + name.len()).min();
        if let Some(end) = end {
            // What holds the line together stays, because that is where the fault may be.
            let secret = |letter: char| is_part(letter) || !letter.is_ascii();
            let letters = line[end..].char_indices().filter(|(_, letter)| secret(*letter));
            places.extend(letters.map(|(at, letter)| start + end + at..start + end + at + letter.len_utf8()));
        }
        start += line.len();
    }
    places
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn one_line_end_is_not_part_of_a_secret_and_an_empty_file_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        for (bytes, expected) in [
            (&b"hunter2\n"[..], Ok("hunter2")),
            (b"hunter2\r\n", Ok("hunter2")),
            (b"hunter2", Ok("hunter2")),
            (b"a\n\n", Ok("a\n")),
            (b"", Err("it is empty")),
            (b"\n", Err("it is empty")),
            (b"\xff", Err("it is not UTF-8")),
            (&[b'x'; MOST + 1], Err("it is larger than 64 KiB")),
        ] {
            fs::write(&path, bytes).expect("written");
            let read = content(&path).map(|(secret, _)| secret.expose().clone());
            assert_eq!(read.as_deref(), expected.map_err(str::to_owned).as_deref(), "{:?}", &bytes[..bytes.len().min(9)]);
        }
        assert!(content(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_file_that_everybody_may_read_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        fs::write(&path, "hunter2").expect("written");
        for (mode, expected) in [(0o600, false), (0o640, false), (0o644, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            assert_eq!(content(&path).expect("read").1, expected, "{mode:o}");
        }
    }

    #[test]
    fn a_line_that_is_no_toml_shows_nothing_behind_a_telling_name() {
        let text = "a = 1\nX-Api-Key ? \"hun-ter2ä\", b\npath = x\nurl = 'ntfy' junk\n";
        let mut shown = text.to_owned();
        for place in suspected(text).into_iter().rev() {
            shown.replace_range(place.clone(), &"*".repeat(place.len()));
        }
        assert_eq!(shown, "a = 1\nX-Api-Key ? \"**********\", *\npath = x\nurl = '****' ****\n");
    }

    #[test]
    fn headers_that_carry_secrets_are_known_by_their_last_word() {
        for (name, telling) in
            [("Authorization", true), ("X-Api-Key", true), ("x_auth_token", true), ("Accept", false), ("X-Keyboard", false)]
        {
            assert_eq!(is_telling(name), telling, "{name}");
        }
    }
}
