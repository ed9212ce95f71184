//! Pure decisions: which host and path are asked for, which rule speaks, and whether the request may pass.
//!
//! No I/O and no clock: facts come in as values, a [`decide::Verdict`] goes out. The only way to an app is a
//! [`decide::Grant`], and only [`decide::decide`] makes one.
//!
//! Servers disagree about what a path means, so a rule is held against every plausible reading of it: what takes away (deny,
//! redirect, a stricter requirement) needs one that matches, what gives (bypass, a weaker requirement) needs all.

pub mod allowance;
pub mod caa;
pub mod charset;
pub mod decide;
pub mod fold;
pub mod host;
pub mod index;
pub mod international;
pub mod layer;
pub mod mount;
pub mod pattern;
pub mod people;
pub mod reading;
pub mod refusal;
pub mod requirement;
pub mod resolve;
pub mod rule;
pub mod spelling;
pub mod target;
pub mod wildcard;
