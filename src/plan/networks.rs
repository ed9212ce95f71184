//! Client networks of rules.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::config::complaint::{Code, Complaint};
use crate::config::placed::Placed;

/// Reads networks; a single address is a network of one. With `narrow`, one that holds every address is refused: whoever
/// limits a bypass means a limit.
pub fn compile(
    written: Option<&Placed<Vec<Placed<String>>>>,
    narrow: bool,
    key: &str,
    complaints: &mut Vec<Complaint>,
) -> Vec<IpNet> {
    let Some(list) = written else { return Vec::new() };
    if list.value.is_empty() {
        let complaint = Complaint::new(Code::E0206, &list.place, "`networks` is empty").label("no network at all?");
        complaints.push(complaint.help("leave the key out to speak of every network").key(key));
    }
    let mut networks = Vec::new();
    for item in &list.value {
        match network(item, narrow) {
            Ok(network) => networks.push(network),
            Err(complaint) => complaints.push(complaint.key(key)),
        }
    }
    networks
}

/// Reads `listen.trusted_proxies`. One that holds every address would let every client say who it is.
pub fn trusted(written: Option<&Placed<Vec<Placed<String>>>>, complaints: &mut Vec<Complaint>) -> Vec<IpNet> {
    let mut networks = Vec::new();
    for item in written.into_iter().flat_map(|list| &list.value) {
        match network(item, false) {
            Ok(network) if network.prefix_len() == 0 => {
                let message = format!("with network `{}` every client is believed, whatever address it claims", item.value);
                let complaint = Complaint::new(Code::E0603, &item.place, message).label("name the proxies alone");
                complaints.push(complaint.key("listen.trusted_proxies"));
            }
            Ok(network) => networks.push(network),
            Err(complaint) => complaints.push(complaint.key("listen.trusted_proxies")),
        }
    }
    networks
}

/// Reads `auth.throttle.exempt`. One that holds every address would exempt everybody.
pub fn exempt(written: Option<&Placed<Vec<Placed<String>>>>, complaints: &mut Vec<Complaint>) -> Vec<IpNet> {
    let key = "auth.throttle.exempt";
    let mut networks = Vec::new();
    for item in written.into_iter().flat_map(|list| &list.value) {
        match network(item, false) {
            Ok(network) if network.prefix_len() == 0 => {
                let message = format!("with network `{}` nobody is held to what they get wrong", item.value);
                complaints.push(Complaint::new(Code::E0603, &item.place, message).label("name your own networks alone").key(key));
            }
            Ok(network) => networks.push(network),
            Err(complaint) => complaints.push(complaint.key(key)),
        }
    }
    networks
}

fn network(item: &Placed<String>, narrow: bool) -> Result<IpNet, Box<Complaint>> {
    let text = item.value.as_str();
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let Some(network) = parsed(text) else {
        let complaint = Complaint::new(Code::E0606, &item.place, "not a network");
        return Err(Box::new(complaint.label("such as \"192.168.1.0/24\" or \"fd00::/8\"")));
    };
    if narrow && network.prefix_len() == 0 {
        let family = if network.addr().is_ipv4() { "IPv4" } else { "IPv6" };
        let complaint =
            Complaint::new(Code::E0603, &item.place, format!("network `{text}` in a bypass matches every {family} address"));
        return Err(Box::new(match guess(network.addr()) {
            Some(meant) => complaint.label(format!("did you mean \"{meant}\"?")).fix(format!("\"{meant}\"")),
            None => complaint.label("no limit at all").help("leave `networks` out if everybody may pass"),
        }));
    }
    if network.addr() != network.network() {
        let (meant, address) = (network.trunc(), network.addr());
        let complaint = Complaint::new(Code::E0606, &item.place, format!("`{text}` names an address inside a network"));
        let label = format!("did you mean \"{meant}\", or the one address \"{address}\"?");
        return Err(Box::new(complaint.label(label).fix(format!("\"{meant}\""))));
    }
    Ok(network)
}

/// A network, or an address as a network of one; `None` for anything else, an address inside a network included. What is IPv4
/// written as IPv6 is IPv4.
pub fn read(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpAddr>().map(IpNet::from).ok().or_else(|| parsed(text))?;
    match (network, network.addr().to_canonical()) {
        _ if network.addr() != network.network() => None,
        (IpNet::V6(mapped), IpAddr::V4(address)) => IpNet::new(address.into(), mapped.prefix_len().checked_sub(96)?).ok(),
        (network, _) => Some(network),
    }
}

/// This machine.
pub fn loopback() -> [IpNet; 2] {
    let v4 = Ipv4Net::new(Ipv4Addr::new(127, 0, 0, 0), 8).expect("an IPv4 prefix may be 8 bits long");
    [v4.into(), IpAddr::from(Ipv6Addr::LOCALHOST).into()]
}

/// An address and a length. Not ipnet's own reader: it takes `010.0.0.0/8`, which other programs read as octal.
fn parsed(text: &str) -> Option<IpNet> {
    let (address, length) = text.split_once('/')?;
    let digits = length.bytes().all(|byte| byte.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    IpNet::new(address.parse().ok()?, length.parse().ok().filter(|_| digits)?).ok()
}

/// The network that an IPv4 address with trailing zeros is usually written for.
fn guess(address: IpAddr) -> Option<IpNet> {
    let IpAddr::V4(address) = address else { return None };
    let prefix = match address.octets() {
        [0, 0, 0, 0] => return None,
        [_, 0, 0, 0] => 8,
        [_, _, 0, 0] => 16,
        [_, _, _, 0] => 24,
        [_, _, _, _] => 32,
    };
    IpNet::new(IpAddr::V4(address), prefix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, (Code, Option<String>)> {
        let read = network(&Placed::new(text.to_owned(), 0..1), true);
        read.map(|network| network.to_string()).map_err(|fault| (fault.code, fault.fix.map(|fix| fix.replace)))
    }

    #[test]
    fn networks_are_read_exactly_or_a_better_spelling_is_proposed() {
        assert_eq!(read("10.0.0.0/8"), Ok("10.0.0.0/8".into()));
        assert_eq!(read("10.1.2.3"), Ok("10.1.2.3/32".into()));
        assert_eq!(read("::1"), Ok("::1/128".into()));
        assert_eq!(read("192.168.1.7/24"), Err((Code::E0606, Some("\"192.168.1.0/24\"".into()))));
        assert_eq!(read("fd00::1/8"), Err((Code::E0606, Some("\"fd00::/8\"".into()))));
        assert_eq!(read("lan"), Err((Code::E0606, None)));
        for text in ["192.168.1.0/33", "010.0.0.0/8", "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/"] {
            assert_eq!(read(text), Err((Code::E0606, None)), "{text}");
        }
    }

    #[test]
    fn a_network_is_read_in_one_spelling() {
        for (text, network) in [
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("192.0.2.0/24", Some("192.0.2.0/24")),
            ("::ffff:192.0.2.7", Some("192.0.2.7/32")),
            ("::ffff:192.0.2.0/120", Some("192.0.2.0/24")),
            ("::ffff:0:0/80", None),
            ("2001:db8::/32", Some("2001:db8::/32")),
            ("192.0.2.7/24", None),
            ("lan", None),
        ] {
            assert_eq!(super::read(text).map(|network| network.to_string()).as_deref(), network, "{text}");
        }
    }

    /// The attack: a typing error (`/0` for `/24`) opens a bypass meant for one LAN to the whole world.
    #[test]
    fn a_bypass_for_every_address_is_refused() {
        assert_eq!(read("192.168.1.0/0"), Err((Code::E0603, Some("\"192.168.1.0/24\"".into()))));
        assert_eq!(read("0.0.0.0/0"), Err((Code::E0603, None)));
        assert_eq!(read("::/0"), Err((Code::E0603, None)));
    }
}
