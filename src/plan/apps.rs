//! The apps compiled.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::lifeline::Lifeline;
use crate::config::app::AppTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::placed;
use crate::config::placed::{Place, Placed};
use crate::plan::app::{App, CertificateFiles};
use crate::plan::headers::{self, Way};
use crate::plan::hosts::HostBook;
use crate::plan::maintenance;
use crate::plan::mounts;
use crate::plan::rules;
use crate::plan::settings;
use crate::plan::upstream;
use crate::plan::websocket;
use crate::policy::wildcard::HostPattern;
use crate::wire::trust::Trust;

/// In characters; it stands on one line beside the name.
const LONGEST_DESCRIPTION: usize = 200;

/// The apps of a document, in written order. One that cannot be used is left out and complained about.
pub fn compile(document: &Document, book: &mut HostBook, complaints: &mut Vec<Complaint>) -> Vec<Arc<App>> {
    let mut certificates = Certificates::new();
    let mut apps = Vec::new();
    for table in &document.apps {
        let Some(app) = app(document, table, book, complaints) else { continue };
        complaints.extend(one_certificate_by_host(table, &app, &mut certificates));
        apps.push(Arc::new(app));
    }
    apps
}

/// The certificate files of each host, and where they were written.
type Certificates = HashMap<HostPattern, (CertificateFiles, Place)>;

/// A handshake names a host and no path, so the apps of one host cannot have different certificates.
fn one_certificate_by_host(table: &AppTable, app: &App, known: &mut Certificates) -> Option<Complaint> {
    let (files, written) = (app.certificate.as_ref()?, table.pair.certificate.as_ref()?);
    let mut differs = None;
    for host in app.patterns() {
        let (first, place) = known.entry(host.clone()).or_insert_with(|| (files.clone(), written.place.clone()));
        if first != files {
            differs = Some((host, place.clone()));
        }
    }
    let (host, place) = differs?;
    let complaint = Complaint::new(Code::E0521, &written.place, format!("the apps of `{host}` name different certificates"));
    let complaint = complaint.label("this one…").also(&place, "…and this one").key("app.certificate");
    Some(complaint.help("name it once, or the same in each of them"))
}

fn app(document: &Document, table: &AppTable, book: &mut HostBook, complaints: &mut Vec<Complaint>) -> Option<App> {
    let mount = mounts::compile(table, complaints);
    let (mut hosts, mut wildcards) = (Vec::new(), Vec::new());
    for written in &table.hosts {
        match book.claim(written, &mount) {
            Ok(HostPattern::Exact(host)) => hosts.push(host),
            Ok(HostPattern::Under(wildcard)) => wildcards.push(wildcard),
            Err(complaint) => complaints.push(*complaint),
        }
    }
    if table.hosts.is_empty() && !complained_at_key(document, table) {
        let complaint = Complaint::new(Code::E0202, &table.place, "[[app]] has an empty `host`");
        complaints.push(complaint.help("add `host = \"paperless.example.com\"`").key("app.host"));
    }
    let certificate = settings::certificate(document, &table.pair, "app", complaints);
    let upstream = upstream::compile(document, table, complaints);
    let request_headers = headers::compile(&table.request_headers, Way::Request, complaints);
    let response_headers = headers::compile(&table.response_headers, Way::Response, complaints);
    let websocket = websocket::compile(&table.websocket, complaints);
    let rules = rules::compile(document, table, (&hosts, &mount), complaints);
    let maintenance = maintenance::compile(table.maintenance.as_ref(), complaints);
    let enrol_deadline = settings::enrol_deadline(table.enrol_deadline.as_ref(), "app.enrol_deadline", complaints);
    let name = table.name.as_ref().and_then(|name| name_of(name.value.trim(), &name.place, complaints));
    let description = table.description.as_ref().and_then(|text| description_of(text, complaints));
    let first = hosts.first().map(ToString::to_string).or_else(|| wildcards.first().map(ToString::to_string))?;
    let name = name.unwrap_or_else(|| format!("{first}{}", mount.prefix()));
    Some(App {
        name,
        wildcards,
        mount,
        upstream: upstream?,
        rules,
        certificate,
        request_headers,
        response_headers,
        websocket,
        maintenance,
        trust: Trust::default(),
        hosts,
        enrol_deadline: enrol_deadline.unwrap_or(placed::value(document.auth.enrol_deadline.as_ref()).unwrap_or_default()),
        listed: placed::value(table.listed.as_ref()).unwrap_or(true),
        description,
        lifeline: Lifeline::new(),
    })
}

/// Whether the reader has already said what is wrong with this app's `host`.
fn complained_at_key(document: &Document, table: &AppTable) -> bool {
    document.complaints.iter().any(|complaint| {
        let at = complaint.place.as_ref().map_or(0, |place| place.start);
        complaint.meant_key().as_deref() == Some("app.host") && at >= table.place.start
    })
}

fn name_of(name: &str, place: &Place, complaints: &mut Vec<Complaint>) -> Option<String> {
    if !name.is_empty() && name.chars().count() <= 64 && !name.chars().any(char::is_control) {
        return Some(name.to_owned());
    }
    let complaint =
        Complaint::new(Code::E0206, place, "`name` cannot be shown").label("1 to 64 characters, none of them control");
    complaints.push(complaint.key("app.name"));
    None
}

fn description_of(written: &Placed<String>, complaints: &mut Vec<Complaint>) -> Option<String> {
    let text = written.value.trim();
    if !text.is_empty() && text.chars().count() <= LONGEST_DESCRIPTION && !text.chars().any(char::is_control) {
        return Some(text.to_owned());
    }
    let label = format!("1 to {LONGEST_DESCRIPTION} characters, none of them control");
    let complaint = Complaint::new(Code::E0206, &written.place, "`description` cannot be shown").label(label);
    complaints.push(complaint.key("app.description"));
    None
}
