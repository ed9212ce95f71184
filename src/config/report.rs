//! Complaints for people (a snippet with a caret) and for programs (JSON, version 1). Both come from the same data.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use crate::config::complaint;
use crate::config::complaint::{Complaint, Severity};
use crate::config::placed::Place;
use crate::config::source::Source;

/// More than this nobody reads; a file of another kind can have a hundred thousand.
pub const MOST: usize = 100;

/// Complaints about one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The text.
    pub source: Source,
    /// What is wrong with it, in the order of the text.
    pub complaints: Vec<Complaint>,
}

impl Report {
    /// Complaints about one text.
    pub fn new(source: Source, mut complaints: Vec<Complaint>) -> Self {
        complaint::sort(&mut complaints);
        Self { source, complaints }
    }

    /// How many complaints of a severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.complaints.iter().filter(|complaint| complaint.severity() == severity).count()
    }

    /// "2 errors, 1 warning in gateway.toml; nothing was applied".
    pub fn summary(&self) -> String {
        let counted = |severity: Severity| {
            let count = self.count(severity);
            (count > 0).then(|| format!("{count} {}{}", severity.name(), if count == 1 { "" } else { "s" }))
        };
        let counts: Vec<String> = [Severity::Error, Severity::Warning].into_iter().filter_map(counted).collect();
        match (counts.is_empty(), self.count(Severity::Error)) {
            (true, _) => format!("no errors in {}", self.source.name),
            (false, 0) => format!("{} in {}", counts.join(", "), self.source.name),
            (false, _) => format!("{} in {}; nothing was applied", counts.join(", "), self.source.name),
        }
    }

    /// Where more is said about these complaints; nothing if there are none.
    fn explained(&self) -> Option<String> {
        let mut codes: Vec<&str> = self.complaints.iter().map(|complaint| complaint.code.name()).collect();
        codes.sort_unstable();
        codes.dedup();
        match codes.as_slice() {
            [] => None,
            [code] => Some(format!("`doorward help {code}` explains")),
            [first, ..] => Some(format!("`doorward help {first}` explains; so for every code")),
        }
    }

    /// The complaints as text for people, ending with the summary and a hint. Colour is the caller's decision.
    pub fn human(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Unicode);
        let mut text = String::new();
        for complaint in self.complaints.iter().take(MOST) {
            text.push_str(&self.snippet(&renderer, complaint));
            text.push_str("\n\n");
        }
        if let Some(more) = self.complaints.len().checked_sub(MOST).filter(|more| *more > 0) {
            text.push_str(&format!("and {more} more\n\n"));
        }
        text + &self.summary() + "\n" + &self.explained().map_or_else(String::new, |hint| hint + "\n")
    }

    /// The complaints in one line each, for the log: `gateway.toml:4:1: error[E0203]: unknown key`.
    pub fn lines(&self) -> Vec<String> {
        let line = |complaint: &Complaint| {
            let place = complaint.place.as_ref().map(|place| self.source.position(place.start));
            let place = place.map_or_else(String::new, |place| format!(":{}:{}", place.line, place.column));
            let (severity, code) = (complaint.severity().name(), complaint.code.name());
            format!("{}{place}: {severity}[{code}]: {}", self.source.name, harmless(&complaint.message))
        };
        self.complaints.iter().take(MOST).map(line).collect()
    }

    /// The complaints as JSON, version 1: positions count from 1, columns in Unicode scalar values, and byte offsets.
    pub fn json(&self) -> Value {
        let errors = self.count(Severity::Error);
        let diagnostics: Vec<Value> = self.complaints.iter().take(MOST).map(|complaint| self.diagnostic(complaint)).collect();
        json!({
            "version": 1,
            "ok": errors == 0,
            "summary": { "errors": errors, "warnings": self.count(Severity::Warning) },
            "diagnostics": diagnostics,
        })
    }

    fn snippet(&self, renderer: &Renderer, complaint: &Complaint) -> String {
        let level = match complaint.severity() {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(harmless(&complaint.message)).id(complaint.code.name());
        let group = match &complaint.place {
            None => title.element(Origin::path(&self.source.name)),
            Some(place) => title.element(self.excerpt(complaint, place)),
        };
        let notes = complaint.notes.iter().map(|note| Level::NOTE.message(harmless(note)));
        let help = complaint.help.iter().map(|help| Level::HELP.message(harmless(help)));
        renderer.render(&[group.elements(notes).elements(help)])
    }

    /// The lines that a complaint speaks of. Not the whole text: the renderer reads all that it is given, for every complaint.
    fn excerpt<'a>(&'a self, complaint: &'a Complaint, place: &Place) -> Snippet<'a, Annotation<'a>> {
        let text = self.source.text.as_str();
        let place = self.source.inside(place);
        let also: Vec<(Place, &str)> =
            complaint.also.iter().map(|(place, label)| (self.source.inside(place), label.as_str())).collect();
        let first = also.iter().map(|(place, _)| place.start).fold(place.start, usize::min);
        let last = also.iter().map(|(place, _)| place.end).fold(place.end, usize::max);
        let start = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[last..].find('\n').map_or(text.len(), |newline| last + newline + 1);
        let moved = |place: Place| place.start - start..place.end - start;
        let primary = AnnotationKind::Primary.span(moved(place)).label(complaint.label.as_deref().map(harmless));
        let also = also.into_iter().map(|(place, label)| AnnotationKind::Context.span(moved(place)).label(harmless(label)));
        Snippet::source(&text[start..end])
            .line_start(self.source.position(first).line)
            .path(self.source.name.as_str())
            .annotation(primary)
            .annotations(also)
    }

    fn diagnostic(&self, complaint: &Complaint) -> Value {
        let mut diagnostic = json!({
            "code": complaint.code.name(),
            "severity": complaint.severity().name(),
            "message": complaint.message,
            "file": self.source.name,
        });
        if let Some(place) = &complaint.place {
            merge(&mut diagnostic, self.location(place));
        }
        merge(
            &mut diagnostic,
            json!({
                "key": complaint.key,
                "help": complaint.help.as_ref().or(complaint.label.as_ref()),
                "fix": complaint.fix.as_ref().map(|fix| json!({ "replace": fix.replace })),
                "docs": format!("help {}", complaint.code.name()),
            }),
        );
        if !complaint.notes.is_empty() {
            merge(&mut diagnostic, json!({ "notes": complaint.notes }));
        }
        let also = complaint.also.iter().map(|(place, label)| {
            let mut other = json!({ "message": label });
            merge(&mut other, self.location(place));
            other
        });
        let also: Vec<Value> = also.collect();
        if !also.is_empty() {
            merge(&mut diagnostic, json!({ "related": also }));
        }
        diagnostic
    }

    fn location(&self, place: &Place) -> Value {
        let place = self.source.inside(place);
        let (start, end) = (self.source.position(place.start), self.source.position(place.end));
        json!({
            "line": start.line, "column": start.column, "end_line": end.line, "end_column": end.column,
            "byte_start": place.start, "byte_end": place.end,
        })
    }
}

/// Text without characters that a terminal obeys: control characters, and those that turn the direction of writing. The
/// renderer takes them out of titles and of the file's text, not out of labels and messages.
pub fn harmless(text: &str) -> String {
    let obeyed = |letter: char| letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.replace('\n', " ").chars().map(|letter| if obeyed(letter) { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

/// Adds the fields of one object to another, without those that are null.
fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from.into_iter().filter(|(_, value)| !value.is_null()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::complaint::Code;

    fn report(complaints: Vec<Complaint>) -> Report {
        Report::new(Source::unnamed("gateway.toml", "# äöü\nidle_timout = \"12h\"\n".into()), complaints)
    }

    fn complaint() -> Complaint {
        let label = "did you mean `idle_timeout`?";
        let complaint = Complaint::new(Code::E0203, &(9..20), "unknown key `idle_timout` in [session]").label(label);
        complaint.fix("idle_timeout").key("session.idle_timout")
    }

    #[test]
    fn json_is_the_documented_form() {
        assert_eq!(
            report(vec![complaint()]).json(),
            json!({
                "version": 1, "ok": false, "summary": { "errors": 1, "warnings": 0 },
                "diagnostics": [{
                    "code": "E0203", "severity": "error", "message": "unknown key `idle_timout` in [session]",
                    "file": "gateway.toml", "line": 2, "column": 1, "end_line": 2, "end_column": 12,
                    "byte_start": 9, "byte_end": 20, "key": "session.idle_timout",
                    "help": "did you mean `idle_timeout`?", "fix": { "replace": "idle_timeout" }, "docs": "help E0203",
                }],
            })
        );
    }

    #[test]
    fn a_line_for_the_log_says_where() {
        let told = ["gateway.toml:2:1: error[E0203]: unknown key `idle_timout` in [session]"];
        assert_eq!(report(vec![complaint()]).lines(), told);
    }

    #[test]
    fn colour_appears_only_when_asked_for() {
        let report = report(vec![complaint()]);
        assert!(!report.human(false).contains('\u{1b}'));
        assert!(report.human(true).contains('\u{1b}'));
    }

    #[test]
    fn the_summary_counts_and_says_what_happened() {
        let warning = Complaint::new(Code::W0602, &(0..1), "public");
        assert_eq!(report(vec![]).summary(), "no errors in gateway.toml");
        assert_eq!(report(vec![warning.clone()]).summary(), "1 warning in gateway.toml");
        let all = report(vec![complaint(), complaint(), warning]);
        assert_eq!(all.summary(), "2 errors, 1 warning in gateway.toml; nothing was applied");
    }

    #[test]
    fn a_flood_of_complaints_is_cut_short() {
        let text = report(vec![complaint(); 5_000]).human(false);
        assert!(text.contains("and 4900 more"), "{text}");
        assert!(text.contains("5000 errors"), "{text}");
    }

    /// The attack: a configuration file from elsewhere that holds terminal escape sequences.
    #[test]
    fn control_characters_of_the_file_do_not_reach_the_terminal() {
        let text = "a = \"\u{1b}[31m\"\n".to_owned();
        let complaint = Complaint::new(Code::E0203, &(0..1), "unknown key `\u{1b}[2J`").label("\u{1b}[2J").help("\u{1b}[2J");
        let text = Report::new(Source::unnamed("x", text), vec![complaint]).human(false);
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
