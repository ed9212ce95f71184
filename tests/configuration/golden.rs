//! Broken configurations and what is said about them, word for word: `tests/golden/*.toml` and the `.txt` beside each.
//! After a change on purpose, copy the new texts from where the failing test says it left them, and read the difference.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use doorward::config::complaint::Code;
use doorward::config::read;
use doorward::config::report::Report;
use doorward::plan::compile;

const FOLDER: &str = "tests/golden";

/// What `check` says about a file.
fn check(path: &Path) -> Report {
    let source = match read::source(path) {
        Ok(source) => source,
        Err(unread) => return unread.into_report(),
    };
    let document = match read::document(&source) {
        Ok(document) => document,
        Err(complaints) => return Report::new(source, complaints),
    };
    let mut complaints = match compile::compile(&document) {
        Ok(compiled) => compiled.warnings,
        Err(complaints) => complaints,
    };
    complaints.extend(read::named_files(&document));
    Report::new(source, complaints)
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(FOLDER)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.push(Path::new(FOLDER).join("e0110_missing.toml"));
    cases.sort();
    cases
}

#[test]
fn every_broken_configuration_is_complained_about_word_for_word() {
    let left = Path::new(env!("CARGO_TARGET_TMPDIR")).join("golden");
    fs::create_dir_all(&left).expect("a folder");
    let mut wrong = Vec::new();
    for path in cases() {
        let told = check(&path).human(false);
        let expected = path.with_extension("txt");
        if fs::read_to_string(&expected).unwrap_or_default() != told {
            fs::write(left.join(expected.file_name().expect("a name")), &told).expect("written");
            wrong.push(format!("── {}\n{told}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nthe new texts are in {}", wrong.join("\n"), left.display());
}

#[test]
fn every_code_has_a_case_named_after_it_and_every_complaint_a_place_and_a_way_out() {
    let mut seen = BTreeSet::new();
    for path in cases() {
        let report = check(&path);
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let own = name.split('_').next().expect("a code").to_uppercase();
        assert!(report.complaints.iter().any(|complaint| complaint.code.name() == own), "{name} lacks {own}");
        for complaint in &report.complaints {
            seen.insert(complaint.code);
            assert_eq!(complaint.place.is_none(), complaint.code == Code::E0110, "{name}: {}", complaint.message);
            let way_out = complaint.help.is_some() || complaint.label.is_some();
            assert!(way_out || matches!(complaint.code, Code::E0101 | Code::E0509), "{name}: {}", complaint.message);
        }
    }
    let missing: Vec<&str> = Code::ALL.iter().filter(|code| !seen.contains(code)).map(|code| code.name()).collect();
    assert!(missing.is_empty(), "codes without a case: {missing:?}");
}

#[test]
fn a_fix_that_is_offered_removes_its_complaint() {
    for path in cases() {
        let report = check(&path);
        for complaint in report.complaints.iter().filter(|complaint| complaint.fix.is_some()) {
            let (fix, place) = (complaint.fix.as_ref().expect("filtered"), complaint.place.clone().expect("a fix has a place"));
            let mut text = report.source.text.clone();
            text.replace_range(place.clone(), &fix.replace);
            let after = match compile::compile_text(&text) {
                Ok(compiled) => compiled.warnings,
                Err(complaints) => complaints,
            };
            assert!(!after.iter().any(|other| other.code == Code::E0101), "{}: {text}", path.display());
            let still = |other: &&doorward::config::complaint::Complaint| {
                other.code == complaint.code && other.place.as_ref().is_some_and(|other| other.start == place.start)
            };
            assert_eq!(after.iter().find(still), None, "{}: {}", path.display(), complaint.message);
        }
    }
}
