//! `doorward cert revoke`, `doorward cert rollover-key`: what is taken back from an authority.

use std::io;
use std::io::IsTerminal;
use std::time::Duration;

use serde_json::json;

use crate::admin::certificates::{CertificateAnswer, CertificateState, CertificateWish, Reason, RolledOver};
use crate::admin::wish::{Answer, Wish};
use crate::base::clock::Clock;
use crate::command::awaited::{self, Awaited, Fate};
use crate::command::cert::look;
use crate::command::diff::{ask, unexpected};
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::command::place::Named;
use crate::command::question;
use crate::config::report::harmless;

/// Reads a reason.
///
/// # Errors
/// Which there are.
pub fn reason(text: &str) -> Result<Reason, String> {
    let found = Reason::ALL.into_iter().find(|reason| reason.name() == text);
    found.ok_or_else(|| format!("one of {}", Reason::ALL.map(Reason::name).join(", ")))
}

/// Revokes the certificate of a host, and waits for the new one.
///
/// # Errors
/// [`Failure`] with the reason.
pub fn revoke(named: &Named, host: String, (reason, yes): (Reason, bool), output: Output) -> Result<(), Failure> {
    confirm(yes, &host)?;
    let before = look(named)?;
    let wish = Wish::Certificates { ask: CertificateWish::Revoke { host, reason } };
    let revoked = match ask(&named.running()?, &wish)? {
        Answer::Certificates { said: CertificateAnswer::Revoked(revoked) } => revoked,
        other => return Err(unexpected(other)),
    };
    let started = if revoked.ordered { vec![revoked.host.clone()] } else { Vec::new() };
    let awaited = Awaited { started, before, patience: Duration::from_secs(revoked.patience) };
    let after = awaited.wait(named, output)?;
    let is_configured = revoked.ordered || revoked.held.is_some();
    let next = after.iter().find(|one| is_configured && one.host == revoked.host);
    let fate = match &revoked.held {
        Some(held) => Some(Fate::Held(held.clone())),
        None => revoked.ordered.then(|| awaited.fate(&revoked.host, &after)),
    };
    let held = if let Some(Fate::Held(held)) = &fate { Some(held) } else { None };
    let value = json!({
        "revoked": revoked.host, "ordered": next, "held": held, "running": fate == Some(Fate::Runs),
        "issued": fate == Some(Fate::Issued),
    });
    output.result(&value, || told(&revoked.host, fate.as_ref(), next));
    if matches!(fate, None | Some(Fate::Issued)) { Ok(()) } else { Err(Failure::Found) }
}

/// What became of a certificate that was revoked, and of the one in its place.
fn told(host: &str, fate: Option<&Fate<'_>>, next: Option<&CertificateState>) -> String {
    let (name, now) = (harmless(host), Clock::system().now().secs());
    let second = match fate {
        None => return format!("revoked the certificate of {name}; it is not configured, so none is ordered"),
        Some(Fate::Issued) => {
            let issuer = next.map(|next| harmless(&next.issuer)).unwrap_or_default();
            return format!("revoked the certificate of {name}\ndone    it has a new one by {issuer}");
        }
        Some(Fate::Failed(trouble)) => format!("failed  {}", harmless(&trouble.sentence)),
        Some(Fate::Runs) => next.map(|next| awaited::runs(next, now)).unwrap_or_default(),
        Some(Fate::Held(held)) => awaited::held(held, now),
        Some(Fate::Lost) => awaited::lost(host),
    };
    format!("revoked the certificate of {name}, which is shown until there is another\n{second}")
}

/// Gives our accounts other keys.
///
/// # Errors
/// [`Failure`] with the reason.
pub fn roll_over(named: &Named, output: Output) -> Result<(), Failure> {
    let wish = Wish::Certificates { ask: CertificateWish::RollOver };
    let done = match ask(&named.running()?, &wish)? {
        Answer::Certificates { said: CertificateAnswer::RolledOver(done) } => done,
        other => return Err(unexpected(other)),
    };
    output.result(&json!({ "accounts": done }), || {
        let line = |one: &RolledOver| match &one.trouble {
            None => format!("done    the account at {} has a new key", harmless(&one.authority)),
            Some(trouble) => format!("failed  {}", harmless(trouble)),
        };
        done.iter().map(line).collect::<Vec<_>>().join("\n")
    });
    if done.iter().any(|one| one.trouble.is_some()) { Err(Failure::Found) } else { Ok(()) }
}

/// What is revoked stays so.
fn confirm(yes: bool, host: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::Usage("revoking cannot be undone; add `--yes` if you mean it".to_owned()));
    }
    let question = format!("Revoke the certificate of {}? This cannot be undone. [y/N] ", harmless(host));
    if question::is_meant(&question) { Ok(()) } else { Err(Failure::Usage("nothing was revoked".to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_those_that_an_owner_may_give() {
        assert_eq!(reason("key-compromise"), Ok(Reason::KeyCompromise));
        assert_eq!(Reason::ALL.map(Reason::code), [0, 1, 3, 4, 5]);
        assert!(reason("ca-compromise").expect_err("not ours to say").contains("superseded"));
    }
}
