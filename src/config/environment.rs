//! The environment as it was at the start: what variables say about a configuration.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Begins the variables that are ours.
pub const PREFIX: &str = "DOORWARD_";
/// Where systemd puts what `LoadCredential=` names.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Every environment variable, as it was when the process began. That of a process does not change, so reading it once is the
/// same as reading it at every reload. Cheap to clone.
#[derive(Clone, Default)]
pub struct Environment(Arc<BTreeMap<OsString, OsString>>);

impl Environment {
    /// A variable's value; an empty one counts as unset.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// Our own variables that are not empty, by name.
    pub fn ours(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
            .filter(move |(name, value)| ours(name) && !value.is_empty())
    }

    /// The folder of systemd's credentials.
    pub fn credentials(&self) -> Option<PathBuf> {
        self.value(CREDENTIALS).map(PathBuf::from)
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(Arc::new(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()))
    }
}

/// Others keep secrets in there.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}

impl PartialEq for Environment {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Environment {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ours_are_listed_and_none_is_printed() {
        let variables = [("DOORWARD_NAME", "Home"), ("DOORWARD_PORTAL", ""), ("HOME", "/home/hunter2"), ("DOOR", "x")];
        let environment: Environment = variables.into_iter().collect();
        assert_eq!(environment.ours().map(|(name, _)| name).collect::<Vec<_>>(), ["DOORWARD_NAME"]);
        assert!(environment.value("DOORWARD_PORTAL").is_none() && environment.credentials().is_none());
        assert_eq!(format!("{environment:?}"), "Environment(4 variables)");
    }
}
