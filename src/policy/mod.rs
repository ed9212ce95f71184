//! Pure decisions: which host and path are asked for, which rule speaks, and whether the request may pass.
//!
//! No I/O and no clock: facts come in as values, a [`decide::Verdict`] goes out. The only way to an app is a
//! [`decide::Grant`], and only [`decide::decide`] makes one.

pub mod decide;
pub mod host;
pub mod pattern;
pub mod requirement;
pub mod rule;
pub mod target;
