//! gateway.toml exactly as written: every value with its place, every fault of shape as a complaint that names it. What the
//! values mean is not decided here (that is the room `plan`), and the file is never written by the program.

pub mod acme;
pub mod app;
pub mod auth;
pub mod complaint;
pub mod dns;
pub mod document;
pub mod environment;
pub mod expect;
pub mod github;
pub mod guess;
pub mod headers;
pub mod help;
pub mod include;
pub mod later;
pub mod listen;
pub mod log;
pub mod nearest;
pub mod notify;
pub mod open;
pub mod overrides;
pub mod placed;
pub mod read;
pub mod reader;
pub mod renamed;
pub mod report;
pub mod rule;
pub mod secret;
pub mod session;
pub mod source;
pub mod syntax;
pub mod tls;
pub mod ui;
pub mod upstream_tls;
pub mod websocket;
