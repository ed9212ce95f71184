//! What an owner may ask of the gateway: accounts, set-up links, sessions, state. The same wishes are carried out by a running
//! gateway (through its control socket) and by the command line alone (when none runs and it holds the lock).

pub mod bans;
pub mod certificates;
pub mod keys;
pub mod metrics;
pub mod perform;
pub mod reset;
pub mod status;
pub mod takeover;
pub mod terms;
pub mod trail;
pub mod wish;
