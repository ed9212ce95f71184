//! `doorward diff`: what a changed file would open or close.

use std::io::ErrorKind;
use std::path;

use serde_json::json;

use crate::admin::wish::{Answer, Wish};
use crate::command::exit::Failure;
use crate::command::output::{Output, colour};
use crate::command::place::{Named, unread};
use crate::command::wish::{block_on, granted};
use crate::config::read;
use crate::daemon::control;
use crate::daemon::place::Place;
use crate::plan::difference::{Change, Effect, summary};

/// Carries out `diff`.
///
/// # Errors
/// [`Failure::Config`] and [`Failure::Complaints`] when the file has errors, [`Failure::Unreachable`] when no gateway runs.
pub fn diff(named: &Named, output: Output) -> Result<(), Failure> {
    let file = named.required_config()?;
    let file = path::absolute(&file).unwrap_or(file);
    let source = read::source(&file).map_err(unread)?;
    let place = named.running()?;
    match ask(&place, &Wish::Diff { file, text: source.main().text.clone(), colour: colour() })? {
        Answer::Different { version, changes, warnings } => {
            if let Some(warnings) = &warnings {
                output.remark(&warnings.text);
            }
            let value = json!({ "version": version, "summary": summary(&changes), "changes": changes });
            output.result(&value, || text(version, &changes));
            Ok(())
        }
        other => Err(unexpected(other)),
    }
}

/// Asks the running gateway; nothing can be done without one.
///
/// # Errors
/// [`Failure`]: why it cannot be asked, or what it refused.
pub fn ask(place: &Place, wish: &Wish) -> Result<Answer, Failure> {
    let socket = place.control.display();
    match block_on(control::ask(&place.control, wish))? {
        Ok(Some(answer)) => granted(answer),
        Ok(None) => Err(Failure::Unreachable(format!(
            "no gateway listens at {socket}; start one with `doorward run`, or, if it keeps its data elsewhere, because `data_dir` has \
             just been changed for one, name that folder with `--data-dir`"
        ))),
        Err(fault) if fault.kind() == ErrorKind::PermissionDenied => {
            Err(Failure::Permission(format!("{socket} belongs to another user; run this as that user or as root")))
        }
        Err(fault) => Err(Failure::Unreachable(format!("the running gateway did not answer: {fault}"))),
    }
}

/// A gateway of another version than this program.
pub fn unexpected(_: Answer) -> Failure {
    Failure::Failed("the gateway gave another answer than the one asked for".to_owned())
}

/// Changes under a heading for each effect.
pub fn listed(changes: &[Change]) -> String {
    let mut text = String::new();
    for effect in Effect::ALL {
        let mut lines = changes.iter().filter(|change| change.effect == effect).map(line).peekable();
        if lines.peek().is_some() {
            text.push_str(&format!("\n{}\n", effect.heading()));
            text.extend(lines);
        }
    }
    text
}

fn line(change: &Change) -> String {
    match &change.app {
        Some(app) => format!("  {app}: {}\n", change.sentence),
        None => format!("  {}\n", change.sentence),
    }
}

fn text(version: u64, changes: &[Change]) -> String {
    let text =
        format!("compared with configuration {version}, which is in force, the file {}\n{}", summary(changes), listed(changes));
    text.trim_end().to_owned()
}
