//! Host names in their one canonical spelling.

use std::net::IpAddr;

/// A host, canonical.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Box<str>);

/// A host and the port written behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port, if one was written.
    pub port: Option<u16>,
}

/// The text is not a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name or address")]
pub struct BadHost;

impl Host {
    /// Reads a host without a port.
    ///
    /// # Errors
    /// [`BadHost`].
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        if text.is_empty() { Err(BadHost) } else { Ok(Self(text.to_ascii_lowercase().into())) }
    }

    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, where the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }

    /// Whether no public authority would certify it.
    pub fn is_local(&self) -> bool {
        self.ip().is_some() || &*self.0 == "localhost"
    }
}

impl Authority {
    /// Reads a host with an optional port.
    ///
    /// # Errors
    /// [`BadHost`].
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        Ok(Self { host: Host::parse(text)?, port: None })
    }
}
