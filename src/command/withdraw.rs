//! `doorward cert revoke`, `doorward cert rollover-key`: what is taken back from an authority.

use std::io::{self, BufRead, IsTerminal, Write};

use serde_json::json;

use crate::admin::certificates::{CertificateAnswer, CertificateWish, Reason, Renewing};
use crate::admin::wish::{Answer, Wish};
use crate::command::cert::{look, plain, wait};
use crate::command::diff::{ask, unexpected};
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::command::place::Named;

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
    let after = wait(named, &Renewing { started, ..Renewing::default() }, &before, output)?;
    let next = after.into_iter().find(|one| revoked.ordered && one.host == revoked.host);
    let trouble = next.as_ref().and_then(|next| next.trouble.as_ref());
    let host = plain(&revoked.host);
    output.result(&json!({ "revoked": revoked.host, "ordered": next }), || match (&next, trouble) {
        (None, _) => format!("revoked  the certificate of {host}; it is not configured, so none is ordered"),
        (Some(_), Some(trouble)) => {
            format!(
                "revoked  the certificate of {host}, which is shown until there is another\nfailed   {}",
                plain(&trouble.sentence)
            )
        }
        (Some(next), None) => format!("revoked  the certificate of {host}\ndone     it has a new one by {}", plain(&next.issuer)),
    });
    if trouble.is_some() { Err(Failure::Found) } else { Ok(()) }
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
        let line = |one: &crate::admin::certificates::RolledOver| match &one.trouble {
            None => format!("done    the account at {} has a new key", plain(&one.authority)),
            Some(trouble) => format!("failed  {}", plain(trouble)),
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
    drop(write!(io::stderr(), "Revoke the certificate of {}? This cannot be undone. [y/N] ", plain(host)));
    drop(io::stderr().flush());
    let mut line = String::new();
    drop(io::stdin().lock().read_line(&mut line));
    let meant = matches!(line.trim(), "y" | "Y" | "yes");
    if meant { Ok(()) } else { Err(Failure::Usage("nothing was revoked".to_owned())) }
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
