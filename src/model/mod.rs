//! The stored nouns: who there is, how they prove it, and the sessions they hold. No I/O, no HTTP.

pub mod attempt;
pub mod audit;
pub mod ban;
pub mod contact;
pub mod credential;
pub mod event;
pub mod identity;
pub mod method;
pub mod mode;
pub mod profile;
pub mod session;
pub mod strength;
pub mod terms;
pub mod user;
