//! What tests of the rooms above share: an app that says nothing but where it is.

use std::time::Duration;

use crate::base::lifeline::Lifeline;
use crate::plan::app::App;
use crate::plan::headers::HeaderEdits;
use crate::plan::upstream::{Address, Origin, Upstream};
use crate::plan::upstream_tls::UpstreamTls;
use crate::plan::websocket::WebSockets;
use crate::policy::host::Host;
use crate::policy::mount::Mount;
use crate::policy::rule::RuleSet;
use crate::wire::trust::Trust;

/// An app on these hosts, served at this port of this machine, without rules and without any timeout but the one for connecting.
pub fn app(name: &str, hosts: Vec<Host>, port: u16) -> App {
    App {
        name: name.to_owned(),
        hosts,
        wildcards: vec![],
        mount: Mount::root(),
        upstream: Upstream {
            origin: Origin::Http(Address { host: "127.0.0.1".to_owned(), port }),
            tls: UpstreamTls::default(),
            preserve_host: true,
            connect_timeout: Duration::from_secs(5),
            response_timeout: None,
            idle_timeout: None,
        },
        rules: RuleSet::default(),
        certificate: None,
        request_headers: HeaderEdits::default(),
        response_headers: HeaderEdits::default(),
        websocket: WebSockets::default(),
        maintenance: None,
        trust: Trust::default(),
        enrol_deadline: Duration::ZERO,
        listed: true,
        description: None,
        lifeline: Lifeline::new(),
    }
}
