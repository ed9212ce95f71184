//! Certificates from authorities that speak ACME (RFC 8555): when to order, how a name is proven, where what was issued is kept.

pub mod account;
pub mod attempt;
pub mod challenge;
pub mod client;
pub mod folder;
pub mod names;
pub mod order;
pub mod schedule;
pub mod trouble;
pub mod ways;
