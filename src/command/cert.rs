//! `doorward cert`: see certificates, and have them renewed.

use std::thread;
use std::time::{Duration, Instant};

use clap::Subcommand;
use serde_json::json;

use crate::admin::certificates::{self, CertificateAnswer, CertificateState, CertificateWish, Origin, Reason, Renewing, State};
use crate::admin::wish::{Answer, Wish};
use crate::base::clock::{Clock, Timestamp};
use crate::base::units::in_words;
use crate::command::diff::{ask, unexpected};
use crate::command::exit::Failure;
use crate::command::import::{ImportWords, host, import};
use crate::command::moment;
use crate::command::output::{Output, table};
use crate::command::place::Named;
use crate::command::steps::Steps;
use crate::command::wish::Installation;
use crate::command::withdraw;
use crate::tls::acme::folder::Folder;
use crate::tls::acme::names::Names;
use crate::tls::server;

/// Longest wait for orders; authorities take seconds, but may take minutes.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOK_EVERY: Duration = Duration::from_millis(250);

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
    let after = wait(named, &renewing, &before, output)?;
    let of = |host: &String| after.iter().find(|one| one.host == *host);
    let failed = renewing.started.iter().filter_map(of).filter(|one| one.trouble.is_some()).count();
    let ordered: Vec<_> = renewing.started.iter().filter_map(of).collect();
    let value = json!({
        "ordered": ordered, "held": renewing.held, "not_due": renewing.not_due, "failed": failed,
    });
    output.result(&value, || outcome(&renewing, &ordered, now()));
    if failed > 0 || !renewing.held.is_empty() { Err(Failure::Found) } else { Ok(()) }
}

/// Waits until every order that was started has ended, well or not.
///
/// # Errors
/// [`Failure`] with the reason.
pub fn wait(
    named: &Named,
    renewing: &Renewing,
    before: &[CertificateState],
    output: Output,
) -> Result<Vec<CertificateState>, Failure> {
    let mut steps = Steps::new(output);
    let began = Instant::now();
    let stamp = |all: &[CertificateState], host: &String| {
        let one = all.iter().find(|one| one.host == *host);
        one.map(|one| (one.fingerprint.clone(), one.failures))
    };
    loop {
        let all = look(named)?;
        let runs = |host: &&String| {
            let is_running = all.iter().any(|one| one.host == **host && one.ordering_since.is_some());
            is_running || stamp(&all, host) == stamp(before, host)
        };
        let left = renewing.started.iter().filter(runs).count();
        steps.clear();
        if left == 0 || began.elapsed() > PATIENCE {
            return Ok(all);
        }
        steps.show(&all, &renewing.started, left);
        thread::sleep(LOOK_EVERY);
    }
}

fn outcome(renewing: &Renewing, ordered: &[&CertificateState], now: i64) -> String {
    let mut lines = Vec::new();
    for one in ordered {
        match &one.trouble {
            Some(trouble) => lines.push(format!("failed  {}", plain(&trouble.sentence))),
            None => lines.push(format!(
                "done    {} has a certificate by {}, {}",
                plain(&one.host),
                plain(&one.issuer),
                ends(one, now)
            )),
        }
    }
    for (host, until) in &renewing.held {
        lines.push(format!("held    {}: the authority's limits allow the next order in {}", plain(host), span(now, *until)));
    }
    for (host, until) in &renewing.not_due {
        lines.push(format!("kept    {} is due in {}; --force orders all the same", plain(host), span(now, *until)));
    }
    if lines.is_empty() {
        lines.push("no name gets its certificate by ACME".to_owned());
    }
    lines.join("\n")
}

fn overview(all: &[CertificateState], now: i64) -> String {
    let row = |one: &CertificateState| vec![plain(&one.host), source(one), plain(&one.issuer), ends(one, now), next(one, now)];
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    let mut text = table(&["NAME", "FROM", "ISSUER", "ENDS", "NEXT"], &rows);
    for trouble in all.iter().filter_map(|one| one.trouble.as_ref()) {
        text.push_str(&format!("\n\n{}", plain(&trouble.sentence)));
    }
    text
}

fn details(one: &CertificateState, now: i64) -> String {
    let mut lines = vec![
        format!("name      {}", plain(&one.host)),
        format!("from      {}", source(one)),
        format!("issuer    {}", if one.issuer.is_empty() { "-".to_owned() } else { plain(&one.issuer) }),
    ];
    let moments = [("valid", one.from), ("ends", one.until)];
    lines.extend(
        moments
            .into_iter()
            .filter_map(|(what, at)| at.map(|at| format!("{what:<8}  {}", moment::second(Timestamp::from_secs(at))))),
    );
    lines.push(format!("state     {}", ends(one, now)));
    lines.push(format!("next      {}", next(one, now)));
    lines.extend(one.window.map(|(from, until)| {
        let [from, until] = [from, until].map(|at| moment::second(Timestamp::from_secs(at)));
        format!("window    {from} to {until}, says the authority")
    }));
    lines.extend(one.fingerprint.as_ref().map(|print| format!("sha-256   {print}")));
    if let Some(file) = &one.file {
        lines.push(format!("file      {}", plain(&file.display().to_string())));
    }
    if let Some(trouble) = &one.trouble {
        lines.push(format!("\nfailed {}: {}", ago(trouble.at, now), plain(&trouble.sentence)));
        lines.extend(trouble.words.as_ref().map(|words| format!("word for word: {}", plain(words))));
    }
    lines.join("\n")
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
    match (one.ordering_since, one.next, one.source) {
        (Some(since), _, _) => format!("ordering for {}", span(since, now)),
        (None, Some(at), _) if one.trouble.is_some() => format!("tries again in {}", span(now, at)),
        (None, Some(at), _) => format!("renews in {}", span(now, at)),
        (None, None, Origin::Acme) => "orders now".to_owned(),
        (None, None, Origin::File | Origin::Local) => "-".to_owned(),
    }
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

/// Words of authorities and names of files do not steer the terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
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
            next: until.map(|until| until - 30 * 86_400),
            window: None,
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
            NAME       FROM  ISSUER  ENDS                         NEXT\n\
            a.example  acme  R11     in 80 days                   renews in 50 days\n\
            b.example  acme  R11     shows the local authority's  tries again in 1 minute\n\
            c.example  acme  R11     IN 5 DAYS                    renews in 0 seconds\n\n\
            let port 80\u{fffd}[31m through";
        assert_eq!(overview(&all, 0), expected);
    }
}
