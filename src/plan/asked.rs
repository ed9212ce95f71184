//! What apps and rules ask of visitors: `require`, `allow`, `max_age`.

use std::time::Duration;

use crate::config::app::AppTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::placed;
use crate::config::placed::Placed;
use crate::config::rule::RuleTable;
use crate::model::profile::{BadGroupName, GroupName};
use crate::model::user::{BadUserName, UserName};
use crate::plan::methods;
use crate::plan::owner;
use crate::plan::settings;
use crate::policy::people::{Allowed, People};
use crate::policy::requirement::Requirement;

/// A shorter time could run out on the way from the portal to the app, and people would be asked for ever.
pub const SHORTEST_MAX_AGE: Duration = Duration::from_secs(60);
const LONGEST_MAX_AGE: Duration = Duration::from_secs(3_650 * 86_400);
/// More entries than this belong into a group.
const MOST_ENTRIES: usize = 1_000;

/// Somebody on a list.
enum Subject {
    Everybody,
    User(UserName),
    Group(GroupName),
}

/// What an app asks for where no rule says otherwise.
pub fn of_app(document: &Document, table: &AppTable, complaints: &mut Vec<Complaint>) -> Requirement {
    let require = table.require.as_ref().or(document.auth.require.as_ref());
    let mode = placed::value(document.auth.mode.as_ref()).unwrap_or_default();
    let max_age = table.max_age.as_ref().and_then(|written| max_age(written, "app.max_age", complaints));
    let people = table.allow.as_ref().map(|allow| people(allow, "app.allow", complaints)).unwrap_or_default();
    let methods = methods::of_app(document, table, complaints);
    let strength = placed::value(require).unwrap_or_else(|| owner::require(mode));
    Requirement { strength, methods, passwords: !mode.is_single_owner(), max_age, people }
}

/// What a rule asks for: what it does not say is as in its app.
pub fn of_rule(table: &RuleTable, app: &Requirement, complaints: &mut Vec<Complaint>) -> Requirement {
    Requirement {
        strength: placed::value(table.require.as_ref()).unwrap_or(app.strength),
        methods: app.methods,
        passwords: app.passwords,
        max_age: match &table.max_age {
            Some(written) => max_age(written, "app.rule.max_age", complaints),
            None => app.max_age,
        },
        people: match &table.allow {
            Some(allow) => people(allow, "app.rule.allow", complaints),
            None => app.people.clone(),
        },
    }
}

fn max_age(written: &Placed<Option<Duration>>, key: &str, complaints: &mut Vec<Complaint>) -> Option<Duration> {
    let span = Placed::new(written.value?, written.place.clone());
    settings::within(Some(&span), key, (SHORTEST_MAX_AGE, LONGEST_MAX_AGE), complaints)
}

fn people(written: &Placed<Vec<Placed<String>>>, key: &str, complaints: &mut Vec<Complaint>) -> People {
    let faults = complaints.len();
    let (mut everybody, mut users, mut groups) = (None, Vec::new(), Vec::new());
    if written.value.len() > MOST_ENTRIES {
        let complaint = Complaint::new(Code::E0613, &written.place, format!("`allow` has more than {MOST_ENTRIES} entries"));
        complaints.push(complaint.label("put these people into a group").key(key));
    }
    for entry in &written.value {
        match subject(entry) {
            Ok(Subject::Everybody) => everybody = Some(&entry.place),
            Ok(Subject::User(user)) => users.push(user),
            Ok(Subject::Group(group)) => groups.push(group),
            Err(complaint) => complaints.push(complaint.key(key)),
        }
    }
    match everybody {
        Some(place) if written.value.len() > 1 => {
            let complaint = Complaint::new(Code::E0613, place, "`\"*\"` lets in everybody, so the rest of `allow` says nothing");
            complaints.push(complaint.label("everybody who is signed in").help("keep either this or the rest").key(key));
        }
        Some(_) => return People::Everybody,
        None => {}
    }
    let allowed = Allowed::new(users, groups);
    if allowed.is_empty() && complaints.len() == faults {
        let complaint = Complaint::new(Code::W0612, &written.place, "nobody can open this: `allow` is empty")
            .label("not even who is signed in")
            .help("name people such as \"user:alice\" or \"group:family\"; leave the key out, or write [\"*\"], for everybody");
        complaints.push(complaint.key(key));
    }
    People::listed(allowed)
}

fn subject(entry: &Placed<String>) -> Result<Subject, Box<Complaint>> {
    let text = entry.value.as_str();
    let complaint = || Complaint::new(Code::E0613, &entry.place, "not somebody who can be allowed");
    let read = match text.split_once(':') {
        Some(("user", name)) => name.parse().map(Subject::User).map_err(|reason: BadUserName| reason.to_string()),
        Some(("group", name)) => name.parse().map(Subject::Group).map_err(|reason: BadGroupName| reason.to_string()),
        None if text == "*" => Ok(Subject::Everybody),
        Some(_) | None => return Err(Box::new(guess(text, complaint()))),
    };
    read.map_err(|reason| Box::new(complaint().label(reason)))
}

/// What was probably meant.
fn guess(text: &str, complaint: Complaint) -> Complaint {
    let (kind, name) =
        text.split_once([':', '/', '=']).map_or((None, text), |(kind, name)| (Some(kind.trim().to_lowercase()), name));
    let name = name.trim().trim_start_matches('@');
    let kind = match kind.as_deref() {
        Some("user" | "users") => Some("user"),
        Some("group" | "groups") => Some("group"),
        Some(_) | None => None,
    };
    match (kind, name.parse::<UserName>()) {
        (Some(kind), Ok(name)) => complaint.label(format!("did you mean \"{kind}:{name}\"?")).fix(format!("\"{kind}:{name}\"")),
        (None, Ok(name)) if !text.contains([':', '/', '=']) => {
            complaint.label(format!("did you mean \"user:{name}\" or \"group:{name}\"?"))
        }
        (_, _) => complaint.label("\"user:NAME\", \"group:NAME\", or \"*\" for everybody who is signed in"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[&str]) -> (People, Vec<(Code, Option<String>)>) {
        let entries = entries.iter().map(|text| Placed::new((*text).to_owned(), 0..1)).collect();
        let mut complaints = Vec::new();
        let people = people(&Placed::new(entries, 0..9), "app.allow", &mut complaints);
        (people, complaints.into_iter().map(|complaint| (complaint.code, complaint.fix.map(|fix| fix.replace))).collect())
    }

    #[test]
    fn lists_are_read_in_any_spelling_of_a_name_and_doubles_count_once() {
        let listed = |users: &[&str], groups: &[&str]| {
            let users = users.iter().map(|name| name.parse().expect("a name")).collect();
            People::listed(Allowed::new(users, groups.iter().map(|name| name.parse().expect("a name")).collect()))
        };
        assert_eq!(read(&["*"]), (People::Everybody, vec![]));
        assert_eq!(read(&["user:Alice", "user:alice", "group:ＦＡＭＩＬＹ"]), (listed(&["alice"], &["family"]), vec![]));
        assert_eq!(read(&[]), (listed(&[], &[]), vec![(Code::W0612, None)]));
    }

    /// The attack (on ourselves): an entry that nobody understands and that therefore lets in everybody, or nobody.
    #[test]
    fn what_is_not_understood_is_complained_about_and_lets_in_nobody() {
        for (text, fix) in [
            ("alice", None),
            ("User:alice", Some("\"user:alice\"")),
            ("groups:Family", Some("\"group:family\"")),
            ("group/family", Some("\"group:family\"")),
            ("user:", None),
            ("group:a b", None),
            ("group:*", None),
            ("role:admin", None),
            ("**", None),
            ("", None),
        ] {
            let (people, complaints) = read(&[text]);
            assert_eq!(complaints, [(Code::E0613, fix.map(str::to_owned))], "{text}");
            assert_eq!(people, People::listed(Allowed::default()), "{text}");
        }
        assert_eq!(read(&["*", "group:family"]).1, [(Code::E0613, None)]);
    }
}
