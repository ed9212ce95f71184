//! `doorward up HOST=UPSTREAM …`: a real app behind the door, still without a file.

use std::io::{self, ErrorKind, IsTerminal};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use serde_json::json;

use crate::command::environment;
use crate::command::exit::Failure;
use crate::command::output::Output;
use crate::command::place::Named;
use crate::command::serve::{HangUp, Manner, serve};
use crate::command::starting::{AcmeWords, Listen, UpWords};
use crate::config::source::Source;
use crate::daemon::configuration;
use crate::model::mode::Mode;
use crate::plan::whole::Plan;
use crate::plan::written::{Quick, QuickAcme, QuickApp};

/// Carries out `up`.
///
/// # Errors
/// [`Failure`] when an argument is off or the gateway does not start.
pub fn up(named: &Named, words: &UpWords, output: Output) -> Result<(), Failure> {
    let (https, http, remark) = addresses(&words.listen);
    let apps = words.apps.iter().map(|text| QuickApp::parse(text).map_err(|fault| Failure::Usage(format!("`{text}` {fault}"))));
    let quick = Quick {
        apps: apps.collect::<Result<_, _>>()?,
        https,
        http: Some(http),
        data_dir: named.data_dir.clone(),
        mode: if words.single_owner { Mode::SingleOwner } else { Mode::People },
        acme: acme(&words.acme),
    };
    let text = quick.to_toml();
    if words.print_config {
        output.result(&json!({ "config": text }), || text.trim_end().to_owned());
        return Ok(());
    }
    let mut plan = compile_text(text)?;
    let place = named.place(Some(&plan), None);
    keep_terminal_clear(&mut plan, &place.data);
    let heading = format!("doorward {}{remark}", env!("CARGO_PKG_VERSION"));
    serve(plan, &place, Manner { heading: &heading, hang_up: HangUp::Stop, looks_at_apps: true, warnings: None, output })
}

/// Nothing without the owner's word: an authority's terms are for people to agree to.
fn acme(words: &AcmeWords) -> Option<QuickAcme> {
    // Read again later, from wherever we are then.
    let ca_file = words.acme_ca.as_ref().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone()));
    words.agree_tos.then(|| QuickAcme { email: words.email.clone(), directory: words.acme_directory.clone(), ca_file })
}

/// Compiles what stands for the command line.
///
/// # Errors
/// [`Failure::Config`]: two apps with one host, for one.
pub fn compile_text(text: String) -> Result<Plan, Failure> {
    let source = Source::unnamed("(command line)", text);
    configuration::compiled(source, &environment::all()).map(|loaded| loaded.plan).map_err(Failure::Config)
}

/// A terminal shows what the person needs; the line of each request goes to a file.
pub fn keep_terminal_clear(plan: &mut Plan, data: &std::path::Path) {
    if io::stdout().is_terminal() && plan.log.file.is_none() {
        plan.log.file = Some(data.join("access.log"));
    }
}

/// Where to listen: as asked; else on the usual ports, or on 8443 and 8080 where the usual ones are not allowed.
fn addresses(listen: &Listen) -> (Vec<SocketAddr>, Vec<SocketAddr>, &'static str) {
    let everywhere = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    // Without IPv6 the first fails for another reason than the second.
    let tried = [everywhere(443), SocketAddr::from((Ipv4Addr::UNSPECIFIED, 443))];
    let is_denied = |address| TcpListener::bind(address).is_err_and(|fault| fault.kind() == ErrorKind::PermissionDenied);
    let asked_for_all = !listen.https.is_empty() && !listen.http.is_empty();
    let denied = !asked_for_all && tried.into_iter().any(is_denied);
    let (https, http) = if denied { (8443, 8080) } else { (443, 80) };
    let remark = if denied && listen.https.is_empty() { " on ports 8443 and 8080: 443 and 80 need a permission" } else { "" };
    let or = |asked: &[SocketAddr], port| if asked.is_empty() { vec![everywhere(port)] } else { asked.to_vec() };
    (or(&listen.https, https), or(&listen.http, http), remark)
}
