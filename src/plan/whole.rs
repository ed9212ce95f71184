//! The whole plan: everything a request needs to know of the configuration.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::plan::app::App;
use crate::plan::listener::Listen;
use crate::plan::policy::{AuthPolicy, LogPolicy, SessionPolicy, TlsPolicy};
use crate::policy::host::Host;

/// The compiled configuration.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Tells the configurations of one run apart, in the order in which they came into force. 0 was never in force.
    pub version: u64,
    /// The port under which browsers reach us: that of the first TLS address, once it is bound the real one.
    pub https_port: u16,
    /// The installation's name, on pages and in authenticator apps.
    pub name: String,
    /// Where the store and keys live, if the file says so.
    pub data_dir: Option<PathBuf>,
    /// Where we listen.
    pub listen: Listen,
    /// TLS for every host.
    pub tls: TlsPolicy,
    /// How long people stay signed in.
    pub session: SessionPolicy,
    /// How people sign in.
    pub auth: AuthPolicy,
    /// What is logged.
    pub log: LogPolicy,
    /// The apps, in written order.
    pub apps: Vec<Arc<App>>,
    /// Which app answers for a host.
    pub hosts: HashMap<Host, Arc<App>>,
}

impl Plan {
    /// The app that answers for `host`: one look-up, however many hosts there are.
    pub fn app(&self, host: &Host) -> Option<&Arc<App>> {
        self.hosts.get(host)
    }

    /// Scheme, host and port under which browsers reach the first app; begins set-up links.
    pub fn origin(&self) -> String {
        let host = self.apps.first().and_then(|app| app.hosts.first());
        host.map_or_else(String::new, |host| origin_of(host, self.https_port))
    }
}

/// Scheme, host and port as a browser writes them: the usual port is left out, an IPv6 address stands in brackets.
pub fn origin_of(host: &Host, https_port: u16) -> String {
    let name = match host.ip() {
        Some(IpAddr::V6(address)) => format!("[{address}]"),
        _ => host.as_str().to_owned(),
    };
    if https_port == 443 { format!("https://{name}") } else { format!("https://{name}:{https_port}") }
}
