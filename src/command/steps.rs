//! How far orders of certificates have come, for whoever waits: one line that changes on a terminal, one for each step elsewhere,
//! nothing for programs.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use crate::admin::certificates::CertificateState;
use crate::command::output::Output;
use crate::config::report::harmless;
use crate::tls::acme::phase::Phase;

/// Names that the line on a terminal speaks of.
const NAMED: usize = 2;

/// Shows steps.
#[derive(Debug)]
pub struct Steps {
    began: Instant,
    speaks: bool,
    is_terminal: bool,
    said: HashMap<String, (Phase, u64)>,
}

impl Steps {
    /// For orders that begin now.
    pub fn new(output: Output) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { began: Instant::now(), speaks: !output.json, is_terminal, said: HashMap::new() }
    }

    /// As [`Steps::new`], where others speak on the same terminal.
    pub fn in_lines(output: Output) -> Self {
        Self { is_terminal: false, ..Self::new(output) }
    }

    /// Takes the line away that changes.
    pub fn clear(&self) {
        if self.speaks && self.is_terminal {
            drop(write!(io::stderr(), "\r\x1b[K"));
            drop(io::stderr().flush());
        }
    }

    /// Shows how far the orders of `started` have come, of which `left` run.
    pub fn show(&mut self, all: &[CertificateState], started: &[String], left: usize) {
        if !self.speaks {
            return;
        }
        let running = all.iter().filter(|one| one.ordering_since.is_some() && started.contains(&one.host));
        let running: Vec<(&str, Phase)> = running.filter_map(|one| Some((one.host.as_str(), one.phase?))).collect();
        let seconds = self.began.elapsed().as_secs();
        if self.is_terminal {
            drop(write!(io::stderr(), "{}", harmless(&line(&running, left, seconds))));
        } else {
            for (host, phase) in running {
                // Again each minute: whoever waits for long wants to know that we do.
                let now = (phase, seconds / 60);
                if self.said.insert(host.to_owned(), now) != Some(now) {
                    drop(writeln!(io::stderr(), "{}", harmless(&format!("{host}: {} ({seconds} s)", phase.in_words()))));
                }
            }
        }
        drop(io::stderr().flush());
    }
}

fn line(running: &[(&str, Phase)], left: usize, seconds: u64) -> String {
    let named = running.iter().take(NAMED).map(|(host, phase)| format!("{host}: {}", phase.in_words()));
    let named: Vec<String> = named.collect();
    let more = left.saturating_sub(named.len());
    match (named.is_empty(), more) {
        (true, _) => format!("{left} to be issued, {seconds} s"),
        (false, 0) => format!("{}, {seconds} s", named.join(", ")),
        (false, more) => format!("{}, {more} more, {seconds} s", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_a_few_and_counts_the_rest() {
        let running = [("a.example", Phase::Order), ("b.example", Phase::Waiting), ("c.example", Phase::Finalising)];
        assert_eq!(line(&running, 5, 3), "a.example: order, b.example: waiting for the authority, 3 more, 3 s");
        assert_eq!(line(&running[..1], 1, 0), "a.example: order, 0 s");
        assert_eq!(line(&[], 2, 7), "2 to be issued, 7 s");
    }
}
