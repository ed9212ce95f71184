//! How far long work has come: a bar on a terminal, one line for each step elsewhere, nothing for programs.

use std::io::{self, IsTerminal, Write};

use crate::command::output::Output;

const WIDTH: u64 = 30;

/// Shows how far something has come.
#[derive(Debug)]
pub struct Progress {
    output: Output,
    is_terminal: bool,
    step: String,
    total: u64,
    done: u64,
    drawn: Option<u64>,
    unit: Unit,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things that are called so.
    Things(&'static str),
}

impl Progress {
    /// For work of several steps.
    pub fn new(output: Output, unit: Unit) -> Self {
        Self { output, is_terminal: io::stderr().is_terminal(), step: String::new(), total: 0, done: 0, drawn: None, unit }
    }

    /// Begins a step that is done at `total`.
    pub fn begin(&mut self, step: &str, total: u64) {
        self.end();
        (self.step, self.total, self.done, self.drawn) = (step.to_owned(), total, 0, None);
        self.draw();
    }

    /// More of the step is done.
    pub fn add(&mut self, more: u64) {
        self.reach(self.done.saturating_add(more));
    }

    /// More of the step of that name, which begins with its first byte. How much it will be is not known.
    pub fn add_to(&mut self, step: &str, more: u64) {
        if self.step != step {
            self.begin(step, 0);
        }
        self.total = self.total.saturating_add(more);
        self.add(more);
    }

    /// So much of the step is done.
    pub fn reach(&mut self, done: u64) {
        self.done = done.min(self.total);
        self.draw();
    }

    /// The step is over.
    pub fn end(&mut self) {
        if self.step.is_empty() || self.output.json {
            return;
        }
        let line = format!("{}: {}", self.step, self.amount(self.done));
        let line = if self.is_terminal { format!("\r\x1b[K{line}") } else { line };
        drop(writeln!(io::stderr(), "{line}"));
        self.step.clear();
    }

    fn draw(&mut self) {
        let share = (self.done * 100).checked_div(self.total).unwrap_or(100);
        if !self.is_terminal || self.output.json || self.drawn == Some(share) {
            return;
        }
        self.drawn = Some(share);
        let full = usize::try_from(share * WIDTH / 100).unwrap_or(0);
        let bar = format!("{}{}", "#".repeat(full), "-".repeat(usize::try_from(WIDTH).unwrap_or(0).saturating_sub(full)));
        let (done, total) = (self.amount(self.done), self.amount(self.total));
        drop(write!(io::stderr(), "\r\x1b[K{} [{bar}] {share:3} %  {done} of {total}", self.step));
        drop(io::stderr().flush());
    }

    fn amount(&self, count: u64) -> String {
        match self.unit {
            Unit::Things(name) => format!("{count} {name}"),
            Unit::Bytes if count < 1024 => format!("{count} B"),
            Unit::Bytes if count < 1024 * 1024 => format!("{} KiB", count.div_ceil(1024)),
            Unit::Bytes => format!("{}.{} MiB", count >> 20, ((count % (1 << 20)) * 10) >> 20),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // What failed half-way leaves its line as it is, and what is said next begins on one of its own.
        if !self.step.is_empty() && self.is_terminal && !self.output.json {
            drop(writeln!(io::stderr()));
        }
    }
}
