//! From a configuration file to a plan: the same steps for `check`, start and reload.

use std::path::{Path, PathBuf};

use crate::config::complaint::Complaint;
use crate::config::read;
use crate::config::report::Report;
use crate::config::source::Source;
use crate::plan::compile;
use crate::plan::compile::Compiled;
use crate::plan::whole::Plan;

/// Reads and compiles a configuration file; warnings come back with the plan.
///
/// # Errors
/// Every complaint.
pub fn load(path: &Path) -> Result<(Plan, Report), Box<Report>> {
    compiled(read::source(path).map_err(|unread| Box::new(unread.into_report()))?)
}

/// Compiles the text of a configuration and tries the files that it names.
///
/// # Errors
/// Every complaint.
pub fn compiled(source: Source) -> Result<(Plan, Report), Box<Report>> {
    let refuse = |source, complaints: Vec<Complaint>| Box::new(Report::new(source, complaints));
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
            Ok((plan, Report::new(source, warnings)))
        }
        Err(mut complaints) => {
            complaints.extend(files);
            Err(refuse(source, complaints))
        }
    }
}

/// The `data_dir` of a file that may be wrong otherwise, to find the gateway that runs from it.
pub fn written_data_dir(path: &Path) -> Option<PathBuf> {
    let document = read::document(&read::source(path).ok()?).ok()?;
    document.data_dir.map(|written| document.directory.join(written.value))
}
