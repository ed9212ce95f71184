//! `doorward key …`: the master keys.

use serde_json::json;

use crate::admin::keys::{KeyAnswer, KeyLine, KeyWish};
use crate::admin::wish::{Answer, Wish};
use crate::base::clock::{Clock, Timestamp};
use crate::base::entropy::Entropy;
use crate::base::key_ring::KeyRing;
use crate::base::seal::MasterKey;
use crate::command::diff::unexpected;
use crate::command::exit::Failure;
use crate::command::keeping::KeyVerb;
use crate::command::moment::day;
use crate::command::output::{Output, print, table};
use crate::command::place::Named;
use crate::command::progress::{Progress, Unit};
use crate::command::wish::Installation;

/// Carries out `key …`.
///
/// # Errors
/// [`Failure`]; what was sealed anew by then stays so, and everything opens.
pub fn key(named: &Named, verb: KeyVerb, output: Output) -> Result<(), Failure> {
    if matches!(verb, KeyVerb::New) {
        fresh(output);
        return Ok(());
    }
    let installation = Installation::find(named)?;
    match verb {
        KeyVerb::List => list(&installation, output),
        KeyVerb::Rotate { resume } => rotate(&installation, resume, output),
        KeyVerb::Drop { id } => {
            let KeyAnswer::Dropped { id } = ask(&installation, KeyWish::Drop { id })? else { return Err(strange()) };
            output.result(&json!({ "dropped": id }), || format!("the key {id} is forgotten"));
            Ok(())
        }
        KeyVerb::New => Ok(()),
    }
}

/// A line for owners who keep the keys themselves.
fn fresh(output: Output) {
    let ring = KeyRing::of(MasterKey::draw(Entropy), Some(Clock::system().now()));
    let text = ring.to_text();
    match output.json {
        true => output.result(&json!({ "id": ring.active().id.to_string(), "keys": text.expose() }), String::new),
        false => print(text.expose().trim_end()),
    }
}

fn list(installation: &Installation, output: Output) -> Result<(), Failure> {
    let KeyAnswer::Keys(keys) = ask(installation, KeyWish::List)? else { return Err(strange()) };
    output.result(&json!({ "keys": keys }), || {
        let row = |key: &KeyLine| {
            let state = match (key.active, key.sealed) {
                (true, _) => "active",
                (false, 0) => "can be dropped",
                (false, _) => "still needed",
            };
            let made = key.made_at.map_or_else(|| "unknown".to_owned(), |secs| day(Timestamp::from_secs(secs)));
            vec![key.id.clone(), state.to_owned(), key.sealed.to_string(), made]
        };
        table(&["ID", "STATE", "SEALED VALUES", "MADE"], &keys.iter().map(row).collect::<Vec<_>>())
    });
    Ok(())
}

/// A new key, then everything anew. Who stops this half-way loses nothing: `--resume`, or the gateway by itself, goes on.
fn rotate(installation: &Installation, resume: bool, output: Output) -> Result<(), Failure> {
    let id = match resume {
        true => None,
        false => {
            let KeyAnswer::Rotated { id } = ask(installation, KeyWish::Rotate)? else { return Err(strange()) };
            output.remark(&format!("the key {id} seals from now on; sealing anew what older keys sealed"));
            Some(id)
        }
    };
    let mut progress = Progress::new(output, Unit::Things("values"));
    let (mut sealed, mut begun) = (0, false);
    let unreadable = loop {
        let KeyAnswer::Resealed { done, left, unreadable } = ask(installation, KeyWish::Reseal)? else { return Err(strange()) };
        sealed += done;
        if !begun {
            progress.begin("sealed anew", done + left - unreadable);
            begun = true;
        }
        progress.add(done);
        if done == 0 || left == unreadable {
            break unreadable;
        }
    };
    progress.end();
    if unreadable > 0 {
        return Err(Failure::Failed(format!(
            "{sealed} values were sealed anew; {unreadable} do not open, because somebody changed or moved them in the database, and stay \
             as they are: a new set-up link (`doorward user link NAME`) replaces those of a person whose sign-in fails"
        )));
    }
    let done = json!({ "key": id, "resealed": sealed });
    output
        .result(&done, || "everything is sealed with the newest key; `doorward key list` shows which can be dropped".to_owned());
    Ok(())
}

fn ask(installation: &Installation, ask: KeyWish) -> Result<KeyAnswer, Failure> {
    match installation.ask(Wish::Keys { ask }, false)? {
        Answer::Keys { said } => Ok(said),
        other => Err(unexpected(other)),
    }
}

fn strange() -> Failure {
    Failure::Failed("the running gateway is of another version than this program".to_owned())
}
