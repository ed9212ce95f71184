//! `listen.trusted_proxies`: whose word on where a request comes from is believed.

use std::net::IpAddr;

use http::HeaderName;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, FORWARDED, HOST, HeaderMap, ORIGIN, REFERER,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use ipnet::IpNet;

use crate::config::complaint::{Code, Complaint};
use crate::config::listen::ListenTable;
use crate::config::placed::Placed;
use crate::plan::networks;
use crate::policy::rule::within;

/// The field that most proxies write.
const USUAL: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Fields that mean something else, or are written in another manner.
const OTHERS: [HeaderName; 12] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    COOKIE,
    FORWARDED,
    HOST,
    ORIGIN,
    REFERER,
    TRANSFER_ENCODING,
    UPGRADE,
    USER_AGENT,
];

/// Who may say where requests come from, and in which field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    /// Their addresses.
    pub networks: Vec<IpNet>,
    /// The field.
    pub header: HeaderName,
}

/// A proxy that is believed said something that is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a trusted proxy named a client that is no address")]
pub struct Unreadable;

impl Default for Proxies {
    /// Nobody is believed.
    fn default() -> Self {
        Self { networks: Vec::new(), header: USUAL }
    }
}

impl Proxies {
    /// Whether what `address` says is believed.
    pub fn trust(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| within(network, address))
    }

    /// The client of a request that came from `peer`.
    ///
    /// Each proxy adds at the end whom it got the request from, so the list is read from its end, as long as those who speak
    /// are trusted. What stands before the first address that is not was written by whoever is there, and is not read.
    ///
    /// # Errors
    /// [`Unreadable`], if somebody trusted names no address: rules for networks could not be judged.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, Unreadable> {
        let mut client = peer.to_canonical();
        if !self.trust(client) {
            return Ok(client);
        }
        let lines = headers.get_all(&self.header).iter().rev();
        for entry in lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
            client = address(entry.trim_ascii()).ok_or(Unreadable)?;
            if !self.trust(client) {
                break;
            }
        }
        Ok(client)
    }
}

/// An address, as proxies write it: alone, or with the port it came from.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let with_port = |text: &str| {
        let (address, port) = text.rsplit_once(':')?;
        let is_port = !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
        is_port.then(|| address.to_owned())
    };
    let read = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            if !port.is_empty() && with_port(port).as_deref() != Some("") {
                return None;
            }
            IpAddr::V6(address.parse().ok()?)
        }
        None => text.parse().or_else(|_| with_port(text).unwrap_or_default().parse().map(IpAddr::V4)).ok()?,
    };
    Some(read.to_canonical())
}

/// `listen.trusted_proxies` and `listen.client_ip_header`
pub fn compile(table: &ListenTable, complaints: &mut Vec<Complaint>) -> Proxies {
    let networks = networks::trusted(table.trusted_proxies.as_ref(), complaints);
    let Some(written) = &table.client_ip_header else { return Proxies { networks, header: USUAL } };
    if table.trusted_proxies.is_none() {
        let complaint = Complaint::new(Code::E0206, &written.place, "`client_ip_header` is read from nobody");
        let complaint = complaint.help("name those who may write it: `trusted_proxies = [\"192.0.2.7\"]`");
        complaints.push(complaint.key("listen.client_ip_header"));
    }
    Proxies { networks, header: header(written, complaints).unwrap_or(USUAL) }
}

fn header(written: &Placed<String>, complaints: &mut Vec<Complaint>) -> Option<HeaderName> {
    let name = HeaderName::from_bytes(written.value.as_bytes()).ok().filter(|name| !OTHERS.contains(name));
    if name.is_none() {
        let complaint = Complaint::new(Code::E0206, &written.place, "`client_ip_header` is not a header for addresses");
        let label = "such as \"X-Forwarded-For\" or \"X-Real-IP\": addresses with commas between them";
        complaints.push(complaint.label(label).key("listen.client_ip_header"));
    }
    name
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies(networks: &[&str]) -> Proxies {
        Proxies { networks: networks.iter().map(|text| text.parse().expect(text)).collect(), header: USUAL }
    }

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> Result<String, Unreadable> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(USUAL, HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
        }
        proxies(trusted).client(peer.parse().expect("an address"), &headers).map(|client| client.to_string())
    }

    /// The attack: a client says where it comes from, to be let in as somebody on the LAN or to be counted as somebody else.
    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        for lines in [&["10.0.0.1"][..], &["10.0.0.1, 192.168.0.1"], &["nonsense"], &[""], &[]] {
            assert_eq!(client(&[], "192.0.2.9", lines), Ok("192.0.2.9".into()), "{lines:?}");
            assert_eq!(client(&["10.0.0.0/8"], "192.0.2.9", lines), Ok("192.0.2.9".into()), "{lines:?}");
        }
    }

    /// The attack: a client writes addresses before those that the proxies add.
    #[test]
    fn the_last_address_that_is_not_a_proxy_is_the_client() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        for (lines, expected) in [
            (&["203.0.113.5"][..], "203.0.113.5"),
            (&["10.0.0.1, 203.0.113.5"], "203.0.113.5"),
            (&["nonsense, 203.0.113.5"], "203.0.113.5"),
            (&["192.168.0.1, 203.0.113.5, 10.9.9.9"], "203.0.113.5"),
            (&["192.168.0.1", "203.0.113.5", "10.9.9.9"], "203.0.113.5"),
            (&["192.168.0.1", " 203.0.113.5 ,10.9.9.9"], "203.0.113.5"),
            (&["203.0.113.5:40000"], "203.0.113.5"),
            (&["2001:db8::5"], "2001:db8::5"),
            (&["[2001:db8::5]"], "2001:db8::5"),
            (&["[2001:db8::5]:443, fd00::1"], "2001:db8::5"),
            (&["::ffff:203.0.113.5, ::ffff:10.0.0.2"], "203.0.113.5"),
            (&["10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            (&[], "10.0.0.3"),
        ] {
            assert_eq!(client(&trusted, "::ffff:10.0.0.3", lines), Ok(expected.into()), "{lines:?}");
        }
    }

    /// The attack: an entry that cannot be read, to be taken for the proxy itself, which may be on a network with rights.
    #[test]
    fn what_a_proxy_says_must_be_addresses() {
        for entry in [
            "",
            "unknown",
            "localhost",
            "10.0.0.1;x",
            "for=10.0.0.1",
            "10.0.0",
            "10.0.0.1:",
            "10.0.0.1:x",
            "10.0.0.1:999999",
            "[10.0.0.1]",
            "[::1",
            "[::1]x",
            "[::1]80",
            "::1:",
            "1.2.3.4:5:6",
            "0x7f.1",
            "010.0.0.1",
            "\"10.0.0.1\"",
            "fe80::1%eth0",
            "10.0.0.1\u{a0}",
        ] {
            for line in [entry.to_owned(), format!("203.0.113.5, {entry}"), format!("{entry}, 10.0.0.2")] {
                assert_eq!(client(&["10.0.0.0/8"], "10.0.0.3", &[&line]), Err(Unreadable), "{line}");
            }
        }
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.3", &["203.0.113.5,"]), Err(Unreadable));
    }

    #[test]
    fn a_network_may_be_written_as_ipv6() {
        assert!(proxies(&["::ffff:10.0.0.0/104"]).trust("10.1.2.3".parse().expect("an address")));
    }
}
