//! Things kept in memory for a while under the hash of a token: so many for each owner and so many in all, and the oldest
//! gives way. Strangers may put things here, so neither a disk nor a queue is behind it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;

/// What a shelf holds at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long a thing is kept.
    pub life: Duration,
    /// How many there are in all.
    pub most: usize,
    /// How many of them one owner has.
    pub most_per_owner: usize,
}

/// Things of type `T`, each belonging to an `O`.
#[derive(Debug)]
pub struct Shelf<O, T> {
    limits: Limits,
    things: Mutex<Things<O, T>>,
}

#[derive(Debug)]
struct Things<O, T> {
    known: HashMap<TokenHash, Kept<O, T>>,
    /// By the order in which they were put here, which is that of their age.
    by_age: BTreeMap<u64, TokenHash>,
    by_owner: HashMap<O, BTreeSet<u64>>,
    next: u64,
}

#[derive(Debug)]
struct Kept<O, T> {
    thing: T,
    owner: O,
    number: u64,
    at: Timestamp,
}

impl<O: Copy + Eq + Hash, T> Shelf<O, T> {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        let things = Things { known: HashMap::new(), by_age: BTreeMap::new(), by_owner: HashMap::new(), next: 0 };
        Self { limits, things: Mutex::new(things) }
    }

    /// Puts a thing under `key`, in place of what was there; it is as new as it gets.
    pub fn put(&self, owner: O, key: TokenHash, thing: T, now: Timestamp) {
        let mut things = self.things();
        things.remove(&key);
        things.forget(now, self.limits.life);
        if things.count_of(&owner) >= self.limits.most_per_owner {
            things.remove_oldest_of(&owner);
        }
        if things.known.len() >= self.limits.most {
            things.remove_oldest();
        }
        things.insert(owner, key, thing, now);
    }

    /// What `ask` says of the thing under `key`, which it may change; `None` without such a thing.
    pub fn ask<R>(&self, key: &TokenHash, now: Timestamp, ask: impl FnOnce(&mut T) -> R) -> Option<R> {
        let life = self.limits.life;
        self.things().known.get_mut(key).filter(|kept| now.since(kept.at) < life).map(|kept| ask(&mut kept.thing))
    }

    /// Takes the thing under `key` away.
    pub fn remove(&self, key: &TokenHash) {
        self.things().remove(key);
    }

    /// How many there are, those included whose time is over and that nobody has cleared away yet.
    pub fn count(&self) -> usize {
        self.things().known.len()
    }

    fn things(&self) -> MutexGuard<'_, Things<O, T>> {
        self.things.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Copy + Eq + Hash, T> Things<O, T> {
    fn insert(&mut self, owner: O, key: TokenHash, thing: T, at: Timestamp) {
        let number = self.next;
        self.next += 1;
        self.by_age.insert(number, key);
        self.by_owner.entry(owner).or_default().insert(number);
        self.known.insert(key, Kept { thing, owner, number, at });
    }

    fn remove(&mut self, key: &TokenHash) {
        let Some(kept) = self.known.remove(key) else { return };
        self.by_age.remove(&kept.number);
        if let Some(numbers) = self.by_owner.get_mut(&kept.owner) {
            numbers.remove(&kept.number);
            if numbers.is_empty() {
                self.by_owner.remove(&kept.owner);
            }
        }
    }

    fn count_of(&self, owner: &O) -> usize {
        self.by_owner.get(owner).map_or(0, BTreeSet::len)
    }

    fn remove_oldest_of(&mut self, owner: &O) {
        let oldest = self.by_owner.get(owner).and_then(BTreeSet::first);
        if let Some(key) = oldest.and_then(|number| self.by_age.get(number)).copied() {
            self.remove(&key);
        }
    }

    fn remove_oldest(&mut self) {
        if let Some(key) = self.by_age.first_key_value().map(|(_, key)| *key) {
            self.remove(&key);
        }
    }

    /// Clears away what is over.
    fn forget(&mut self, now: Timestamp, life: Duration) {
        while let Some(key) = self.by_age.first_key_value().map(|(_, key)| *key) {
            if self.known.get(&key).is_some_and(|kept| now.since(kept.at) < life) {
                return;
            }
            self.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn key(number: u8) -> TokenHash {
        TokenHash::from_bytes([number; 32])
    }

    fn shelf() -> Shelf<u8, u8> {
        Shelf::new(Limits { life: Duration::from_secs(60), most: 6, most_per_owner: 3 })
    }

    fn held(shelf: &Shelf<u8, u8>, now: Timestamp) -> Vec<u8> {
        (0..20).filter(|number| shelf.ask(&key(*number), now, |thing| *thing).is_some()).collect()
    }

    #[test]
    fn a_thing_is_there_for_its_time_and_may_change() {
        let shelf = shelf();
        shelf.put(1, key(1), 7, NOW);
        assert_eq!(shelf.ask(&key(1), NOW.plus(Duration::from_secs(59)), |thing| std::mem::replace(thing, 8)), Some(7));
        assert_eq!(shelf.ask(&key(1), NOW, |thing| *thing), Some(8));
        assert_eq!(shelf.ask(&key(1), NOW.plus(Duration::from_secs(60)), |thing| *thing), None);
        shelf.remove(&key(1));
        assert_eq!((held(&shelf, NOW), shelf.count()), (vec![], 0));
    }

    /// The attack: one network asks and asks, so that what others wait for is forgotten.
    #[test]
    fn an_owner_drives_out_its_own_first() {
        let shelf = shelf();
        shelf.put(1, key(1), 0, NOW);
        for number in 2..10 {
            shelf.put(2, key(number), 0, NOW);
        }
        assert_eq!(held(&shelf, NOW), [1, 7, 8, 9]);
        shelf.put(2, key(7), 0, NOW);
        assert_eq!(held(&shelf, NOW), [1, 7, 8, 9], "put again, it takes no more room");
        shelf.put(2, key(10), 0, NOW);
        assert_eq!(held(&shelf, NOW), [1, 7, 9, 10], "and counts as new");
    }

    /// The attack: many networks ask and ask, so that memory runs out.
    #[test]
    fn there_are_never_more_than_so_many() {
        let shelf = shelf();
        for number in 0..20 {
            shelf.put(number, key(number), 0, NOW);
            assert!(shelf.count() <= 6);
        }
        assert_eq!(held(&shelf, NOW), [14, 15, 16, 17, 18, 19]);
    }

    #[test]
    fn what_is_over_makes_room_for_what_is_new() {
        let shelf = shelf();
        for number in 0..3 {
            shelf.put(1, key(number), 0, NOW);
        }
        let later = NOW.plus(Duration::from_secs(60));
        shelf.put(1, key(9), 0, later);
        assert_eq!((held(&shelf, later), shelf.count()), (vec![9], 1));
        assert_eq!(shelf.things().by_owner.len(), 1);
    }
}
