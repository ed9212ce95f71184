//! `doorward ban …`: networks from which nobody may sign in.

use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use crate::admin::bans::{BanAnswer, BanLine, BanWish};
use crate::admin::wish::{Answer, Wish};
use crate::base::clock::{Clock, Timestamp};
use crate::base::units::{self, in_words};
use crate::command::diff::unexpected;
use crate::command::exit::Failure;
use crate::command::moment::second;
use crate::command::output::{Output, table};
use crate::command::place::Named;
use crate::command::wish::Installation;

/// Verbs of `ban`.
#[derive(Debug, Subcommand)]
pub enum BanVerb {
    /// Show which networks are barred, until when and why
    #[command(after_help = "Examples:\n  doorward ban list\n  doorward ban list --json")]
    List,
    /// Let nobody sign in from a network; who is signed in stays so, and public paths stay open
    #[command(
        after_help = "Examples:\n  doorward ban add 203.0.113.7 --for 1h\n  doorward ban add 2001:db8::/32 --reason 'guesses all night'"
    )]
    Add {
        /// An address, or a network such as 203.0.113.0/24
        network: String,
        /// For so long, such as 1h or 7d [default: until it is lifted]
        #[arg(long = "for", value_name = "TIME", value_parser = length)]
        length: Option<Duration>,
        /// Why, for whoever reads the list
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let people from a network sign in again
    #[command(after_help = "Examples:\n  doorward ban lift 203.0.113.7\n  doorward ban lift --all")]
    #[group(required = true, multiple = false)]
    Lift {
        /// The network, as `ban list` shows it
        network: Option<String>,
        /// All networks
        #[arg(long)]
        all: bool,
    },
}

/// Carries out `ban …`.
///
/// # Errors
/// [`Failure`]; nothing was changed then.
pub fn ban(named: &Named, verb: BanVerb, output: Output) -> Result<(), Failure> {
    let ask = match verb {
        BanVerb::List => BanWish::List,
        BanVerb::Add { network, length, reason } => BanWish::Add { network, secs: length.map(|length| length.as_secs()), reason },
        BanVerb::Lift { network, all: _ } => BanWish::Lift { network },
    };
    let said = match Installation::find(named)?.ask(Wish::Bans { ask }, false)? {
        Answer::Bans { said } => said,
        other => return Err(unexpected(other)),
    };
    let now = Clock::system().now();
    match said {
        BanAnswer::Bans(bans) => output.result(&json!({ "bans": bans }), || match bans.is_empty() {
            true => "no network is barred".to_owned(),
            false => {
                let rows: Vec<_> = bans.iter().map(|ban| row(ban, now)).collect();
                table(&["NETWORK", "SINCE (UTC)", "FOR ANOTHER", "BY", "REASON"], &rows)
            }
        }),
        BanAnswer::Added(ban) => output.result(&ban, || match ban.until {
            Some(until) => format!("nobody may sign in from {} for {}", ban.network, left(until, now)),
            None => format!("nobody may sign in from {} until you lift this", ban.network),
        }),
        BanAnswer::Lifted(lifted) => output.result(&json!({ "lifted": lifted }), || match lifted.as_slice() {
            [] => "no network was barred".to_owned(),
            lifted => format!("people may sign in again from {}", lifted.join(", ")),
        }),
    }
    Ok(())
}

fn row(ban: &BanLine, now: Timestamp) -> Vec<String> {
    vec![
        ban.network.clone(),
        second(Timestamp::from_secs(ban.since)),
        ban.until.map_or_else(|| "until lifted".to_owned(), |until| left(until, now)),
        ban.by.clone(),
        ban.reason.clone(),
    ]
}

fn left(until: i64, now: Timestamp) -> String {
    // Said in whole seconds, of a moment that is in them.
    in_words(Timestamp::from_secs(until.saturating_add(1)).since(now))
}

fn length(text: &str) -> Result<Duration, String> {
    let time = units::duration(text).map_err(|fault| format!("it {fault}; write 15m, 1h or 7d"))?;
    let bounds = Duration::from_secs(60)..=Duration::from_secs(3_650 * 86_400);
    if bounds.contains(&time) { Ok(time) } else { Err("from 1m to ten years; leave --for out for good".to_owned()) }
}
