//! `app.maintenance`: an app its owner has closed for now.

use crate::config::app::Closed;
use crate::config::complaint::{Code, Complaint};
use crate::config::placed::Placed;

/// Most characters that visitors are told.
const LONGEST: usize = 500;

/// An app its owner has closed for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// What visitors are told, in the owner's words.
    pub text: Option<String>,
}

/// `app.maintenance`
pub fn compile(written: Option<&Placed<Closed>>, complaints: &mut Vec<Complaint>) -> Option<Maintenance> {
    let written = written?;
    let text = match &written.value {
        Closed::No => return None,
        Closed::Yes => return Some(Maintenance { text: None }),
        Closed::Saying(text) => text.trim(),
    };
    if text.is_empty() || text.chars().count() > LONGEST || text.chars().any(char::is_control) {
        let complaint = Complaint::new(Code::E0206, &written.place, "`maintenance` cannot be shown");
        let label = format!("true, or 1 to {LONGEST} characters, none of them control");
        complaints.push(complaint.label(label).key("app.maintenance"));
    }
    Some(Maintenance { text: Some(text.to_owned()) })
}
