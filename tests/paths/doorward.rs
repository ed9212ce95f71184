//! The gateway itself: the built program, with an app for each question.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use crate::line::Way;

/// A running gateway; it ends with its owner.
pub struct Doorward {
    process: Child,
    https: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Doorward {
    /// Starts the program with this configuration in `folder`.
    pub fn start(folder: &Path, toml: &str) -> Self {
        let file = folder.join("gateway.toml");
        std::fs::write(&file, toml).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward"));
        command.args(["run", "--json", "-c"]).arg(&file).arg("--data-dir").arg(folder.join("data"));
        command.current_dir(folder).env_clear().env("HOME", folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.stderr(Stdio::null()).spawn().expect("the gateway runs");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut line).expect("read");
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|fault| panic!("not ready: {fault}: {line:?}"));
        let https = ready["https"][0].as_str().and_then(|text| text.parse().ok()).expect("an address");
        Self { process, https, tls: trusting(Path::new(ready["ca_file"].as_str().expect("a path"))) }
    }

    /// The way to a host of it.
    pub fn way(&self, host: &str) -> Way {
        Way { address: self.https, host: host.to_owned(), tls: Some(Arc::clone(&self.tls)), keeps: true }
    }
}

impl Drop for Doorward {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn trusting(authority: &Path) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).expect("a certificate")).expect("an authority");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    Arc::new(versions.with_root_certificates(roots).with_no_client_auth())
}
