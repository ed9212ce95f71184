//! The configuration compiled: names resolved, rules built, contradictions found. Pure: text in, [`whole::Plan`] or
//! complaints out. A plan is immutable and is all that a reload replaces.

pub mod app;
pub mod apps;
pub mod asked;
pub mod changed_requirement;
pub mod changed_rules;
pub mod changed_settings;
pub mod compile;
pub mod difference;
pub mod expect;
pub mod explain;
pub mod headers;
pub mod hosts;
pub mod idle;
pub mod listener;
pub mod maintenance;
pub mod metrics;
pub mod mounts;
pub mod networks;
pub mod notify;
pub mod places;
pub mod policy;
pub mod portal;
pub mod proxies;
pub mod public;
pub mod redirects;
pub mod routes;
pub mod rules;
pub mod settings;
pub mod shadow;
pub mod succession;
pub mod upstream;
pub mod upstream_tls;
pub mod websocket;
pub mod whole;
pub mod written;
