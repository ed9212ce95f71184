//! `doorward help [TOPIC]`: what a code means, or how a command is used.

use clap::{Command, CommandFactory};
use serde_json::json;

use crate::command::exit::Failure;
use crate::command::line::Line;
use crate::command::output::Output;
use crate::config::complaint::Code;
use crate::config::help::{self, Explanation};

/// Carries out `help`.
///
/// # Errors
/// [`Failure::NotFound`] with every topic there is.
pub fn help(topic: &[String], output: Output) -> Result<(), Failure> {
    if let [name] = topic
        && let Some(explanation) = help::find(name)
    {
        explain(explanation, output);
        return Ok(());
    }
    let text = usage(topic).ok_or_else(|| unknown(topic))?;
    output.result(&json!({ "command": topic.join(" "), "help": text }), || text.trim_end().to_owned());
    Ok(())
}

/// The very text that `--help` behind these words gives.
fn usage(words: &[String]) -> Option<String> {
    let command = Line::command();
    words.iter().try_fold(&command, |command, word| command.find_subcommand(word))?;
    let typed = ["doorward"].into_iter().chain(words.iter().map(String::as_str)).chain(["--help"]);
    command.try_get_matches_from(typed).err().map(|help| help.to_string())
}

fn explain(explanation: &Explanation, output: Output) {
    let Explanation { code, text, mistake, right } = *explanation;
    let (name, severity, meaning) = (code.name(), code.severity().name(), code.meaning());
    let value = json!({
        "code": name, "severity": severity, "meaning": meaning, "text": text.replace('\n', " "), "mistake": mistake, "fix": right,
    });
    output.result(&value, || {
        format!(
            "{severity}[{name}]: {meaning}\n\n{text}\n\nThe mistake:\n\n{}\n\nThe fix:\n\n{}",
            indented(mistake),
            indented(right)
        )
    });
}

fn indented(text: &str) -> String {
    let lines: Vec<String> =
        text.lines().map(|line| if line.is_empty() { String::new() } else { format!("    {line}") }).collect();
    lines.join("\n")
}

fn unknown(topic: &[String]) -> Failure {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    let command = Line::command();
    let verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let (topic, codes, verbs) = (topic.join(" "), codes.join(", "), verbs.join(", "));
    Failure::NotFound(format!("no help on `{topic}`; there is help on the codes {codes}, and on the commands {verbs}"))
}
