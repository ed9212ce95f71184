//! Certificates from authorities that speak ACME (RFC 8555): when to order, how a name is proven, where what was issued is kept.

pub mod account;
pub mod account_key;
pub mod advice;
pub mod api;
pub mod attempt;
pub mod challenge;
pub mod client;
pub mod folder;
pub mod inquiry;
pub mod jws;
pub mod names;
pub mod order;
pub mod phase;
pub mod revocation;
pub mod rollover;
pub mod schedule;
pub mod takeover;
pub mod trouble;
pub mod ways;
