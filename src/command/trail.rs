//! `doorward audit …`: the audit trail.

use serde_json::json;

use crate::admin::trail::{TrailAnswer, TrailLine, TrailWish};
use crate::admin::wish::{Answer, Wish};
use crate::base::clock::{Clock, Timestamp};
use crate::command::diff::unexpected;
use crate::command::exit::Failure;
use crate::command::keeping::{AuditList, AuditVerb};
use crate::command::moment::{self, second};
use crate::command::output::{Output, table};
use crate::command::place::Named;
use crate::command::wish::Installation;
use crate::model::audit::Deed;
use crate::model::user::UserName;

/// Carries out `audit …`.
///
/// # Errors
/// [`Failure::Failed`] if the trail is not whole.
pub fn audit(named: &Named, verb: AuditVerb, output: Output) -> Result<(), Failure> {
    let installation = Installation::find(named)?;
    match verb {
        AuditVerb::List(words) => list(&installation, words, output),
        AuditVerb::Verify { head } => verify(&installation, head.as_deref(), output),
    }
}

fn list(installation: &Installation, words: AuditList, output: Output) -> Result<(), Failure> {
    let since = words.since.as_deref().map(|text| {
        let example = "write how long ago, such as 24h or 7d, or a day such as 2026-11-22";
        moment::parse(text, Clock::system().now()).ok_or_else(|| Failure::Usage(format!("`--since`: {example}")))
    });
    let since = since.transpose()?.map(Timestamp::secs);
    // In the spelling that the trail has.
    let user = words.user.map(|name| name.parse::<UserName>().map_or(name, |name| name.to_string()));
    if let Some(event) = words.event.as_deref().filter(|event| !Deed::ALL.iter().any(|deed| deed.is_of(event))) {
        let names = Deed::ALL.map(Deed::name).join(", ");
        return Err(Failure::Usage(format!("there is no event {event:?}; there are {names}")));
    }
    let ask = TrailWish::List { user, since, event: words.event, most: words.limit };
    let TrailAnswer::Records(records) = self::ask(installation, ask)? else { return Err(strange()) };
    output.result(&json!({ "records": records }), || {
        if records.is_empty() {
            return "nothing is written down that fits".to_owned();
        }
        table(
            &["NO", "TIME (UTC)", "EVENT", "RESULT", "USER", "BY", "FROM", "MORE"],
            &records.iter().map(row).collect::<Vec<_>>(),
        )
    });
    Ok(())
}

fn row(record: &TrailLine) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let times = (record.count > 1).then(|| format!("{} times", record.count));
    let more = [&record.method, &record.reason, &record.detail, &times].into_iter().flatten();
    vec![
        record.seq.to_string(),
        second(Timestamp::from_millis(record.at)),
        record.event.clone(),
        record.outcome.clone(),
        text(&record.user),
        record.actor.clone(),
        text(&record.address),
        more.map(String::as_str).collect::<Vec<_>>().join(", "),
    ]
}

fn verify(installation: &Installation, noted: Option<&str>, output: Output) -> Result<(), Failure> {
    if let Some(noted) = noted {
        let (at, _) = noted.split_once(':').unwrap_or_default();
        at.parse::<u64>()
            .map_err(|_| Failure::Usage("`--head` takes what `audit verify` has printed, such as 42:1f2e…".to_owned()))?;
    }
    match ask(installation, TrailWish::Verify { noted: noted.map(str::to_owned) })? {
        TrailAnswer::Whole { first, last, head, breaks } if breaks.is_empty() => {
            let value = json!({ "whole": true, "first": first, "last": last, "head": head });
            output.result(&value, || match last < first {
                true => format!("the trail is whole; no record is kept. Its head: {head}"),
                false => format!("the trail is whole from record {first} to {last}. Its head, to be noted elsewhere: {head}"),
            });
            Ok(())
        }
        TrailAnswer::Whole { breaks, .. } => {
            let at: Vec<String> = breaks.iter().map(ToString::to_string).collect();
            let at = at.join(", ");
            Err(Failure::Failed(format!(
                "the trail did not go on from where it had ended, and was begun anew at record {at}: somebody has been at the database"
            )))
        }
        TrailAnswer::Broken { at, how } => {
            Err(Failure::Failed(format!("the trail is broken at record {at}: {how}. Somebody has been at the database")))
        }
        TrailAnswer::Records(_) | TrailAnswer::Noted => Err(strange()),
    }
}

/// Asks about the trail.
///
/// # Errors
/// [`Failure`].
pub fn ask(installation: &Installation, ask: TrailWish) -> Result<TrailAnswer, Failure> {
    match installation.ask(Wish::Trail { ask }, false)? {
        Answer::Trail { said } => Ok(said),
        other => Err(unexpected(other)),
    }
}

fn strange() -> Failure {
    Failure::Failed("the running gateway is of another version than this program".to_owned())
}
