//! What every room leans on: time, chance, secrets, ids, units, sealing, supervised tasks, errors shown with
//! their causes. Knows nothing of HTTP or of doors.

pub mod chain;
pub mod clock;
pub mod current;
pub mod durable;
pub mod entropy;
pub mod id;
pub mod key_ring;
pub mod lifeline;
pub mod seal;
pub mod secret;
pub mod task;
pub mod units;
