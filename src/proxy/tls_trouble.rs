//! What stands between us and an upstream over TLS, in words its owner can act on.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// What stands between us and an upstream over TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsTrouble {
    /// Its certificate's time is over.
    #[error("the upstream's certificate has expired: it has to be renewed there")]
    Expired,
    /// Its certificate's time has not come.
    #[error("the upstream's certificate is not valid yet: is the clock right, here and there?")]
    NotYetValid,
    /// Its certificate is somebody else's.
    #[error("the upstream's certificate is for another name: `upstream_tls.server_name` says which name to ask for")]
    WrongName,
    /// Its certificate was issued by somebody we do not know.
    #[error("the upstream's certificate was issued by nobody who is trusted: `upstream_tls.ca` names its authority's file")]
    UnknownIssuer,
    /// Its certificate is no good in another way.
    #[error("the upstream's certificate cannot be accepted")]
    BadCertificate,
    /// It wants to know who we are, or believes us not.
    #[error("the upstream does not accept who we are: `upstream_tls.client_cert` and `client_key` show it a certificate")]
    ClientRefused,
    /// It does not know the name we ask for.
    #[error("the upstream serves nobody of this name: `upstream_tls.server_name` says which name to ask for")]
    NameRefused,
    /// It speaks no HTTP/1.1 over TLS.
    #[error("the upstream does not offer HTTP/1.1 over TLS")]
    Protocol,
    /// It does not speak TLS at all.
    #[error("the upstream does not speak TLS: `http://` is for those that do not")]
    NotTls,
    /// The handshake failed otherwise.
    #[error("no TLS connection to the upstream came about")]
    Handshake,
    /// The files were never read. A fault of ours.
    #[error("the upstream's TLS settings were not loaded")]
    NotReady,
}

impl TlsTrouble {
    /// Whether the upstream did not prove who it is.
    pub fn is_about_proof(self) -> bool {
        match self {
            Self::Expired | Self::NotYetValid | Self::WrongName | Self::UnknownIssuer | Self::BadCertificate => true,
            Self::ClientRefused | Self::NameRefused | Self::Protocol | Self::NotTls | Self::Handshake | Self::NotReady => false,
        }
    }
}

/// What a failed handshake means.
pub fn of(fault: &io::Error) -> TlsTrouble {
    within(fault).unwrap_or(TlsTrouble::Handshake)
}

/// What TLS has to do with a fault, however deep it lies; `None` if nothing. Under TLS 1.3 a client learns only with the
/// first answer that its certificate was refused.
pub fn within(fault: &(dyn Error + 'static)) -> Option<TlsTrouble> {
    let mut next = Some(fault);
    while let Some(fault) = next {
        if let Some(fault) = fault.downcast_ref::<TlsError>() {
            return Some(meaning(fault));
        }
        // An `io::Error` gives as its source the source of what it wraps, not the wrapped itself.
        let wrapped = fault.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = wrapped.map(|wrapped| wrapped as &(dyn Error + 'static)).or_else(|| fault.source());
    }
    None
}

fn meaning(fault: &TlsError) -> TlsTrouble {
    match fault {
        TlsError::InvalidCertificate(reason) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsTrouble::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsTrouble::NotYetValid,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsTrouble::WrongName,
            CertificateError::UnknownIssuer => TlsTrouble::UnknownIssuer,
            _ => TlsTrouble::BadCertificate,
        },
        TlsError::NoCertificatesPresented => TlsTrouble::BadCertificate,
        TlsError::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => TlsTrouble::ClientRefused,
            AlertDescription::UnrecognisedName => TlsTrouble::NameRefused,
            AlertDescription::NoApplicationProtocol => TlsTrouble::Protocol,
            _ => TlsTrouble::Handshake,
        },
        TlsError::InvalidMessage(_) => TlsTrouble::NotTls,
        _ => TlsTrouble::Handshake,
    }
}
