//! From a request as hyper gives it to a call we can judge: one host, one readable target, one client.

use std::net::IpAddr;

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Method, Request};

use crate::gate::refusal::{Malformed, Refusal};
use crate::plan::whole::Plan;
use crate::policy::host::Authority;
use crate::policy::refusal::Unreadable;
use crate::policy::target::Target;
use crate::wire::body::Body;
use crate::wire::connection::Connection;
use crate::wire::websocket;

/// Fields a request may have, however it came (HTTP/1 has them counted below hyper, HTTP/2 only here).
const MOST_FIELDS: usize = 100;

/// A request that can be judged.
#[derive(Debug)]
pub struct Call {
    /// The request. Its URI is not read again: the target below is the one parse of it.
    pub request: Request<Body>,
    /// What is asked for.
    pub target: Target,
    /// Of whom it is asked.
    pub authority: Authority,
    /// The same as the client wrote it, to be sent on.
    pub host_header: HeaderValue,
    /// Whom the request counts for.
    pub client: IpAddr,
}

/// What came in.
#[derive(Debug)]
pub enum Intake {
    /// A request for something on a host.
    Call(Box<Call>),
    /// A request for a path with `.` and `..`, as it stands: of whom, and what.
    Dots(Authority, String),
    /// `OPTIONS *`: asked of the server as a whole (RFC 9110 section 9.3.7).
    ServerOptions,
}

/// Reads a request.
///
/// # Errors
/// [`Refusal`] for whatever could mean two things to two readers.
pub fn intake(request: Request<Body>, connection: &Connection, (plan, client): (&Plan, IpAddr)) -> Result<Intake, Refusal> {
    if request.headers().len() > MOST_FIELDS {
        return Err(Refusal::HeadTooLarge);
    }
    match *request.method() {
        Method::TRACE => return Err(Refusal::Method),
        Method::CONNECT if !websocket::is_connect(&request) => return Err(Refusal::Method),
        Method::OPTIONS if request.uri().path() == "*" => return Ok(Intake::ServerOptions),
        _ => {}
    }
    let (authority, host_header) = authority(&request, connection)?;
    let origin_form = request.uri().path_and_query().ok_or(Refusal::Malformed(Malformed::Target))?;
    let charset = plan.site(&authority.host).map(|site| site.charset()).unwrap_or_default();
    let target = match Target::parse_as(origin_form.as_str(), charset) {
        Err(Unreadable::DotSegment) => return Ok(Intake::Dots(authority, origin_form.as_str().to_owned())),
        read => read.map_err(Refusal::Unreadable)?,
    };
    Ok(Intake::Call(Box::new(Call { target, authority, host_header, client, request })))
}

/// The one host a request names. `Host`, `:authority` and an absolute target must say the same where more than one is there
/// (RFC 9112 section 3.2, RFC 9113 section 8.3.1).
fn authority(request: &Request<Body>, connection: &Connection) -> Result<(Authority, HeaderValue), Refusal> {
    if request.uri().scheme().is_some_and(|scheme| *scheme != connection.scheme()) {
        return Err(Refusal::Malformed(Malformed::Target));
    }
    let in_header = host_line(request.headers())?;
    let in_target = request.uri().authority();
    let written = match (in_target, in_header) {
        (Some(in_target), Some(in_header)) => {
            if parse(in_target.as_str())? != parse_line(in_header)? {
                return Err(Refusal::Malformed(Malformed::HostsDiffer));
            }
            in_header.clone()
        }
        (None, Some(in_header)) => in_header.clone(),
        (Some(in_target), None) => HeaderValue::from_str(in_target.as_str()).map_err(|_| Refusal::Malformed(Malformed::Host))?,
        (None, None) => return Err(Refusal::Malformed(Malformed::Host)),
    };
    Ok((parse_line(&written)?, written))
}

fn host_line(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Refusal> {
    let mut lines = headers.get_all(HOST).iter();
    match (lines.next(), lines.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Refusal::Malformed(Malformed::Host)),
    }
}

fn parse_line(line: &HeaderValue) -> Result<Authority, Refusal> {
    parse(line.to_str().map_err(|_| Refusal::Malformed(Malformed::Host))?)
}

fn parse(text: &str) -> Result<Authority, Refusal> {
    Authority::parse(text).map_err(|_| Refusal::Malformed(Malformed::Host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::compile::compile_text;
    use crate::wire::connection::Protocol;

    fn read(protocol: Protocol, uri: &str, hosts: &[&str]) -> Result<String, Refusal> {
        let connection = Connection::new("192.0.2.1:1".parse().expect("an address"), None, protocol);
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let plan = compile_text("[[app]]\nhost = \"a.example\"\nupstream = \"http://127.0.0.1:1\"\n").expect("a plan").plan;
        match intake(request.body(Body::Empty).expect("a request"), &connection, (&plan, connection.client()))? {
            Intake::Call(call) => Ok(format!("{} {}", call.authority, call.target.as_str())),
            Intake::Dots(authority, origin_form) => Ok(format!("{authority} {origin_form}, with dots")),
            Intake::ServerOptions => unreachable!("these are not OPTIONS"),
        }
    }

    #[test]
    fn an_absolute_target_is_read_under_the_scheme_of_its_connection() {
        assert_eq!(read(Protocol::Http1, "https://a.example/x?y", &["a.example"]).expect("fits"), "a.example /x?y");
        assert_eq!(read(Protocol::Plain, "http://a.example/x?y", &["a.example"]).expect("fits"), "a.example /x?y");
        assert!(matches!(
            read(Protocol::Plain, "https://a.example/", &["a.example"]),
            Err(Refusal::Malformed(Malformed::Target))
        ));
        assert!(matches!(read(Protocol::Http2, "http://a.example/", &[]), Err(Refusal::Malformed(Malformed::Target))));
    }

    /// The attack: one host for whoever checks the request, another for whoever answers it.
    #[test]
    fn a_request_names_one_host() {
        assert!(matches!(
            read(Protocol::Http1, "https://a.example/", &["b.example"]),
            Err(Refusal::Malformed(Malformed::HostsDiffer))
        ));
        for hosts in [&[][..], &["a.example", "a.example"], &["a.example", "b.example"], &["a.example,b.example"], &[""]] {
            assert!(matches!(read(Protocol::Http1, "/", hosts), Err(Refusal::Malformed(Malformed::Host))), "{hosts:?}");
        }
        assert_eq!(read(Protocol::Http2, "https://A.Example.:443/", &["a.example:443"]).expect("the same"), "a.example:443 /");
    }
}
