//! Settings that hold for the whole installation.

use std::path::PathBuf;
use std::time::Duration;

use crate::model::credential::TotpRecipe;
use crate::model::strength::Strength;
use crate::plan::app::CertificateFiles;

/// How long people stay signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPolicy {
    /// A session ends after this long without a request.
    pub idle_timeout: Duration,
    /// And after this long in any case.
    pub absolute_timeout: Duration,
    /// "Keep me signed in on this device" lasts this long; `None` hides the box.
    pub remember: Option<Duration>,
}

/// How people sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthPolicy {
    /// What apps ask for unless they say otherwise.
    pub require: Strength,
    /// Shortest password, in characters.
    pub password_min_length: usize,
    /// The name that authenticator apps show.
    pub totp_issuer: String,
    /// How new authenticators make codes.
    pub totp: TotpRecipe,
}

/// TLS for every host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsPolicy {
    /// The oldest version spoken.
    pub min_version: TlsVersion,
    /// A certificate for hosts that have none of their own.
    pub certificate: Option<CertificateFiles>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    V1_2,
    /// RFC 8446.
    V1_3,
}

/// What is logged, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPolicy {
    /// Least severity of a line: `error`, `warn`, `info`, `debug`, `trace`.
    pub level: String,
    /// How lines look.
    pub format: LogFormat,
    /// Whether each request gets a line.
    pub access: bool,
    /// Where access lines go; `None` is standard output.
    pub file: Option<PathBuf>,
    /// Query parameters whose values are never written, in lower case.
    pub redact_query: Vec<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For programs.
    Json,
}
