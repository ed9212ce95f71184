//! How a command can end.

use std::error::Error;
use std::io;
use std::iter::successors;
use std::process::ExitCode;

use crate::config::report::Report;

/// Why a command did not succeed. Each has its exit code; service managers are told not to restart on 2, 3 and 7.
#[derive(Debug)]
pub enum Failure {
    /// 1: the operation failed.
    Failed(String),
    /// 2: the command's words are off.
    Usage(String),
    /// 3: the configuration is invalid.
    Config(Box<Report>),
    /// 5: the running gateway cannot be reached.
    Unreachable(String),
    /// 6: no such user or session.
    NotFound(String),
    /// 7: a permission is missing.
    Permission(String),
}

impl Failure {
    /// The failure that a fault means, told with everything that caused it.
    pub fn because(fault: &(dyn Error + 'static)) -> Self {
        let told = told(fault);
        if is_permission(fault) { Self::Permission(told) } else { Self::Failed(told) }
    }

    /// The exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Config(_) => 3,
            Self::Unreachable(_) => 5,
            Self::NotFound(_) => 6,
            Self::Permission(_) => 7,
        })
    }

    /// A stable name for `--json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::Usage(_) => "usage",
            Self::Config(_) => "config",
            Self::Unreachable(_) => "unreachable",
            Self::NotFound(_) => "not_found",
            Self::Permission(_) => "permission",
        }
    }
}

/// A fault and its causes in one line. Some faults name their cause themselves: nothing is said twice.
pub fn told(fault: &(dyn Error + 'static)) -> String {
    causes(fault).map(ToString::to_string).fold(String::new(), |text, cause| match () {
        () if text.is_empty() => cause,
        () if text.contains(&cause) => text,
        () => format!("{text}: {cause}"),
    })
}

/// Whether a missing permission is among the causes: trying again will not help, changing a right will.
pub fn is_permission(fault: &(dyn Error + 'static)) -> bool {
    causes(fault)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|fault| fault.kind() == io::ErrorKind::PermissionDenied)
}

fn causes<'a>(fault: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    successors(Some(fault), |&cause| cause.source())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::daemon::fault::Fault;
    use crate::store::fault::Fault as StoreFault;

    #[test]
    fn a_fault_is_told_with_its_cause_and_nothing_twice() {
        let io = || io::Error::from(io::ErrorKind::PermissionDenied);
        let store = StoreFault::Io { path: PathBuf::from("/data/lock"), source: io() };
        let start = Fault::Io { path: PathBuf::from("/data"), source: io() };
        assert_eq!(told(&store), "cannot use /data/lock: permission denied");
        assert_eq!(told(&start), "cannot use /data: permission denied");
        for fault in [Fault::Store(store), start] {
            let failure = Failure::because(&fault);
            assert!(matches!(&failure, Failure::Permission(text) if text.matches("permission").count() == 1), "{failure:?}");
        }
        assert!(matches!(Failure::because(&StoreFault::Taken), Failure::Failed(_)));
    }
}
