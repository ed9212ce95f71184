//! Bans and known devices in memory: looked up on the way to the sign-in pages without a lock and without asking the disk.
//! Changed by the writer's thread only.

use std::net::IpAddr;

use ipnet::IpNet;
use papaya::HashMap;

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::model::ban::Ban;
use crate::model::user::UserName;

/// A browser that an account was signed in to with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// Whose. What counts in the end is what the store says of it: this only spares asking it.
    pub(super) name: UserName,
    /// Until when.
    pub(super) until: Timestamp,
}

/// What is looked up.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    bans: HashMap<IpNet, Ban>,
    devices: HashMap<TokenHash, Device>,
}

impl Remembered {
    /// The ban on `address` that lasts longest.
    pub(super) fn ban(&self, address: IpAddr, now: Timestamp) -> Option<Ban> {
        let bans = self.bans.pin();
        if bans.is_empty() {
            return None;
        }
        let whole = IpNet::from(address.to_canonical());
        let around = (0..=whole.max_prefix_len()).filter_map(|length| IpNet::new(whole.addr(), length).ok());
        let counting = around.filter_map(|network| bans.get(&network.trunc()).filter(|ban| ban.counts(now)).cloned());
        counting.max_by_key(|ban| ban.until.unwrap_or(Timestamp::from_millis(i64::MAX)))
    }

    /// All bans that count.
    pub(super) fn bans(&self, now: Timestamp) -> Vec<Ban> {
        self.bans.pin().values().filter(|ban| ban.counts(now)).cloned().collect()
    }

    pub(super) fn add_ban(&self, ban: Ban) {
        self.bans.pin().insert(ban.network, ban);
    }

    pub(super) fn lift(&self, network: &IpNet) {
        self.bans.pin().remove(network);
    }

    pub(super) fn device(&self, token: &TokenHash, now: Timestamp) -> Option<Device> {
        self.devices.pin().get(token).filter(|device| now < device.until).cloned()
    }

    pub(super) fn add_device(&self, token: TokenHash, device: Device) {
        self.devices.pin().insert(token, device);
    }

    pub(super) fn forget_device(&self, token: &TokenHash) {
        self.devices.pin().remove(token);
    }

    /// Keeps those devices only that are still in `stored`.
    pub(super) fn keep_devices(&self, stored: &std::collections::HashSet<TokenHash>) {
        self.devices.pin().retain(|token, _| stored.contains(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn ban(network: &str, until: Option<i64>) -> Ban {
        let until = until.map(Timestamp::from_secs);
        Ban { network: network.parse().unwrap(), since: NOW, until, reason: "test".into(), by_owner: false }
    }

    #[test]
    fn a_ban_holds_for_every_address_of_its_network_in_every_spelling() {
        let remembered = Remembered::default();
        let found = |address: &str, now| remembered.ban(address.parse().unwrap(), now).map(|ban| ban.network.to_string());
        assert_eq!(found("192.0.2.7", NOW), None);
        remembered.add_ban(ban("192.0.2.7/32", Some(NOW.secs() + 60)));
        remembered.add_ban(ban("192.0.2.0/24", Some(NOW.secs() + 30)));
        remembered.add_ban(ban("2001:db8:1:2::/64", None));
        for (address, network) in [
            ("192.0.2.7", Some("192.0.2.7/32")),
            ("::ffff:192.0.2.7", Some("192.0.2.7/32")),
            ("192.0.2.8", Some("192.0.2.0/24")),
            ("192.0.3.7", None),
            ("2001:db8:1:2:ffff::1", Some("2001:db8:1:2::/64")),
            ("2001:db8:1:3::1", None),
        ] {
            assert_eq!(found(address, NOW).as_deref(), network, "{address}");
        }
        let later = Timestamp::from_secs(NOW.secs() + 30);
        assert_eq!(found("192.0.2.8", later), None, "it is over");
        assert_eq!(remembered.bans(later).len(), 2);
        remembered.lift(&"192.0.2.7/32".parse().unwrap());
        assert_eq!(found("192.0.2.7", later), None);
    }
}
