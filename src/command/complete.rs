//! `doorward completions SHELL`: what a shell needs to complete our words.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::command::line::Line;
use crate::command::output::print;

/// Prints the completion script for `shell`.
pub fn completions(shell: Shell) {
    // Not straight to standard output: the generator panics where that is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Line::command(), "doorward", &mut script);
    print(String::from_utf8_lossy(&script).trim_end());
}
