//! What an app's WebSockets may do.

use std::time::Duration;

use crate::config::complaint::{Code, Complaint};
use crate::config::placed::{self, Placed};
use crate::config::websocket::WebSocketTable;
use crate::plan::settings;
use crate::policy::international;

/// What an app's WebSockets may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSockets {
    /// Whether there are any.
    pub enabled: bool,
    /// Whose pages may open one.
    pub origins: Origins,
    /// Longest life of one; `None` lets it live as long as its session.
    pub max_lifetime: Option<Duration>,
    /// Longest silence both ways; `None` allows any.
    pub idle_timeout: Option<Duration>,
}

/// Whose pages may open a WebSocket. Clients that send no `Origin` are no pages, and not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    /// Anybody's.
    pub any: bool,
    /// The app's own.
    pub own: bool,
    /// These as well, `host` or `host:port`, all of them under `https://`.
    pub others: Vec<String>,
}

impl Default for WebSockets {
    fn default() -> Self {
        let origins = Origins { any: false, own: true, others: Vec::new() };
        Self { enabled: true, origins, max_lifetime: None, idle_timeout: None }
    }
}

/// `app.websocket`
pub fn compile(table: &WebSocketTable, complaints: &mut Vec<Complaint>) -> WebSockets {
    let day = Duration::from_secs(86_400);
    let mut span = |written: &Option<Placed<Duration>>, key: &str, most: Duration| {
        settings::within(written.as_ref(), key, (Duration::ZERO, most), complaints).filter(|span| !span.is_zero())
    };
    let max_lifetime = span(&table.max_lifetime, "app.websocket.max_lifetime", 365 * day);
    let idle_timeout = span(&table.idle_timeout, "app.websocket.idle_timeout", day);
    let origins = match &table.allowed_origins {
        Some(written) => origins(&written.value, complaints),
        None => WebSockets::default().origins,
    };
    WebSockets { enabled: placed::value(table.enabled.as_ref()).unwrap_or(true), origins, max_lifetime, idle_timeout }
}

fn origins(written: &[Placed<String>], complaints: &mut Vec<Complaint>) -> Origins {
    let mut origins = Origins { any: false, own: false, others: Vec::new() };
    for entry in written {
        match entry.value.as_str() {
            "*" => origins.any = true,
            "same-origin" => origins.own = true,
            text => match origin(text) {
                Some(origin) => origins.others.push(origin),
                None => complaints.push(
                    Complaint::new(Code::E0206, &entry.place, "`allowed_origins` has an entry that is no origin")
                        .label("\"same-origin\", \"*\", or such as \"https://app.example.com\", without a path")
                        .key("app.websocket.allowed_origins"),
                ),
            },
        }
    }
    origins
}

/// Reads `https://HOST` or `https://HOST:PORT` into what browsers write behind the scheme: the usual port is left out.
fn origin(text: &str) -> Option<String> {
    let mut authority = international::authority(text.strip_prefix("https://")?).ok()?;
    authority.port = authority.port.filter(|port| *port != 443);
    Some(authority.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host_as_browsers_write_them() {
        for (text, expected) in [
            ("https://A.example", Some("a.example")),
            ("https://a.example:443", Some("a.example")),
            ("https://a.example:8443", Some("a.example:8443")),
            ("https://[2001:db8::1]:8443", Some("[2001:db8::1]:8443")),
            ("https://bücher.example", Some("xn--bcher-kva.example")),
            ("http://a.example", None),
            ("https://a.example/", None),
            ("https://*.example", None),
            ("https://u@a.example", None),
            ("a.example", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(origin(text).as_deref(), expected, "{text}");
        }
    }
}
