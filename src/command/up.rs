//! `doorward up HOST=UPSTREAM …`: a real app behind the door, still without a file.

use std::io::{self, ErrorKind, IsTerminal};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::json;
use tracing::warn;

use crate::command::environment;
use crate::command::exit::Failure;
use crate::command::online::{Scope, is_first, look};
use crate::command::output::Output;
use crate::command::place::Named;
use crate::command::serve::{HangUp, Manner, serve, start_logging};
use crate::command::starting::{Listen, UpWords};
use crate::command::terms;
use crate::command::wish::block_on;
use crate::config::complaint::Complaint;
use crate::config::report::{Report, harmless};
use crate::config::source::Source;
use crate::daemon::configuration::{self, Loaded};
use crate::daemon::place::Place;
use crate::model::event::Event;
use crate::model::mode::Mode;
use crate::plan::online;
use crate::plan::whole::Plan;
use crate::plan::written::{Quick, QuickApp};
use crate::tls::acme::folder::Folder;

/// How long a start waits for what the world has to say.
const PATIENCE: Duration = Duration::from_secs(3);

/// Carries out `up`.
///
/// # Errors
/// [`Failure`] when an argument is off or the gateway does not start.
pub fn up(named: &Named, words: &UpWords, output: Output) -> Result<(), Failure> {
    let (https, http, remark) = addresses(&words.listen);
    let apps = words.apps.iter().map(|text| QuickApp::parse(text).map_err(|fault| Failure::Usage(format!("`{text}` {fault}"))));
    let apps: Vec<QuickApp> = apps.collect::<Result<_, _>>()?;
    let acme = terms::agreed(&words.acme, &apps, output)?;
    let mode = if words.single_owner { Mode::SingleOwner } else { Mode::People };
    let quick = Quick { apps, https, http: Some(http), data_dir: named.data_dir.clone(), mode, acme };
    let text = quick.to_toml();
    let Loaded { mut plan, report, .. } = compile_text(text.clone())?;
    warn_of(&report, output);
    if words.print_config {
        output.result(&json!({ "config": text }), || text.trim_end().to_owned());
        return Ok(());
    }
    // Before anything is told to programs; a second call changes nothing.
    start_logging(&plan);
    let place = named.place(Some(&plan), None);
    keep_terminal_clear(&mut plan, &place.data);
    look_before(text, &place, output);
    let heading = format!("doorward {}{remark}", env!("CARGO_PKG_VERSION"));
    serve(plan, &place, Manner { heading: &heading, hang_up: HangUp::Stop, looks_at_apps: true, warnings: None, output })
}

/// What the text that stands for the command line is warned of: programs find it in `check`.
fn warn_of(report: &Report, output: Output) {
    if !output.json {
        report.complaints.iter().for_each(|complaint| tell(complaint, output));
    }
}

/// Before the first order of a name: whether its DNS, the authority, the clock and our ports let it come to anything. What is found
/// warns and keeps nobody from starting. Apps are looked at once the gateway runs. No port is tried: nobody listens yet, and what
/// a router does with those from outside is seen from nowhere here, so the first order tells.
fn look_before(text: String, place: &Place, output: Output) {
    let folder = Folder::within(&place.certs);
    let (done, waits) = mpsc::channel::<()>();
    let look = move || {
        let _done = done;
        let Ok(loaded) = compile_text(text) else { return };
        let asked = online::asked(&loaded.plan, &loaded.document);
        if !is_first(&asked, |host| folder.certificate(host).exists()) {
            return;
        }
        let scope = Scope { ports: false, apps: false };
        if let Ok((found, _)) = block_on(look(&loaded.plan, &loaded.document, scope, output)) {
            found.iter().for_each(|finding| tell(&finding.complaint, output));
        }
    };
    // Whoever does not answer in time is told of later: the end of the thread, or of our patience, whichever comes first.
    if thread::Builder::new().name("look-before".to_owned()).spawn(look).is_ok() {
        let _ = waits.recv_timeout(PATIENCE);
    }
}

fn tell(complaint: &Complaint, output: Output) {
    let code = complaint.code.name();
    let said = complaint.label.iter().chain(&complaint.help).fold(complaint.message.clone(), |said, more| said + "; " + more);
    if output.json {
        warn!(event = Event::CertificateWarning.name(), code, "{said}");
    } else {
        output.remark(&format!("warning[{code}]: {}", harmless(&said)));
    }
}

/// Compiles what stands for the command line.
///
/// # Errors
/// [`Failure::Config`]: two apps with one host, for one.
pub fn compile_text(text: String) -> Result<Loaded, Failure> {
    let source = Source::unnamed("(command line)", text);
    configuration::compiled(source, &environment::all()).map_err(Failure::Config)
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
