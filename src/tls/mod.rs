//! TLS: whose certificate a host shows, where it comes from, and how handshakes are set up.
//!
//! A host's certificate comes from the owner's files, from an authority out there (`acme`) or from the local authority in `certs/`; hosts that are not
//! configured get none. Connections are accepted elsewhere: [`directory::Directory`] is asked, once the ClientHello is
//! there, which rustls configuration speaks to it. Private keys are read from disk; only a backup holds them too, sealed.

pub mod acme;
pub mod alert;
pub mod certificate;
pub mod directory;
pub mod dns01;
pub mod durable;
pub mod fault;
pub mod files;
pub mod issued;
pub mod local_ca;
pub mod server;
pub mod trust;
pub mod upstream;
pub mod warning;
