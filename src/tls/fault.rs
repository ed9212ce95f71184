//! What can go wrong with certificates, in words an owner can act on.

use std::io;
use std::path::PathBuf;

/// Why a certificate cannot be read, made or kept.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system refused to read a file.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused to write a file.
    #[error("cannot write {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory, a pipe or a device where a file is wanted.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// What is there instead.
        path: PathBuf,
    },
    /// Far larger than any certificate chain.
    #[error("{} is too large for a certificate or a key", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// No PEM block of a certificate.
    #[error("there is no certificate in {}: it should hold blocks that begin with -----BEGIN CERTIFICATE-----", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The certificate is damaged or of a kind that clients refuse.
    #[error("the certificate in {} cannot be used: {reason}", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No PEM block of a private key.
    #[error("there is no private key in {}: it should hold a block that begins with -----BEGIN PRIVATE KEY-----", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A key behind a passphrase, which nobody is there to type.
    #[error("the private key in {} is protected by a passphrase: save it without one, readable by doorward only", path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is damaged or of an unknown kind.
    #[error("the private key in {} cannot be used: {reason}", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Certificate and key are not a pair.
    #[error("the private key in {} does not belong to the first certificate in {}", private_key.display(), certificate.display())]
    Mismatch {
        /// The chain.
        certificate: PathBuf,
        /// The key.
        private_key: PathBuf,
    },
    /// A certificate that may not sign others stands where the local authority should.
    #[error("the certificate in {} is not one of an authority: it may not sign others", path.display())]
    NotAnAuthority {
        /// The file.
        path: PathBuf,
    },
    /// The authority's certificate without its key. Not made anew: people have trusted the old one.
    #[error(
        "{} is there but its key {} is missing: put the key back, or move the certificate away to start a new local authority, which every device has to trust anew",
        certificate.display(),
        private_key.display()
    )]
    AuthorityKeyMissing {
        /// The certificate.
        certificate: PathBuf,
        /// Where the key should be.
        private_key: PathBuf,
    },
    /// The clock is so wrong that a certificate made now would be of no use later.
    #[error("this machine's clock is not set (it says {year}): set it before a local authority is created")]
    ClockNotSet {
        /// The year it shows.
        year: i32,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate for {subject}: {reason}")]
    Making {
        /// For whom.
        subject: String,
        /// What the library said.
        reason: String,
    },
}
