//! `[[app.rule]]`, and the entries of `redirect` and `bypass`.

use std::time::Duration;

use crate::config::auth;
use crate::config::placed::{Place, Placed};
use crate::config::reader::Reader;
use crate::model::strength::Strength;

/// What a rule says, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrittenAction {
    /// `"require"`
    Require,
    /// `"bypass"`
    Bypass,
    /// `"deny"`
    Deny,
    /// `"redirect"`
    Redirect,
}

/// `[[app.rule]]`, or an entry of `bypass` written as a table.
#[derive(Clone, Debug)]
pub struct RuleTable {
    /// The header.
    pub place: Place,
    /// Paths it speaks of.
    pub paths: Vec<Placed<String>>,
    /// The same as a regular expression.
    pub path_regex: Option<Placed<String>>,
    /// Methods it speaks of.
    pub methods: Option<Placed<Vec<Placed<String>>>>,
    /// Client networks it speaks of.
    pub networks: Option<Placed<Vec<Placed<String>>>>,
    /// What it says.
    pub action: Option<Placed<WrittenAction>>,
    /// What it asks of visitors.
    pub require: Option<Placed<Strength>>,
    /// Whom it lets in.
    pub allow: Option<Placed<Vec<Placed<String>>>>,
    /// How long ago a proof may be; the inner `None` is `"off"`.
    pub max_age: Option<Placed<Option<Duration>>>,
    /// Where it sends.
    pub to: Option<Placed<String>>,
    /// And with which status.
    pub status: Option<Placed<u64>>,
    /// Largest request body; the inner `None` is `"none"`.
    pub body_limit: Option<Placed<Option<u64>>>,
    /// Why it is there.
    pub reason: Option<Placed<String>>,
}

/// An entry of `bypass`.
#[derive(Clone, Debug)]
pub enum BypassEntry {
    /// A path alone.
    Path(Placed<String>),
    /// With limits.
    Table(Box<RuleTable>),
}

/// An entry of `redirect`.
#[derive(Clone, Debug)]
pub struct RedirectTable {
    /// The entry.
    pub place: Place,
    /// Which path.
    pub from: Option<Placed<String>>,
    /// Where it is sent.
    pub to: Option<Placed<String>>,
    /// With which status.
    pub status: Option<Placed<u64>>,
}

impl RuleTable {
    /// Reads `[[app.rule]]`.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let actions = [
            ("require", WrittenAction::Require),
            ("bypass", WrittenAction::Bypass),
            ("deny", WrittenAction::Deny),
            ("redirect", WrittenAction::Redirect),
        ];
        let paths = reader.one_or_many("path");
        let path_regex = reader.string("path_regex");
        reader.demand(&["path", "path_regex"], "which paths does it speak of?", "path = \"/**\"");
        Self {
            place: reader.place(),
            paths: paths.unwrap_or_default(),
            path_regex,
            methods: reader.list("methods"),
            networks: reader.list("networks"),
            action: reader.choice("action", &actions),
            require: auth::strength(reader),
            allow: reader.list("allow"),
            max_age: reader.duration_or("max_age", "off"),
            to: reader.string("to"),
            status: reader.integer("status", 100, 599),
            body_limit: reader.size_or("body_limit", "none"),
            reason: reader.string("reason"),
        }
    }

    /// Reads an entry of `bypass`.
    pub fn read_bypass(reader: &mut Reader<'_>) -> Self {
        let paths = reader.one_or_many("path");
        reader.demand(&["path"], "which paths are open?", "path = \"/health\"");
        let place = reader.place();
        Self {
            paths: paths.unwrap_or_default(),
            path_regex: None,
            methods: reader.list("methods"),
            networks: reader.list("networks"),
            action: Some(Placed::new(WrittenAction::Bypass, place.clone())),
            require: None,
            allow: None,
            max_age: None,
            to: None,
            status: None,
            body_limit: reader.size_or("body_limit", "none"),
            reason: reader.string("reason"),
            place,
        }
    }
}

impl RedirectTable {
    /// Reads an entry.
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let redirect = Self {
            place: reader.place(),
            from: reader.string("from"),
            to: reader.string("to"),
            status: reader.integer("status", 100, 599),
        };
        reader.demand(&["from"], "which path is sent elsewhere?", "from = \"/\"");
        redirect
    }
}
