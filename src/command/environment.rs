//! The only reader of environment variables: where things are kept, where the system says so, and what they say of a configuration.

use std::env;
use std::path::PathBuf;

use crate::config::environment::Environment;

/// A folder named by a variable; an empty one counts as unset.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn folder(name: &str) -> Option<PathBuf> {
    let value = env::var_os(name).filter(|value| !value.is_empty())?;
    // systemd separates several folders by colons; the first is the one that is meant.
    let first = value.to_str().and_then(|text| text.split(':').next()).map(PathBuf::from);
    Some(first.unwrap_or_else(|| PathBuf::from(value)))
}

/// Whether the person asked for output without colour (no-color.org).
pub fn wants_no_colour() -> bool {
    folder("NO_COLOR").is_some()
}

/// Every variable, for configurations.
pub fn all() -> Environment {
    env::vars_os().collect()
}
