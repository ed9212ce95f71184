//! Where apps are mounted, and that their rules speak of paths that are there.

use crate::config::app::AppTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::placed::Placed;
use crate::config::rule::{BypassEntry, RuleTable, WrittenAction};
use crate::policy::mount::Mount;
use crate::policy::pattern::Pattern;

/// Where an app is mounted; at the root if that is not written, or cannot be read.
pub fn compile(table: &AppTable, complaints: &mut Vec<Complaint>) -> Mount {
    let strips = table.strip_path.as_ref().filter(|strips| strips.value);
    let Some(path) = &table.path else {
        complaints.extend(strips.map(useless));
        return Mount::root();
    };
    match Mount::parse(&path.value, strips.is_some()) {
        Ok(mount) => {
            complaints.extend(strips.filter(|_| mount.is_root()).map(useless));
            mount
        }
        Err(reason) => {
            let complaint = Complaint::new(Code::E0520, &path.place, "an app cannot be mounted here").key("app.path");
            let rooted = format!("/{}", path.value);
            complaints.push(match Mount::parse(&rooted, false) {
                Ok(_) => complaint.label(format!("did you mean \"{rooted}\"?")).fix(format!("\"{rooted}\"")),
                Err(_) => complaint.label(reason.to_string()),
            });
            Mount::root()
        }
    }
}

fn useless(strips: &Placed<bool>) -> Complaint {
    let complaint = Complaint::new(Code::E0520, &strips.place, "`strip_path` takes nothing away here").key("app.strip_path");
    complaint.label("the app is at the root").help("add `path = \"/wiki/\"`, or remove this line")
}

/// Complains about rules that speak of no path of the app. Rules are written for paths as visitors see them; what is denied
/// holds for what an app with `strip_path` sees as well.
pub fn find_strays(table: &AppTable, mount: &Mount, complaints: &mut Vec<Complaint>) {
    if mount.is_root() {
        return;
    }
    let mut check = |paths: &[Placed<String>], denies: bool, root_alone: bool| {
        let denied = denies && mount.strips();
        let is_stray = |path: &&Placed<String>| {
            let spoken_of = |pattern: &Pattern| mount.may_be_spoken_of(pattern) && !(root_alone && path.value == "/");
            !denied && Pattern::parse(&path.value).is_ok_and(|pattern| !spoken_of(&pattern))
        };
        complaints.extend(paths.iter().filter(is_stray).map(|path| stray(path, mount)));
    };
    let denies = |rule: &RuleTable| rule.action.as_ref().is_some_and(|action| action.value == WrittenAction::Deny);
    check(&table.deny, true, false);
    check(table.only.as_ref().map_or(&[], |only| &only.value), false, true);
    table.redirects.iter().filter_map(|redirect| redirect.from.clone()).for_each(|from| check(&[from], false, true));
    table.rules.iter().for_each(|rule| check(&rule.paths, denies(rule), false));
    for entry in &table.bypass {
        match entry {
            BypassEntry::Path(path) => check(std::slice::from_ref(path), false, false),
            BypassEntry::Table(rule) => check(&rule.paths, false, false),
        }
    }
}

fn stray(path: &Placed<String>, mount: &Mount) -> Complaint {
    let meant = format!("{}{}", mount.prefix(), path.value);
    let complaint = Complaint::new(Code::E0620, &path.place, format!("`{}` is no path of this app", path.value));
    if path.value == "/" {
        let regex = format!("the app's own root is `path_regex = \"{}/?\"` in an [[app.rule]]", mount.prefix());
        return complaint.label("the root of the host is not this app's").help(regex);
    }
    let complaint = complaint.label(format!("did you mean \"{meant}\"?")).fix(format!("\"{meant}\""));
    complaint.note(format!("the app is mounted at {mount}, and rules are written for paths as visitors see them"))
}
