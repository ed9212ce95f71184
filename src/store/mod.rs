//! What survives a restart: accounts, groups, credentials, links, sessions, counts of failures, devices, bans, the audit trail. SQLite, written by one thread.
//!
//! Every method awaits its answer and gets it only once the change is on disk; a [`fault::Fault`] means "cannot say" and
//! is answered with 503, never taken for "no". Sessions are looked up in memory. The room knows nothing of HTTP, and what
//! it keeps secret (seeds, passkeys, the ends of the trail) is sealed before it reaches the file; tokens and names tried are kept as hashes.

pub mod admission;
pub mod attempts;
pub mod audit;
pub mod authenticators;
pub mod bans;
pub mod ceremonies;
pub mod confirm;
pub mod credentials;
pub mod database;
pub mod devices;
pub mod fault;
pub mod flood;
pub mod keep;
pub mod key_file;
#[cfg(test)]
pub mod kit;
pub mod known_device;
pub mod links;
pub mod live;
pub mod lock;
pub mod migrate;
pub mod notices;
pub mod open;
pub mod own_account;
pub mod owner;
pub mod passkeys;
pub mod people;
pub mod proof;
pub mod recognise;
pub mod recovery;
pub mod remembered;
pub mod reset;
pub mod sessions;
pub mod snapshot;
pub mod sources;
pub mod sweep;
pub mod terms;
pub mod untold;
pub mod users;
pub mod vault;
pub mod writer;
