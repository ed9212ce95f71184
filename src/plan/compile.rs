//! A document compiled to a plan, or every complaint about it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::complaint;
use crate::config::complaint::{Code, Complaint};
use crate::config::document;
use crate::config::document::Document;
use crate::plan::apps;
use crate::plan::hosts::HostBook;
use crate::plan::notify;
use crate::plan::portal::{self, Address};
use crate::plan::settings;
use crate::plan::whole::Plan;
use crate::policy::host::Host;

/// A plan, and what its owner should look at.
#[derive(Debug)]
pub struct Compiled {
    /// The plan.
    pub plan: Plan,
    /// What its owner should look at, in the order of the text.
    pub warnings: Vec<Complaint>,
}

/// Compiles a document.
///
/// # Errors
/// Every complaint there is, faults of shape included, in the order of the text; at least one is an error.
pub fn compile(document: &Document) -> Result<Compiled, Vec<Complaint>> {
    let mut complaints = document.complaints.clone();
    let mut book = HostBook::default();
    let apps = apps::compile(document, &mut book, &mut complaints);
    let first = apps.first().and_then(|app| app.hosts.first());
    let name = settings::name(document, first, &mut complaints);
    let portal = portal::compile(document.portal.as_ref(), first, &mut complaints);
    // Without an app there is a complaint, and this plan is never given out.
    let none = || Address { host: Host::parse("localhost").expect("a host"), port: None };
    let Address { host: portal, port: public_port } = portal.unwrap_or_else(none);
    let listen = settings::listen(&document.listen, &mut complaints);
    let plan = Plan {
        version: 0,
        https_port: listen.https.first().map_or(443, SocketAddr::port),
        portal,
        public_port,
        data_dir: settings::data_dir(document, &mut complaints),
        listen,
        tls: settings::tls(document, &mut complaints),
        session: settings::session(&document.session, &mut complaints),
        auth: settings::auth(&document.auth, &name, &mut complaints),
        log: settings::log(document, &mut complaints),
        telling: notify::compile(document, &mut complaints),
        hosts: apps.iter().flat_map(|app| app.hosts.iter().map(|host| (host.clone(), Arc::clone(app)))).collect(),
        apps,
        name,
    };
    if document.apps.is_empty() && !complaints.iter().any(|complaint| complaint.meant_key().as_deref() == Some("app")) {
        let complaint = Complaint::new(Code::E0202, &(0..0), "there is no [[app]]").label("nothing to protect");
        let example = "host = \"paperless.example.com\" and upstream = \"http://127.0.0.1:8000\"";
        complaints.push(complaint.help(format!("add a table [[app]] with {example}")).key("app"));
    }
    complaint::sort(&mut complaints);
    match complaints.iter().any(Complaint::is_error) {
        true => Err(complaints),
        false => Ok(Compiled { plan, warnings: complaints }),
    }
}

/// Parses and compiles a text that comes from no file.
///
/// # Errors
/// As [`document::parse`] and [`compile`].
pub fn compile_text(text: &str) -> Result<Compiled, Vec<Complaint>> {
    compile(&document::parse(text)?)
}
