//! Why a request of ours came to nothing.

use std::io;

use http::StatusCode;

/// Why a request of ours came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The address names no host that a certificate could be for.
    #[error("the address names no host")]
    NoHost,
    /// Nobody answers there.
    #[error("it cannot be reached")]
    Connect(#[source] io::Error),
    /// It shows a certificate that is not trusted, or speaks no TLS.
    #[error("no TLS connection comes about")]
    Tls(#[source] io::Error),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[from] hyper::Error),
    /// It took too long.
    #[error("it took too long")]
    TooSlow,
    /// It is longer than any answer should be.
    #[error("its answer is too long")]
    TooLarge,
    /// It is not to be reached over TLS.
    #[error("its address does not begin with https://")]
    NotSecure,
    /// It points elsewhere; we do not follow.
    #[error("it answers {0} and points elsewhere, where nothing of ours goes: write the address it points to")]
    Redirect(StatusCode),
    /// It does not take it.
    #[error("it answers {0}")]
    Refused(StatusCode),
}

impl Fault {
    /// Whether trying again may help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Broken(_) | Self::TooSlow | Self::Tls(_) => true,
            Self::Refused(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::NoHost | Self::NotSecure | Self::TooLarge | Self::Redirect(_) => false,
        }
    }
}
