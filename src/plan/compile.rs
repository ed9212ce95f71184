//! A document compiled to a plan, or every complaint about it.

use std::net::SocketAddr;

use crate::config::complaint;
use crate::config::complaint::{Code, Complaint};
use crate::config::document;
use crate::config::document::Document;
use crate::plan::acme;
use crate::plan::apps;
use crate::plan::expect;
use crate::plan::hosts::HostBook;
use crate::plan::methods;
use crate::plan::metrics;
use crate::plan::notify;
use crate::plan::owner;
use crate::plan::passkeys;
use crate::plan::portal::{self, Address};
use crate::plan::routes::Routes;
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
    if document.portal.is_none() && apps.first().is_some_and(|app| app.hosts.is_empty()) {
        complaints.push(portal::needed(&document.apps[0].place));
    }
    let portal = portal::compile(document.portal.as_ref(), first, &mut complaints);
    let name = settings::name(document, first.or(portal.as_ref().map(|portal| &portal.host)), &mut complaints);
    // Without an app there is a complaint, and this plan is never given out.
    let none = || Address { host: Host::parse("localhost").expect("a host"), port: None };
    let Address { host: portal, port: public_port } = portal.unwrap_or_else(none);
    let listen = settings::listen(&document.listen, &mut complaints);
    metrics::keep_apart(listen.metrics, &document.apps, &mut complaints);
    let plan = Plan {
        version: 0,
        https_port: listen.https.first().map_or(443, SocketAddr::port),
        hosts: Routes::of(&apps, &portal),
        auth: settings::auth(&document.auth, &name, &portal, &mut complaints),
        portal,
        public_port,
        data_dir: settings::data_dir(document, &mut complaints),
        acme: acme::compile(document, &listen, &mut complaints),
        listen,
        tls: settings::tls(document, &mut complaints),
        support: settings::support(&document.ui, &mut complaints),
        session: settings::session(&document.session, &mut complaints),
        log: settings::log(document, &mut complaints),
        telling: notify::compile(document, &mut complaints),
        consulted: document.consulted.clone(),
        apps,
        name,
    };
    // Whoever includes what cannot be read has apps, in there.
    let is_told = |complaint: &Complaint| {
        let key = complaint.meant_key();
        key.as_deref() == Some("app") || (key.as_deref() == Some("include") && complaint.is_error())
    };
    if document.apps.is_empty() && !complaints.iter().any(is_told) {
        let complaint = Complaint::new(Code::E0202, &(0..0), "there is no [[app]]").label("nothing to protect");
        let example = "host = \"paperless.example.com\" and upstream = \"http://127.0.0.1:8000\"";
        complaints.push(complaint.help(format!("add a table [[app]] with {example}")).key("app"));
    }
    methods::unmeetable(document, &mut complaints);
    passkeys::unmeetable(&plan, document, &mut complaints);
    owner::unmet(&plan, document, &mut complaints);
    owner::several_named(&plan, document, &mut complaints);
    owner::ways_named(&plan, document, &mut complaints);
    // A plan that is not applied anyway is not held against anything.
    if !complaints.iter().any(Complaint::is_error) {
        acme::look(&plan, document, &mut complaints);
        expect::check(&plan, document, &mut complaints);
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
