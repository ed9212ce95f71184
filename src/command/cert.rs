//! `doorward cert`: see certificates, and have them renewed.

use std::time::Duration;

use clap::Subcommand;
use serde_json::json;

use crate::admin::certificates::{self, CertificateAnswer, CertificateState, CertificateWish, Held, Origin, Reason, State};
use crate::admin::wish::{Answer, Wish};
use crate::base::clock::{Clock, Timestamp};
use crate::base::units::in_words;
use crate::command::awaited::{self, Awaited, Fate};
use crate::command::diff::{ask, unexpected};
use crate::command::exit::Failure;
use crate::command::import::{ImportWords, host, import};
use crate::command::moment;
use crate::command::output::{Output, table};
use crate::command::place::Named;
use crate::command::wish::Installation;
use crate::command::withdraw;
use crate::config::report::harmless;
use crate::tls::acme::folder::Folder;
use crate::tls::acme::names::Names;
use crate::tls::server;

/// Verbs of `cert`.
#[derive(Debug, Subcommand)]
pub enum CertVerb {
    /// Show every name's certificate: where it comes from, how long it lasts, what is wrong
    #[command(after_help = "Examples:\n  doorward cert list\n  doorward cert list --json")]
    List,
    /// Show all that is known of one name's certificate
    #[command(
        after_help = "Examples:\n  doorward cert show paperless.example.com\n  doorward cert show paperless.example.com --json"
    )]
    Show {
        /// The name
        #[arg(value_parser = host)]
        host: String,
    },
    /// Have certificates ordered now that are due or failed, and wait for them
    #[command(
        after_help = "Examples:\n  doorward cert renew                                # all that are due or failed\n  doorward cert renew paperless.example.com --force  # due or not"
    )]
    Renew {
        /// The name [default: all]
        #[arg(value_parser = host)]
        host: Option<String>,
        /// Also where nothing is due; the authority's limits hold all the same
        #[arg(long)]
        force: bool,
    },
    /// Take over certificates and accounts of certbot, lego or others; nothing of theirs is changed
    #[command(
        after_help = "Examples:\n  doorward cert import /etc/letsencrypt\n  doorward cert import .lego --name paperless.example.com --json"
    )]
    Import(ImportWords),
    /// Have a certificate revoked, and a new one ordered if the name is still configured
    #[command(
        after_help = "Examples:\n  doorward cert revoke paperless.example.com --reason key-compromise\n  doorward cert revoke old.example.com --reason cessation-of-operation --yes"
    )]
    Revoke {
        /// The name
        #[arg(value_parser = host)]
        host: String,
        /// Why: unspecified, key-compromise, affiliation-changed, superseded or cessation-of-operation
        #[arg(long, value_parser = withdraw::reason, default_value = "unspecified", hide_default_value = true)]
        reason: Reason,
        /// Do not ask whether this is meant
        #[arg(long)]
        yes: bool,
    },
    /// Give the account at each authority a new key
    #[command(after_help = "Examples:\n  doorward cert rollover-key")]
    RolloverKey,
}

/// Carries out `cert`.
///
/// # Errors
/// [`Failure`] with the reason.
pub fn cert(named: &Named, verb: CertVerb, output: Output) -> Result<(), Failure> {
    match verb {
        CertVerb::List => list(named, output),
        CertVerb::Show { host } => show(named, &host, output),
        CertVerb::Renew { host, force } => renew(named, host, force, output),
        CertVerb::Import(words) => import(named, words, output),
        CertVerb::Revoke { host, reason, yes } => withdraw::revoke(named, host, (reason, yes), output),
        CertVerb::RolloverKey => withdraw::roll_over(named, output),
    }
}

fn list(named: &Named, output: Output) -> Result<(), Failure> {
    let all = look(named)?;
    output.result(&json!({ "certificates": all }), || overview(&all, now()));
    Ok(())
}

fn show(named: &Named, host: &str, output: Output) -> Result<(), Failure> {
    let wanted = host.trim_end_matches('.').to_ascii_lowercase();
    let found = look(named)?.into_iter().find(|one| one.host == wanted);
    let missing = || Failure::NotFound(format!("no host `{host}` is configured; `doorward cert list` shows all"));
    let one = found.ok_or_else(missing)?;
    output.result(&one, || details(&one, now()));
    Ok(())
}

/// By the running gateway, which knows most; else from what it left behind.
///
/// # Errors
/// [`Failure`] with the reason.
pub fn look(named: &Named) -> Result<Vec<CertificateState>, Failure> {
    let installation = Installation::find(named)?;
    match installation.ask_running(&Wish::Certificates { ask: CertificateWish::List })? {
        Some(Answer::Certificates { said: CertificateAnswer::List(all) }) => Ok(all),
        Some(other) => Err(unexpected(other)),
        None => {
            let none =
                "no gateway runs, and without a configuration nothing says which names there are; name one with `--config FILE`";
            let plan = installation.plan.as_ref().ok_or_else(|| Failure::Unreachable(none.to_owned()))?;
            let clock = Clock::system();
            let names = Names::new(Folder::within(&installation.place.certs), server::provider(), clock.clone());
            Ok(certificates::kept(plan, &names, clock.now()))
        }
    }
}

fn renew(named: &Named, host: Option<String>, force: bool, output: Output) -> Result<(), Failure> {
    let before = look(named)?;
    let place = named.running()?;
    let wish = Wish::Certificates { ask: CertificateWish::Renew { host, force } };
    let renewing = match ask(&place, &wish)? {
        Answer::Certificates { said: CertificateAnswer::Renewing(renewing) } => renewing,
        other => return Err(unexpected(other)),
    };
    let patience = Duration::from_secs(renewing.patience);
    let awaited = Awaited { started: renewing.started, before, patience };
    let after = awaited.wait(named, output)?;
    let ended = awaited.started.iter().map(|host| {
        let state = after.iter().find(|one| one.host == *host);
        (host.as_str(), state, awaited.fate(host, &after))
    });
    let ended: Vec<Ended<'_>> = ended.collect();
    let mut held = renewing.held;
    held.extend(ended.iter().filter_map(|(_, _, fate)| if let Fate::Held(held) = fate { Some(held.clone()) } else { None }));
    let those = |wanted: fn(&Fate<'_>) -> bool| -> Vec<&str> {
        ended.iter().filter(|(_, _, fate)| wanted(fate)).map(|(host, _, _)| *host).collect()
    };
    let value = json!({
        "ordered": ended.iter().filter_map(|(_, state, _)| *state).collect::<Vec<_>>(),
        "held": held,
        "not_due": renewing.not_due,
        "running": those(|fate| *fate == Fate::Runs),
        "lost": those(|fate| *fate == Fate::Lost),
        "failed": those(|fate| matches!(fate, Fate::Failed(_))).len(),
    });
    output.result(&value, || outcome(&ended, &held, &renewing.not_due, now()));
    let is_done = held.is_empty() && ended.iter().all(|(_, _, fate)| *fate == Fate::Issued);
    if is_done { Ok(()) } else { Err(Failure::Found) }
}

/// A name whose order was waited for, how it stands, and what became of the order.
type Ended<'a> = (&'a str, Option<&'a CertificateState>, Fate<'a>);

fn outcome(ended: &[Ended<'_>], held: &[Held], not_due: &[(String, i64)], now: i64) -> String {
    let line = |(host, state, fate): &Ended<'_>| match (fate, state) {
        (Fate::Issued, Some(one)) => {
            Some(format!("done    {} has a certificate by {}, {}", harmless(host), harmless(&one.issuer), stands(one, now)))
        }
        (Fate::Failed(trouble), _) => Some(format!("failed  {}", harmless(&trouble.sentence))),
        (Fate::Runs, Some(one)) => Some(awaited::runs(one, now)),
        // Told with those that were held from the beginning.
        (Fate::Held(_), _) => None,
        (Fate::Lost | Fate::Issued | Fate::Runs, _) => Some(awaited::lost(host)),
    };
    let mut lines: Vec<String> = ended.iter().filter_map(line).collect();
    lines.extend(held.iter().map(|held| awaited::held(held, now)));
    for (host, until) in not_due {
        lines.push(format!("kept    {} is due in {}; --force orders all the same", harmless(host), span(now, *until)));
    }
    if lines.is_empty() {
        lines.push("no name gets its certificate by ACME".to_owned());
    }
    lines.join("\n")
}

fn overview(all: &[CertificateState], now: i64) -> String {
    let row = |one: &CertificateState| {
        let life = one.lifetime.map_or_else(|| "-".to_owned(), |life| span(0, life));
        vec![harmless(&one.host), source(one), issuer(one), life, ends(one, now), next(one, now)]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let mut text = table(&["NAME", "FROM", "ISSUER", "LIFE", "ENDS", "NEXT"], &rows);
    for trouble in all.iter().filter_map(|one| one.trouble.as_ref()) {
        text.push_str(&format!("\n\n{}", harmless(&trouble.sentence)));
    }
    text
}

fn details(one: &CertificateState, now: i64) -> String {
    let mut lines = vec![
        format!("name      {}", harmless(&one.host)),
        format!("from      {}", source(one)),
        format!("issuer    {}", issuer(one)),
    ];
    let second = |at: i64| moment::second(Timestamp::from_secs(at));
    lines.extend(one.from.map(|at| format!("valid     {}", second(at))));
    lines.extend(one.until.map(|at| format!("ends      {}", second(at))));
    lines.extend(one.lifetime.map(|life| format!("life      {}", span(0, life))));
    lines.push(format!("state     {}", stands(one, now)));
    lines.push(format!("next      {}", next(one, now)));
    lines.extend(one.renewal.filter(|at| one.next != Some(*at)).map(|at| format!("renewal   {}", second(at))));
    lines.extend(one.window.map(|(from, until)| format!("window    {} to {}, says the authority", second(from), second(until))));
    lines.extend(one.fingerprint.as_ref().map(|print| format!("sha-256   {print}")));
    if let Some(file) = &one.file {
        lines.push(format!("file      {}", harmless(&file.display().to_string())));
    }
    if let Some(trouble) = &one.trouble {
        lines.push(format!("\nfailed {}: {}", ago(trouble.at, now), harmless(&trouble.sentence)));
        lines.extend(trouble.words.as_ref().map(|words| format!("word for word: {}", harmless(words))));
    }
    lines.join("\n")
}

fn issuer(one: &CertificateState) -> String {
    if one.issuer.is_empty() { "-".to_owned() } else { harmless(&one.issuer) }
}

/// How it stands, in a sentence's end.
fn stands(one: &CertificateState, now: i64) -> String {
    match one.state {
        State::Well | State::Late if one.until.is_some() => format!("valid; ends {}", ends(one, now)),
        State::Alarming => format!("ENDS {}", ends(one, now)),
        State::Well | State::Late | State::Ended | State::Waiting | State::Revoked | State::Unreadable => ends(one, now),
    }
}

fn source(one: &CertificateState) -> String {
    match one.source {
        Origin::Acme => "acme",
        Origin::File => "file",
        Origin::Local => "local",
    }
    .to_owned()
}

fn ends(one: &CertificateState, now: i64) -> String {
    let when = one
        .until
        .map(|until| if until <= now { format!("ended {}", ago(until, now)) } else { format!("in {}", span(now, until)) });
    match (one.state, when) {
        (State::Waiting, _) => "shows the local authority's".to_owned(),
        (State::Unreadable, _) => "CANNOT BE READ".to_owned(),
        (State::Revoked, _) => "REVOKED".to_owned(),
        (State::Well | State::Late, Some(when)) => when,
        (State::Alarming | State::Ended, Some(when)) => when.to_uppercase(),
        (State::Well | State::Late | State::Alarming | State::Ended, None) => "-".to_owned(),
    }
}

fn next(one: &CertificateState, now: i64) -> String {
    let Some(at) = one.next else {
        return match (one.source, one.ordering_since, one.idle) {
            (Origin::Acme, Some(since), _) => format!("ordering for {}", span(since, now)),
            (Origin::Acme, None, false) => "orders now".to_owned(),
            (Origin::Acme, None, true) => "orders once a gateway runs".to_owned(),
            (Origin::File | Origin::Local, _, _) => "-".to_owned(),
        };
    };
    if let Some(since) = one.ordering_since {
        return format!("ordering for {}", span(since, now));
    }
    let what = match one.state {
        _ if one.trouble.is_some() => "tries again",
        State::Waiting | State::Revoked => "orders",
        State::Well | State::Late | State::Alarming | State::Ended | State::Unreadable => "renews",
    };
    // Within a day the date says less than the time.
    let day = if at.saturating_sub(now) < 2 * 86_400 {
        String::new()
    } else {
        format!(" on {},", moment::day(Timestamp::from_secs(at)))
    };
    format!("{what}{day} in {}{}", span(now, at), if one.idle { " if a gateway runs" } else { "" })
}

fn now() -> i64 {
    Clock::system().now().secs()
}

fn ago(at: i64, now: i64) -> String {
    format!("{} ago", span(at, now))
}

fn span(from: i64, to: i64) -> String {
    in_words(Duration::from_secs(u64::try_from(to.saturating_sub(from)).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::certificates::Trouble;

    fn one(host: &str, state: State, until: Option<i64>) -> CertificateState {
        CertificateState {
            host: host.to_owned(),
            source: Origin::Acme,
            issuer: "R11".to_owned(),
            state,
            from: until.map(|until| until - 90 * 86_400),
            until,
            lifetime: until.map(|_| 90 * 86_400),
            next: until.map(|until| until - 30 * 86_400),
            renewal: until.map(|until| until - 30 * 86_400),
            limit: None,
            window: None,
            wished: false,
            attempts: 0,
            idle: false,
            ordering_since: None,
            phase: None,
            fingerprint: None,
            failures: 0,
            trouble: None,
            file: None,
        }
    }

    #[test]
    fn a_list_says_what_comes_next_and_what_to_do() {
        let day = 86_400;
        let trouble = Trouble { at: 0, sentence: "let port 80\u{1b}[31m through".to_owned(), words: None };
        let waiting = CertificateState { next: Some(60), trouble: Some(trouble), ..one("b.example", State::Waiting, None) };
        let all = [one("a.example", State::Well, Some(80 * day)), waiting, one("c.example", State::Alarming, Some(5 * day))];
        let expected = "\
            NAME       FROM  ISSUER  LIFE     ENDS                         NEXT\n\
            a.example  acme  R11     90 days  in 80 days                   renews on 1970-02-20, in 50 days\n\
            b.example  acme  R11     -        shows the local authority's  tries again in 1 minute\n\
            c.example  acme  R11     90 days  IN 5 DAYS                    renews in 0 seconds\n\n\
            let port 80\u{fffd}[31m through";
        assert_eq!(overview(&all, 0), expected);
    }

    #[test]
    fn without_a_gateway_nothing_is_said_to_be_ordered() {
        let waiting =
            CertificateState { next: None, idle: true, issuer: String::new(), ..one("a.example", State::Waiting, None) };
        assert_eq!(next(&waiting, 0), "orders once a gateway runs");
        assert_eq!(issuer(&waiting), "-");
        let well = CertificateState { idle: true, ..one("a.example", State::Well, Some(80 * 86_400)) };
        assert_eq!(next(&well, 0), "renews on 1970-02-20, in 50 days if a gateway runs");
    }

    #[test]
    fn one_certificate_is_shown_with_its_life_and_the_date_of_its_renewal() {
        let text = details(&one("a.example", State::Well, Some(80 * 86_400)), 0);
        for line in [
            "ends      1970-03-22 00:00:00",
            "life      90 days",
            "state     valid; ends in 80 days",
            "next      renews on 1970-02-20, in 50 days",
        ] {
            assert!(text.lines().any(|said| said == line), "{line}: {text}");
        }
        let held = CertificateState { next: Some(86_400), ..one("a.example", State::Revoked, Some(80 * 86_400)) };
        assert_eq!(next(&held, 0), "orders in 1 day");
    }
}
