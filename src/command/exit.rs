//! How a command can end.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::process::ExitCode;

use crate::admin::wish::Told;
use crate::base::chain::Chain;
use crate::config::report::Report;

/// Why a command did not succeed. Each has its exit code; service managers are told not to restart on 2, 3 and 7.
#[derive(Debug)]
pub enum Failure {
    /// 1: the operation failed.
    Failed(String),
    /// 1: the operation found what it looked for, and has said so.
    Found,
    /// 2: the command's words are off.
    Usage(String),
    /// 3: the configuration is invalid.
    Config(Box<Report>),
    /// 4: the configuration is valid, and its warnings were not to be let pass.
    Warnings(Box<Report>),
    /// 4: the same, and said already.
    Warned,
    /// 3: the same, told by the running gateway, which keeps its configuration.
    Complaints(Told),
    /// 3: the configuration asks for what cannot be had; the running gateway keeps its own.
    NotApplied(String),
    /// 5: the running gateway cannot be reached.
    Unreachable(String),
    /// 6: no such user, session or topic.
    NotFound(String),
    /// 7: a permission is missing.
    Permission(String),
    /// 7: the configuration may not be read; said as its complaint.
    Denied(Box<Report>),
}

impl Failure {
    /// The failure that a fault means, told with everything that caused it.
    pub fn because(fault: &(dyn Error + 'static)) -> Self {
        let told = Chain(fault).to_string();
        if is_permission(fault) { Self::Permission(told) } else { Self::Failed(told) }
    }

    /// The exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) | Self::Found => 1,
            Self::Usage(_) => 2,
            Self::Config(_) | Self::Complaints(_) | Self::NotApplied(_) => 3,
            Self::Warnings(_) | Self::Warned => 4,
            Self::Unreachable(_) => 5,
            Self::NotFound(_) => 6,
            Self::Permission(_) | Self::Denied(_) => 7,
        })
    }

    /// A stable name for `--json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Failed(_) | Self::Found => "failed",
            Self::Usage(_) => "usage",
            Self::Config(_) | Self::Complaints(_) | Self::NotApplied(_) => "config",
            Self::Warnings(_) | Self::Warned => "warnings",
            Self::Unreachable(_) => "unreachable",
            Self::NotFound(_) => "not_found",
            Self::Permission(_) | Self::Denied(_) => "permission",
        }
    }
}

/// Whether a missing permission is among the causes: trying again will not help, changing a right will.
pub fn is_permission(fault: &(dyn Error + 'static)) -> bool {
    successors(Some(fault), |&cause| cause.source())
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|fault| fault.kind() == io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::daemon::fault::Fault;
    use crate::store::fault::Fault as StoreFault;

    #[test]
    fn a_missing_permission_is_recognised_however_deep_it_lies() {
        let io = || io::Error::from(io::ErrorKind::PermissionDenied);
        let store = StoreFault::Io { path: PathBuf::from("/data/lock"), source: io() };
        let start = Fault::Io { path: PathBuf::from("/data"), source: io() };
        for fault in [Fault::Store(store), start] {
            let failure = Failure::because(&fault);
            assert!(matches!(&failure, Failure::Permission(text) if text.matches("permission").count() == 1), "{failure:?}");
        }
        assert!(matches!(Failure::because(&StoreFault::Taken), Failure::Failed(_)));
    }
}
