//! Request budgets per client network, in memory. What must survive a restart (failures of an account, codes used) is
//! counted in the store; these only keep one network from taking all of our attention.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::{Clock as Ticking, ReasonablyRealtime};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::base::clock::Clock;
use crate::wire::client::Network;

/// Most networks remembered at once: with an IPv6 /48 one client can show 65,536 of them.
const MAX_NETWORKS: usize = 65_536;
/// Networks that have recovered are forgotten every so many requests.
const SWEEP_EVERY: u32 = 1_024;

/// The budgets of the portal.
#[derive(Debug)]
pub struct Budgets {
    /// Forms that try a password or a code: 20 at once, then one every 6 seconds.
    pub sign_in: Budget,
    /// Tokens in URLs (set-up links, half-done sign-ins) that the store is asked for: 60 at once, then one a second.
    pub links: Budget,
}

/// One budget, kept for each network apart.
#[derive(Debug)]
pub struct Budget {
    limiter: RateLimiter<Network, Bounded, Ticks, NoOpMiddleware<Duration>>,
    requests: AtomicU32,
}

impl Budgets {
    /// Full budgets for everybody.
    pub fn new(clock: &Clock) -> Self {
        Self { sign_in: Budget::new(clock, 20, Duration::from_secs(6)), links: Budget::new(clock, 60, Duration::from_secs(1)) }
    }
}

impl Budget {
    /// `burst` requests at once, then one for every `period`.
    ///
    /// # Panics
    /// When either is zero: budgets are written in this file only.
    fn new(clock: &Clock, burst: u32, period: Duration) -> Self {
        let burst = NonZeroU32::new(burst).expect("a budget allows something");
        let quota = Quota::with_period(period).expect("a budget recovers").allow_burst(burst);
        Self { limiter: RateLimiter::new(quota, Bounded::default(), Ticks(clock.clone())), requests: AtomicU32::new(0) }
    }

    /// Takes one request out of the budget of `network`.
    ///
    /// # Errors
    /// How long to wait until there is one again.
    pub fn spend(&self, network: Network) -> Result<(), Duration> {
        if self.requests.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(&network).map_err(|early| early.wait_time_from(self.limiter.clock().now()))
    }
}

/// Our clock, as governor wants it.
#[derive(Debug)]
struct Ticks(Clock);

impl Ticking for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().millis()).unwrap_or(0))
    }
}

impl ReasonablyRealtime for Ticks {}

/// The state of at most [`MAX_NETWORKS`] networks. governor bounds how often a key may come, never how many keys do: while
/// the map is full, networks it does not know share one state, and those it knows are not disturbed.
#[derive(Debug, Default)]
struct Bounded(Mutex<States>);

#[derive(Debug, Default)]
struct States {
    known: HashMap<Network, Nanos>,
    strangers: Option<Nanos>,
}

impl StateStore for Bounded {
    type Key = Network;

    fn measure_and_replace<T, F, E>(&self, network: &Network, judge: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = states.known.get(network).copied();
        if known.is_none() && states.known.len() >= MAX_NETWORKS {
            let (outcome, next) = judge(states.strangers)?;
            states.strangers = Some(next);
            return Ok(outcome);
        }
        let (outcome, next) = judge(known)?;
        states.known.insert(*network, next);
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<Network> for Bounded {
    fn retain_recent(&self, drop_below: Nanos) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.known.retain(|_, next| *next > drop_below);
    }

    fn shrink_to_fit(&self) {}

    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Timestamp;

    fn network(number: u64) -> Network {
        Network::V6(number)
    }

    #[test]
    fn a_burst_then_one_at_a_time() {
        let clock = Clock::manual(Timestamp::from_secs(1_000));
        let budgets = Budgets::new(&clock);
        assert!((0..20).all(|_| budgets.sign_in.spend(network(1)).is_ok()));
        assert_eq!(budgets.sign_in.spend(network(1)), Err(Duration::from_secs(6)));
        assert_eq!(budgets.sign_in.spend(network(2)), Ok(()), "another network has its own");
        clock.advance(Duration::from_secs(6));
        assert_eq!(budgets.sign_in.spend(network(1)), Ok(()));
        assert!(budgets.sign_in.spend(network(1)).is_err());
    }

    /// The attack: coming from ever new networks, to fill memory or to slip under the budget.
    #[test]
    fn strangers_share_one_budget_once_memory_is_full() {
        let clock = Clock::manual(Timestamp::from_secs(1_000));
        let budget = Budget::new(&clock, 20, Duration::from_secs(6));
        for number in 0..MAX_NETWORKS as u64 {
            assert_eq!(budget.spend(network(number)), Ok(()));
        }
        let strangers = (0..40).filter(|number| budget.spend(network(1 << 40 | number)).is_ok()).count();
        assert_eq!(strangers, 20);
        assert_eq!(budget.limiter.len(), MAX_NETWORKS);
        assert_eq!(budget.spend(network(7)), Ok(()), "a known network keeps its own");
    }

    #[test]
    fn networks_that_recovered_are_forgotten() {
        let clock = Clock::manual(Timestamp::from_secs(1_000));
        let budget = Budget::new(&clock, 20, Duration::from_secs(6));
        for number in 0..5_000 {
            assert_eq!(budget.spend(network(number)), Ok(()));
        }
        clock.advance(Duration::from_secs(3_600));
        for _ in 0..SWEEP_EVERY {
            let _ = budget.spend(network(9));
        }
        assert!(budget.limiter.len() < 10, "{}", budget.limiter.len());
    }
}
