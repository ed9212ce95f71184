//! `doorward trust`: makes this machine, or a phone, trust the installation's own certificate authority.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::base::entropy::Entropy;
use crate::command::environment;
use crate::command::exit::Failure;
use crate::command::output::{Output, terminal_qr};
use crate::command::place::Named;
use crate::command::wish::Installation;
use crate::tls::local_ca::LocalCa;
use crate::tls::trust::{self, Machine, Outcome};

/// How trust is to be brought about.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// Install it into this machine's stores.
    Install,
    /// Print the certificate.
    Print,
    /// Show a QR code from which a phone gets it.
    Qr,
}

/// Carries out `trust`.
///
/// # Errors
/// [`Failure::Failed`] when there is no authority yet, or no store took it.
pub fn trust(named: &Named, way: Way, output: Output) -> Result<(), Failure> {
    let installation = Installation::find(named)?;
    let ca = open(&installation.place.certs)?;
    match way {
        Way::Print => {
            let value = json!({ "authority": ca.name(), "fingerprint": ca.fingerprint(), "certificate": ca.certificate_pem() });
            output.result(&value, || ca.certificate_pem().trim_end().to_owned());
        }
        Way::Qr => phone(&installation, &ca, output),
        Way::Install => install(&ca, output)?,
    }
    Ok(())
}

fn open(certs: &Path) -> Result<LocalCa, Failure> {
    match LocalCa::open(certs, Entropy) {
        Ok(Some(ca)) => Ok(ca),
        Ok(None) => Err(Failure::Failed(format!(
            "there is no local authority in {} yet; it is made when a gateway starts there for the first time",
            certs.display()
        ))),
        Err(fault) => Err(Failure::because(&fault)),
    }
}

fn install(ca: &LocalCa, output: Output) -> Result<(), Failure> {
    let home = environment::folder("HOME");
    let machine = Machine { root: PathBuf::from("/"), home, is_mac: cfg!(target_os = "macos") };
    let steps = trust::install(ca, &machine, &mut |invocation| trust::spawn(invocation));
    let mut text = format!("{}\n  fingerprint {}\n", ca.name(), ca.fingerprint());
    for step in &steps {
        match &step.outcome {
            Outcome::Done => text.push_str(&format!("  done    {}\n", step.what)),
            Outcome::Failed(why) => {
                text.push_str(&format!("  failed  {}: {why}\n          by hand: {}\n", step.what, step.by_hand))
            }
        }
    }
    let done = steps.iter().filter(|step| step.outcome == Outcome::Done).count();
    let value = json!({ "authority": ca.name(), "fingerprint": ca.fingerprint(), "done": done, "failed": steps.len() - done });
    output.result(&value, || text.trim_end().to_owned());
    if done == 0 {
        Err(Failure::Failed("no store took the certificate; the commands above do it by hand".to_owned()))
    } else {
        Ok(())
    }
}

/// Phones fetch it over plain HTTP, since they do not trust us yet; the fingerprint is how a careful person compares.
fn phone(installation: &Installation, ca: &LocalCa, output: Output) {
    let planned = || installation.plan.as_ref().and_then(|plan| plan.listen.http.first()).map(SocketAddr::port);
    let port = installation.place.plain_port().or_else(planned).unwrap_or(80);
    let host = own_address().map_or_else(|| "THIS-MACHINE".to_owned(), |address| address.to_string());
    let link =
        if port == 80 { format!("http://{host}/.doorward/ca.pem") } else { format!("http://{host}:{port}/.doorward/ca.pem") };
    let fingerprint = ca.fingerprint();
    output.result(&json!({ "link": link, "fingerprint": fingerprint }), || {
        let todo = "Open this on the phone while the gateway runs, install the certificate, and compare the fingerprint.";
        format!("{todo}\n\n    {link}\n    {fingerprint}\n\n{}", terminal_qr(&link))
    });
}

/// The address other machines see. Connecting a datagram socket sends nothing; it only asks the routing table.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}
