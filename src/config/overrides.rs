//! Variables that speak for keys: `DOORWARD_SESSION_IDLE_TIMEOUT` for `session.idle_timeout`, and with `_FILE` behind it for the file
//! that holds the value. Lists and tables, `[[app]]` above all, cannot be given so; a variable that speaks for nothing is an error,
//! because whoever set it believes that it does.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::complaint::{Code, Complaint};
use crate::config::environment::{Environment, PREFIX};
use crate::config::later;
use crate::config::nearest::nearest;
use crate::config::placed::Place;
use crate::config::secret::{self, Scalar};
use crate::config::source::{Consulted, Origin, Source, Text};

/// Ours, and not for keys: what tests are told by, and what Kubernetes and container links set for a service called "doorward".
const RESERVED: [&str; 4] = ["DOORWARD_MASTER_KEY", "DOORWARD_MASTER_KEY_FILE", "DOORWARD_TESTS", "DOORWARD_PORT"];
/// And all that begin so.
const RESERVED_PREFIXES: [&str; 3] = ["DOORWARD_TEST_", "DOORWARD_SERVICE_", "DOORWARD_PORT_"];
const FILE: &str = "_FILE";
/// Lists of tables, of now and of later versions.
const LISTS: [&str; 3] = ["app", "oidc", "expect"];

/// What variables may say.
#[derive(Clone, Debug)]
pub struct Known {
    /// Keys outside of lists that hold one value.
    pub scalars: BTreeMap<String, Scalar>,
    /// All keys.
    pub keys: BTreeSet<String>,
}

/// A variable that speaks for a key.
#[derive(Clone, Debug)]
pub struct Override {
    /// The key: `session.idle_timeout`.
    pub key: String,
    place: Place,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    String(String),
    Number(String),
    Boolean(bool),
    /// The value is in this file, and what reads it knows how to handle that.
    File(String),
}

/// What the environment says.
#[derive(Debug, Default)]
pub struct Said {
    /// Variables that speak for keys.
    pub overrides: Vec<Override>,
    /// Variables that say nothing we know, each with the complaint about it: it may still be one that holds a secret.
    pub unknown: Vec<(String, Complaint)>,
    /// What else is wrong.
    pub complaints: Vec<Complaint>,
}

/// Reads what variables say into `source`, each as a text of its own.
pub fn read(environment: &Environment, known: &Known, source: &mut Source, consulted: &mut Consulted) -> Said {
    let mut said = Said::default();
    let mut spoken: BTreeMap<&str, Place> = BTreeMap::new();
    let variables: BTreeMap<String, &str> = known.scalars.keys().map(|key| (variable(key), key.as_str())).collect();
    for (name, value) in environment.ours() {
        let shown = name.to_string_lossy().into_owned();
        if is_reserved(&shown) {
            continue;
        }
        let direct = variables.get(&shown).copied();
        let by_file = shown.strip_suffix(FILE).and_then(|name| variables.get(name)).copied().filter(|_| direct.is_none());
        let Some(key) = direct.or(by_file) else {
            let place = source.add(text(&shown, shown.clone(), None, false));
            said.unknown.push((shown.clone(), unknown(&shown, &place, known, &variables)));
            continue;
        };
        let Some(value) = value.to_str() else {
            let place = source.add(text(&shown, shown.clone(), Some(key), false));
            said.complaints.push(Complaint::new(Code::E0103, &place, format!("the value of `{shown}` is not UTF-8")).key(key));
            continue;
        };
        let place = source.add(text(&shown, value.to_owned(), Some(key), by_file.is_some()));
        if let Some(first) = spoken.insert(key, place.clone()) {
            let complaint = Complaint::new(Code::E0310, &place, format!("two variables speak for `{key}`")).label("this one");
            said.complaints.push(complaint.also(&first, "and this one").help("keep one of the two").key(key));
            continue;
        }
        let scalar = known.scalars[key];
        match value_of(scalar, value, by_file.is_some(), &source.main().directory.clone(), consulted) {
            Ok(value) => said.overrides.push(Override { key: key.to_owned(), place, value }),
            Err(reason) => {
                let complaint = Complaint::new(Code::E0301, &place, format!("`{shown}` names a file without a value"));
                said.complaints.push(complaint.label(reason).key(key));
            }
        }
    }
    said
}

fn text(variable: &str, text: String, key: Option<&str>, by_file: bool) -> Text {
    let origin = Origin::Variable { key: key.map(str::to_owned), by_file };
    Text::new(format!("environment variable {variable}"), PathBuf::new(), text, origin)
}

fn value_of(scalar: Scalar, written: &str, by_file: bool, directory: &Path, consulted: &mut Consulted) -> Result<Value, String> {
    let written = match (by_file, scalar) {
        (true, Scalar::SecretFile) => return Ok(Value::File(written.to_owned())),
        (true, Scalar::Text | Scalar::Number | Scalar::Boolean) => {
            let path = directory.join(written);
            consulted.files.push(path.clone());
            secret::content(&path)?.0.expose().clone()
        }
        (false, _) => written.to_owned(),
    };
    Ok(match (scalar, written.as_str()) {
        (Scalar::Boolean, "true") => Value::Boolean(true),
        (Scalar::Boolean, "false") => Value::Boolean(false),
        // Longer ones are out of every range and stay texts, which no number may be.
        (Scalar::Number, digits) if digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let significant = digits.trim_start_matches('0');
            Value::Number(if significant.is_empty() { "0".to_owned() } else { significant.to_owned() })
        }
        (Scalar::Text | Scalar::Number | Scalar::Boolean | Scalar::SecretFile, _) => Value::String(written),
    })
}

fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The variable that speaks for a key.
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "_"))
}

fn unknown(name: &str, place: &Place, known: &Known, variables: &BTreeMap<String, &str>) -> Complaint {
    let begins = |key: &str| name == variable(key) || name.starts_with(&(variable(key) + "_"));
    let named = |key: &&String| name == variable(key) || name.strip_suffix(FILE) == Some(&variable(key));
    if let Some(list) = LISTS.iter().find(|list| begins(list)) {
        let complaint = Complaint::new(Code::E0315, place, format!("`{name}` cannot speak for [[{list}]]"));
        let complaint = complaint.label("a variable holds one value, and this is a list of tables");
        return complaint.help("write a file of its own for what differs, and name it in `include`");
    }
    if let Some(key) = known.keys.iter().find(named) {
        let complaint = Complaint::new(Code::E0315, place, format!("`{name}` cannot speak for `{key}`")).key(key.as_str());
        let complaint = complaint.label("a variable holds one value, and this is a list or a table");
        return complaint.help("write it in gateway.toml");
    }
    let complaint = Complaint::new(Code::E0203, place, format!("`{name}` speaks for no key"));
    if later::tables().any(begins) {
        return complaint.label("not in this version yet").help("unset it; a later version will know it");
    }
    match nearest(name, variables.keys().map(String::as_str)) {
        Some(meant) => complaint.label(format!("did you mean `{meant}`?")),
        None => {
            complaint.label("no such key").help("unset it: variables that begin with DOORWARD_ speak for keys of gateway.toml")
        }
    }
}

impl Override {
    /// Puts the value where the key is written, or would be. Where something else than a table is in the way, that is
    /// complained about instead.
    pub fn apply<'a>(&'a self, root: &mut DeTable<'a>) {
        let mut table = root;
        let mut parts = self.key.split('.').peekable();
        while let Some(part) = parts.next() {
            let key = || Spanned::new(self.place.clone(), Cow::Borrowed(part));
            if parts.peek().is_none() {
                table.remove(part);
                table.insert(key(), Spanned::new(self.place.clone(), self.value()));
                return;
            }
            if table.get(part).is_none() {
                table.insert(key(), Spanned::new(self.place.clone(), DeValue::Table(DeTable::new())));
            }
            match table.get_mut(part).map(Spanned::as_mut) {
                Some(DeValue::Table(next)) => table = next,
                Some(_) | None => return,
            }
        }
    }

    fn value(&self) -> DeValue<'_> {
        match &self.value {
            Value::String(text) => DeValue::String(Cow::Borrowed(text)),
            Value::Boolean(value) => DeValue::Boolean(*value),
            Value::Number(digits) => DeValue::parse(digits).map_or(DeValue::Boolean(false), Spanned::into_inner),
            Value::File(path) => {
                let key = Spanned::new(self.place.clone(), Cow::Borrowed("file"));
                let value = Spanned::new(self.place.clone(), DeValue::String(Cow::Borrowed(path)));
                DeValue::Table([(key, value)].into_iter().collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document;

    #[test]
    fn every_key_has_a_variable_of_its_own_and_none_that_is_reserved() {
        let known = document::known();
        let names: BTreeSet<String> = known.scalars.keys().map(|key| variable(key)).collect();
        assert_eq!(names.len(), known.scalars.len());
        assert!(known.scalars.len() > 15 && known.scalars.keys().all(|key| !key.starts_with("app")));
        for name in &names {
            assert!(!is_reserved(name), "{name}");
            assert!(!names.contains(&format!("{name}{FILE}")), "{name}: which of the two is meant?");
        }
    }

    #[test]
    fn a_reserved_name_with_a_slip_in_it_is_not_left_alone() {
        for name in
            ["DOORWARD_MASTER_KEY", "DOORWARD_MASTER_KEY_FILE", "DOORWARD_PORT", "DOORWARD_PORT_443_TCP", "DOORWARD_TEST_KILLS"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["DOORWARD_MASTER_KEYS", "DOORWARD_MASTERKEY", "DOORWARD_PORTAL", "DOORWARD_TESTSX"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
