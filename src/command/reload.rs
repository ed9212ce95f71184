//! `doorward reload`: has the running gateway read its file again.

use std::path;
use std::time::Duration;

use serde_json::json;

use crate::admin::wish::{Answer, Reloaded, Wish};
use crate::base::units::in_words;
use crate::command::diff::{ask, listed, unexpected};
use crate::command::exit::Failure;
use crate::command::line::ReloadWords;
use crate::command::output::{Output, colour};
use crate::command::place::Named;
use crate::plan::difference;

/// Carries out `reload`.
///
/// # Errors
/// [`Failure::Complaints`] and [`Failure::NotApplied`] when the new configuration cannot be had, [`Failure::Failed`] while
/// another is on trial; the one in force stays then.
pub fn reload(named: &Named, words: &ReloadWords, output: Output) -> Result<(), Failure> {
    let place = named.running()?;
    let wish = match words.keep {
        true => Wish::Keep,
        false => Wish::Reload {
            file: named.config.as_ref().map(|file| path::absolute(file).unwrap_or_else(|_| file.clone())),
            // A part of a second counts as a whole one.
            confirm_secs: words.confirm.map(|time| time.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)),
            colour: colour(),
        },
    };
    match ask(&place, &wish)? {
        Answer::Reloaded(reloaded) => show(&reloaded, output),
        Answer::Kept { version } => output.result(&json!({ "kept": version }), || format!("configuration {version} stays")),
        other => return Err(unexpected(other)),
    }
    Ok(())
}

fn show(reloaded: &Reloaded, output: Output) {
    if let Some(warnings) = &reloaded.warnings {
        output.remark(&warnings.text);
    }
    output.result(&reloaded, || text(reloaded));
}

fn text(reloaded: &Reloaded) -> String {
    let summary = difference::summary(&reloaded.changes);
    let mut text = format!("configuration {} is in force; it {summary}\n{}", reloaded.version, listed(&reloaded.changes));
    for key in &reloaded.needs_restart {
        text.push_str(&format!("\n`{key}` takes effect with the next restart only"));
    }
    if let Some(secs) = reloaded.confirm_within {
        let time = in_words(Duration::from_secs(secs));
        text.push_str(&format!(
            "\non trial for {time}: `doorward reload --keep` keeps it, else the configuration before it comes back"
        ));
    }
    text.trim_end().to_owned()
}
