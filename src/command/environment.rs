//! The only reader of environment variables: where things are kept, where the system says so, what they say of a configuration,
//! and the master keys of owners who keep them elsewhere.

use std::env;
use std::path::PathBuf;

use crate::base::secret::Secret;
use crate::config::environment::Environment;
use crate::store::key_file::Given;

/// The credential that systemd may hand us.
const CREDENTIAL: &str = "doorward-master-key";

/// A folder named by a variable; an empty one counts as unset.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn folder(name: &str) -> Option<PathBuf> {
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    // systemd separates several folders by colons; the first is the one that is meant.
    let first = value.to_str().and_then(|text| text.split(':').next()).map(PathBuf::from);
    Some(first.unwrap_or_else(|| PathBuf::from(value)))
}

/// Where the owner keeps the master keys, if not below the data folder.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn master_keys() -> Option<Given> {
    let written = |name| env::var_os(name).filter(|value| !value.is_empty());
    let credential =
        written("CREDENTIALS_DIRECTORY").map(|dir| PathBuf::from(dir).join(CREDENTIAL)).filter(|path| path.is_file());
    let variable =
        || written("DOORWARD_MASTER_KEY").map(|text| Given::Variable(Secret::new(text.to_string_lossy().into_owned())));
    let file = || written("DOORWARD_MASTER_KEY_FILE").map(|path| Given::File(PathBuf::from(path)));
    credential.map(Given::Credential).or_else(variable).or_else(file)
}

/// Whether the person asked for output without colour (no-color.org).
pub fn wants_no_colour() -> bool {
    folder("NO_COLOR").is_some()
}

/// Every variable, for configurations.
pub fn all() -> Environment {
    env::vars_os().collect()
}
