//! How many connections may be open at once, in all and from one client network.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::wire::client::Network;

/// The connections that may still be opened. Shared by all workers.
#[derive(Clone, Debug)]
pub struct Slots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    most: usize,
    most_per_network: usize,
    total: usize,
    by_network: HashMap<Network, usize>,
}

/// One open connection; dropping it gives its place back.
#[derive(Debug)]
pub struct Slot {
    shared: Arc<Shared>,
    network: Option<Network>,
}

impl Slots {
    /// At most `total` connections, and `per_network` from one network.
    pub fn new(total: usize, per_network: usize) -> Self {
        let taken = Taken { most: total, most_per_network: per_network, ..Taken::default() };
        Self(Arc::new(Shared { taken: Mutex::new(taken) }))
    }

    /// Other limits from now on. Connections over a lower one are not closed; no more are taken until they are fewer.
    pub fn limit(&self, total: usize, per_network: usize) {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        (taken.most, taken.most_per_network) = (total, per_network);
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner).total
    }

    /// A place for one more connection from `network`; `None` if there is none. From nobody's in particular (a proxy that
    /// comes on behalf of many) it counts among all only.
    pub fn take(&self, network: Option<Network>) -> Option<Slot> {
        let mut taken = self.0.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.total >= taken.most {
            return None;
        }
        let most = taken.most_per_network;
        if let Some(network) = network {
            let from_network = taken.by_network.entry(network).or_default();
            if *from_network >= most {
                return None;
            }
            *from_network += 1;
        }
        taken.total += 1;
        Some(Slot { shared: Arc::clone(&self.0), network })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.total -= 1;
        if let Some(network) = self.network
            && let Some(count) = taken.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                // Networks that left are forgotten, so that the map is bounded by the open connections.
                taken.by_network.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(last: u8) -> Network {
        Network::of([192, 0, 2, last].into())
    }

    /// The attack: one client opens all connections there are, so that nobody else gets in.
    #[test]
    fn one_network_cannot_take_all_places() {
        let slots = Slots::new(3, 2);
        let first = slots.take(Some(network(1))).expect("a place");
        let _second = slots.take(Some(network(1))).expect("a place");
        assert!(slots.take(Some(network(1))).is_none());
        let _other = slots.take(Some(network(2))).expect("a place for others");
        assert!(slots.take(Some(network(3))).is_none(), "all taken");
        drop(first);
        assert!(slots.take(Some(network(3))).is_some());
    }

    #[test]
    fn a_lower_limit_closes_nothing_and_takes_nothing_more() {
        let slots = Slots::new(2, 2);
        let open = [slots.take(Some(network(1))), slots.take(Some(network(2)))];
        slots.limit(1, 1);
        drop(open);
        let _one = slots.take(Some(network(1))).expect("a place");
        assert!(slots.take(Some(network(2))).is_none());
        slots.limit(2, 1);
        assert!(slots.take(Some(network(1))).is_none() && slots.take(Some(network(2))).is_some());
    }

    #[test]
    fn networks_that_left_are_forgotten() {
        let slots = Slots::new(10, 10);
        drop(slots.take(Some(network(1))));
        assert!(slots.0.taken.lock().expect("not poisoned").by_network.is_empty());
    }
}
