//! What all our own pages share: templates and texts, security headers, forms, return targets, assets and refusals.
//!
//! Knows how an answer of ours looks and which headers it carries, not when it is given: flows belong to `portal`,
//! decisions to `policy`. Nothing here touches the store.

pub mod agent;
pub mod asset;
pub mod audience;
pub mod form;
pub mod keys;
pub mod owner;
pub mod page;
pub mod qr;
pub mod refusal;
pub mod rescue;
pub mod return_to;
pub mod security;
pub mod text;
pub mod told;
pub mod worker;
