//! The resolvers that the system is set up to ask (resolv.conf(5)).

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const FILE: &str = "/etc/resolv.conf";
/// As many as the system's own resolver takes.
const MOST: usize = 3;

/// Those of this machine; itself if none is named. Reads a file of a few lines.
pub fn resolvers() -> Vec<SocketAddr> {
    named(&fs::read_to_string(FILE).unwrap_or_default())
}

fn named(text: &str) -> Vec<SocketAddr> {
    let addresses = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok());
    let mut servers: Vec<SocketAddr> = addresses.take(MOST).map(|address| (address, 53).into()).collect();
    if servers.is_empty() {
        servers.push((Ipv4Addr::LOCALHOST, 53).into());
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let text =
            "# nameserver 192.0.2.9\nsearch example\nnameserver 192.0.2.1\n  nameserver\t2001:db8::1 \nnameserver fe80::1%eth0\n";
        assert_eq!(named(text), ["192.0.2.1:53".parse().expect("one"), "[2001:db8::1]:53".parse().expect("one")]);
        assert_eq!(named(""), ["127.0.0.1:53".parse().expect("one")]);
        assert_eq!(named(&"nameserver 192.0.2.1\n".repeat(1_000)).len(), MOST);
    }
}
