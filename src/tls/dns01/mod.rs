//! Names proven by DNS (RFC 8555 section 8.4): a record is put into the zone, seen on its servers, and taken away again. The owner's
//! server, a provider's interface or the owner's program changes the zone; only names of the configuration and values that we hash get there.

pub mod fault;
pub mod hook;
pub mod interface;
pub mod ledger;
pub mod program;
pub mod propagation;
pub mod provider;
pub mod record;
pub mod redaction;
pub mod updater;
