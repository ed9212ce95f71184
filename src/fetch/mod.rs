//! Requests of our own to other machines over HTTPS: bounded in time and in what is read, and never led elsewhere.
//!
//! Whom to ask is the owner's word in gateway.toml; no visitor has a say in it. Redirects are not followed.

pub mod exchange;
pub mod fault;
#[cfg(test)]
pub mod kit;
pub mod line;
pub mod post;
pub mod roots;
