//! Which configuration and which data folder a command means.

use std::path::{Path, PathBuf, absolute};

use crate::command::environment;
use crate::command::exit::Failure;
use crate::config::complaint::Complaint;
use crate::config::document::Document;
use crate::config::read;
use crate::config::report::Report;
use crate::daemon::place::Place;
use crate::plan::compile;
use crate::plan::compile::Compiled;
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
        Place::new(&data, config, runtime.as_deref())
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

/// A configuration file read: as written, and as it is run.
#[derive(Debug)]
pub struct Loaded {
    /// What is written where.
    pub document: Document,
    /// What is run.
    pub plan: Plan,
    /// The text, and what its owner should look at.
    pub report: Report,
}

/// Reads and compiles a configuration file; warnings come back with the plan.
///
/// # Errors
/// [`Failure::Config`] with every complaint.
pub fn load(path: &Path) -> Result<(Plan, Report), Failure> {
    load_as_written(path).map(|Loaded { plan, report, .. }| (plan, report))
}

/// As [`load`], for those who also ask where something is written.
///
/// # Errors
/// [`Failure::Config`] with every complaint.
pub fn load_as_written(path: &Path) -> Result<Loaded, Failure> {
    let source = read::source(path).map_err(|report| Failure::Config(Box::new(report)))?;
    let refuse = |source, complaints: Vec<Complaint>| Failure::Config(Box::new(Report::new(source, complaints)));
    let document = match read::document(&source) {
        Ok(document) => document,
        Err(complaints) => return Err(refuse(source, complaints)),
    };
    let files = read::named_files(&document);
    match compile::compile(&document) {
        Ok(Compiled { plan, mut warnings }) => {
            warnings.extend(files);
            if warnings.iter().any(Complaint::is_error) {
                return Err(refuse(source, warnings));
            }
            Ok(Loaded { document, plan, report: Report::new(source, warnings) })
        }
        Err(mut complaints) => {
            complaints.extend(files);
            Err(refuse(source, complaints))
        }
    }
}
