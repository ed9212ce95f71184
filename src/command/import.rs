//! `doorward cert import`: takes over certificates that certbot, lego or others had issued.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::admin::takeover::{Fate, Outcome};
use crate::admin::wish::{Answer, Wish};
use crate::command::diff::unexpected;
use crate::command::exit::Failure;
use crate::command::foreign::{self, Found};
use crate::command::output::Output;
use crate::command::place::Named;
use crate::command::wish::Installation;
use crate::config::report::harmless;
use crate::plan::acme::{LETS_ENCRYPT, LETS_ENCRYPT_STAGING};
use crate::policy::wildcard::HostPattern;

/// Words of `cert import`.
#[derive(Debug, Args)]
pub struct ImportWords {
    /// certbot's folder (/etc/letsencrypt), lego's (.lego), a folder of PEM files, or one of them
    #[arg(value_name = "FROM")]
    pub from: PathBuf,
    /// Only for this name [default: all that get their certificates by ACME]
    #[arg(long, value_name = "NAME", value_parser = host)]
    pub name: Option<String>,
    /// Also in the place of a certificate that ends later
    #[arg(long)]
    pub force: bool,
}

/// Reads a name that a certificate may be for, and gives it back as it is kept.
///
/// # Errors
/// Why it is none.
pub fn host(text: &str) -> Result<String, String> {
    HostPattern::parse(text).map(|host| host.to_string()).map_err(|fault| fault.to_string())
}

/// Carries out `cert import`.
///
/// # Errors
/// [`Failure`] with the reason; [`Failure::Found`] if something was refused.
pub fn import(named: &Named, words: ImportWords, output: Output) -> Result<(), Failure> {
    let installation = Installation::find(named)?;
    let policy = installation.plan.as_ref().and_then(|plan| plan.acme.as_ref());
    let own = policy.map(|policy| policy.directory.clone()).into_iter().chain(policy.and_then(|policy| policy.staging.clone()));
    let directories: Vec<String> = own.chain([LETS_ENCRYPT, LETS_ENCRYPT_STAGING].map(str::to_owned)).collect();
    let Found { mut offer, mut said } = foreign::find(&words.from, &directories)?;
    (offer.name, offer.force) = (words.name, words.force);
    match installation.ask(Wish::Import { offer: Box::new(offer) }, true)? {
        Answer::Imported { outcomes } => said.extend(outcomes),
        other => return Err(unexpected(other)),
    }
    let count = |fate: Fate| said.iter().filter(|outcome| outcome.result == fate).count();
    let value = json!({
        "outcomes": said, "taken": count(Fate::Taken), "kept": count(Fate::Kept), "refused": count(Fate::Refused),
    });
    output.result(&value, || said.iter().map(line).collect::<Vec<_>>().join("\n"));
    if count(Fate::Refused) > 0 { Err(Failure::Found) } else { Ok(()) }
}

fn line(outcome: &Outcome) -> String {
    let fate = match outcome.result {
        Fate::Taken => "taken  ",
        Fate::Kept => "kept   ",
        Fate::Refused => "refused",
    };
    let file = outcome.from.display().to_string();
    let what = match (&outcome.host, file.is_empty()) {
        (Some(host), true) => host.clone(),
        (Some(host), false) => format!("{host} ({file})"),
        (None, _) => file,
    };
    harmless(&format!("{fate}  {what}: {}", outcome.sentence))
}
