//! From a configuration file to a plan: the same steps for `check`, start and reload.

use std::path::{Path, PathBuf};

use crate::config::complaint::Complaint;
use crate::config::document::Document;
use crate::config::environment::Environment;
use crate::config::read;
use crate::config::report::Report;
use crate::config::source::Source;
use crate::plan::compile;
use crate::plan::compile::Compiled;
use crate::plan::whole::Plan;

/// A configuration read: as written, and as it is run.
#[derive(Debug)]
pub struct Loaded {
    /// What is written where.
    pub document: Document,
    /// What is run.
    pub plan: Plan,
    /// The texts, and what their owner should look at.
    pub report: Report,
}

/// Reads and compiles a configuration file; warnings come back with the plan.
///
/// # Errors
/// Every complaint.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, Box<Report>> {
    compiled(read::source(path).map_err(|unread| Box::new(unread.into_report()))?, environment)
}

/// Compiles the text of a configuration, with all that belongs to it, and tries the files that it names.
///
/// # Errors
/// Every complaint.
pub fn compiled(source: Source, environment: &Environment) -> Result<Loaded, Box<Report>> {
    let (source, document) = read::whole(source, environment)?;
    let refuse = |complaints: Vec<Complaint>| Box::new(Report::new(source.clone(), complaints).after(document.consulted.clone()));
    let files = read::named_files(&document);
    match compile::compile(&document) {
        Ok(Compiled { plan, mut warnings }) => {
            warnings.extend(files);
            if warnings.iter().any(Complaint::is_error) {
                return Err(refuse(warnings));
            }
            Ok(Loaded { document, plan, report: Report::new(source, warnings) })
        }
        Err(mut complaints) => {
            complaints.extend(files);
            Err(refuse(complaints))
        }
    }
}

/// Compiles the text of a configuration for somebody who asks what it says and does not run it: a secret may be one that only the
/// gateway can read, so what stands for it in the plan is no secret, and the files of certificates are not tried.
///
/// # Errors
/// Every other complaint.
pub fn outlined(source: Source, environment: &Environment) -> Result<Loaded, Box<Report>> {
    let (source, mut document) = read::whole(source, environment)?;
    document.forgo_secrets();
    match compile::compile(&document) {
        Ok(Compiled { plan, warnings }) => Ok(Loaded { document, plan, report: Report::new(source, warnings) }),
        Err(complaints) => Err(Box::new(Report::new(source, complaints))),
    }
}

/// The `data_dir` of a file that may be wrong otherwise, to find the gateway that runs from it.
pub fn written_data_dir(path: &Path, environment: &Environment) -> Option<PathBuf> {
    let (_, document) = read::whole(read::source(path).ok()?, environment).ok()?;
    document.data_dir.as_ref().map(|written| document.resolve(written))
}
