//! What the capability tests stand on: a gateway with a clock moved by hand, an app that records what reaches it, a visitor with
//! a browser's habits, and a bare wire for what no client library would send. Ports are always 0; nothing sleeps to pass.

pub mod app;
pub mod authority;
pub mod ca;
pub mod corpus;
pub mod flood;
pub mod form;
pub mod frames;
pub mod gateway;
pub mod jose;
pub mod key;
pub mod line;
pub mod program;
pub mod socket;
pub mod visitor;
pub mod wire;
