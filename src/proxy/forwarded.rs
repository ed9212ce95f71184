//! What an app is told of the request as the client sent it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::policy::mount::Mount;
use crate::wire::header::REQUEST_ID;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Sets the forwarding fields; whatever the client sent under these names is gone already.
///
/// `X-Forwarded-For` holds the client's address alone: what the client claims came before it is hearsay.
pub fn set(headers: &mut HeaderMap, client: IpAddr, host: &HeaderValue, request_id: &str) {
    let address = HeaderValue::try_from(client.to_canonical().to_string()).expect("an address is visible ASCII");
    headers.insert(REAL_IP, address.clone());
    headers.insert(FOR, address);
    headers.insert(PROTO, HeaderValue::from_static("https"));
    headers.insert(HOST, host.clone());
    headers.insert(PORT, port(host));
    match HeaderValue::from_str(request_id) {
        Ok(id) => headers.insert(REQUEST_ID, id),
        Err(_) => headers.remove(REQUEST_ID),
    };
}

/// Tells an app that does not see where it is mounted what it has to put in front of the addresses it writes.
pub fn set_prefix(headers: &mut HeaderMap, mount: &Mount) {
    if mount.strips() {
        headers.insert(PREFIX, HeaderValue::try_from(mount.prefix()).expect("a mount point is visible ASCII"));
    }
}

/// The port the client named, or the one that `https` stands for.
fn port(host: &HeaderValue) -> HeaderValue {
    let named = host.as_bytes().rsplit(|byte| *byte == b':').next().unwrap_or_default();
    let is_port = !named.is_empty() && named.len() < host.len() && named.iter().all(u8::is_ascii_digit);
    if is_port { HeaderValue::from_bytes(named).expect("digits") } else { HeaderValue::from_static("443") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(host: &'static str, client: &str) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        set(&mut headers, client.parse().expect("an address"), &HeaderValue::from_static(host), "id1");
        let mut all: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned())).collect();
        all.sort();
        all
    }

    #[test]
    fn an_app_learns_address_host_port_and_scheme() {
        let expected = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-host", "a.example:8443"),
            ("x-forwarded-port", "8443"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "192.0.2.1"),
            ("x-request-id", "id1"),
        ];
        let told = told("a.example:8443", "::ffff:192.0.2.1");
        assert_eq!(told, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn without_a_port_it_is_443_and_ipv6_has_colons_of_its_own() {
        for (host, expected) in
            [("a.example", "443"), ("[2001:db8::1]", "443"), ("[::1]:444", "444"), ("1234", "443"), ("a:", "443")]
        {
            assert_eq!(port(&HeaderValue::from_static(host)), expected, "{host}");
        }
    }
}
