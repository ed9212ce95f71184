//! Questions and changes of our own to name servers: bounded in time and in what is read.
//!
//! Answers are hostile input: nothing in one is believed that was not asked for, and names that lead elsewhere are taken only if
//! they are made of letters, digits, hyphens and underscores. No DNSSEC, no cache, no recursion of our own: whoever needs those asks
//! a resolver. Not the way to upstreams, which the system's resolver finds.

pub mod ask;
pub mod fault;
#[cfg(test)]
pub mod kit;
pub mod line;
pub mod lookup;
pub mod name;
pub mod system;
pub mod update;
pub mod zone;
