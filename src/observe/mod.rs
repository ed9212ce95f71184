//! Numbers and lines: what is known of a finished request, how it is written down and how it is counted. Never decides, never
//! waits for a disk on a worker, and writes no secret.

pub mod access;
pub mod caddy;
pub mod combined;
pub mod exposition;
pub mod histogram;
pub mod logging;
pub mod metrics;
pub mod names;
pub mod output;
pub mod process;
pub mod record;
pub mod redact;
#[cfg(test)]
mod sample;
pub mod tally;
