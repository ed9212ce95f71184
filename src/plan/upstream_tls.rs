//! `app.upstream_tls`: how an upstream over TLS proves who it is.

use std::path::PathBuf;

use rustls_pki_types::ServerName;

use crate::config::app::AppTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::placed::Placed;
use crate::plan::app::CertificateFiles;
use crate::plan::settings;
use crate::plan::upstream::Origin;

/// How an upstream over TLS proves who it is, and we to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The name it has to prove; its host if there is none.
    pub server_name: Option<String>,
    /// File of the authorities that are believed, and no others; the system's if there is none.
    pub ca: Option<PathBuf>,
    /// What we show if asked who we are.
    pub client: Option<CertificateFiles>,
    /// Whether whoever answers is believed.
    pub unverified: bool,
}

impl UpstreamTls {
    /// Every file it names.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> + use<'_> {
        let client = self.client.iter().flat_map(|files| [&files.certificate, &files.private_key]);
        self.ca.iter().chain(client).cloned()
    }
}

/// `app.upstream_tls`; `origin` is where the app is, if that could be read.
pub fn compile(document: &Document, app: &AppTable, origin: Option<&Origin>, complaints: &mut Vec<Complaint>) -> UpstreamTls {
    let table = &app.upstream_tls;
    if let (Some(Origin::Https(address)), Some(written), None) = (origin, &app.upstream, &table.server_name)
        && !is_name(&address.host)
    {
        let message = format!("no certificate can be for the name `{}`", address.host);
        let complaint = Complaint::new(Code::E0506, &written.place, message).key("app.upstream");
        complaints.push(complaint.help("say which name it has: upstream_tls = { server_name = \"app.example.com\" }"));
    }
    let Some(place) = &table.place else { return UpstreamTls::default() };
    if matches!(origin, Some(Origin::Http(_) | Origin::Unix(_))) {
        let complaint = Complaint::new(Code::E0206, place, "`upstream_tls` says nothing about an upstream without TLS");
        complaints.push(complaint.help("remove it, or write `upstream = \"https://…\"`").key("app.upstream_tls"));
    }
    let unverified = table.insecure_skip_verify.as_ref().filter(|written| written.value);
    if let Some(written) = unverified {
        complaints.push(
            Complaint::new(Code::W0510, &written.place, "the upstream is not asked to prove who it is")
                .label("whoever answers at its address gets requests, cookies and all")
                .help("name the authority that issued its certificate instead: `ca = \"upstream-ca.pem\"`")
                .key("app.upstream_tls.insecure_skip_verify"),
        );
    }
    if let (Some(ca), Some(_)) = (&table.ca, unverified) {
        let complaint = Complaint::new(Code::E0206, &ca.place, "`ca` says nothing where nothing is verified");
        complaints.push(complaint.help("remove `insecure_skip_verify`").key("app.upstream_tls.ca"));
    }
    UpstreamTls {
        server_name: table.server_name.as_ref().and_then(|written| server_name(written, complaints)),
        ca: settings::path(document, table.ca.as_ref(), "app.upstream_tls.ca", complaints),
        client: client(document, app, complaints),
        unverified: unverified.is_some(),
    }
}

fn client(document: &Document, app: &AppTable, complaints: &mut Vec<Complaint>) -> Option<CertificateFiles> {
    let table = &app.upstream_tls;
    let mut lone = |written: &Placed<String>, has: &str, lacks: &str| {
        let complaint = Complaint::new(Code::E0508, &written.place, format!("`{has}` without `{lacks}`"));
        complaints.push(complaint.help(format!("write both, or neither: add `{lacks}`")).key(format!("app.upstream_tls.{has}")));
    };
    match (&table.client_cert, &table.client_key) {
        (Some(written), None) => lone(written, "client_cert", "client_key"),
        (None, Some(written)) => lone(written, "client_key", "client_cert"),
        (Some(_), Some(_)) | (None, None) => {}
    }
    let certificate = settings::path(document, table.client_cert.as_ref(), "app.upstream_tls.client_cert", complaints);
    let private_key = settings::path(document, table.client_key.as_ref(), "app.upstream_tls.client_key", complaints);
    Some(CertificateFiles { certificate: certificate?, private_key: private_key? })
}

fn server_name(written: &Placed<String>, complaints: &mut Vec<Complaint>) -> Option<String> {
    if is_name(&written.value) {
        return Some(written.value.clone());
    }
    let complaint = Complaint::new(Code::E0206, &written.place, "`server_name` is not a name or address");
    complaints.push(complaint.label("such as \"app.internal\", without scheme or port").key("app.upstream_tls.server_name"));
    None
}

/// Whether a certificate can be for it.
fn is_name(text: &str) -> bool {
    ServerName::try_from(text).is_ok()
}
