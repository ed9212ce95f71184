//! Where an app's requests go, and how long we wait for it.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::app::AppTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::document::Document;
use crate::config::placed;
use crate::config::placed::Placed;
use crate::plan::settings;
use crate::plan::upstream_tls;
use crate::plan::upstream_tls::UpstreamTls;

/// An app's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where it is.
    pub origin: Origin,
    /// How it proves who it is, where it is asked over TLS.
    pub tls: UpstreamTls,
    /// Whether it gets the visitor's `Host`, or its own.
    pub preserve_host: bool,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait from the last byte of the request's head to the response's head; `None` waits for ever.
    pub response_timeout: Option<Duration>,
    /// Longest silence on a body or tunnel; `None` allows any.
    pub idle_timeout: Option<Duration>,
}

/// Where an upstream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `http://HOST:PORT`
    Http(Address),
    /// `https://HOST:PORT`
    Https(Address),
    /// `unix:/PATH`
    Unix(PathBuf),
}

/// A place in the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Origin {
    /// What its own `Host` is: host, and port unless it is the usual one. A socket has no name of its own.
    pub fn authority(&self) -> String {
        match self {
            Self::Http(address) if address.port == 80 => address.bracketed(),
            Self::Https(address) if address.port == 443 => address.bracketed(),
            Self::Http(address) | Self::Https(address) => address.to_string(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Where it is, without how it is spoken to.
    pub fn place(&self) -> String {
        match self {
            Self::Http(address) | Self::Https(address) => address.to_string(),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }
}

impl Address {
    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.bracketed(), self.port)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Https(address) => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why a text does not say where an upstream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUpstream {
    /// `127.0.0.1:8000`
    #[error("has no scheme")]
    NoScheme,
    /// `unix:` and no whole path.
    #[error("a Unix socket is written unix:/PATH, from the root on and at most 107 bytes long")]
    Socket,
    /// Another scheme.
    #[error("only http://, https:// and unix:/ are known")]
    Scheme,
    /// `http://user:password@…`
    #[error("no user name or password belongs here")]
    UserInfo,
    /// `http://host/path`
    #[error("no path belongs here: requests are forwarded to the path they name")]
    Path,
    /// Not a host.
    #[error("not a host name or address")]
    Host,
    /// Not a port.
    #[error("not a port from 1 to 65535")]
    Port,
}

/// Bytes of a socket's path that the system takes; one more ends it.
const LONGEST_PATH: usize = 107;

/// Reads `http://HOST:PORT`, `https://HOST:PORT` or `unix:/PATH`.
///
/// # Errors
/// [`BadUpstream`].
pub fn origin(text: &str) -> Result<Origin, BadUpstream> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(path);
    }
    match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => address(rest, 80).map(Origin::Http),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => address(rest, 443).map(Origin::Https),
        Some(_) => Err(BadUpstream::Scheme),
        None => Err(BadUpstream::NoScheme),
    }
}

fn socket(path: &str) -> Result<Origin, BadUpstream> {
    let whole = path.starts_with('/') && !path.starts_with("//") && !path.ends_with('/');
    if !whole || path.len() > LONGEST_PATH || path.chars().any(char::is_control) {
        return Err(BadUpstream::Socket);
    }
    Ok(Origin::Unix(PathBuf::from(path)))
}

fn address(rest: &str, usual_port: u16) -> Result<Address, BadUpstream> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains('@') {
        return Err(BadUpstream::UserInfo);
    }
    if rest.contains(['/', '?', '#']) {
        return Err(BadUpstream::Path);
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(BadUpstream::Host)?;
            address.parse::<Ipv6Addr>().map_err(|_| BadUpstream::Host)?;
            (address, port)
        }
        None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
    };
    // Not `Host`: names on container networks have underscores, which no visitor may send.
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || host.len() > 253 || !host.bytes().all(named) {
        return Err(BadUpstream::Host);
    }
    Ok(Address { host: host.to_owned(), port: port_of(port, usual_port)? })
}

/// The port in `":8000"`; the usual one if there is none.
fn port_of(text: &str, usual: u16) -> Result<u16, BadUpstream> {
    match text.strip_prefix(':') {
        None if text.is_empty() => Ok(usual),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).ok_or(BadUpstream::Port)
        }
        None | Some(_) => Err(BadUpstream::Port),
    }
}

/// An app's upstream; `None` if it has none that can be read.
pub fn compile(document: &Document, app: &AppTable, complaints: &mut Vec<Complaint>) -> Option<Upstream> {
    let least = Duration::from_millis(1);
    let most = Duration::from_secs(86_400);
    let connect = settings::within(app.connect_timeout.as_ref(), "app.connect_timeout", (least, most), complaints);
    let response = settings::within(app.response_timeout.as_ref(), "app.response_timeout", (Duration::ZERO, most), complaints);
    let idle = settings::within(app.idle_timeout.as_ref(), "app.idle_timeout", (Duration::ZERO, most), complaints);
    let written = app.upstream.as_ref()?;
    let origin = origin(&written.value).map_err(|reason| complaints.push(unreadable(written, reason)));
    let tls = upstream_tls::compile(document, app, origin.as_ref().ok(), complaints);
    let endless = |span: Duration| Some(span).filter(|span| !span.is_zero());
    Some(Upstream {
        origin: origin.ok()?,
        tls,
        preserve_host: placed::value(app.preserve_host.as_ref()).unwrap_or(true),
        connect_timeout: connect.unwrap_or(Duration::from_secs(5)),
        response_timeout: endless(response.unwrap_or(Duration::from_secs(120))),
        idle_timeout: endless(idle.unwrap_or(Duration::from_secs(600))),
    })
}

fn unreadable(written: &Placed<String>, reason: BadUpstream) -> Complaint {
    let complaint =
        Complaint::new(Code::E0506, &written.place, format!("`upstream` cannot be used: {reason}")).key("app.upstream");
    let with_scheme = format!("http://{}", written.value);
    match reason {
        BadUpstream::NoScheme if origin(&with_scheme).is_ok() => {
            complaint.label(format!("did you mean \"{with_scheme}\"?")).fix(format!("\"{with_scheme}\""))
        }
        BadUpstream::NoScheme if socket(&written.value).is_ok() => {
            let meant = format!("unix:{}", written.value);
            complaint.label(format!("did you mean \"{meant}\"?")).fix(format!("\"{meant}\""))
        }
        BadUpstream::Socket => complaint.label("such as \"unix:/run/app/app.sock\""),
        BadUpstream::NoScheme
        | BadUpstream::Scheme
        | BadUpstream::UserInfo
        | BadUpstream::Path
        | BadUpstream::Host
        | BadUpstream::Port => complaint.label("such as \"http://127.0.0.1:8000\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_scheme_a_host_and_perhaps_a_port() {
        for (text, host, port) in [
            ("http://127.0.0.1:8000", "127.0.0.1", 8000),
            ("http://paperless_web:8000/", "paperless_web", 8000),
            ("HTTP://intranet", "intranet", 80),
            ("http://[::1]:8888", "::1", 8888),
            ("http://[::1]", "::1", 80),
        ] {
            assert_eq!(origin(text), Ok(Origin::Http(Address { host: host.into(), port })), "{text}");
        }
        assert_eq!(origin("https://nas:5001"), Ok(Origin::Https(Address { host: "nas".into(), port: 5001 })));
        assert_eq!(origin("HTTPS://[::1]/"), Ok(Origin::Https(Address { host: "::1".into(), port: 443 })));
        assert_eq!(origin("unix:/run/x.sock"), Ok(Origin::Unix("/run/x.sock".into())));
    }

    #[test]
    fn its_own_host_is_written_as_a_browser_would() {
        for (text, authority) in [
            ("http://a:80", "a"),
            ("http://a:443", "a:443"),
            ("https://a", "a"),
            ("https://a:8443", "a:8443"),
            ("https://[::1]", "[::1]"),
            ("http://[::1]:81", "[::1]:81"),
            ("unix:/run/x.sock", "localhost"),
        ] {
            let origin = origin(text).expect(text);
            assert_eq!(origin.authority(), authority, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        for (text, reason) in [
            ("127.0.0.1:8000", BadUpstream::NoScheme),
            ("", BadUpstream::NoScheme),
            ("/run/x.sock", BadUpstream::NoScheme),
            ("unix:run/x.sock", BadUpstream::Socket),
            ("unix://run/x.sock", BadUpstream::Socket),
            ("unix:@x", BadUpstream::Socket),
            ("unix:", BadUpstream::Socket),
            ("unix:/run/", BadUpstream::Socket),
            ("unix:/a\0b", BadUpstream::Socket),
            ("https://x/app", BadUpstream::Path),
            ("ftp://x", BadUpstream::Scheme),
            ("http://a:b@x", BadUpstream::UserInfo),
            ("http://x/app", BadUpstream::Path),
            ("http://x?a", BadUpstream::Path),
            ("http://", BadUpstream::Host),
            ("http://:80", BadUpstream::Host),
            ("http://a b", BadUpstream::Host),
            ("http://a\r\nb", BadUpstream::Host),
            ("http://[::1", BadUpstream::Host),
            ("http://[nonsense]:1", BadUpstream::Host),
            ("http://x:0", BadUpstream::Port),
            ("http://x:", BadUpstream::Port),
            ("http://x:+80", BadUpstream::Port),
            ("http://x:99999", BadUpstream::Port),
            ("http://::1:80", BadUpstream::Host),
            ("http://[::1]80", BadUpstream::Port),
        ] {
            assert_eq!(origin(text), Err(reason), "{text}");
        }
    }
}
