//! Why an answer of a passkey proves nothing.

use webauthn_rs_core::error::WebauthnError;

/// Why an answer proves nothing. The name stands in the audit trail; visitors see one sentence for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is too large, or not what browsers send.
    Unreadable,
    /// It is for something else than was asked for.
    OtherKind,
    /// It answers another question.
    OtherChallenge,
    /// It was given to another site.
    OtherOrigin,
    /// It was given within a page of another site.
    CrossOrigin,
    /// The key is for another site.
    OtherRelyingParty,
    /// Nobody touched the key.
    NotPresent,
    /// The key did not verify its user.
    NotVerified,
    /// The key signs in a way that nobody asked for.
    Algorithm,
    /// No such key is known.
    Unknown,
    /// The key is somebody else's.
    OtherUser,
    /// The signature is not the key's.
    Signature,
    /// The key counts backwards: there may be a copy of it.
    CounterBack,
    /// The key was set aside because it had counted backwards.
    SetAside,
    /// The key says that it can be copied, and said otherwise when it was made; or the other way round.
    BackupChanged,
    /// The key is registered already.
    Registered,
    /// The question was never asked here, was answered already, or is too old.
    Stale,
}

impl Refused {
    /// The reason in the audit trail.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable answer of a passkey",
            Self::OtherKind => "passkey answered something else than was asked",
            Self::OtherChallenge => "passkey answered another challenge",
            Self::OtherOrigin => "passkey used on another site",
            Self::CrossOrigin => "passkey used within a page of another site",
            Self::OtherRelyingParty => "passkey made for another site",
            Self::NotPresent => "nobody touched the passkey",
            Self::NotVerified => "passkey did not verify its user",
            Self::Algorithm => "passkey signs by an algorithm not asked for",
            Self::Unknown => "unknown passkey",
            Self::OtherUser => "passkey of another user",
            Self::Signature => "wrong signature of a passkey",
            Self::CounterBack => "counter of a passkey went back",
            Self::SetAside => "passkey was set aside",
            Self::BackupChanged => "passkey changed whether it can be copied",
            Self::Registered => "passkey is registered already",
            Self::Stale => "challenge unknown, used or too old",
        }
    }
}

impl From<&WebauthnError> for Refused {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's faults are many and grow; what is not named cannot be read"
    )]
    fn from(fault: &WebauthnError) -> Self {
        match fault {
            WebauthnError::InvalidClientDataType => Self::OtherKind,
            WebauthnError::MismatchedChallenge => Self::OtherChallenge,
            WebauthnError::InvalidRPOrigin => Self::OtherOrigin,
            WebauthnError::CredentialCrossOrigin => Self::CrossOrigin,
            WebauthnError::InvalidRPIDHash => Self::OtherRelyingParty,
            WebauthnError::UserNotPresent => Self::NotPresent,
            WebauthnError::UserNotVerified => Self::NotVerified,
            WebauthnError::CredentialAlteredAlgFromRequest
            | WebauthnError::COSEKeyInvalidAlgorithm
            | WebauthnError::COSEKeyInvalidType
            | WebauthnError::COSEKeyEDUnsupported
            | WebauthnError::COSEKeyEDDSAInvalidCurve
            | WebauthnError::COSEKeyECDSAInvalidCurve => Self::Algorithm,
            WebauthnError::CredentialNotFound => Self::Unknown,
            WebauthnError::AuthenticationFailure | WebauthnError::SignatureInvalid => Self::Signature,
            WebauthnError::CredentialPossibleCompromise => Self::CounterBack,
            WebauthnError::CredentialBackupEligibilityInconsistent | WebauthnError::CredentialMayNotBeHardwareBound => {
                Self::BackupChanged
            }
            _ => Self::Unreadable,
        }
    }
}
