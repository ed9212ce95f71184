//! Complaints as workflow commands, which GitHub Actions shows beside the lines of a change.

use crate::config::complaint::{Complaint, Severity};
use crate::config::report::{MOST, Report, harmless};
use crate::config::source::Origin;

/// One command for each complaint, ending with the summary as a plain line.
pub fn commands(report: &Report) -> String {
    let commands = report.complaints.iter().take(MOST).map(|complaint| command(report, complaint) + "\n");
    commands.collect::<String>() + &harmless(&report.summary())
}

fn command(report: &Report, complaint: &Complaint) -> String {
    let level = match complaint.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = complaint.place.as_ref().map_or_else(String::new, |place| {
        let position = report.source.position(report.source.inside(place).start);
        format!(",line={},col={}", position.line, position.column)
    });
    let also = complaint.also.iter().map(|(place, label)| format!("{}: {label}", report.whereabouts(place)));
    let said = std::iter::once(&complaint.message).chain(&complaint.label).chain(&complaint.notes).chain(&complaint.help);
    let text = complaint.place.as_ref().map_or(report.source.main(), |place| report.source.text_at(place.start));
    let code = complaint.code.name();
    let (variable, file) = match &text.origin {
        Origin::File { .. } => (None, format!("file={}{place},", property(&text.name))),
        // There is no line of a file to show it beside.
        Origin::Variable { .. } => (Some(text.name.clone()), String::new()),
    };
    let said = variable.into_iter().chain(said.cloned()).chain(also);
    let message = said.map(|text| data(&harmless(&text))).collect::<Vec<_>>().join("%0A");
    format!("::{level} {file}title={code}::{message}")
}

/// What stands behind the second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property's value, which ends at a comma and a colon as well.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::complaint::Code;
    use crate::config::source::Source;

    #[test]
    fn a_complaint_is_one_command_with_its_place() {
        let source = Source::unnamed("conf.d/a,b:c.toml", "x = 1\n  colour = 1\n".into());
        let complaint = Complaint::new(Code::E0203, &(8..14), "unknown key `100%`").label("no such key").help("known: a, b");
        let missing = Complaint::without_place(Code::E0110, "cannot read");
        let warning = Complaint::new(Code::W0604, &(0..1), "no reason");
        let told = commands(&Report::new(source, vec![complaint, missing, warning]));
        let expected = "::error file=conf.d/a%2Cb%3Ac.toml,title=E0110::cannot read\n\
                        ::warning file=conf.d/a%2Cb%3Ac.toml,line=1,col=1,title=W0604::no reason\n\
                        ::error file=conf.d/a%2Cb%3Ac.toml,line=2,col=3,title=E0203::unknown key `100%25`%0Ano such key%0Aknown: a, b\n\
                        2 errors, 1 warning in conf.d/a,b:c.toml; nothing was applied";
        assert_eq!(told, expected);
    }

    /// The attack: a proposed change whose configuration would speak to the workflow that checks it.
    #[test]
    fn what_the_file_says_begins_no_command_of_its_own() {
        let source = Source::unnamed("a\n::error::b", "x = 1\n".into());
        let complaint = Complaint::new(Code::E0203, &(0..1), "unknown key `\n::stop-commands::x`\r").label("\n::x::\u{1b}[2J");
        let told = commands(&Report::new(source, vec![complaint]));
        assert_eq!(told.lines().filter(|line| line.starts_with("::")).count(), 1, "{told}");
        assert!(told.lines().count() == 2 && !told.contains(['\r', '\u{1b}']), "{told}");
    }
}
