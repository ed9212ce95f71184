//! Text for people and JSON for programs, on the right streams.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use fast_qr::QRBuilder;
use serde::Serialize;
use serde_json::json;

use crate::command::environment;
use crate::command::exit::Failure;
use crate::config::github;
use crate::config::report::Report;

/// How a command speaks.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// `--json`: one document on standard output.
    pub json: bool,
    /// `check --format github`: complaints as workflow commands.
    pub github: bool,
}

impl Output {
    /// Prints a result: `value` for programs, `text` for people.
    pub fn result(self, value: &impl Serialize, text: impl FnOnce() -> String) {
        let line = if self.json { serde_json::to_string(value).unwrap_or_default() } else { text() };
        print(&line);
    }

    /// Prints a failure and gives its exit code. Programs get it on standard output too, so that one stream holds every answer.
    pub fn failure(self, failure: &Failure) -> ExitCode {
        match failure {
            Failure::Config(report) | Failure::Warnings(report) | Failure::Denied(report) => self.complaints(report),
            Failure::Found | Failure::Warned => {}
            Failure::Complaints(told) if self.json => print(&told.json.to_string()),
            Failure::Complaints(told) => complain(&told.text),
            Failure::Failed(message)
            | Failure::Usage(message)
            | Failure::NotApplied(message)
            | Failure::Unreachable(message)
            | Failure::NotFound(message)
            | Failure::Permission(message) => {
                if self.json {
                    print(&json!({ "ok": false, "kind": failure.name(), "error": message }).to_string());
                } else {
                    complain(&format!("error: {message}"));
                }
            }
        }
        failure.code()
    }

    /// Prints complaints about a configuration.
    pub fn complaints(self, report: &Report) {
        match (self.json, self.github) {
            (true, _) => print(&report.json().to_string()),
            (false, true) => print(&github::commands(report)),
            (false, false) => complain(&report.human(colour())),
        }
    }

    /// A remark for people; programs are spared it.
    pub fn remark(self, text: &str) {
        if !self.json {
            complain(text);
        }
    }
}

/// Whether standard error takes colour.
pub fn colour() -> bool {
    io::stderr().is_terminal() && !environment::wants_no_colour()
}

/// A line on standard output. A reader that has gone away is no failure of ours.
pub fn print(line: &str) {
    drop(writeln!(io::stdout(), "{line}"));
    drop(io::stdout().flush());
}

fn complain(line: &str) {
    drop(writeln!(io::stderr(), "{line}"));
}

/// A QR code in half blocks, indented; empty if the text is too long for one.
pub fn terminal_qr(text: &str) -> String {
    let Ok(code) = QRBuilder::new(text).build() else { return String::new() };
    code.to_str().lines().map(|line| format!("    {line}\n")).collect()
}

/// Rows as aligned columns under a heading.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut heading.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align() {
        let rows = [vec!["alice".to_owned(), "1".to_owned()], vec!["bo".to_owned(), "20".to_owned()]];
        assert_eq!(table(&["NAME", "N"], &rows), "NAME   N\nalice  1\nbo     20");
    }

    #[test]
    fn a_link_fits_a_terminal_qr() {
        let code = terminal_qr("https://localhost:8443/.doorward/setup/abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq");
        assert!(code.lines().count() > 10 && code.lines().all(|line| line.chars().count() < 80));
    }
}
