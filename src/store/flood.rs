//! Keeps what an attacker can have written as often as they like from filling the disk.
//!
//! Of failures, the first of each network and minute are written singly, and so many in an hour in all; the rest is counted
//! and written as one record per network, or one for all, when the minute is over. A kill loses the counts of a minute.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use crate::base::clock::Timestamp;
use crate::model::audit::{Actor, Deed, Entry, Outcome};

/// Records of one network in a minute that are written singly.
pub const SINGLY: u32 = 3;
/// Records in an hour that tell of one try or of one network.
pub const AN_HOUR: u32 = 600;
/// Networks counted apart within a minute.
const NETWORKS: usize = 256;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Counts what came too often.
#[derive(Debug, Default)]
pub(super) struct Flood(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    minute: i64,
    hour: i64,
    /// Written in this hour.
    written: u32,
    /// What this minute brought, by network and kind.
    counts: HashMap<(IpAddr, Deed), (u32, u64)>,
    /// What no network is named for any more, by kind.
    others: HashMap<Deed, u64>,
    /// What earlier minutes left to be written.
    due: Vec<(Entry, u64)>,
}

impl Flood {
    /// Whether a record is to be written singly; else it is counted.
    pub(super) fn admits(&self, entry: &Entry, now: Timestamp) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn(now);
        let deed = entry.deed;
        let Some(network) = entry.address.map(network) else { return state.spend() };
        let known = state.counts.contains_key(&(network, deed));
        if !known && state.counts.len() >= NETWORKS {
            *state.others.entry(deed).or_default() += 1;
            return false;
        }
        let (written, _) = *state.counts.entry((network, deed)).or_default();
        let admitted = written < SINGLY && state.spend();
        let (written, held) = state.counts.entry((network, deed)).or_default();
        if admitted {
            *written += 1
        } else {
            *held += 1
        }
        admitted
    }

    /// What was counted in the minutes before this one, each with how often it came.
    pub(super) fn held(&self, now: Timestamp) -> Vec<(Entry, u64)> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn(now);
        std::mem::take(&mut state.due)
    }
}

impl State {
    /// Closes the minute and the hour if they are over.
    fn turn(&mut self, now: Timestamp) {
        let (minute, hour) = (now.millis().div_euclid(MINUTE), now.millis().div_euclid(HOUR));
        if minute != self.minute {
            self.minute = minute;
            self.close();
        }
        if hour != self.hour {
            (self.hour, self.written) = (hour, 0);
        }
    }

    /// One record for every network while there is room for them, one for all the others.
    fn close(&mut self) {
        let mut counts: Vec<_> = self.counts.drain().filter(|(_, (_, held))| *held > 0).collect();
        counts.sort_by_key(|(_, (_, held))| std::cmp::Reverse(*held));
        let mut others = std::mem::take(&mut self.others);
        for ((network, deed), (_, held)) in counts {
            if self.spend() {
                let entry = told(deed).detailed("more of the same from this network within a minute");
                self.due.push((Entry { address: Some(network), ..entry }, held));
            } else {
                *others.entry(deed).or_default() += held;
            }
        }
        for (deed, held) in others {
            // Even if nobody takes them for long, there are two kinds.
            let entry = told(deed).detailed("more of the same from several networks within a minute");
            match self.due.iter_mut().find(|(due, _)| due.deed == deed && due.address.is_none()) {
                Some((_, tally)) => *tally += held,
                None => self.due.push((entry, held)),
            }
        }
    }

    fn spend(&mut self) -> bool {
        let room = self.written < AN_HOUR;
        self.written += u32::from(room);
        room
    }
}

fn told(deed: Deed) -> Entry {
    Entry::new(deed, Actor::Visitor).came_to(if deed == Deed::Throttled { Outcome::Refused } else { Outcome::Failed })
}

/// What counts as one network: an IPv4 address, an IPv6 /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            Ipv6Addr::from(octets).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn failure(address: impl Into<IpAddr>) -> Entry {
        told(Deed::SignInFailed).from(address.into(), "r1")
    }

    fn minute(n: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + n * MINUTE)
    }

    /// The attack: filling the disk with failures from one network.
    #[test]
    fn of_one_network_some_are_written_and_the_rest_counted() {
        let flood = Flood::default();
        let admitted = (0..1000).filter(|_| flood.admits(&failure([192, 0, 2, 1]), minute(0))).count();
        assert_eq!(admitted, SINGLY as usize);
        assert!(flood.held(minute(0)).is_empty(), "the minute is not over");
        let held = flood.held(minute(1));
        assert_eq!(
            held.iter().map(|(entry, tally)| (entry.address, *tally)).collect::<Vec<_>>(),
            [(Some([192, 0, 2, 1].into()), 997)]
        );
        assert!(flood.held(minute(2)).is_empty());
    }

    /// The attack: the same from very many networks, for an hour; every try is accounted for all the same.
    #[test]
    fn an_hour_of_failures_from_everywhere_is_bounded_and_counted() {
        let flood = Flood::default();
        let (mut rows, mut tries, mut told) = (0_u64, 0_u64, 0_u64);
        for n in 0..60 {
            for network in 0..2000_u32 {
                let admitted = flood.admits(&failure(Ipv4Addr::from(0x0a00_0000 + network)), minute(n));
                (tries, rows, told) = (tries + 1, rows + u64::from(admitted), told + u64::from(admitted));
            }
            for (_, tally) in flood.held(minute(n + 1)) {
                (rows, told) = (rows + 1, told + tally);
            }
        }
        assert_eq!(told, tries);
        assert!(rows <= u64::from(AN_HOUR) * 2 + 60, "{rows}");
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let flood = Flood::default();
        let admitted = (0..50_u16).filter(|n| flood.admits(&failure([0x2001, 0xdb8, 0, 0, 0, 0, 0, *n]), minute(0))).count();
        assert_eq!(admitted, SINGLY as usize);
    }
}
