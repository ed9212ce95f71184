//! The whole plan: everything a request needs to know of the configuration.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::plan::app::App;
use crate::plan::listener::Listen;
use crate::plan::notify::Telling;
use crate::plan::policy::{AuthPolicy, LogPolicy, SessionPolicy, TlsPolicy};
use crate::policy::host::Host;

/// The compiled configuration.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Tells the configurations of one run apart, in the order in which they came into force. 0 was never in force.
    pub version: u64,
    /// The port we listen on for TLS, at the first address: once that is bound the real one.
    pub https_port: u16,
    /// The installation's name, on pages and in authenticator apps.
    pub name: String,
    /// The host that signs people in: an app's own, or one that has no app.
    pub portal: Host,
    /// The port under which browsers reach us, if the file says so; else it is the one we listen on.
    pub public_port: Option<u16>,
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
    /// What is written down, and who is told.
    pub telling: Telling,
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

    /// Whether `host` is ours: an app's or the portal's.
    pub fn serves(&self, host: &Host) -> bool {
        self.is_portal(host) || self.app(host).is_some()
    }

    /// Whether people sign in on `host`.
    pub fn is_portal(&self, host: &Host) -> bool {
        *host == self.portal
    }

    /// The app, where there is one only and people sign in on its own host: whoever comes without a wish wants that.
    pub fn only_app(&self) -> Option<&Arc<App>> {
        let [app] = self.apps.as_slice() else { return None };
        app.hosts.contains(&self.portal).then_some(app)
    }

    /// Scheme, host and port under which browsers reach `host`.
    pub fn origin_of(&self, host: &Host) -> String {
        origin_of(host, self.public_port.unwrap_or(self.https_port))
    }

    /// Scheme, host and port of the portal; begins set-up links.
    pub fn origin(&self) -> String {
        self.origin_of(&self.portal)
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
