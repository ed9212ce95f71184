//! Doorward: the front door for self-hosted apps.
//!
//! The rooms below stand on floors, ground first; a room names rooms on lower floors only (`tests/house.rs`).
//! `docs/architecture.md` walks one request through them.

pub mod admin;
pub mod auth;
pub mod base;
pub mod command;
pub mod config;
pub mod daemon;
pub mod dns;
pub mod fetch;
pub mod gate;
pub mod listen;
pub mod model;
pub mod observe;
pub mod plan;
pub mod policy;
pub mod portal;
pub mod proxy;
pub mod sample;
pub mod store;
pub mod tls;
pub mod web;
pub mod wire;
