//! HTTP as it reaches and leaves us: bodies, the connection a request came by, cookies, header names, what an answer tells of the app
//! that gave it. No decisions.

pub mod body;
pub mod client;
pub mod connection;
pub mod cookie;
pub mod header;
pub mod identity;
pub mod symptom;
pub mod trust;
pub mod websocket;
