//! What a gateway says when it is ready: once, and with everything the person needs next.

use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use crate::admin::wish::{Answer, Details, UserLine, Wish};
use crate::command::exit::Failure;
use crate::command::output::terminal_qr;
use crate::command::serve::Manner;
use crate::command::wish::block_on;
use crate::daemon::boot::Gateway;
use crate::daemon::place::Place;
use crate::model::user::FIRST_USER;
use crate::plan::acme;
use crate::plan::whole::Plan;
use crate::tls::acme::trouble;

/// The ready line.
#[derive(Debug, Serialize)]
pub struct Ready<'a> {
    event: &'static str,
    urls: Vec<String>,
    setup_link: Option<String>,
    ca_file: &'a Path,
    https: &'a [SocketAddr],
    http: &'a [SocketAddr],
    data_dir: &'a Path,
}

/// Says that the gateway is ready.
///
/// # Errors
/// [`Failure::Failed`] when the store cannot tell whether anybody has an account.
pub fn announce(gateway: &Gateway, plan: &Plan, place: &Place, manner: Manner<'_>) -> Result<(), Failure> {
    let ready = Ready {
        event: "ready",
        urls: plan.apps.iter().filter_map(|app| plan.url_of(app)).collect(),
        setup_link: first_link(gateway)?,
        ca_file: &gateway.ca_file,
        https: &gateway.https,
        http: &gateway.http,
        data_dir: &place.data,
    };
    manner.output.result(&ready, || text(&ready, plan, manner.heading));
    Ok(())
}

/// While nobody has set up the first account, every start makes a new link for it: a lost one is never a locked door.
fn first_link(gateway: &Gateway) -> Result<Option<String>, Failure> {
    let ask = |wish| block_on(gateway.desk.perform(wish));
    let users = match ask(Wish::UserList)? {
        Answer::Users { users } => users,
        other => return Err(refused(other)),
    };
    let wish = match &users[..] {
        [] => Wish::UserAdd { name: FIRST_USER.to_owned(), credentials: None, details: Details::default() },
        [first] if first.user == FIRST_USER && !first.disabled && is_new(first) => Wish::UserLink { name: first.user.clone() },
        // Somebody has been at work with `doorward user`: their links are not to die by a restart.
        _ => return Ok(None),
    };
    match ask(wish)? {
        Answer::User(user) => Ok(user.setup_link),
        other => Err(refused(other)),
    }
}

/// Whether an account was never set up. One without a password may be an owner's, who signs in by a code alone.
fn is_new(user: &UserLine) -> bool {
    !user.password && user.authenticators + user.passkeys == 0
}

fn refused(answer: Answer) -> Failure {
    match answer {
        Answer::Refused { message, .. } => Failure::Failed(message),
        _ => Failure::Failed("the store gave another answer than the one asked for".to_owned()),
    }
}

fn text(ready: &Ready<'_>, plan: &Plan, heading: &str) -> String {
    let mut text = format!("{heading}\n\n");
    for app in &plan.apps {
        let under = || app.patterns().next().map(|host| host.to_string()).unwrap_or_default();
        let url = plan.url_of(app).unwrap_or_else(under);
        text.push_str(&format!("  {url}  {} at {}\n", app.name, app.upstream.origin.place()));
    }
    let data = ready.data_dir.display();
    match &ready.setup_link {
        Some(link) => {
            text.push_str(&format!(
                "\nCreate your account. This link works once, for 24 hours:\n\n    {link}\n\n{}",
                terminal_qr(link)
            ));
        }
        None => text.push_str(&format!("\nAccounts exist; `doorward user list --data-dir {data}` shows them.\n")),
    }
    let patterns = || plan.apps.iter().filter(|app| app.certificate.is_none()).flat_map(|app| app.patterns());
    let local = plan.tls.certificate.is_none()
        && patterns().any(|pattern| plan.acme.is_none() || !acme::takes(&pattern, plan.acme.as_ref()));
    if plan.tls.certificate.is_none() && patterns().any(|pattern| acme::takes(&pattern, plan.acme.as_ref())) {
        text.push_str(&match &plan.acme {
            Some(policy) => format!(
                "\nCertificates for public names come from {}; until they are issued, visitors see this installation's own. Watch them:\n    \
                 doorward cert list --data-dir {data}\n",
                trouble::name(&policy.directory)
            ),
            None => "\nA name of yours is public: with --agree-tos it gets a certificate that everybody trusts ([acme] in a file).\n".to_owned(),
        });
    }
    if local {
        text.push_str(&format!("\nCertificates come from this installation's own authority. Make this machine trust it once:\n    doorward trust --data-dir {data}\n"));
    }
    text.push_str(&format!("\nEverything is kept in {data}. Ctrl-C stops.\n"));
    text
}
