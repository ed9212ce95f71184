//! The configuration compiled: names resolved, rules built, contradictions found. Pure: text in, [`whole::Plan`] or
//! complaints out. A plan is immutable and is all that a reload replaces.

pub mod app;
pub mod listener;
pub mod policy;
pub mod upstream;
pub mod whole;
