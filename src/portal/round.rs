//! Going round in circles: a browser that is let in again and again and comes back every time without the session it was
//! given. After three rounds within a minute we stop and explain, because nobody else would: the browser only says that the
//! page redirected too often.

use std::time::Duration;

use crate::auth::token::TokenHash;
use crate::base::clock::Timestamp;
use crate::portal::shelf::{Limits, Shelf};
use crate::wire::client::Network;

const LIMITS: Limits = Limits { life: Duration::from_secs(60), most: 10_000, most_per_owner: 256 };
const MOST: u32 = 3;

/// How often browsers were let in during the last minute, each under the name by which a host knows it. Whoever keeps that
/// cookie and loses the other is what we look for; whoever loses both is noticed at once.
#[derive(Debug)]
pub struct Rounds(Shelf<Network, u32>);

impl Rounds {
    /// Nobody yet.
    pub fn new() -> Self {
        Self(Shelf::new(LIMITS))
    }

    /// Counts one more. The minute begins with the first.
    pub fn count(&self, visitor: TokenHash, network: Network, now: Timestamp) {
        if self.0.ask(&visitor, now, |rounds| *rounds = rounds.saturating_add(1)).is_none() {
            self.0.put(network, visitor, 1, now);
        }
    }

    /// Whether it is enough. Whoever is told so begins anew.
    pub fn is_enough(&self, visitor: TokenHash, now: Timestamp) -> bool {
        let enough = self.0.ask(&visitor, now, |rounds| *rounds >= MOST).unwrap_or(false);
        if enough {
            self.0.remove(&visitor);
        }
        enough
    }
}

impl Default for Rounds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_rounds_in_a_minute_are_enough() {
        let (rounds, visitor) = (Rounds::new(), TokenHash::from_bytes([1; 32]));
        let at = |seconds: i64| Timestamp::from_secs(1_000 + seconds);
        let enough: Vec<bool> = [0, 20, 40]
            .map(|seconds| {
                rounds.count(visitor, Network::V6(1), at(seconds));
                rounds.is_enough(visitor, at(seconds))
            })
            .into();
        assert_eq!(enough, [false, false, true]);
        assert!(!rounds.is_enough(visitor, at(41)), "trying again begins anew");
        for seconds in [100, 130, 160, 190, 220] {
            rounds.count(visitor, Network::V6(1), at(seconds));
            assert!(!rounds.is_enough(visitor, at(seconds)), "at {seconds}");
        }
    }
}
