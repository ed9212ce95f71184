//! Where an app's requests go, and how long we wait for it.

use std::net::Ipv6Addr;
use std::time::Duration;

use crate::config::app::AppTable;
use crate::config::complaint::{Code, Complaint};
use crate::config::placed;
use crate::config::placed::Placed;
use crate::plan::settings;

/// An app's server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait from the last byte of the request's head to the response's head; `None` waits for ever.
    pub response_timeout: Option<Duration>,
    /// Longest silence on a body or tunnel; `None` allows any.
    pub idle_timeout: Option<Duration>,
    /// Largest request body in bytes; `None` allows any.
    pub body_limit: Option<u64>,
}

/// Where an upstream is, as `http://HOST:PORT` says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Why a text does not say where an upstream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUpstream {
    /// `127.0.0.1:8000`
    #[error("has no scheme")]
    NoScheme,
    /// `https://…`
    #[error("upstreams over TLS are not in this version yet")]
    Https,
    /// `unix:…`
    #[error("upstreams on Unix sockets are not in this version yet")]
    Unix,
    /// Another scheme.
    #[error("only http:// is known")]
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

/// Reads `http://HOST:PORT`.
///
/// # Errors
/// [`BadUpstream`].
pub fn origin(text: &str) -> Result<Origin, BadUpstream> {
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => return Err(BadUpstream::Https),
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("unix") => return Err(BadUpstream::Unix),
        Some(_) => return Err(BadUpstream::Scheme),
        None if text.starts_with("unix:") || text.starts_with('/') => return Err(BadUpstream::Unix),
        None => return Err(BadUpstream::NoScheme),
    };
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
    Ok(Origin { host: host.to_owned(), port: port_of(port)? })
}

/// The port in `":8000"`; 80 if there is none.
fn port_of(text: &str) -> Result<u16, BadUpstream> {
    match text.strip_prefix(':') {
        None if text.is_empty() => Ok(80),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port != 0).ok_or(BadUpstream::Port)
        }
        None | Some(_) => Err(BadUpstream::Port),
    }
}

/// An app's upstream; `None` if it has none that can be read.
pub fn compile(app: &AppTable, complaints: &mut Vec<Complaint>) -> Option<Upstream> {
    let least = Duration::from_millis(1);
    let most = Duration::from_secs(86_400);
    let connect = settings::within(app.connect_timeout.as_ref(), "app.connect_timeout", (least, most), complaints);
    let response = settings::within(app.response_timeout.as_ref(), "app.response_timeout", (Duration::ZERO, most), complaints);
    let idle = settings::within(app.idle_timeout.as_ref(), "app.idle_timeout", (Duration::ZERO, most), complaints);
    let written = app.upstream.as_ref()?;
    let origin = origin(&written.value).map_err(|reason| complaints.push(unreadable(written, reason))).ok()?;
    let endless = |span: Duration| Some(span).filter(|span| !span.is_zero());
    Some(Upstream {
        host: origin.host,
        port: origin.port,
        connect_timeout: connect.unwrap_or(Duration::from_secs(5)),
        response_timeout: endless(response.unwrap_or(Duration::from_secs(120))),
        idle_timeout: endless(idle.unwrap_or(Duration::from_secs(600))),
        body_limit: placed::value(app.body_limit.as_ref()).flatten(),
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
        BadUpstream::NoScheme
        | BadUpstream::Https
        | BadUpstream::Unix
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
            assert_eq!(origin(text), Ok(Origin { host: host.into(), port }), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_reason() {
        for (text, reason) in [
            ("127.0.0.1:8000", BadUpstream::NoScheme),
            ("", BadUpstream::NoScheme),
            ("https://x", BadUpstream::Https),
            ("unix:/run/x.sock", BadUpstream::Unix),
            ("/run/x.sock", BadUpstream::Unix),
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
