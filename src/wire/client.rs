//! The network a client counts for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The network a client counts for in budgets: an IPv4 address itself, of an IPv6 address its /64, since one household
/// is handed a whole /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Network {
    /// One IPv4 address.
    V4(Ipv4Addr),
    /// The upper 64 bits of an IPv6 address.
    V6(u64),
}

impl Network {
    /// The network of `address`. An IPv4 address mapped into IPv6 is the same client as without.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6((address.to_bits() >> 64) as u64),
        }
    }

    /// All of its addresses.
    pub fn range(self) -> IpNet {
        match self {
            Self::V4(address) => Ipv4Net::from(address).into(),
            Self::V6(prefix) => {
                let first = Ipv6Addr::from_bits(u128::from(prefix) << 64);
                Ipv6Net::new(first, 64).expect("an IPv6 prefix may be 64 bits long").into()
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6(prefix) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(*prefix) << 64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_household_is_one_network_and_a_mapped_address_is_ipv4() {
        let of = |text: &str| Network::of(text.parse().expect("an address"));
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_eq!(of("2001:db8:1:2::1").to_string(), "2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::1").range().to_string(), "2001:db8:1:2::/64");
        assert_eq!(of("192.0.2.1").range().to_string(), "192.0.2.1/32");
    }
}
