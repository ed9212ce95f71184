//! Reads one table of gateway.toml key by key. It remembers what it was asked for, so that whatever remains is an unknown
//! key, and it collects complaints instead of stopping at the first.
//!
//! Not serde: a derived `Deserialize` stops at the first fault and cannot say which other keys there are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::base::units;
use crate::base::units::BadQuantity;
use crate::config::complaint::{Code, Complaint};
use crate::config::environment::Environment;
use crate::config::guess;
use crate::config::later;
use crate::config::nearest::nearest;
use crate::config::placed::{Place, Placed};
use crate::config::renamed;
use crate::config::secret::Scalar;

/// What reading brings to light besides values.
#[derive(Debug, Default)]
pub struct Findings {
    /// Faults of shape.
    pub complaints: Vec<Complaint>,
    /// Every key that was asked for, written or not, as in the reference: `app.rule.path`.
    pub asked: BTreeSet<String>,
    /// Keys outside of lists that hold one value, and what they take.
    pub scalars: BTreeMap<String, Scalar>,
    /// Where secrets are written plainly.
    pub hidden: Vec<Place>,
    /// Variables that hold secrets.
    pub variables: BTreeSet<String>,
    /// What secrets in variables are read from.
    pub environment: Environment,
}

/// Reads one table.
pub struct Reader<'a> {
    table: Option<&'a DeTable<'a>>,
    place: Place,
    path: String,
    asked: Vec<&'static str>,
    missing: Vec<Missing>,
    findings: &'a mut Findings,
}

/// What has to be written and is not. It is said at the end, unless one of the keys turns out to be there, misspelt.
struct Missing {
    keys: &'static [&'static str],
    complaint: Complaint,
}

/// Why a value is not what was asked for.
enum Misfit {
    /// It is of another type.
    Type,
    /// It is complained about already, or by this.
    Complaint(Box<Complaint>),
}

impl<'a> Reader<'a> {
    /// Reads the root of a document.
    pub fn root(table: &'a DeTable<'a>, findings: &'a mut Findings) -> Self {
        Self { table: Some(table), place: 0..0, path: String::new(), asked: Vec::new(), missing: Vec::new(), findings }
    }

    /// Where the table is written: its header, or the whole of an inline table.
    pub fn place(&self) -> Place {
        self.place.clone()
    }

    /// A text.
    pub fn string(&mut self, key: &'static str) -> Option<Placed<String>> {
        self.speaks(key, Scalar::Text);
        self.read(key, "a string", |value, _| value.as_str().map(str::to_owned).ok_or(Misfit::Type))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &'static str) -> Option<Placed<bool>> {
        self.speaks(key, Scalar::Boolean);
        self.read(key, "true or false", |value, _| value.as_bool().ok_or(Misfit::Type))
    }

    /// `true`, `false`, or a text.
    pub fn switch_or_text(&mut self, key: &'static str) -> Option<Placed<Result<bool, String>>> {
        self.read(key, "true, false or a string", |value, _| match (value.as_bool(), value.as_str()) {
            (Some(switch), _) => Ok(Ok(switch)),
            (None, Some(text)) => Ok(Err(text.to_owned())),
            (None, None) => Err(Misfit::Type),
        })
    }

    /// A span of time such as `"90s"`.
    pub fn duration(&mut self, key: &'static str) -> Option<Placed<Duration>> {
        self.speaks(key, Scalar::Text);
        self.read(key, "a duration such as \"90s\"", duration)
    }

    /// A span of time, or the word that stands for none.
    pub fn duration_or(&mut self, key: &'static str, none: &str) -> Option<Placed<Option<Duration>>> {
        self.speaks(key, Scalar::Text);
        let wanted = format!("a duration such as \"90s\", or \"{none}\"");
        self.read(key, &wanted, |value, place| match value.as_str() {
            Some(word) if word == none => Ok(None),
            _ => duration(value, place).map(Some),
        })
    }

    /// A size in bytes such as `"64KiB"`, or the word that stands for none.
    pub fn size_or(&mut self, key: &'static str, none: &str) -> Option<Placed<Option<u64>>> {
        self.speaks(key, Scalar::Text);
        let wanted = format!("a size such as \"64KiB\", or \"{none}\"");
        self.read(key, &wanted, |value, place| match value.as_str() {
            Some(word) if word == none => Ok(None),
            _ => size(value, place).map(Some),
        })
    }

    /// A whole number from `least` to `most`.
    pub fn integer(&mut self, key: &'static str, least: u64, most: u64) -> Option<Placed<u64>> {
        self.speaks(key, Scalar::Number);
        self.read(key, "a whole number", |value, place| {
            let number = number(value).ok_or(Misfit::Type)?;
            match u64::try_from(number) {
                Ok(number) if (least..=most).contains(&number) => Ok(number),
                Ok(_) | Err(_) => Err(Misfit::from(
                    Complaint::new(Code::E0206, place, format!("`{key}` is out of range"))
                        .label(format!("must be from {least} to {most}")),
                )),
            }
        })
    }

    /// One of a few words (or numbers, written without quotes).
    pub fn choice<T: Copy>(&mut self, key: &'static str, choices: &[(&'static str, T)]) -> Option<Placed<T>> {
        let words = choices.iter().map(|(word, _)| *word);
        let numeric = words.clone().all(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        self.speaks(key, if numeric { Scalar::Number } else { Scalar::Text });
        let listed: Vec<String> = words.clone().map(|word| if numeric { word.into() } else { format!("\"{word}\"") }).collect();
        let listed = listed.join(" or ");
        self.read(key, &listed, |value, place| {
            let written = match numeric {
                true => number(value).map(|number| number.to_string()),
                false => value.as_str().map(str::to_owned),
            };
            let written = written.ok_or(Misfit::Type)?;
            if let Some((_, meaning)) = choices.iter().find(|(word, _)| *word == written) {
                return Ok(*meaning);
            }
            let complaint = Complaint::new(Code::E0206, place, format!("`{key}` cannot be {}", quoted(&written)));
            Err(Misfit::from(match nearest(&written, words.clone()).filter(|_| !numeric) {
                Some(word) => complaint.label(format!("did you mean \"{word}\"?")).fix(format!("\"{word}\"")),
                None => complaint.label(format!("must be {listed}")),
            }))
        })
    }

    /// A list of texts.
    pub fn list(&mut self, key: &'static str) -> Option<Placed<Vec<Placed<String>>>> {
        let found = self.find(key)?;
        let place = found.span();
        match found.get_ref() {
            DeValue::Array(items) => Some(Placed::new(self.texts(key, items), place)),
            DeValue::String(_) => {
                let quoted = format!("\"{}\"", found.get_ref().as_str().unwrap_or_default());
                let key = self.full(key);
                let complaint = Complaint::new(Code::E0201, &place, format!("`{key}` must be a list, not a single string"));
                self.complain(complaint.label("put it in brackets").fix(format!("[{quoted}]")).key(key));
                None
            }
            other => {
                self.wrong_type(key, "a list of strings", other, &place);
                None
            }
        }
    }

    /// One text or a list of them; nothing if the key is absent.
    pub fn one_or_many(&mut self, key: &'static str) -> Option<Vec<Placed<String>>> {
        let found = self.find(key)?;
        match found.get_ref() {
            DeValue::String(text) => Some(vec![Placed::new(text.to_string(), found.span())]),
            DeValue::Array(items) => Some(self.texts(key, items)),
            other => {
                self.wrong_type(key, "a string or a list of strings", other, &found.span());
                None
            }
        }
    }

    /// A table. An absent one is read as an empty one, so that its keys are asked for all the same.
    pub fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Reader<'_>) -> T) -> T {
        let found = self.find(key);
        let table = found.and_then(|found| match found.get_ref() {
            DeValue::Table(table) => Some((table, found.span())),
            other => {
                let header = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
                self.wrong_type(key, &format!("a table, written [{header}]"), other, &found.span());
                None
            }
        });
        let (table, place) = table.map_or((None, 0..0), |(table, place)| (Some(table), place));
        self.nested(key, table, place, read)
    }

    /// A list of tables, written `[[key]]` or inline.
    pub fn tables<T>(&mut self, key: &'static str, mut read: impl FnMut(&mut Reader<'_>) -> T) -> Vec<T> {
        self.entries(key, "a list of tables", |_| None, &mut read)
    }

    /// A list whose entries are texts or tables.
    pub fn entries<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        mut text: impl FnMut(Placed<String>) -> Option<T>,
        mut table: impl FnMut(&mut Reader<'_>) -> T,
    ) -> Vec<T> {
        let mut entries = Vec::new();
        let Some(found) = self.find(key) else { return entries };
        let DeValue::Array(items) = found.get_ref() else {
            self.wrong_type(key, wanted, found.get_ref(), &found.span());
            return entries;
        };
        for item in items {
            let entry = match item.get_ref() {
                DeValue::Table(inner) => Some(self.nested(key, Some(inner), item.span(), &mut table)),
                DeValue::String(written) => text(Placed::new(written.to_string(), item.span())),
                _ => None,
            };
            match entry {
                Some(entry) => entries.push(entry),
                None => self.wrong_type(key, wanted, item.get_ref(), &item.span()),
            }
        }
        entries
    }

    /// Complains that a key has to be written, unless it or another of `keys` is (if wrongly). The first names them all.
    pub fn demand(&mut self, keys: &'static [&'static str], because: &str, example: &str) {
        let Some(key) = keys.first().filter(|_| keys.iter().all(|key| self.written(key).is_none())) else { return };
        let name = if self.path.is_empty() { "the file".into() } else { header(&self.path) };
        let complaint = Complaint::new(Code::E0202, &self.place, format!("{name} has no `{key}`"))
            .label(because)
            .help(format!("add `{example}`"))
            .key(self.full(key));
        self.missing.push(Missing { keys, complaint });
    }

    /// Where a key's value is written, if it is.
    pub fn written(&self, key: &str) -> Option<Place> {
        self.table.and_then(|table| table.get(key)).map(Spanned::span)
    }

    /// Remembers that a variable may speak for a key. There is none for keys in lists.
    pub fn speaks(&mut self, key: &str, scalar: Scalar) {
        if self.path != "app" && !self.path.starts_with("app.") && self.path != "auth.totp.configuration" {
            let full = self.full(key);
            self.findings.scalars.insert(full, scalar);
        }
    }

    /// Remembers that a secret stands here.
    pub fn hide(&mut self, place: &Place) {
        self.findings.hidden.push(place.clone());
    }

    /// The environment.
    pub fn environment(&self) -> &Environment {
        &self.findings.environment
    }

    /// Remembers that a variable holds a secret.
    pub fn names_variable(&mut self, name: &str) {
        self.findings.variables.insert(name.to_owned());
    }

    /// Adds a complaint.
    pub fn complain(&mut self, complaint: Complaint) {
        self.findings.complaints.push(complaint);
    }

    /// Complains about every key that nobody asked for, and about what is missing and not among them under a misspelt name.
    pub fn finish(self) {
        let mut meant = Vec::new();
        for (key, _) in self.table.into_iter().flatten() {
            if !self.asked.iter().any(|asked| *asked == key.get_ref()) {
                let complaint = unknown(&self.path, key, &self.asked);
                meant.extend(complaint.fix.as_ref().map(|fix| fix.replace.clone()));
                self.findings.complaints.push(complaint);
            }
        }
        let is_meant = |key: &&str| meant.iter().any(|meant| meant == key);
        let missing = self.missing.into_iter().filter(|missing| !missing.keys.iter().any(is_meant));
        self.findings.complaints.extend(missing.map(|missing| missing.complaint));
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        wanted: &str,
        convert: impl FnOnce(&DeValue<'_>, &Place) -> Result<T, Misfit>,
    ) -> Option<Placed<T>> {
        let found = self.find(key)?;
        let place = found.span();
        match convert(found.get_ref(), &place) {
            Ok(value) => Some(Placed::new(value, place)),
            Err(Misfit::Type) => {
                self.wrong_type(key, wanted, found.get_ref(), &place);
                None
            }
            Err(Misfit::Complaint(complaint)) => {
                let key = self.full(key);
                self.complain(complaint.key(key));
                None
            }
        }
    }

    /// A key's value as the parser gives it.
    pub fn find(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        let full = self.full(key);
        self.findings.asked.insert(full);
        self.table.and_then(|table| table.get(key))
    }

    fn nested<T>(
        &mut self,
        key: &'static str,
        table: Option<&DeTable<'_>>,
        place: Place,
        read: impl FnOnce(&mut Reader<'_>) -> T,
    ) -> T {
        let path = self.full(key);
        let mut reader = Reader { table, place, path, asked: Vec::new(), missing: Vec::new(), findings: self.findings };
        let value = read(&mut reader);
        reader.finish();
        value
    }

    fn texts(&mut self, key: &'static str, items: &[Spanned<DeValue<'_>>]) -> Vec<Placed<String>> {
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::String(text) => texts.push(Placed::new(text.to_string(), item.span())),
                other => self.wrong_type(key, "strings", other, &item.span()),
            }
        }
        texts
    }

    /// Complains that a value is of another type than `wanted`.
    pub fn wrong_type(&mut self, key: &str, wanted: &str, found: &DeValue<'_>, place: &Place) {
        let key = self.full(key);
        let complaint = Complaint::new(Code::E0201, place, format!("`{key}` must be {wanted}"))
            .label(format!("this is {}", with_article(found.type_str())))
            .key(key);
        if let Some(word) = meant_by(found, wanted) {
            return self.complain(complaint.help(format!("write \"{word}\"")).fix(format!("\"{word}\"")));
        }
        let bare = match found {
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Float(number) => Some(number.to_string()),
            DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
        };
        let quotable = bare.filter(|bare| wanted.contains("string") || wanted.contains(&format!("\"{bare}\"")));
        self.complain(match quotable {
            Some(bare) => complaint.help(format!("write it in quotes: \"{bare}\"")).fix(format!("\"{bare}\"")),
            None => complaint,
        });
    }

    /// A key as in the reference: `app.rule.path`.
    pub fn full(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl From<Complaint> for Misfit {
    fn from(complaint: Complaint) -> Self {
        Self::Complaint(Box::new(complaint))
    }
}

fn unknown(path: &str, key: &Spanned<std::borrow::Cow<'_, str>>, asked: &[&'static str]) -> Complaint {
    let name = key.get_ref();
    let (whose, full) = match path {
        "" => ("at the top of the file".to_owned(), name.to_string()),
        path => (format!("in {}", header(path)), format!("{path}.{name}")),
    };
    if let Some(other) = renamed::name(path, name) {
        let complaint = Complaint::new(Code::E0205, &key.span(), format!("{} {whose} has another name", quoted(name))).key(full);
        return complaint.label(format!("it is called `{other}` here")).fix(other);
    }
    let complaint = Complaint::new(Code::E0203, &key.span(), format!("unknown key {} {whose}", quoted(name))).key(full);
    if later::is_reserved(path, name) {
        return complaint.label("not in this version yet").help("remove it; a later version will know it");
    }
    match nearest(name, asked.iter().copied()) {
        Some(meant) => complaint.label(format!("did you mean `{meant}`?")).fix(meant),
        None => complaint.label("no such key").help(format!("known here: {}", asked.join(", "))),
    }
}

/// A table's name as people write it.
fn header(path: &str) -> String {
    match path {
        "app" | "app.rule" | "expect" | "auth.totp.configuration" => format!("[[{path}]]"),
        "app.redirect" => "an entry of `redirect`".into(),
        "app.bypass" => "an entry of `bypass`".into(),
        path => format!("[{path}]"),
    }
}

/// What somebody wrote, shortened to what fits a line.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

fn with_article(kind: &str) -> String {
    format!("{} {kind}", if kind.starts_with(['a', 'i']) { "an" } else { "a" })
}

/// The word for `true` or `false` where one of a few words is wanted and "off" is among them: `false` is off, `true` what comes
/// first.
fn meant_by<'a>(found: &DeValue<'_>, wanted: &'a str) -> Option<&'a str> {
    let on = found.as_bool().filter(|_| wanted.contains(" or \"off\""))?;
    if on { wanted.split('"').nth(1) } else { Some("off") }
}

fn number(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    // Numbers beyond 64 bits are out of every range we have.
    Some(i64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i64::MAX))
}

fn duration(value: &DeValue<'_>, place: &Place) -> Result<Duration, Misfit> {
    quantity(value, place, units::duration, ("s", "ms, s, m, h or d"))
}

fn size(value: &DeValue<'_>, place: &Place) -> Result<u64, Misfit> {
    quantity(value, place, units::size, ("MiB", "B, KiB, MiB, GiB or TiB"))
}

fn quantity<T>(
    value: &DeValue<'_>,
    place: &Place,
    parse: fn(&str) -> Result<T, BadQuantity>,
    (unit, units): (&str, &str),
) -> Result<T, Misfit> {
    let written = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            return Err(Misfit::Type);
        }
    };
    let complaint = |message: String| Complaint::new(Code::E0204, place, message);
    match parse(&written) {
        // A number in quotes is wanted; a bare one never has a unit.
        Ok(value) => Ok(value),
        Err(reason @ BadQuantity::NoUnit) => {
            let meant = format!("\"{written}{unit}\"");
            let complaint = complaint(format!("{} {reason}", quoted(&written)));
            Err(complaint.label(format!("did you mean `{written}{unit}`?")).fix(meant).into())
        }
        Err(reason @ (BadQuantity::Malformed | BadQuantity::TooLarge)) => {
            let complaint = complaint(format!("{} {reason}", quoted(&written)));
            Err(Misfit::from(match guess::quantity(&written).filter(|guess| parse(guess).is_ok()) {
                Some(guess) => complaint.label(format!("did you mean `{guess}`?")).fix(format!("\"{guess}\"")),
                None => complaint.label(format!("a whole number with one of {units}")),
            }))
        }
    }
}
