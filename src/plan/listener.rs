//! Where we listen, and what one client may take of us.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::config::complaint::{Code, Complaint};
use crate::config::placed::{Place, Placed};
use crate::plan::proxies::Proxies;

/// Where we listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// TLS.
    pub https: Vec<SocketAddr>,
    /// Plain HTTP: redirects and the local authority's certificate, never an app.
    pub http: Vec<SocketAddr>,
    /// Longest wait for a handshake and for a request head.
    pub header_timeout: Duration,
    /// Longest wait for open requests when stopping.
    pub drain_timeout: Duration,
    /// Most connections at once, over all listeners.
    pub max_connections: usize,
    /// Most connections at once from one client network.
    pub max_connections_per_network: usize,
    /// Who may say where requests come from.
    pub proxies: Proxies,
    /// Where metrics are told, on this machine alone; `None` nowhere.
    pub metrics: Option<SocketAddr>,
}

impl Default for Listen {
    /// Both families on the usual ports.
    fn default() -> Self {
        let everywhere = |port: u16| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        Self {
            https: vec![everywhere(443)],
            http: vec![everywhere(80)],
            header_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
            max_connections: 10_000,
            max_connections_per_network: 256,
            proxies: Proxies::default(),
            metrics: None,
        }
    }
}

/// The addresses of a list; `taken` holds those of lists before it. Port 0, which lets the system choose, may repeat.
pub fn addresses(
    written: Option<&Placed<Vec<Placed<String>>>>,
    key: &str,
    taken: &mut Vec<(SocketAddr, Place)>,
    complaints: &mut Vec<Complaint>,
) -> Option<Vec<SocketAddr>> {
    let list = written?;
    if list.value.is_empty() && key == "listen.https" {
        let complaint = Complaint::new(Code::E0206, &list.place, "`https` is empty").label("nobody could reach an app");
        complaints.push(complaint.help("leave the key out to listen on \"[::]:443\"").key(key));
    }
    let mut addresses = Vec::new();
    for item in &list.value {
        let Ok(address) = item.value.parse::<SocketAddr>() else {
            complaints.push(unreadable(item, key));
            continue;
        };
        match taken.iter().find(|(other, _)| *other == address && address.port() != 0) {
            Some((_, first)) => {
                let complaint = Complaint::new(Code::E0507, &item.place, format!("`{address}` is listened on twice"));
                complaints.push(complaint.label("here again").also(first, "first written here").key(key));
            }
            None => {
                taken.push((address, item.place.clone()));
                addresses.push(address);
            }
        }
    }
    Some(addresses)
}

fn unreadable(item: &Placed<String>, key: &str) -> Complaint {
    let port = if key == "listen.http" { 80 } else { 443 };
    let complaint = Complaint::new(Code::E0507, &item.place, "not an address with a port").key(key);
    match meant(&item.value, port) {
        Some(address) => complaint.label(format!("did you mean \"{address}\"?")).fix(format!("\"{address}\"")),
        None => complaint.label("such as \"127.0.0.1:8443\" or \"[::]:443\""),
    }
}

/// What somebody meant by a port alone, an address alone, or `localhost`.
fn meant(text: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(address) = text.trim_matches(['[', ']']).parse() {
        return Some(SocketAddr::new(address, port));
    }
    if let Ok(port) = text.trim_start_matches(['*', ':']).parse::<u16>() {
        return Some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)));
    }
    let local = text.strip_prefix("localhost")?;
    format!("127.0.0.1{local}").parse().or_else(|_| format!("127.0.0.1:{port}").parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_proposed() {
        for (text, address) in [
            ("8443", "[::]:8443"),
            (":8443", "[::]:8443"),
            ("127.0.0.1", "127.0.0.1:443"),
            ("::1", "[::1]:443"),
            ("[::1]", "[::1]:443"),
            ("localhost:8443", "127.0.0.1:8443"),
            ("localhost", "127.0.0.1:443"),
        ] {
            assert_eq!(meant(text, 443).map(|address| address.to_string()).as_deref(), Some(address), "{text}");
        }
        assert_eq!(meant("off", 443), None);
        assert_eq!(meant("example.com:443", 443), None);
    }

    #[test]
    fn an_address_is_listened_on_once() {
        let item = |text: &str, at: usize| Placed::new(text.to_owned(), at..at + 1);
        let (mut taken, mut complaints) = (Vec::new(), Vec::new());
        let https = Placed::new(vec![item("127.0.0.1:0", 0), item("127.0.0.1:0", 1), item("[::]:80", 2)], 0..9);
        assert_eq!(addresses(Some(&https), "listen.https", &mut taken, &mut complaints).map(|list| list.len()), Some(3));
        let http = Placed::new(vec![item("[::]:80", 5)], 0..9);
        addresses(Some(&http), "listen.http", &mut taken, &mut complaints);
        assert_eq!(complaints.iter().map(|complaint| complaint.code).collect::<Vec<_>>(), [Code::E0507]);
    }
}
