//! Doorward: the front door for self-hosted apps.
//!
//! The rooms below stand on floors, ground first; a room names rooms on lower floors only (`tests/house.rs`).
//! `docs/architecture.md` walks one request through them.

pub mod auth;
pub mod base;
pub mod model;
pub mod plan;
pub mod policy;
pub mod portal;
pub mod store;
pub mod web;
pub mod wire;
