//! The whole plan: everything a request needs to know of the configuration.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;

use crate::config::source::Consulted;
use crate::model::contact::Contact;
use crate::plan::acme::AcmePolicy;
use crate::plan::app::App;
use crate::plan::listener::Listen;
use crate::plan::networks;
use crate::plan::notify::Telling;
use crate::plan::policy::{AuthPolicy, LogPolicy, SessionPolicy, TlsPolicy};
use crate::plan::routes::{Entry, Routes, Site};
use crate::policy::host::Host;
use crate::policy::rule::within;
use crate::policy::target::Target;

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
    /// Where public names get certificates, if the owner wants that.
    pub acme: Option<AcmePolicy>,
    /// Whom people may turn to when they cannot go on.
    pub support: Option<Contact>,
    /// How long people stay signed in.
    pub session: SessionPolicy,
    /// How people sign in.
    pub auth: AuthPolicy,
    /// What is logged.
    pub log: LogPolicy,
    /// What is written down, and who is told.
    pub telling: Telling,
    /// Files it was read from, besides the configuration's own.
    pub consulted: Consulted,
    /// The apps, in written order.
    pub apps: Vec<Arc<App>>,
    /// Which apps answer for a host.
    pub hosts: Routes,
}

impl Plan {
    /// What stands on `host`.
    pub fn site(&self, host: &Host) -> Option<&Arc<Site>> {
        self.hosts.site(host)
    }

    /// The app that a target on `host` is for, and the target as it is there.
    pub fn app_for(&self, host: &Host, target: &Target) -> Option<(&Arc<App>, Target)> {
        match self.site(host)?.enter(target.clone()) {
            Entry::App(app, target) => Some((app, target)),
            Entry::Nobody(_) | Entry::Several | Entry::Unreadable(..) => None,
        }
    }

    /// Whether any app is on `host`.
    pub fn has_apps(&self, host: &Host) -> bool {
        self.site(host).is_some_and(|site| !site.apps().is_empty())
    }

    /// Whether `host` is ours: an app's or the portal's.
    pub fn serves(&self, host: &Host) -> bool {
        self.site(host).is_some()
    }

    /// Whether people sign in on `host`.
    pub fn is_portal(&self, host: &Host) -> bool {
        *host == self.portal
    }

    /// The app, where there is one only and people sign in on its own host, all of which it takes: whoever comes without a wish
    /// wants that.
    pub fn only_app(&self) -> Option<&Arc<App>> {
        let [app] = self.apps.as_slice() else { return None };
        (app.hosts.contains(&self.portal) && app.mount.is_root()).then_some(app)
    }

    /// Scheme, host and port under which browsers reach `host`.
    pub fn origin_of(&self, host: &Host) -> String {
        origin_of(host, self.public_port.unwrap_or(self.https_port))
    }

    /// Where browsers find an app; `None` for one that has wildcards only.
    pub fn url_of(&self, app: &App) -> Option<String> {
        app.hosts.first().map(|host| format!("{}{}", self.origin_of(host), app.mount))
    }

    /// The domain that passkeys are made for while there are none; `None` where the portal is an address: browsers have none
    /// there.
    pub fn passkey_site(&self) -> Option<&str> {
        let site = self.auth.passkeys.site.as_ref().unwrap_or(&self.portal);
        site.ip().is_none().then(|| site.as_str())
    }

    /// Whether `address` stands for more than one visitor, or for one whom the owner trusts: this machine, proxies in front of
    /// us, and networks that the owner exempts. None of them is barred or held to what it gets wrong over all accounts.
    pub fn spares(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let exempt = self.auth.exempt.iter().any(|network| within(network, address));
        exempt || address.is_loopback() || self.listen.proxies.trust(address)
    }

    /// The networks whose addresses [`Plan::spares`].
    pub fn spared(&self) -> Vec<IpNet> {
        [&networks::loopback()[..], &self.listen.proxies.networks, &self.auth.exempt].concat()
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
