//! Devices that an account was signed in with before, as the trail knows them: whoever comes with another one is told of.

use std::net::IpAddr;

use rusqlite::params;

use crate::model::audit::Entry;
use crate::store::database::Database;
use crate::store::fault::Fault;
use crate::store::open::Keys;

/// Whether this device is somebody's already.
const KNOWN: &str = "SELECT seq FROM audit WHERE account_id = ?1 AND device = ?2 LIMIT 1";

/// Browser and network of a sign-in, so that they can be known again and not be read.
pub(super) fn tag(keys: &Keys, entry: &Entry) -> Option<Vec<u8>> {
    let (agent, address) = (entry.agent.as_deref()?, entry.address?);
    let network = match address.to_canonical() {
        IpAddr::V4(address) => address.octets()[..3].to_vec(),
        IpAddr::V6(address) => address.octets()[..6].to_vec(),
    };
    // Versions go up by themselves.
    let agent: String = agent.chars().filter(|letter| !letter.is_ascii_digit()).collect();
    Some(keys.devices.tag(&[&network, &b"\0"[..], agent.as_bytes()].concat())[..8].to_vec())
}

/// Whether its account has been signed in to with it before, as far as the trail goes back.
pub(super) fn is_known(database: &Database, entry: &Entry, device: Option<&[u8]>) -> Result<bool, Fault> {
    let (Some((id, _)), Some(device)) = (&entry.account, device) else { return Ok(true) };
    Ok(database.one(KNOWN, params![id.as_str(), device], |_| Ok(()))?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::kit::Kit;

    /// The attack: an account that a flood of tries has filled the trail of is to be slow to sign in to.
    #[tokio::test]
    async fn a_known_device_is_looked_up_and_not_searched_for() {
        let kit = Kit::new();
        let plan = kit
            .store
            .ask(|database| database.all(&format!("EXPLAIN QUERY PLAN {KNOWN}"), params!["a", vec![0_u8; 8]], |row| row.text(3)));
        let plan = plan.await.unwrap();
        assert!(plan.iter().all(|step| step.contains("SEARCH audit USING") && step.contains("audit_by_device")), "{plan:?}");
        assert_eq!(plan.len(), 1);
    }
}
