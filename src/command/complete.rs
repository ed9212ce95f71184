//! `doorward completions SHELL`: what a shell needs to complete our words.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use crate::command::line::Line;

/// Prints the completion script for `shell`.
pub fn completions(shell: Shell) {
    clap_complete::generate(shell, &mut Line::command(), "doorward", &mut io::stdout());
}
