//! Which configuration and which data folder a command means.

use std::path::{Path, PathBuf, absolute};

use crate::command::environment;
use crate::command::exit::Failure;
use crate::config::read::{self, Unread};
use crate::config::report::Report;
use crate::daemon::configuration::{self, Loaded};
use crate::daemon::place::Place;
use crate::plan::whole::Plan;

/// Where a configuration is looked for when none is named.
const USUAL: &[&str] = &["gateway.toml", "/etc/doorward/gateway.toml"];

/// What was named on the command line.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
}

impl Named {
    /// The configuration file that is meant: the named one, else the first usual one that exists.
    pub fn config_file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| USUAL.iter().map(PathBuf::from).find(|path| path.is_file()))
    }

    /// The configuration file that is meant, or what to do if there is none.
    ///
    /// # Errors
    /// [`Failure::Usage`] when none is named and none lies where it is usual.
    pub fn required_config(&self) -> Result<PathBuf, Failure> {
        self.config_file().ok_or_else(|| {
            Failure::Usage(format!(
                "no configuration: neither {} exists; name one with `--config FILE`, or try `doorward demo`",
                USUAL.join(" nor ")
            ))
        })
    }

    /// Where an installation with this plan keeps things.
    pub fn place(&self, plan: Option<&Plan>, config: Option<&Path>) -> Place {
        let data = self.data_dir.clone().or_else(|| plan.and_then(|plan| plan.data_dir.clone())).unwrap_or_else(default_data);
        // What is shown to people and programs must mean the same in whatever folder they are.
        let data = absolute(&data).unwrap_or(data);
        let runtime = environment::folder("RUNTIME_DIRECTORY");
        let place = Place::new(&data, config, runtime.as_deref());
        Place { environment: environment::all(), keys: environment::master_keys(), ..place }
    }

    /// Where the gateway that runs keeps things. A file with errors must not keep us from asking: it knows what is wrong with it.
    ///
    /// # Errors
    /// [`Failure::Config`] if the file does not compile, and no gateway is where one would be without it.
    pub fn running(&self) -> Result<Place, Failure> {
        // A data folder named by hand stands for itself, as for every other command.
        if self.data_dir.is_some() {
            return Ok(self.place(None, None));
        }
        let file = self.config_file();
        match file.as_deref().map(load_to_look).transpose() {
            Ok(loaded) => Ok(self.place(loaded.as_ref().map(|loaded| &loaded.plan), file.as_deref())),
            Err(complaints) => {
                let environment = environment::all();
                let written = file.as_deref().and_then(|file| configuration::written_data_dir(file, &environment));
                let named = Self { data_dir: written, ..self.clone() };
                let place = named.place(None, file.as_deref());
                if place.control.exists() { Ok(place) } else { Err(complaints) }
            }
        }
    }
}

/// `$STATE_DIRECTORY`, `/var/lib/doorward` for root, else the person's own data folder.
fn default_data() -> PathBuf {
    let root = nix::unistd::geteuid().is_root();
    let system = || root.then(|| PathBuf::from("/var/lib/doorward"));
    environment::folder("STATE_DIRECTORY").or_else(system).unwrap_or_else(|| personal().join("doorward"))
}

/// Where the demo keeps its data.
pub fn demo_data() -> PathBuf {
    personal().join("doorward").join("demo")
}

/// `$XDG_DATA_HOME`, or its default.
fn personal() -> PathBuf {
    let home = || environment::folder("HOME").unwrap_or_else(|| PathBuf::from("/")).join(".local/share");
    environment::folder("XDG_DATA_HOME").unwrap_or_else(home)
}

/// Reads and compiles a configuration file; warnings come back with the plan.
///
/// # Errors
/// [`Failure::Config`] with every complaint; [`Failure::Denied`] if the file may not be read.
pub fn load(path: &Path) -> Result<(Plan, Report), Failure> {
    load_whole(path).map(|loaded| (loaded.plan, loaded.report))
}

/// As [`load`], for those who also ask where something is written.
///
/// # Errors
/// As [`load`].
pub fn load_whole(path: &Path) -> Result<Loaded, Failure> {
    let source = read::source(path).map_err(unread)?;
    configuration::compiled(source, &environment::all()).map_err(Failure::Config)
}

/// As [`load`], for those who only look at it: secrets and certificates, which this user may not even read, are left alone.
///
/// # Errors
/// As [`load`].
pub fn load_to_look(path: &Path) -> Result<Loaded, Failure> {
    let source = read::source(path).map_err(unread)?;
    configuration::outlined(source, &environment::all()).map_err(Failure::Config)
}

/// A file that may not be read is not an invalid one: no edit of it helps, and its exit code says so.
pub fn unread(unread: Unread) -> Failure {
    match unread {
        Unread::Unfit(report) => Failure::Config(Box::new(report)),
        Unread::Denied(report) => Failure::Denied(Box::new(report)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Source;

    #[test]
    fn a_closed_file_and_an_invalid_one_end_differently() {
        let report = || Report::new(Source::unnamed("gateway.toml", String::new()), Vec::new());
        assert!(matches!(unread(Unread::Denied(report())), Failure::Denied(_)));
        assert!(matches!(unread(Unread::Unfit(report())), Failure::Config(_)));
    }
}
