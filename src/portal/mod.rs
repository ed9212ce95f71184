//! The sign-in pages under `/.doorward/`: signing in with password and code, setting up from a link, signing out.
//!
//! Works without scripts and keeps nothing of its own: half-done sign-ins, counters and sessions are in the store. It
//! decides nothing about apps; that a visitor may pass is for `policy` to say when they come back.

pub mod arrival;
pub mod budget;
pub mod call;
pub mod challenge;
pub mod guard;
pub mod hashing;
pub mod home;
pub mod route;
pub mod second_factor;
pub mod service;
pub mod set_up;
pub mod sign_in;
pub mod sign_out;
pub mod stop;
