//! From a plan to a running gateway and back to nothing: locks, keys, store, certificates, sockets, workers, upkeep, the control
//! socket, draining. Everything that starts or stops is here; what happens to a request is not.

pub mod bind;
pub mod boot;
pub mod control;
pub mod fault;
pub mod place;
pub mod shutdown;
pub mod upkeep;
pub mod worker;
