//! Numbers and lines: what is known of a finished request, and how it is written down. Never decides, never waits for a
//! disk on a worker, and writes no secret.

pub mod access;
pub mod logging;
pub mod record;
pub mod redact;
