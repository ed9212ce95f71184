//! Where metrics are told: to this machine alone, and never through an app.

use std::net::{IpAddr, SocketAddr};

use crate::config::app::AppTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::placed::{Place, Placed};
use crate::plan::upstream::{self, Origin};

const KEY: &str = "listen.metrics";
/// The port that is proposed where one is missing.
const USUAL: u16 = 9464;

/// The address of `listen.metrics`; `None` for `"off"` and for what is complained about. `taken` holds the public addresses.
pub fn address(written: &Placed<String>, taken: &[(SocketAddr, Place)], complaints: &mut Vec<Complaint>) -> Option<SocketAddr> {
    if written.value == "off" {
        return None;
    }
    let complaint = |code, message: &str| Complaint::new(code, &written.place, message).key(KEY);
    let Ok(address) = written.value.parse::<SocketAddr>() else {
        let port = written.value.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or(USUAL);
        let meant = format!("\"127.0.0.1:{port}\"");
        let label = format!("did you mean {meant}, or \"off\"?");
        complaints.push(complaint(Code::E0507, "not an address with a port").label(label).fix(meant));
        return None;
    };
    if !address.ip().is_loopback() {
        let complaint = complaint(Code::E0206, "metrics are told to this machine alone")
            .label("other machines could ask here, and nobody signs in to this address");
        let near = format!("\"127.0.0.1:{}\"", address.port());
        let help = "write a loopback address; to collect from elsewhere, use an agent or a tunnel on this machine";
        complaints.push(complaint.help(help).fix(near));
        return None;
    }
    if let Some((_, first)) = taken.iter().find(|(other, _)| *other == address && address.port() != 0) {
        let complaint = complaint(Code::E0507, &format!("`{address}` is listened on twice"));
        complaints.push(complaint.label("here again").also(first, "first written here"));
        return None;
    }
    Some(address)
}

/// Complains about apps whose upstream is the address of the metrics: everybody who may open the app would read them.
pub fn keep_apart(metrics: Option<SocketAddr>, apps: &[AppTable], complaints: &mut Vec<Complaint>) {
    let Some(metrics) = metrics.filter(|address| address.port() != 0) else { return };
    for written in apps.iter().filter_map(|app| app.upstream.as_ref()) {
        let Ok(Origin::Http(address) | Origin::Https(address)) = upstream::origin(&written.value) else { continue };
        let is_here = address.host.parse::<IpAddr>().map_or(address.host.eq_ignore_ascii_case("localhost"), |ip| {
            let ip = ip.to_canonical();
            ip.is_loopback() || ip.is_unspecified()
        });
        if is_here && address.port == metrics.port() {
            let complaint = Complaint::new(Code::E0506, &written.place, "`upstream` is where this gateway tells its metrics");
            let help = "name the app's own server; metrics are for programs on this machine";
            complaints.push(complaint.label("`listen.metrics` has this address").help(help).key("app.upstream"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::compile::compile_text;

    fn codes(metrics: &str, upstream: &str) -> Vec<&'static str> {
        let text = format!("[listen]\nmetrics = \"{metrics}\"\n[[app]]\nhost = \"a.localhost\"\nupstream = \"{upstream}\"\n");
        compile_text(&text).err().unwrap_or_default().iter().map(|complaint| complaint.code.name()).collect()
    }

    /// The attack: reading the metrics from another machine.
    #[test]
    fn only_loopback_addresses_tell_metrics() {
        for address in ["127.0.0.1:9464", "127.0.0.2:9464", "[::1]:9464", "127.0.0.1:0", "off"] {
            assert!(codes(address, "http://127.0.0.1:1").is_empty(), "{address}");
        }
        for address in ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464", "[::ffff:127.0.0.1]:9464", "[fe80::1]:9464"] {
            assert_eq!(codes(address, "http://127.0.0.1:1"), ["E0206"], "{address}");
        }
        for address in ["9464", "localhost:9464", "on", "", "127.0.0.1"] {
            assert_eq!(codes(address, "http://127.0.0.1:1"), ["E0507"], "{address}");
        }
    }

    /// The attack: an app in front of the metrics, so that whoever may open the app reads them from anywhere.
    #[test]
    fn no_app_leads_to_the_metrics() {
        let local = ["127.0.0.1:9464", "localhost:9464", "[::1]:9464", "127.8.8.8:9464", "0.0.0.0:9464", "[::]:9464"];
        for upstream in local.map(|place| format!("http://{place}")) {
            assert_eq!(codes("127.0.0.1:9464", &upstream), ["E0506"], "{upstream}");
        }
        assert!(codes("127.0.0.1:9464", "http://127.0.0.1:9465").is_empty());
        assert!(codes("127.0.0.1:9464", "http://192.0.2.1:9464").is_empty());
        assert!(codes("off", "http://127.0.0.1:9464").is_empty());
    }
}
