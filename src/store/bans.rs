//! Bans on networks. They survive a restart; what a request asks is answered from memory.

use std::net::IpAddr;

use ipnet::IpNet;
use rusqlite::params;

use crate::base::clock::Timestamp;
use crate::model::ban::Ban;
use crate::store::database::{Database, Record};
use crate::store::fault::Fault;
use crate::store::live::Live;
use crate::store::open::Store;

/// Bans that are kept. Of those that the gateway made, the one that ends first gives way: that costs an attacker one more
/// network than it frees. The owner's do not.
const MOST: u64 = 10_000;

impl Store {
    /// The ban that `address` is under.
    pub fn ban_on(&self, address: IpAddr) -> Option<Ban> {
        self.live.remembered.ban(address, self.clock.now())
    }

    /// All bans that count, in order of networks.
    pub fn bans(&self) -> Vec<Ban> {
        let mut bans = self.live.remembered.bans(self.clock.now());
        bans.sort_by_key(|ban| ban.network);
        bans
    }

    /// Bars a network, or changes how long it is barred and why. `false` if there are too many bans.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn add_ban(&self, ban: Ban) -> Result<bool, Fault> {
        let (told, kept) = (self.told(), ban.clone());
        let work = move |database: &Database| {
            let written = write(database, &ban)?;
            if written.is_some() {
                told.tell_detail(database, &ban.network.to_string())?;
            }
            Ok(written)
        };
        self.run(work, move |live, outcome| {
            let written = outcome?;
            let there = written.is_some();
            settle(live, written.map(|gone| (kept, gone)));
            Ok(there)
        })
        .await
    }

    /// Lets a network in again, or all of them; returns which were barred.
    ///
    /// # Errors
    /// Any [`Fault`].
    pub async fn lift_bans(&self, network: Option<IpNet>) -> Result<Vec<IpNet>, Fault> {
        let (told, now) = (self.told(), self.clock.now());
        let work = move |database: &Database| {
            let mut lifted = Vec::new();
            for ban in all(database)? {
                if network.is_none_or(|network| network == ban.network) {
                    delete(database, &ban.network)?;
                    lifted.push((ban.network, ban.counts(now)));
                }
            }
            for (network, _) in lifted.iter().filter(|(_, counted)| *counted) {
                told.tell_detail(database, &network.to_string())?;
            }
            Ok(lifted)
        };
        self.run(work, |live, outcome| {
            let lifted = outcome?;
            lifted.iter().for_each(|(network, _)| live.remembered.lift(network));
            Ok(lifted.into_iter().filter(|(_, counted)| *counted).map(|(network, _)| network).collect())
        })
        .await
    }
}

/// Writes a ban; what gave way to it, or `None` if nothing could.
pub(super) fn write(database: &Database, ban: &Ban) -> Result<Option<Vec<IpNet>>, Fault> {
    let network = ban.network.to_string();
    let known = database.one("SELECT network FROM ban WHERE network = ?1", params![network], |_| Ok(()))?.is_some();
    let mut gone = Vec::new();
    let held = database.one("SELECT count(*) FROM ban", [], |row| row.count(0))?.unwrap_or(0);
    if !known && held >= MOST {
        let select = "SELECT network FROM ban WHERE owner = 0 ORDER BY until LIMIT 1";
        let Some(first) = database.one(select, [], network_of)? else { return Ok(None) };
        delete(database, &first)?;
        gone.push(first);
    }
    let upsert = "INSERT INTO ban (network, since, until, reason, owner) VALUES (?1, ?2, ?3, ?4, ?5)
                  ON CONFLICT (network) DO UPDATE SET since = excluded.since, until = excluded.until, reason = excluded.reason,
                      owner = excluded.owner";
    let until = ban.until.map(Timestamp::millis);
    database.execute(upsert, params![network, ban.since.millis(), until, ban.reason, ban.by_owner])?;
    Ok(Some(gone))
}

/// Brings memory in step with what [`write`] did.
pub(super) fn settle(live: &Live, written: Option<(Ban, Vec<IpNet>)>) {
    if let Some((ban, gone)) = written {
        gone.iter().for_each(|network| live.remembered.lift(network));
        live.remembered.add_ban(ban);
    }
}

/// Takes away those that are over, some at a time; returns which.
pub(super) fn clear(database: &Database, now: Timestamp, most: u32) -> Result<Vec<IpNet>, Fault> {
    let over = database.all("SELECT network FROM ban WHERE until <= ?1 LIMIT ?2", params![now.millis(), most], network_of)?;
    over.iter().try_for_each(|network| delete(database, network))?;
    Ok(over)
}

/// Fills the memory at the start.
pub(super) fn load(database: &Database, live: &Live) -> Result<(), Fault> {
    all(database)?.into_iter().for_each(|ban| live.remembered.add_ban(ban));
    Ok(())
}

fn all(database: &Database) -> Result<Vec<Ban>, Fault> {
    database.all("SELECT network, since, until, reason, owner FROM ban", [], |row| {
        Ok(Ban {
            network: network_of(row)?,
            since: row.time(1)?,
            until: row.optional(2, Record::time)?,
            reason: row.text(3)?.into(),
            by_owner: row.flag(4)?,
        })
    })
}

fn delete(database: &Database, network: &IpNet) -> Result<(), Fault> {
    database.execute("DELETE FROM ban WHERE network = ?1", params![network.to_string()]).map(|_| ())
}

fn network_of(row: &Record<'_>) -> Result<IpNet, Fault> {
    row.text(0)?.parse().map_err(|_| Fault::Unreadable { column: "ban.network" })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::kit::Kit;

    fn ban(kit: &Kit, network: &str, minutes: Option<u64>) -> Ban {
        let since = kit.clock.now();
        let until = minutes.map(|minutes| since.plus(Duration::from_secs(60 * minutes)));
        Ban { network: network.parse().unwrap(), since, until, reason: "test".into(), by_owner: minutes.is_none() }
    }

    fn barred(kit: &Kit, address: &str) -> bool {
        kit.store.ban_on(address.parse().unwrap()).is_some()
    }

    /// The attack: crashing or restarting the gateway to be let in again.
    #[tokio::test]
    async fn a_ban_survives_a_restart_and_ends_by_itself() {
        let kit = Kit::new();
        assert!(kit.store.add_ban(ban(&kit, "192.0.2.7/32", Some(15))).await.unwrap());
        assert!(kit.store.add_ban(ban(&kit, "2001:db8::/32", None)).await.unwrap());
        let kit = kit.reopened().await;
        assert!(barred(&kit, "192.0.2.7") && barred(&kit, "2001:db8:9::1") && !barred(&kit, "192.0.2.8"));
        kit.clock.advance(Duration::from_secs(900));
        assert!(!barred(&kit, "192.0.2.7") && barred(&kit, "2001:db8:9::1"));
        kit.store.sweep(kit.clock.now()).await.unwrap();
        assert_eq!((kit.count("ban"), kit.store.bans().len()), (1, 1));
        assert_eq!(kit.store.lift_bans(None).await.unwrap().len(), 1);
        let kit = kit.reopened().await;
        assert!(!barred(&kit, "2001:db8:9::1"));
    }

    #[tokio::test]
    async fn one_is_lifted_and_the_rest_stays() {
        let kit = Kit::new();
        for network in ["192.0.2.7/32", "192.0.2.0/24"] {
            assert!(kit.store.add_ban(ban(&kit, network, Some(15))).await.unwrap());
        }
        let lifted = kit.store.lift_bans(Some("192.0.2.7/32".parse().unwrap())).await.unwrap();
        assert_eq!(lifted.len(), 1);
        assert!(barred(&kit, "192.0.2.7"), "the network around it is barred still");
        assert!(kit.store.lift_bans(Some("192.0.2.7/32".parse().unwrap())).await.unwrap().is_empty());
    }

    /// The attack: having so many networks barred that the owner's bans give way.
    #[tokio::test]
    async fn bans_are_bounded_and_the_owners_stay() {
        let kit = Kit::new();
        kit.store.add_ban(ban(&kit, "203.0.113.0/24", None)).await.unwrap();
        let mut raw = kit.raw();
        let fill = raw.transaction().unwrap();
        for n in 1..MOST {
            let network = format!("10.{}.{}.{}/32", n >> 16, n >> 8 & 255, n & 255);
            let insert = "INSERT INTO ban (network, since, until, reason, owner) VALUES (?1, 0, ?2, '', 0)";
            fill.execute(insert, params![network, 4_000_000_000_000 + n as i64]).unwrap();
        }
        fill.commit().unwrap();
        let kit = kit.reopened().await;
        kit.store.add_ban(ban(&kit, "192.0.2.7/32", Some(15))).await.unwrap();
        assert_eq!(kit.count("ban"), MOST as usize);
        assert!(barred(&kit, "203.0.113.9") && barred(&kit, "192.0.2.7") && !barred(&kit, "10.0.0.1"));
    }
}
