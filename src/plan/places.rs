//! Where the rules of an app were written: beside the plan and not in it, because no request asks.

use crate::config::app::AppTable;
use crate::config::document::Document;
use crate::config::placed::{Place, Placed};
use crate::config::rule::{BypassEntry, RuleTable};

/// Where a rule was written, and why it is there if its owner said so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Where; `None` for what nobody wrote.
    pub place: Option<Place>,
    /// `reason`
    pub reason: Option<String>,
}

/// Where the rules of an app were written, list by list in the order of its rule set.
///
/// The lists are as long as those of the rule set: a document of which any rule could not be compiled gives no plan.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// The app.
    pub app: Option<Place>,
    /// `encoded_slash`
    pub encoded_slash: Origin,
    /// `deny`
    pub deny: Vec<Origin>,
    /// `only`
    pub only: Origin,
    /// `redirect`
    pub redirects: Vec<Origin>,
    /// `[[app.rule]]`
    pub rules: Vec<Origin>,
    /// `bypass`
    pub bypass: Vec<Origin>,
    /// `require` of the app, else of `[auth]`, else `allow` or `max_age` of the app.
    pub requirement: Origin,
}

impl Places {
    /// The places of an app of this document.
    pub fn of(document: &Document, table: &AppTable) -> Self {
        let requirement = table.require.as_ref().or(document.auth.require.as_ref()).map(|require| &require.place);
        let requirement = requirement.or(table.allow.as_ref().map(|allow| &allow.place));
        let requirement = requirement.or(table.max_age.as_ref().map(|max_age| &max_age.place));
        Self {
            app: Some(table.place.clone()),
            encoded_slash: table.encoded_slash.as_ref().map(|written| at(&written.place)).unwrap_or_default(),
            deny: table.deny.iter().map(|path| at(&path.place)).collect(),
            only: table.only.as_ref().map(|only| at(&only.place)).unwrap_or_default(),
            redirects: table.redirects.iter().map(|redirect| at(&redirect.place)).collect(),
            rules: table.rules.iter().map(of_rule).collect(),
            bypass: table.bypass.iter().map(of_bypass).collect(),
            requirement: requirement.map(at).unwrap_or_default(),
        }
    }
}

fn at(place: &Place) -> Origin {
    Origin { place: Some(place.clone()), reason: None }
}

fn of_rule(rule: &RuleTable) -> Origin {
    Origin { place: Some(rule.place.clone()), reason: rule.reason.as_ref().map(|Placed { value, .. }| value.clone()) }
}

fn of_bypass(entry: &BypassEntry) -> Origin {
    match entry {
        BypassEntry::Path(path) => at(&path.place),
        BypassEntry::Table(table) => of_rule(table),
    }
}
