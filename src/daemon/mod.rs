//! From a plan to a running gateway and back to nothing: locks, keys, store, certificates, sockets, workers, upkeep, the control
//! socket, reloading, draining. Everything that starts or stops is here; what happens to a request is not.

pub mod accounts;
pub mod archive;
pub mod bind;
pub mod boot;
pub mod certificates;
pub mod configuration;
pub mod control;
pub mod counter;
pub mod fault;
pub mod listeners;
pub mod notify;
pub mod place;
pub mod reload;
pub mod renewal;
pub mod shutdown;
pub mod takeover;
pub mod upkeep;
pub mod watch;
pub mod withdrawal;
pub mod worker;
