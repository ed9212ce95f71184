//! Complaints for people (a snippet with a caret) and for programs (JSON, version 1). Both come from the same data.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use crate::base::words;
use crate::config::complaint;
use crate::config::complaint::{Code, Complaint, Severity};
use crate::config::placed::Place;
use crate::config::source::{Consulted, Origin as Comes, Source, Text};

/// More than this nobody reads; a file of another kind can have a hundred thousand.
pub const MOST: usize = 100;
/// Most files that a summary names.
const MOST_NAMED: usize = 5;

/// Complaints about one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The text.
    pub source: Source,
    /// What is wrong with it, in the order of the text.
    pub complaints: Vec<Complaint>,
    /// What was read besides the file itself.
    pub consulted: Consulted,
}

impl Report {
    /// Complaints about one text.
    pub fn new(source: Source, mut complaints: Vec<Complaint>) -> Self {
        complaint::sort(&mut complaints);
        complaints.iter_mut().for_each(|complaint| hush(complaint, &source));
        Self { source, complaints, consulted: Consulted::default() }
    }

    /// The same, after these files were read.
    #[must_use]
    pub fn after(mut self, consulted: Consulted) -> Self {
        self.consulted = consulted;
        self
    }

    /// How many complaints of a severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.complaints.iter().filter(|complaint| complaint.severity() == severity).count()
    }

    /// "2 errors in gateway.toml, 1 warning in conf.d/media.toml; nothing was applied".
    pub fn summary(&self) -> String {
        let name = |complaint: &Complaint| match &complaint.place {
            Some(place) => summed_up(self.source.text_at(place.start)),
            None => self.source.main().name.as_str(),
        };
        let mut parts: Vec<String> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        self.complaints.iter().map(name).for_each(|name| {
            if !names.contains(&name) && names.len() < MOST_NAMED {
                names.push(name)
            }
        });
        for (at, named) in names.iter().enumerate() {
            // The last stands for all that are not named.
            let rest = at + 1 == MOST_NAMED;
            let here = |complaint: &&Complaint| name(complaint) == *named || (rest && !names.contains(&name(complaint)));
            let counted = |severity: Severity| {
                let count = self.complaints.iter().filter(here).filter(|complaint| complaint.severity() == severity).count();
                (count > 0).then(|| format!("{count} {}{}", severity.name(), if count == 1 { "" } else { "s" }))
            };
            let counts: Vec<String> = [Severity::Error, Severity::Warning].into_iter().filter_map(counted).collect();
            parts.push(format!("{} in {}", counts.join(", "), if rest { "others" } else { named }));
        }
        match (parts.is_empty(), self.count(Severity::Error)) {
            (true, _) => format!("no errors in {}", self.source.main().name),
            (false, 0) => parts.join(", "),
            (false, _) => format!("{}; nothing was applied", parts.join(", ")),
        }
    }

    /// Keys for which variables speak, each with its variable's name.
    pub fn spoken(&self) -> Vec<(&str, &str)> {
        let spoken = self.source.texts().iter().filter_map(|text| match &text.origin {
            Comes::Variable { key: Some(key), .. } => Some((key.as_str(), text.name.rsplit(' ').next().unwrap_or_default())),
            Comes::Variable { key: None, .. } | Comes::File { .. } => None,
        });
        spoken.collect()
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
            let at = complaint.place.as_ref().map_or_else(|| self.source.main().name.clone(), |place| self.whereabouts(place));
            let (severity, code) = (complaint.severity().name(), complaint.code.name());
            let also = complaint.also.iter().map(|(place, label)| format!("; {}: {}", self.whereabouts(place), harmless(label)));
            format!("{at}: {severity}[{code}]: {}{}", harmless(&complaint.message), also.collect::<String>())
        };
        self.complaints.iter().take(MOST).map(line).collect()
    }

    /// Such as `conf.d/media.toml:4:1`.
    pub fn whereabouts(&self, place: &Place) -> String {
        let position = self.source.position(place.start);
        format!("{}:{}:{}", self.source.text_at(place.start).name, position.line, position.column)
    }

    /// The complaints as JSON, version 1: positions count from 1, columns in Unicode scalar values, and byte offsets.
    pub fn json(&self) -> Value {
        let errors = self.count(Severity::Error);
        let diagnostics: Vec<Value> = self.complaints.iter().take(MOST).map(|complaint| self.diagnostic(complaint)).collect();
        let mut value = json!({
            "version": 1,
            "ok": errors == 0,
            "summary": { "errors": errors, "warnings": self.count(Severity::Warning) },
            "diagnostics": diagnostics,
        });
        let spoken = self.spoken();
        if !spoken.is_empty() {
            value["environment"] =
                spoken.into_iter().map(|(key, variable)| json!({ "key": key, "variable": variable })).collect();
        }
        value
    }

    fn snippet(&self, renderer: &Renderer, complaint: &Complaint) -> String {
        let level = match complaint.severity() {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(harmless(&complaint.message)).id(complaint.code.name());
        let group = match &complaint.place {
            None => title.element(Origin::path(&self.source.main().name)),
            Some(place) => title.elements(self.excerpts(complaint, place)),
        };
        let notes = complaint.notes.iter().map(|note| Level::NOTE.message(harmless(note)));
        let help = complaint.help.iter().map(|help| Level::HELP.message(harmless(help)));
        renderer.render(&[group.elements(notes).elements(help)])
    }

    /// The lines that a complaint speaks of, for each text in which there are any.
    fn excerpts<'a>(&'a self, complaint: &'a Complaint, place: &Place) -> Vec<Snippet<'a, Annotation<'a>>> {
        let primary = (place, AnnotationKind::Primary, complaint.label.as_deref());
        let also = complaint.also.iter().map(|(place, label)| (place, AnnotationKind::Context, Some(label.as_str())));
        let mut by_text: Vec<(&Text, Vec<Mark<'_>>)> = Vec::new();
        for (place, kind, label) in std::iter::once(primary).chain(also) {
            let text = self.source.text_at(place.start);
            let mark = (text.inside(place), kind, label);
            match by_text.iter_mut().find(|(known, _)| known.start == text.start) {
                Some((_, marks)) => marks.push(mark),
                None => by_text.push((text, vec![mark])),
            }
        }
        by_text.into_iter().map(|(text, marks)| excerpt(text, marks)).collect()
    }

    fn diagnostic(&self, complaint: &Complaint) -> Value {
        let mut diagnostic = json!({
            "code": complaint.code.name(),
            "severity": complaint.severity().name(),
            "message": complaint.message,
            "file": complaint.place.as_ref().map_or(self.source.main(), |place| self.source.text_at(place.start)).name,
        });
        if let Some(place) = &complaint.place {
            merge(&mut diagnostic, self.location(place));
        }
        merge(
            &mut diagnostic,
            json!({
                "key": complaint.key,
                "help": complaint.help.as_ref().or(complaint.label.as_ref()),
                "label": complaint.label.as_ref().filter(|_| complaint.help.is_some()),
                "fix": complaint.fix.as_ref().map(|fix| json!({ "replace": fix.replace })),
                "docs": format!("help {}", complaint.code.name()),
            }),
        );
        if !complaint.notes.is_empty() {
            merge(&mut diagnostic, json!({ "notes": complaint.notes }));
        }
        let also = complaint.also.iter().map(|(place, label)| {
            let mut other = json!({ "message": label });
            let elsewhere = complaint
                .place
                .as_ref()
                .is_some_and(|at| self.source.text_at(at.start).start != self.source.text_at(place.start).start);
            if elsewhere {
                merge(&mut other, json!({ "file": self.source.text_at(place.start).name }));
            }
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
        let text = self.source.text_at(place.start);
        let local = text.inside(place);
        let (start, end) = (text.position(local.start + text.start), text.position(local.end + text.start));
        json!({
            "line": start.line, "column": start.column, "end_line": end.line, "end_column": end.column,
            "byte_start": local.start, "byte_end": local.end,
        })
    }
}

/// What a summary calls a text: variables stand together.
fn summed_up(text: &Text) -> &str {
    match text.origin {
        Comes::File { .. } => &text.name,
        Comes::Variable { .. } => "environment variables",
    }
}

/// Something that is said at a place, counted from the beginning of its text.
type Mark<'a> = (Place, AnnotationKind, Option<&'a str>);

/// Not the whole text: the renderer reads all that it is given, for every complaint.
fn excerpt<'a>(text: &'a Text, marks: Vec<Mark<'a>>) -> Snippet<'a, Annotation<'a>> {
    let shown = text.shown();
    let first = marks.iter().map(|(place, _, _)| place.start).min().unwrap_or_default();
    let last = marks.iter().map(|(place, _, _)| place.end).max().unwrap_or_default();
    let start = shown[..first].rfind('\n').map_or(0, |newline| newline + 1);
    let end = shown[last..].find('\n').map_or(shown.len(), |newline| last + newline + 1);
    let marks = marks
        .into_iter()
        .map(|(place, kind, label)| kind.span(place.start - start..place.end - start).label(label.map(harmless)));
    Snippet::source(&shown[start..end])
        .line_start(text.position(text.start + first).line)
        .path(text.name.as_str())
        .annotations(marks)
}

/// What is said of a variable proposes no text for a file; and what stands in a file that a variable names is quoted by nobody:
/// it may be another file than was meant.
fn hush(complaint: &mut Complaint, source: &Source) {
    let Some(text) = complaint.place.as_ref().map(|place| source.text_at(place.start)) else { return };
    let Comes::Variable { key, by_file } = &text.origin else { return };
    complaint.fix = None;
    if *by_file && !matches!(complaint.code, Code::E0301 | Code::E0310) {
        complaint.message = format!("what stands in this file is no value for `{}`", key.as_deref().unwrap_or_default());
        (complaint.label, complaint.notes) = (None, Vec::new());
        complaint.help = Some("the file holds the value and nothing else".to_owned());
    }
}

/// Text without characters that a terminal obeys: control characters, and those that turn the direction of writing. The
/// renderer takes them out of titles and of the file's text, not out of labels and messages.
pub fn harmless(text: &str) -> String {
    words::harmless(text)
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
    fn json_has_what_stands_at_the_place_beside_what_to_do() {
        let complaint = Complaint::new(Code::N0801, &(9..20), "it leads elsewhere").label("fine if a router leads it here");
        let json = report(vec![complaint.help("otherwise correct the records")]).json();
        let said = &json["diagnostics"][0];
        assert_eq!(
            (&said["label"], &said["help"]),
            (&"fine if a router leads it here".into(), &"otherwise correct the records".into())
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
